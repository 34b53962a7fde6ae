from __future__ import annotations

import json
from typing import Any

import pytest

from infra.local import ratify
from infra.settings import Settings
from workloads.trust import trust_policy


def configuration(**settings: Any) -> dict[str, Any]:
    chosen = Settings.read({"ratify": settings}, "the tests")
    return ratify.configured(chosen, cache="/cache", certificate="/trust.crt", trust_policy={"version": "1.0"})


def test_the_configuration_is_json():
    assert json.loads(json.dumps(configuration())) == configuration()


@pytest.mark.parametrize("cache", [True, False])
def test_the_store_s_cache_is_as_set(cache):
    (store,) = configuration(cache=cache, cacheTtlSeconds=33)["store"]["plugins"]
    assert (store["name"], store["cacheEnabled"], store["ttl"]) == ("oras", cache, 33)
    assert store["localCachePath"] == "/cache"


def test_both_timeouts_are_milliseconds():
    executor = configuration(verificationTimeoutMs=4_000, mutationTimeoutMs=1_000)["executor"]
    assert executor == {"verificationRequestTimeout": 4_000, "mutationRequestTimeout": 1_000}


def test_the_log_is_json_at_the_level_that_was_set():
    assert configuration(logLevel="debug")["logger"] == {"formatter": "json", "level": "debug"}


def test_signatures_are_verified_by_notation_against_the_trust_store():
    found = configuration()
    (verifier,) = found["verifier"]["plugins"]
    assert verifier["verificationCerts"] == ["/trust.crt"]
    assert verifier["trustPolicyDoc"] == {"version": "1.0"}
    assert found["policy"]["plugin"]["artifactVerificationPolicies"][verifier["artifactTypes"]] == "any"


def test_the_trust_policy_is_strict_covers_every_repository_and_lists_one_identity():
    (policy,) = trust_policy("CN=me,C=US")["trustPolicies"]
    assert policy["signatureVerification"] == {"level": "strict"}
    assert policy["registryScopes"] == ["*"]
    assert policy["trustedIdentities"] == ["x509.subject: CN=me,C=US"]

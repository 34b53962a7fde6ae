from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from infra.kubernetes.policy import NAMESPACE
from infra.local import gatekeeper
from infra.settings import Gatekeeper, Settings

KNOBS = {
    "auditInterval": (60, "--audit-interval=60"),
    "auditFromCache": (True, "--audit-from-cache=true"),
    "auditChunkSize": (100, "--audit-chunk-size=100"),
    "emitAdmissionEvents": (True, "--emit-admission-events=true"),
    "emitAuditEvents": (True, "--emit-audit-events=true"),
    "externalData": (False, "--enable-external-data=false"),
    "responseCacheSeconds": (30, "--external-data-provider-response-cache-ttl=30s"),
    "maxServingThreads": (4, "--max-serving-threads=4"),
    "logDenies": (True, "--log-denies=true"),
    "logLevel": ("DEBUG", "--log-level=DEBUG"),
}
ELSEWHERE = {"validationTimeoutSeconds", "mutationTimeoutSeconds", "mutation", "excludedNamespaces", "port"}
"""What is in the webhooks, the mutations and the Config object, or is a port."""
OF_THE_CHART = {"install", "version", "replicas", "memoryLimit"}
"""What only a Gatekeeper in a cluster has."""


def flags(**config: Any) -> list[str]:
    return gatekeeper.flags(Settings.read(config, "the tests"))


def test_every_knob_of_the_settings_is_a_flag_or_is_known_to_be_elsewhere():
    assert {field.name for field in fields(Gatekeeper)} == KNOBS.keys() | ELSEWHERE | OF_THE_CHART


@pytest.mark.parametrize(("key", "value", "flag"), [(key, *knob) for key, knob in KNOBS.items()])
def test_a_knob_is_handed_on_as_its_flag(key, value, flag):
    assert flag in flags(gatekeeper={key: value})
    assert flag not in flags()


def test_each_flag_is_given_once():
    names = [flag.partition("=")[0] for flag in flags()]
    assert len(names) == len(set(names)) == len(KNOBS)


def test_ratify_s_cache_off_turns_the_response_cache_off():
    assert "--external-data-provider-response-cache-ttl=0s" in flags(ratify={"cache": "off"})
    assert "--external-data-provider-response-cache-ttl=180s" in flags(ratify={"cache": "on"})


def test_the_pod_that_stands_for_the_process_is_never_scheduled():
    pod = gatekeeper.pod()
    assert pod["spec"]["schedulingGates"]
    assert (pod["metadata"]["name"], pod["metadata"]["namespace"]) == (gatekeeper.POD, NAMESPACE)

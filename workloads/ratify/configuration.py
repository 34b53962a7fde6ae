"""Ratify's configuration file: the store, the policy and the notation verifier of its chart, as data.

Source: Ratify 1.4, config/config.json and charts/ratify/templates.
"""

from __future__ import annotations

from typing import Any

from workloads import trust


def configuration(
    *,
    certificate: str,
    trust_policy: dict[str, Any],
    cache: str | None = None,
    login: str | None = None,
    plain_http: bool = True,
    level: str = "error",
    verification_ms: int = 60_000,
    mutation_ms: int = 60_000,
    caches: bool = False,
    ttl_seconds: int = 10,
) -> dict[str, Any]:
    """The file's content as data.

    ``certificate`` is the trust root's file, ``cache`` the folder of its blob cache if that is not Ratify's own choice,
    ``login`` the docker config.json with its logins to the registries; ``caches`` says whether the store keeps what it
    was told for ``ttl_seconds``.
    """
    return {
        "logger": {"formatter": "json", "level": level},
        "executor": {"verificationRequestTimeout": verification_ms, "mutationRequestTimeout": mutation_ms},
        "store": {
            "version": "1.0.0",
            "plugins": [
                {
                    "name": "oras",
                    "useHttp": plain_http,
                    "cosignEnabled": False,
                    **({"localCachePath": cache} if cache else {}),
                    "cacheEnabled": caches,
                    "ttl": ttl_seconds,
                    **({"authProvider": {"name": "dockerConfig", "configPath": login}} if login else {}),
                }
            ],
        },
        "policy": {
            "version": "1.0.0",
            "plugin": {
                "name": "configPolicy",
                "artifactVerificationPolicies": {trust.SIGNATURE_TYPE: "any", "default": "all"},
            },
        },
        "verifier": {"version": "1.0.0", "plugins": [trust.verifier(certificate, trust_policy)]},
    }

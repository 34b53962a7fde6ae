"""Rules about TLS: between components, and as the least version of what Azure serves.

No address is in a message: it may hold a password, which a policy pack is given in clear.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from infra.policy.resources import RELEASE, UNKNOWN, Platform, Resource, Rule, get, leaves, shown

LEAST_VERSIONS = {
    "azure-native:storage:StorageAccount": ("minimumTlsVersion",),
    "azure-native:redis:Redis": ("minimumTlsVersion",),
    "azure-native:redisenterprise:Database": ("clientProtocol",),
    "azure-native:eventhub:Namespace": ("minimumTlsVersion",),
    "azure-native:servicebus:Namespace": ("minimumTlsVersion",),
    "azure-native:sql:Server": ("minimalTlsVersion",),
    "azure-native:web:WebApp": ("siteConfig", "minTlsVersion"),
}
"""Type → where it says the least version of TLS. Registries, vaults and AKS serve TLS only and have no such input."""
GOOD = ("1.2", "1.3", "TLS1_2", "TLS1_3", "Encrypted")
PLAIN_PORTS = {"enableNonSslPort": True, "supportsHttpsTrafficOnly": False, "enableHttpsTrafficOnly": False}
"""Input → the value that opens a port without TLS."""
UNVERIFIED = re.compile(r"insecure([-_]?skip)?[-_]?(tls[-_]?)?(verify)?|skip[-_]?tls[-_]?verify", re.IGNORECASE)
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


def _encrypted(resource: Resource, platform: Platform) -> Iterator[str]:
    """On Azure nothing is asked by plain http; elsewhere the registries of the stack are whatever they are."""
    if platform != "azure" or resource.type.startswith("pulumi"):
        return
    for path, value in leaves(resource.inputs):
        if isinstance(value, str) and value.lower().startswith("http://"):
            if not value.lower().removeprefix("http://").startswith(LOOPBACK):
                yield f"{resource} has an address of plain http at {shown(path)}: use https."
        elif value is True and path and UNVERIFIED.fullmatch(path[-1]):
            yield f"{resource} does without TLS, or does not verify it, at {shown(path)}: turn that off."


def _least_version(resource: Resource, _platform: Platform) -> Iterator[str]:
    path = LEAST_VERSIONS.get(resource.type)
    if path and (version := resource.get(*path)) not in (*GOOD, UNKNOWN):
        yield f"{resource} takes TLS older than 1.2 ({shown(path)} is {version or 'not set'}): set it to 1.2 or 1.3."
    for key, bad in PLAIN_PORTS.items():
        if resource.type.startswith("azure-native:") and resource.inputs.get(key) is bad:
            yield f"{resource} serves without TLS too ({key} is {str(bad).lower()}): turn that off."


def _authenticated(resource: Resource, _platform: Platform) -> Iterator[str]:
    """Webhooks and external data providers by https, with the authority that signed their certificates."""
    if resource.type.endswith("WebhookConfiguration"):
        webhooks = resource.inputs.get("webhooks")
        clients = [get(each, "clientConfig") for each in webhooks] if isinstance(webhooks, list) else []
    elif resource.type.startswith("kubernetes:externaldata.gatekeeper.sh/"):
        clients = [resource.get("spec")]
    else:
        return
    for client in clients:
        if client == UNKNOWN:
            continue
        url = get(client, "url")
        if url is not None and url != UNKNOWN and not str(url).startswith("https://"):
            yield f"{resource} is not reached by https: give it an address that is encrypted."
        if not get(client, "caBundle"):
            yield f"{resource} has no caBundle, so that anybody's certificate would do: give it the authority's."


def _registry_by_https(resource: Resource, platform: Platform) -> Iterator[str]:
    plain = resource.get("values", "oras", "useHttp") if resource.type == RELEASE else None
    if platform == "azure" and plain not in (None, False, UNKNOWN):
        yield f"{resource} makes Ratify ask the registry by plain http: set values.oras.useHttp to false."


RULES = (
    Rule(
        "tls-between-components",
        "On Azure, no input names a plain http address, or turns the check of certificates off.",
        _encrypted,
    ),
    Rule("tls-least-version", "What Azure serves takes TLS 1.2 or newer, and nothing else.", _least_version),
    Rule("tls-for-admission", "Webhooks and providers are asked by https, with a known authority.", _authenticated),
    Rule("ratify-uses-https", "On Azure, Ratify asks the registry by https.", _registry_by_https),
)

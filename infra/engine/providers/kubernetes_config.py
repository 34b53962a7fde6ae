"""The resource ``pulumi:providers:kubernetes``: the settings of a cluster, which its objects' provider reads.

It is replaced, and its objects with it, when it points at another cluster; what is not known here is refused.
"""

from __future__ import annotations

import uuid
from pathlib import Path

from infra.engine.providers import Diff, Made
from infra.engine.providers.cluster import context_of
from infra.engine.values import UNKNOWN, Properties
from workloads.errors import EngineError

_SETTINGS = {
    "kubeconfig", "context", "namespace", "clusterIdentifier", "enablePatchForce", "upsertExistingObjects",
    "deleteUnreachable", "enableServerSideApply", "kubeClientSettings", "suppressDeprecationWarnings",
    "suppressHelmHookWarnings", "enableConfigMapMutable", "enableSecretMutable",
}  # fmt: skip


class KubernetesConfig:
    """Makes nothing: its inputs are all there is."""

    def check(self, name: str, old: Properties | None, new: Properties, dry: bool) -> Properties:
        unknown = sorted({*new} - _SETTINGS)
        if unknown or new.get("enableServerSideApply") == "false":
            what = ", ".join(unknown) or "enableServerSideApply: false"
            raise EngineError(
                f"The Kubernetes provider {name} has {what}, which the embedded engine does not know. "
                "Take it away, or use the Pulumi CLI (--engine cli)."
            )
        if "kubeconfig" not in new:
            raise EngineError(f"The Kubernetes provider {name} has no kubeconfig. Give it one.")
        return new

    def diff(self, identifier: str, old: Properties, outputs: Properties, new: Properties) -> Diff:
        return Diff(old != new, old != new and _cluster_of(old) != _cluster_of(new))

    def create(self, inputs: Properties, timeout: float | None) -> Made:
        return Made(str(uuid.uuid4()), inputs)

    def update(
        self,
        identifier: str,
        old: Properties,
        outputs: Properties,
        new: Properties,
        timeout: float | None,
    ) -> Properties:
        return new

    def delete(self, identifier: str, inputs: Properties, outputs: Properties, timeout: float | None) -> None:
        """There is nothing to delete."""

    def read(self, identifier: str) -> Properties:
        raise EngineError("A Kubernetes provider cannot be read, only made.")

    def recover(self, inputs: Properties) -> None:
        """There is nothing to clean up."""

    def secret_outputs(self, inputs: Properties) -> frozenset[str]:
        return frozenset({"kubeconfig"})


def kubeconfig_text(config: Properties) -> str:
    """The text of a provider's kubeconfig, given as text or as a path. Raises ``EngineError``."""
    text = str(config["kubeconfig"])
    if "\n" in text or text.lstrip().startswith("{"):
        return text
    try:
        return Path(text).expanduser().read_text()
    except OSError as error:
        raise EngineError(f"The kubeconfig {text} cannot be read: {error.strerror}.") from None


def _cluster_of(config: Properties) -> object:
    """What tells whether two configurations are the same cluster: its identifier if given, else its address."""
    identifier = config.get("clusterIdentifier")
    if identifier is not None:
        return identifier
    if config.get("kubeconfig") is UNKNOWN or config.get("context") is UNKNOWN:
        return UNKNOWN
    return context_of(kubeconfig_text(config), str(config.get("context", ""))).server

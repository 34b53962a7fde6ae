"""A cloud that only remembers: the stacks of Azure come up in it, so that what a preview cannot know is known.

Ids, names and addresses look like Azure's. Nothing of what is declared leaves this process.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from csscgen import stackfiles
from infra.engine import Outcome
from infra.engine.embedded import EmbeddedEngine
from infra.engine.providers import Made, random
from infra.engine.values import Properties
from tests.infra.stacks import ROOT, Declared, Remembering, bare_machine

SUBSCRIPTION = "11111111-2222-3333-4444-555555555555"
TENANT = "99999999-8888-7777-6666-555555555555"
CALLER = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
KUBELET = "kubelet's principal"
ISSUER = "https://eastus2.oic.prod-aks.example/issuer/"
KEY = "the key of the cluster's administrator"
KUBECONFIG = json.dumps(
    {
        "contexts": [{"name": "aks", "context": {"cluster": "aks", "user": "admin"}}],
        "current-context": "aks",
        "clusters": [{"name": "aks", "cluster": {"server": "https://aks.example"}}],
        "users": [{"name": "admin", "user": {"client-key-data": KEY}}],
    }
)
NAMES = ("registryName", "vaultName", "resourceName", "agentPoolName", "roleAssignmentName", "resourceGroupName")
FUNCTIONS: dict[str, Any] = {
    "azure-native:authorization:getClientConfig": lambda _arguments: {
        "clientId": "who runs it",
        "objectId": CALLER,
        "subscriptionId": SUBSCRIPTION,
        "tenantId": TENANT,
    },
    "azure-native:containerservice:listManagedClusterAdminCredentials": lambda arguments: {
        "kubeconfigs": [{"name": arguments["resourceName"], "value": base64.b64encode(KUBECONFIG.encode()).decode()}]
    },
}


def identifier(kind: str, name: str, group: str) -> str:
    """The id of a resource: of a group, or of one that is in it."""
    where = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{group}"
    return where if kind == "ResourceGroup" else f"{where}/providers/Microsoft.Some/{kind}/{name}"


class Remembered(Remembering):
    """What Azure would have answered. Ids of what it was asked to delete are in ``deleted``."""

    def __init__(self, type_: str, deleted: list[str]) -> None:
        super().__init__(type_)
        self._deleted = deleted

    def delete(self, identifier: str, *_: Any) -> None:
        self._deleted.append(identifier)

    def create(self, inputs: Properties, _timeout: float | None) -> Made:
        name = next(str(inputs[key]) for key in NAMES if key in inputs)
        kind = self._type.rpartition(":")[2]
        made = identifier(kind, name, str(inputs.get("resourceGroupName", "")))
        return Made(made, {**inputs, "name": name, **self._more(kind, name, inputs)})

    def _more(self, kind: str, name: str, inputs: Any) -> Properties:
        match kind:
            case "Registry":
                return {"loginServer": f"{name}.azurecr.io"}
            case "Vault":
                return {"properties": {**inputs["properties"], "vaultUri": f"https://{name}.vault.azure.net/"}}
            case "UserAssignedIdentity":
                return {"clientId": f"client of {name}", "principalId": f"principal of {name}", "tenantId": TENANT}
            case "ManagedCluster":
                return {
                    "identityProfile": {"kubeletidentity": {"objectId": KUBELET}},
                    "oidcIssuerProfile": {"enabled": True, "issuerURL": ISSUER},
                }
        return {}


class Cloud:
    """Stacks of Azure, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.state = folder / "state"
        self.deleted: list[str] = []
        self.engine = EmbeddedEngine(
            ROOT,
            self.state,
            {
                "azure-native:": lambda type_, _config: Remembered(type_, self.deleted),
                "kubernetes:": lambda type_, _config: Remembering(type_),
                "kubernetes:helm.sh/": lambda type_, _config: Remembering(type_),
                "pulumi:providers": lambda type_, _config: Remembering(type_),
                "random:": lambda type_, _config: random.make(type_),
            },
            FUNCTIONS,
        )

    def config(self, name: str, changes: Any) -> dict[str, object]:
        return stackfiles.read(ROOT, name, changes).config

    def preview(self, name: str, **changes: Any) -> Outcome:
        return self.engine.preview(name, self.config(name, changes))

    def up(self, name: str, **changes: Any) -> Declared:
        """Declares a stack, its shared stack first."""
        shared = stackfiles.read(ROOT, name, changes).shared
        if shared:
            self.engine.up(shared.name, shared.config)
        outcome = self.engine.up(name, self.config(name, changes))
        content = json.loads((self.state / name / "state.json").read_text())
        return Declared(outcome, {item["name"]: item for item in content["resources"]})


@contextmanager
def cloud(folder: Path) -> Iterator[Cloud]:
    """A cloud on a machine without any component."""
    with bare_machine(folder):
        yield Cloud(folder)

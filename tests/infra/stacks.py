"""The project's own program, run without touching anything: previews, and an ``up`` whose providers only remember.

The ``up`` makes everything known that a preview cannot know: addresses, certificates, the other stack's outputs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from csscgen import stackfiles
from infra.engine import Outcome, PlannedStep
from infra.engine.embedded import EmbeddedEngine
from infra.engine.providers import Diff, Factory, Made, random
from infra.engine.values import Properties
from infra.local.tools import TOOLS, cache_folder

ROOT = Path(__file__).resolve().parents[2]
CA = "the authority's certificate"
CERTIFICATE = "the signing certificate"
CRD = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.gatekeeper.sh, labels: {gatekeeper.sh/system: "yes"}}
spec: {group: gatekeeper.sh}
"""


class Remembering:
    """A provider that makes nothing, and answers as if it had."""

    def __init__(self, type_: str) -> None:
        self._type = type_

    def check(self, _name: str, _old: Properties | None, new: Properties, _dry: bool) -> Properties:
        return new

    def diff(self, _identifier: str, old: Properties, _outputs: Properties, new: Properties) -> Diff:
        return Diff(old != new)

    def create(self, inputs: Properties, _timeout: float | None) -> Made:
        outputs = {key: value for key, value in inputs.items() if key != "__provider"}
        return Made("made", {**outputs, **self._made(inputs)})

    def update(self, _id: str, _old: Properties, _outputs: Properties, new: Properties, _t: float | None) -> Properties:
        return self.create(new, None).outputs

    def delete(self, *_: Any) -> None:
        """Nothing was made."""

    def read(self, _identifier: str) -> Properties:
        return {}

    def recover(self, _inputs: Properties) -> None:
        """Nothing was made."""

    def secret_outputs(self, _inputs: Properties) -> frozenset[str]:
        return frozenset()

    def _made(self, inputs: Any) -> Properties:
        match self._type.rpartition("/")[2]:
            case "local:Ports":
                return {"ports": {n: inputs["fixed"].get(n) or 20_000 + i for i, n in enumerate(inputs["names"])}}
            case "local:Process":
                return {"pid": 1, "started": 2}
            case "local:Certificates":
                return {"ca_pem": CA}
            case "local:SigningCertificate":
                who = str(inputs["subject"]).partition("O=")[2].partition(",")[0]
                certificate = f"{CERTIFICATE} of {who}{', expired' if inputs['expired'] else ''}\n"
                root = f"the root of {certificate}" if inputs["intermediate"] else certificate
                return {"certificate": certificate, "root": root, "key_file": f"{inputs['folder']}/signing.key"}
            case "local:RegistryCredentials":
                return {name: f"{inputs['folder']}/{name}" for name in ("identities", "push", "pull")}
        return {}


@dataclass(frozen=True)
class Declared:
    """What a stack declares: the steps by resource name, the outputs, and what is in the state file."""

    outcome: Outcome
    state: dict[str, dict[str, Any]]

    @property
    def steps(self) -> dict[str, PlannedStep]:
        return {step.name: step for step in self.outcome.steps}

    def inputs(self, name: str) -> Any:
        return self.steps[name].inputs

    def of_type(self, ending: str) -> list[PlannedStep]:
        return [step for step in self.outcome.steps if step.type.endswith(ending)]

    def needs(self, name: str) -> set[str]:
        """The names of everything that a resource waits for, however far away."""
        by_urn = {step.urn: step for step in self.outcome.steps}
        found: set[str] = set()
        queue = [self.steps[name]]
        while queue:
            for urn in queue.pop().dependencies:
                if urn in by_urn and by_urn[urn].name not in found:
                    found.add(by_urn[urn].name)
                    queue.append(by_urn[urn])
        return found


class World:
    """A machine with Gatekeeper's definitions, and stacks in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.state = folder / "state"
        assets = cache_folder(TOOLS["gatekeeper"]) / "assets"
        assets.mkdir(parents=True)
        (assets / "things.yaml").write_text(CRD)

    def config(self, name: str, changes: Mapping[str, object]) -> dict[str, object]:
        return stackfiles.read(ROOT, name, changes).config

    def up(self, name: str, **changes: Any) -> Declared:
        """Declares a stack, its shared stack first."""
        remembered = ("kubernetes:", "kubernetes:helm.sh/", "pulumi-python:dynamic", "pulumi:providers")
        providers: dict[str, Factory] = dict.fromkeys(remembered, lambda type_, _config: Remembering(type_))
        providers["random:"] = lambda type_, _config: random.make(type_)
        engine = EmbeddedEngine(ROOT, self.state, providers)
        shared = stackfiles.read(ROOT, name, changes).shared
        if shared:
            engine.up(shared.name, shared.config)
        outcome = engine.up(name, self.config(name, changes))
        content = json.loads((self.state / name / "state.json").read_text())
        return Declared(outcome, {item["name"]: item for item in content["resources"]})


@contextmanager
def bare_machine(folder: Path) -> Iterator[None]:
    """Cache and state are in ``folder``, and no component is on PATH."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        patch.setenv("CSSCGEN_STATE", str(folder / "state"))
        patch.setenv("PATH", "/bin")
        yield


@contextmanager
def on_a_bare_machine(folder: Path) -> Iterator[World]:
    """A world whose cache and state are in ``folder``, and whose PATH has no component."""
    with bare_machine(folder):
        yield World(folder)

"""The real charts of the pinned releases, rendered by the real Helm, and settings to render them for."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from csscgen import stackfiles
from infra.kubernetes.placement import Placement
from infra.kubernetes.trust import InlineTrust, VaultTrust
from infra.local.tools import MODULES, TOOLS
from infra.settings import Settings
from tests.csscgen.artifacts.binaries import binary
from tests.infra.stacks import ROOT

FOLDERS = {"gatekeeper": "charts/gatekeeper", "ratify": "charts/ratify"}
SYSTEM = Placement(
    {"kubernetes.azure.com/mode": "system"},
    [{"key": "CriticalAddonsOnly", "operator": "Exists", "effect": "NoSchedule"}],
)
IDENTITY = 'x509.subject: CN=me\\, "myself",O=ratify-perf,ST=WA,C=US'
VAULT = VaultTrust("https://a-vault.vault.azure.net/", "a-tenant", "a-certificate", "a-client", IDENTITY)
PEM = "-----BEGIN CERTIFICATE-----\none\n-----END CERTIFICATE-----\n"
INLINE = InlineTrust(PEM + PEM, None, IDENTITY, plain_http=False)
RUNS = [name for name in stackfiles.stack_names(ROOT) if name.startswith("perf-")]

Object = dict[str, Any]


def settings(stack: str = "perf-S", **changes: Any) -> Settings:
    """The settings of a stack file, with some of them changed."""
    return stackfiles.read(ROOT, stack, changes).settings


@cache
def folder(name: str) -> Path:
    """Where the chart is: in the Go module cache, which has the module that the tool of this name is built from."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("there is no go on PATH")
    command = [go, "-C", str(MODULES / name), "mod", "download", "-json", str(TOOLS[name].module)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return Path(json.loads(done.stdout)["Dir"]) / FOLDERS[name]


def rendered(name: str, values: Object) -> list[Object]:
    """What Helm makes of the chart and these values, hooks and all."""
    return _rendered(name, json.dumps(values))


@cache
def _rendered(name: str, values: str) -> list[Object]:
    command = [binary("helm"), "template", name, str(folder(name)), "--namespace", "gatekeeper-system", "--values", "-"]
    done = subprocess.run(command, input=values, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [each for each in yaml.load_all(done.stdout, Loader=yaml.CSafeLoader) if each]


def one(objects: list[Object], kind: str, name: str | None = None) -> Object:
    """The only object of a kind, and of a name if there are several."""
    (found,) = [o for o in objects if o["kind"] == kind and name in (None, o["metadata"]["name"])]
    return found


def leaves(values: Object, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The path of every value that is set; what is in a list is the chart's to read."""
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, (*path, key))
        else:
            yield (*path, key)

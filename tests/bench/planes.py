"""A control plane for benchmarks: the local stacks' etcd and API server, alone or with the controllers."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from infra.engine.embedded import EmbeddedEngine
from infra.local import tools
from infra.local.running import end_all
from infra.local.tools import builds
from tests.bench.sizes import Api
from workloads.resources import KINDS

STACK = "plane"
PROGRAM = """
from pathlib import Path

import pulumi

from infra.local import control_plane
from infra.local.site import site


class Alone(control_plane.ControlPlane):
    def _controller_manager(self):
        pass

    def _scheduler(self):
        pass


config = pulumi.Config()
plane = control_plane.ControlPlane if config.get_bool("controllers") else Alone
here = site(Path(config.require("folder")), control_plane.PORTS, {}, control_plane.IDENTITIES)
pulumi.export("kubeconfig", plane("control-plane", here).kubeconfig)
pulumi.export("targets", here.targets)
"""
AT_ONCE = 1_000
"""Objects that one request deletes: the API server does it one by one, and gives a request up after a minute."""


@dataclass(frozen=True)
class Plane:
    """A control plane that runs. Its kubeconfig names certificate files, and has no secret in it."""

    kubeconfig: Path
    processes: dict[str, psutil.Process]

    def cpu_seconds(self, name: str) -> float:
        used = self.processes[name].cpu_times()
        return float(used.user + used.system)

    @contextlib.contextmanager
    def namespace(self, name: str) -> Iterator[str]:
        """The path of the Deployments of a new namespace, all of which are deleted afterwards."""
        body = b'{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"%s"}}' % name.encode()
        self._api().ask("POST", "/api/v1/namespaces", body)
        path = KINDS["deployment"].path(name)
        yield path
        api = self._api()
        while api.ask("GET", f"{path}?limit=1")["items"]:
            api.ask("DELETE", f"{path}?limit={AT_ONCE}")

    def _api(self) -> Api:
        """A new connection: the API server closes one that was idle while something was measured."""
        return Api(self.kubeconfig.read_text())


@contextlib.contextmanager
def running(*, controllers: bool = False) -> Iterator[Plane]:
    """Etcd and API server, and controller manager and scheduler if asked for; all is gone at the end."""
    builds.install([tools.TOOLS[name] for name in ("etcd", "kubernetes")])
    with tempfile.TemporaryDirectory(prefix="csscgen-bench-") as scratch:
        root, files = Path(scratch, "root"), Path(scratch, "files")
        root.mkdir()
        (root / "Pulumi.yaml").write_text("name: ratify-perf\nruntime: python\n")
        (root / "__main__.py").write_text(PROGRAM)
        engine = EmbeddedEngine(root, Path(scratch, "state"))
        config = {"folder": str(files), "controllers": controllers}
        try:
            engine.up(STACK, config)
            outputs: dict[str, Any] = engine.outputs(STACK)
            kubeconfig = Path(scratch, "kubeconfig.json")
            kubeconfig.write_text(outputs["kubeconfig"])
            processes = {name: psutil.Process(int(target["pid"])) for name, target in outputs["targets"].items()}
            yield Plane(kubeconfig, processes)
        finally:
            engine.destroy(STACK, config)
            end_all(files)

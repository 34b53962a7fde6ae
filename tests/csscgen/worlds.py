"""All that a run needs, without a real binary: an engine, an API server, a registry and tools of straw."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from aiohttp import web

from csscgen.context import Context
from csscgen.progress import Progress
from csscgen.stackfiles import parse_changes, read
from infra.engine import OnStep, Outcome, StepEvent
from infra.engine.types import Known, Op, ignore_step
from infra.local import tools
from infra.local.certificates import signing_certificate
from tests.csscgen.artifacts.conftest import ELF, FakeRegistry
from tests.csscgen.pods import ready_pod
from tests.csscgen.servers import PODS, ApiServer, event, in_background, status
from workloads.errors import EngineError
from workloads.negatives import REFUSED_SIGNERS

ROOT = Path(__file__).parents[2]
RUN, SHARED = "local-smoke", "local-shared"
DENIED = 'admission webhook "validation.gatekeeper.sh" denied the request: [ratify] verification failed'
NOTHING = Outcome({}, {}, ())
Hook = Callable[[], object]


@dataclass
class FakeEngine:
    """An engine that remembers what it was asked; ``hooks`` are called on the way, by operation and stack.

    ``load`` stands for an ``up`` with the workloads in it.
    """

    made: Mapping[str, dict[str, object]]
    """The outputs that each stack has once it is up."""
    hooks: dict[tuple[str, str], Hook] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)
    configs: list[dict[str, Any]] = field(default_factory=list)
    refusal: str | None = None
    """What the API server says to the workload, if it refuses it."""
    name: Literal["embedded", "cli"] = "embedded"
    version: str = "1"
    there: dict[str, dict[str, object]] = field(default_factory=dict)

    def up(self, stack: str, config: Mapping[str, Any], on_step: OnStep = ignore_step) -> Outcome:
        loads = stack == RUN and config["load"].get("start", True) and config["load"].get("mode") != "created"
        self.configs.append(dict(config))
        self.there.setdefault(stack, {})
        self._call("load" if loads else "up", stack)
        self.there[stack] = dict(self.made[stack])
        if loads:
            _step(on_step, "started")
            if self.refusal:
                _step(on_step, "failed", self.refusal)
                raise EngineError(f"workload-0: {self.refusal}")
            _step(on_step, "done")
        return NOTHING

    def preview(self, stack: str, config: Mapping[str, object], on_step: OnStep = ignore_step) -> Outcome:
        return NOTHING

    def destroy(self, stack: str, config: Mapping[str, object], on_step: OnStep = ignore_step) -> Outcome:
        self._call("destroy", stack)
        self.there.pop(stack, None)
        return NOTHING

    def outputs(self, stack: str) -> dict[str, object]:
        return self.there.get(stack, {})

    def exists(self, stack: str) -> bool:
        return stack in self.there

    def resources(self, stack: str) -> tuple[Known, ...]:
        return ()

    def _call(self, what: str, stack: str) -> None:
        self.calls.append((what, stack))
        if hook := self.hooks.get((what, stack)):
            hook()


def _step(on_step: OnStep, how: Literal["started", "done", "failed"], message: str | None = None) -> None:
    op: Op = "create"
    on_step(StepEvent("urn", "kubernetes:apps/v1:Deployment", "workload-0", op, how, time.time(), message))


class Told(Progress):
    """What was told, and hooks that are called when a phase begins or a line with a text is said."""

    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.lines: list[str] = []
        self.phases: list[str] = []
        self.on_phase: dict[str, Hook] = {}
        self.on_line: dict[str, Hook] = defaultdict()

    def say(self, text: str) -> None:
        self.lines.append(text)
        for part, hook in self.on_line.items():
            if part in text:
                hook()

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        self.phases.append(name)
        with super().step(name):
            if hook := self.on_phase.get(name):
                hook()
            yield


@dataclass
class World:
    """A stack of five pods that is not up, and everything it would stand on."""

    root: Path
    engine: FakeEngine
    api: ApiServer
    registry: FakeRegistry
    progress: Told

    def context(self, *words: str) -> Context:
        stack = read(
            ROOT,
            RUN,
            parse_changes(["monitoring.scrapeSeconds=0.2", "load.quietSeconds=1", "load.retrySeconds=1", *words]),
        )
        return Context(self.root, self.root / ".state", stack, self.engine, self.progress)

    @property
    def folder(self) -> Path:
        (folder,) = (self.root / "runs").iterdir()
        return folder

    def pods_become_ready(self, count: int = 5) -> None:
        self.api.later[PODS] += [event("ADDED", ready_pod(number)) for number in range(count)]


def kept(file: Path, key: str) -> None:
    """A key in a file that only its owner may read."""
    file.touch(0o600)
    file.write_text(key)


@contextmanager
def world(tmp_path: Path, environment: pytest.MonkeyPatch) -> Iterator[World]:
    """A world in which a run goes well."""
    environment.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    environment.setenv("PATH", "/nonexistent")
    environment.delenv("CSSCGEN_RUNS", raising=False)
    stand_in_tools()
    with in_background(ApiServer()) as api, in_background(FakeRegistry()) as registry:
        key, certificate = signing_certificate("ES256", "a test")
        kept(tmp_path / "key.pem", key)
        refused: dict[str, object] = {}
        for kind in REFUSED_SIGNERS:
            other, theirs = signing_certificate("ES256", kind)
            kept(tmp_path / f"{kind}.pem", other)
            refused[kind] = {"keyFile": str(tmp_path / f"{kind}.pem"), "certificate": theirs}
        (tmp_path / "ratify.log").write_text("level=info\n")
        shared: dict[str, object] = {
            "signingKeyFile": str(tmp_path / "key.pem"),
            "signingCertificate": certificate,
            "refusedSigners": refused,
            "registries": [{"region": "here", "size": "L", "host": registry.host}],
            "targets": {},
        }
        own: dict[str, object] = {
            "kubeconfig": api.kubeconfig,
            "registry": registry.host,
            "targets": {"ratify-0": {"metrics": f"{api.url}/no/metrics", "log": str(tmp_path / "ratify.log")}},
        }
        engine = FakeEngine({SHARED: shared, RUN: own})
        there = World(tmp_path, engine, api, registry, Told())

        async def answer(request: web.Request) -> web.Response:
            if request.query.get("dryRun"):
                return status(403, f"{DENIED} for an image@sha256:0")
            there.pods_become_ready()
            return web.json_response({}, status=201)

        api.on_create = answer
        engine.hooks["load", RUN] = there.pods_become_ready
        yield there


def stand_in_tools() -> None:
    """Stands-in of the binaries that the default stacks need, in a cache of their own: nothing here starts them."""
    for tool in tools.select([]):
        folder = tools.cache_folder(tool)
        folder.mkdir(parents=True)
        for binary in tool.packages:
            (folder / binary).write_bytes(ELF)
        if assets := tools.assets(tool):
            assets.mkdir()

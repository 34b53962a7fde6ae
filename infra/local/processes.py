"""A local process as a Pulumi resource: ``up`` starts it and waits until it is ready, ``destroy`` stops it.

It is a dynamic resource, so that the Pulumi CLI runs it as the embedded engine does. State knows the pid and its start
time, so that a recycled pid is never signalled; the process itself carries ``CSSCGEN_PROCESS`` in its environment, so
that one whose pid is not in the state (the harness was killed in between, or a fault restarted it) is found and stopped
all the same. A process outlives the command that started it and is in a session of its own: Ctrl-C reaches csscgen,
which tears down in order, and not the control plane under it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, Resource, ResourceProvider

from infra.local.running import forget, is_alive, marker, record, start, started_ticks, stop, strays

REPLACING = ("argv", "env", "log", "name", "folder", "files")


def _identity(props: Mapping[str, Any]) -> tuple[int, int]:
    """Pid and start time of the process as it runs now: a fault may have started it again since it was created."""
    known = record(props)
    # The CLI hands numbers back as floats.
    return (known.pid, known.started) if known else (int(props["pid"]), int(props["started"]))


class _Provider(ResourceProvider):
    def create(self, props: dict[str, Any]) -> CreateResult:
        return CreateResult(marker(props), {**props, **start(props)})

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        replaces = [key for key in REPLACING if olds.get(key) != news.get(key)]
        if not is_alive(*_identity(olds)):
            replaces.append("pid")
        return DiffResult(changes=bool(replaces), replaces=replaces, delete_before_replace=True)

    def delete(self, _id: str, props: dict[str, Any]) -> None:
        pid, started = _identity(props)
        alive = is_alive(pid, started)
        forget(props)
        stop(pid, started, props["patience"])
        if not alive:
            self.recover(props)

    def recover(self, props: dict[str, Any]) -> None:
        """Stops what a create that was cut off may have left: the process is there, but no state has its pid."""
        forget(props)
        for process in strays(marker(props)):
            stop(process.pid, started_ticks(process.pid) or -1, props["patience"])


class LocalProcess(Resource, module="local", name="Process"):
    """A process of this machine.

    ``ready`` is a probe (:mod:`infra.local.probes`), ``patience`` the seconds between SIGTERM and SIGKILL, ``timeout``
    the seconds that it may take to become ready. ``env`` is all that it gets of an environment beside PATH and locale.
    ``files`` are digests of the files that it reads when it starts: it is started anew when one changes.
    """

    name: pulumi.Output[str]
    pid: pulumi.Output[int]
    started: pulumi.Output[int]
    log: pulumi.Output[str]

    def __init__(
        self,
        resource_name: str,
        *,
        argv: Sequence[pulumi.Input[str]],
        folder: pulumi.Input[str],
        log: pulumi.Input[str],
        ready: Mapping[str, pulumi.Input[Any]],
        env: Mapping[str, pulumi.Input[str]] | None = None,
        files: Sequence[pulumi.Input[str]] = (),
        timeout: float = 60,
        patience: float = 2,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props = {
            "name": resource_name,
            "argv": list(argv),
            "folder": folder,
            "log": log,
            "ready": dict(ready),
            "env": dict(env or {}),
            "files": list(files),
            "timeout": timeout,
            "patience": patience,
            "pid": None,
            "started": None,
        }
        super().__init__(_Provider(), resource_name, props, opts)

"""A local process as a Pulumi resource: ``up`` starts it and waits until it is ready, ``destroy`` stops it.

It is a dynamic resource, so that the Pulumi CLI runs it as the embedded engine does. State knows the pid and its start
time, so that a recycled pid is never signalled; the process itself carries ``CSSCGEN_PROCESS`` in its environment, so
that one whose pid never reached the state (the harness was killed in between) is found and stopped all the same. A
process outlives the command that started it and is in a session of its own: Ctrl-C reaches csscgen, which tears down in
order, and not the control plane under it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil
import pulumi
from pulumi.dynamic import CreateResult, DiffResult, Resource, ResourceProvider

from infra.local import probes
from workloads.errors import ProcessError

MARKER = "CSSCGEN_PROCESS"
LAST_LINES = 12
POLL_SECONDS = 0.03
REPLACING = ("argv", "env", "log", "name", "folder", "files")


def started_ticks(pid: int) -> int | None:
    """When the process started, in clock ticks since boot (field 22 of /proc/PID/stat); None if it is gone.

    Together with the pid it names a process for good: pids are recycled, start times are not.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat[stat.rindex(")") + 2 :].split()
    return None if fields[0] == "Z" else int(fields[19])


def is_alive(pid: int, started: int) -> bool:
    """Whether the process that had this pid and start time still runs."""
    return started_ticks(pid) == started


def start(props: Mapping[str, Any]) -> dict[str, Any]:
    """Starts the process and waits until its probe succeeds; returns pid and start time.

    Raises ProcessError with the last lines of its log if it ends first or is not ready in time; it is stopped then.
    Nothing is started if somebody else answers its probe already, who would be taken for it.
    """
    name, argv, log = props["name"], [str(word) for word in props["argv"]], Path(props["log"])
    if probes.succeeds(props["ready"]):
        raise ProcessError(
            f"{name} was not started: another process answers at {probes.place(props['ready'])}. Stop that one, or "
            "destroy the stack and bring it up again, with other ports."
        )
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = {**_inherited(), **props["env"], MARKER: marker(props)}
    try:
        with log.open("ab") as output:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=props["folder"],
                start_new_session=True,
            )
    except OSError as error:
        raise ProcessError(
            f"{name} could not be started: {argv[0]}: {error.strerror}. If it is not built yet, "
            "`csscgen tools install` builds it."
        ) from error
    started = started_ticks(process.pid)
    try:
        _await_ready(props, process)
    except BaseException:
        stop(process.pid, started or -1, 0)
        process.wait()
        raise
    assert started is not None
    return {"pid": process.pid, "started": started}


def stop(pid: int, started: int, patience: float) -> None:
    """Ends the process if it still is the one that was started: SIGTERM, after ``patience`` seconds SIGKILL.

    Returns once it is gone; one that is gone already is fine.
    """
    for number, seconds in ((signal.SIGTERM, patience), (signal.SIGKILL, 10.0)):
        if seconds and is_alive(pid, started):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                return
            end = time.monotonic() + seconds
            while is_alive(pid, started) and time.monotonic() < end:
                time.sleep(POLL_SECONDS)
    _reap(pid)


def strays(mark: str) -> list[psutil.Process]:
    """The processes that carry ``mark``, whoever started them and whether or not a state knows them."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARKER) == mark:
                found.append(process)
        except (psutil.Error, OSError):
            continue  # gone meanwhile, or another user's
    return found


def marker(props: Mapping[str, Any]) -> str:
    """What tells this process from every other on the machine: its folder, which is its stack's own, and its name."""
    return f"{props['folder']}:{props['name']}"


def last_lines(log: Path, count: int = LAST_LINES) -> str:
    """The end of a log, indented for an error message."""
    try:
        lines = log.read_text(errors="replace").splitlines()[-count:]
    except OSError:
        lines = []
    return "\n".join(f"  {line[:400]}" for line in lines) or "  (it wrote nothing)"


def _await_ready(props: Mapping[str, Any], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + props["timeout"]
    while True:
        ready = probes.succeeds(props["ready"])
        if process.poll() is not None:  # then somebody else may have answered on its port
            raise ProcessError(
                f"{props['name']} ended with exit code {process.returncode} before it was ready. "
                f"The last lines of {props['log']}:\n{last_lines(Path(props['log']))}"
            )
        if ready:
            return
        if time.monotonic() > deadline:
            raise ProcessError(
                f"{props['name']} was not ready after {props['timeout']:g} s ({probes.describe(props['ready'])}). "
                f"The last lines of {props['log']}:\n{last_lines(Path(props['log']))}"
            )
        time.sleep(POLL_SECONDS)


def _inherited() -> dict[str, str]:
    """What a component may see of the caller's environment: nothing that configures it behind our back."""
    return {key: os.environ[key] for key in ("PATH", "LANG", "TZ", "TMPDIR") if key in os.environ}


def _reap(pid: int) -> None:
    """Takes the exit status of a process that was ours, so that no zombie is left."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def _identity(props: Mapping[str, Any]) -> tuple[int, int]:
    """Pid and start time, which the CLI hands back as floats."""
    return int(props["pid"]), int(props["started"])


class _Provider(ResourceProvider):
    def create(self, props: dict[str, Any]) -> CreateResult:
        return CreateResult(marker(props), {**props, **start(props)})

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        replaces = [key for key in REPLACING if olds.get(key) != news.get(key)]
        if not is_alive(*_identity(olds)):
            replaces.append("pid")
        return DiffResult(changes=bool(replaces), replaces=replaces, delete_before_replace=True)

    def delete(self, _id: str, props: dict[str, Any]) -> None:
        stop(*_identity(props), props["patience"])

    def recover(self, props: dict[str, Any]) -> None:
        """Stops what a create that was cut off may have left: the process is there, but no state has its pid."""
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

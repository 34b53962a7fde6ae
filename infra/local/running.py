"""Processes of this machine by pid and start time: started until they answer, stopped for good, found by their mark.

Without pulumi, so that the command line can watch them, stop them and start them again. A running process has a record,
``processes/<name>.json`` in its stack's folder: whoever ends it on purpose takes the record away first, so that one
whose record is there and which is gone has ended on its own.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import psutil

from infra.engine.cancellation import pause
from infra.local import probes
from workloads.errors import ProcessError

RECORDS = "processes"
MARKER = "CSSCGEN_PROCESS"
LAST_LINES = 12
POLL_SECONDS = 0.03
TICKS = os.sysconf("SC_CLK_TCK")

_children: dict[tuple[int, int], subprocess.Popen[bytes]] = {}
"""What this process started, by pid and start time: only who started a process is told how it ended."""


@atexit.register
def _let_go() -> None:
    """They outlive this process; Python would warn of each that still runs."""
    for child in _children.values():
        child.returncode = 0 if child.returncode is None else child.returncode


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


@dataclass(frozen=True)
class Record:
    """A process that is meant to run."""

    name: str
    folder: str
    """The folder of its stack, which is its working directory."""
    pid: int
    started: int
    log: str
    ready: dict[str, Any]
    """The probe that tells whether it answers (:mod:`infra.local.probes`)."""

    @property
    def alive(self) -> bool:
        return is_alive(self.pid, self.started)

    @property
    def file(self) -> Path:
        return Path(self.folder) / RECORDS / f"{self.name}.json"

    def write(self) -> None:
        """Says that this process is meant to run from now on."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        scratch = self.file.with_suffix(".new")
        scratch.write_text(json.dumps(asdict(self)))
        os.replace(scratch, self.file)

    @property
    def seconds(self) -> float:
        """How long ago it was started."""
        return time.clock_gettime(time.CLOCK_BOOTTIME) - self.started / TICKS


def records(folder: Path) -> list[Record]:
    """The processes that are meant to run for the stack in ``folder``; a record that cannot be read is left out."""
    return [one for file in sorted((folder / RECORDS).glob("*.json")) if (one := _record(file))]


def record(props: Mapping[str, Any]) -> Record | None:
    """The record of the process that these properties describe; None if it is not meant to run."""
    return _record(_file(props))


def _record(file: Path) -> Record | None:
    try:
        return Record(**json.loads(file.read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _file(props: Mapping[str, Any]) -> Path:
    return Path(props["folder"]) / RECORDS / f"{props['name']}.json"


def forget(props: Mapping[str, Any]) -> None:
    """Says that the process is not meant to run any more; to be called before it is ended."""
    _file(props).unlink(missing_ok=True)


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
        process, started = _spawn(argv, environment, str(props["folder"]), log)
    except OSError as error:
        raise ProcessError(
            f"{name} could not be started: {argv[0]}: {error.strerror}. If it is not built yet, "
            "`csscgen tools install` builds it."
        ) from error
    try:
        Record(name, str(props["folder"]), process.pid, started, str(log), dict(props["ready"])).write()
        _await_ready(props, process)
    except BaseException:
        if process.poll() is None:  # one that ended on its own keeps its record: that is how it is known
            forget(props)
            stop(process.pid, started, 0)
        raise
    return {"pid": process.pid, "started": started}


def _spawn(argv: list[str], env: dict[str, str], folder: str, log: Path) -> tuple[subprocess.Popen[bytes], int]:
    """A process in a session of its own, which appends to its log, and its start time. Raises OSError."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=env,
            cwd=folder,
            start_new_session=True,
        )
    started = started_ticks(process.pid) or -1
    _children[process.pid, started] = process
    return process, started


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
    child = _children.pop((pid, started), None)
    if child is not None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(1)  # takes its exit status, so that no zombie is left


def how_it_ended(pid: int, started: int) -> str:
    """How a process that is gone ended, as far as it is known here: only its parent is told."""
    child = _children.get((pid, started))
    code = child.poll() if child is not None else None
    return "its exit status is not known, because an earlier command started it" if code is None else _status(code)


def _status(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


@dataclass(frozen=True)
class Invocation:
    """How a process was started: with it, it can be started again exactly so."""

    argv: list[str]
    env: dict[str, str]


def invocation(process: Record) -> Invocation:
    """How a running process was started, by the kernel's own record of it. Raises ProcessError if it is gone."""
    try:
        words, env = (Path(f"/proc/{process.pid}/{name}").read_bytes().split(b"\0") for name in ("cmdline", "environ"))
    except OSError:
        words = env = []
    if not process.alive or len(words) < 2:
        raise ProcessError(f"{process.name} is not running any more.")
    pairs = (os.fsdecode(entry).partition("=") for entry in env if entry)
    return Invocation([os.fsdecode(word) for word in words[:-1]], {key: value for key, _, value in pairs})


def kill(process: Record) -> None:
    """Ends a process at once, as a crash would, but on purpose: it is not meant to run any more."""
    process.file.unlink(missing_ok=True)
    stop(process.pid, process.started, 0)


def respawn(process: Record, how: Invocation) -> Record:
    """Starts a process again as it was started before, and says that it is meant to run; does not wait for its probe.

    Raises ProcessError if it cannot be started.
    """
    try:
        again, started = _spawn(how.argv, how.env, process.folder, Path(process.log))
    except OSError as error:
        raise ProcessError(f"{process.name} could not be started again: {error.strerror}.") from error
    record = replace(process, pid=again.pid, started=started)
    record.write()
    return record


def strays(mark: str) -> list[psutil.Process]:
    """The processes that carry ``mark``, whoever started them and whether or not a state knows them."""
    return [process for found, process in marked() if found == mark]


def marked() -> Iterator[tuple[str, psutil.Process]]:
    """Every process of this user's that carries a mark, with its mark: ``<folder of its stack>:<name>``."""
    for process in psutil.process_iter():
        try:
            mark = process.environ().get(MARKER)
            if mark and process.status() != psutil.STATUS_ZOMBIE and process.uids().real == os.getuid():
                yield mark, process
        except (psutil.Error, OSError):
            continue  # gone meanwhile, or another user's


def end_all(folder: Path, patience: float = 2.0) -> list[str]:
    """Stops every process that carries the folder of a stack, known to a state or not; returns their names.

    The last resort of a destroy: when it returns none of them lives.
    """
    shutil.rmtree(folder / RECORDS, ignore_errors=True)  # from here on none of them is meant to run
    found = [(mark.rpartition(":")[2], process) for mark, process in marked() if _within(mark, folder)]
    for _, process in found:
        with contextlib.suppress(psutil.Error):
            process.terminate()  # psutil looks at the start time first
    for _, process in found:
        stop(process.pid, started_ticks(process.pid) or -1, patience)
    return [name for name, _ in found]


def _within(mark: str, folder: Path) -> bool:
    return mark.rpartition(":")[0] == str(folder)


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
                f"{props['name']} ended before it was ready ({_status(process.returncode)}). "
                f"The last lines of {props['log']}:\n{last_lines(Path(props['log']))}"
            )
        if ready:
            return
        if time.monotonic() > deadline:
            raise ProcessError(
                f"{props['name']} was not ready after {props['timeout']:g} s ({probes.describe(props['ready'])}). "
                f"The last lines of {props['log']}:\n{last_lines(Path(props['log']))}"
            )
        pause(POLL_SECONDS)


def _inherited() -> dict[str, str]:
    """What a component may see of the caller's environment: nothing that configures it behind our back."""
    return {key: os.environ[key] for key in ("PATH", "LANG", "TZ", "TMPDIR") if key in os.environ}

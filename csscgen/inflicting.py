"""What each fault does to a process, and how it is undone.

``begin`` makes it so, ``hold`` lasts until the fault is over, ``end`` undoes it and leaves a process that runs. ``end``
is called whatever happened before it, and does what is still to do.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

from infra.faults import Fault
from infra.local import probes, running
from infra.local.running import Invocation, Record
from workloads.errors import ProcessError

DUTY_SECONDS = 0.05
"""A period of ``slow``: for its share of it the process runs, for the rest it is stopped."""
PROLONG_SECONDS = 1.0
"""How often an outage is prolonged."""
UNAVAILABLE = 503


@dataclass
class Victim:
    """The process that a fault hits, as it runs now."""

    record: Record
    certificates: Mapping[str, str]
    """Files of the certificate that it serves (``serving``) and of the one that is not valid yet, if there is one."""
    host: str | None
    """Host and port of a registry."""
    follow: Callable[[int | None], None]
    """Told the pid of the process whenever it changes."""

    def signal(self, number: signal.Signals) -> None:
        """Raises ProcessError if the process has ended."""
        if not self.record.alive:
            raise ProcessError(f"{self.record.name} has ended.")
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.record.pid, number)

    def is_ready(self) -> bool:
        """Whether it does its work again: its own probe, and for a registry that it does not refuse everything."""
        return probes.succeeds(self.record.ready) and (self.host is None or _serves(self.host))


class Action:
    """A fault that is under way."""

    def __init__(self, victim: Victim, fault: Fault) -> None:
        self.victim = victim
        self.fault = fault

    def begin(self) -> None:
        """Raises ProcessError if the process is not there, OSError if the kernel refuses."""
        raise NotImplementedError

    def hold(self, over: Event, seconds: float) -> None:
        """Returns after ``seconds``, or when ``over`` is set."""
        over.wait(seconds)

    def end(self) -> None:
        """Raises ProcessError if the process cannot be brought back, OSError if the kernel refuses."""
        raise NotImplementedError


class Kill(Action):
    """SIGKILL, and started again as it was."""

    how: Invocation | None = None

    def begin(self) -> None:
        self.how = running.invocation(self.victim.record)
        running.kill(self.victim.record)
        self.victim.follow(None)

    def end(self) -> None:
        if self.how:
            self._respawn(self.how)

    def _respawn(self, how: Invocation) -> None:
        self.victim.record = running.respawn(self.victim.record, how)
        self.victim.follow(self.victim.record.pid)


class Stop(Action):
    """SIGSTOP: it is there, and does nothing."""

    def begin(self) -> None:
        self.victim.signal(signal.SIGSTOP)

    def end(self) -> None:
        self.victim.signal(signal.SIGCONT)


class Slow(Stop):
    """Stopped for a part of every period."""

    def begin(self) -> None:
        self.victim.signal(signal.SIGCONT)  # it is there

    def hold(self, over: Event, seconds: float) -> None:
        running_for = DUTY_SECONDS * (self.fault.share or 0)
        end = time.monotonic() + seconds
        while not over.is_set() and time.monotonic() < end:
            self.victim.signal(signal.SIGSTOP)
            over.wait(DUTY_SECONDS - running_for)
            self.victim.signal(signal.SIGCONT)
            over.wait(running_for)


class DiskFull(Kill):
    """No byte more goes into a file: the soft limit of file sizes is 0, so that writing fails with EFBIG.

    A process may end of it, which is part of the fault: it is started again at the end.
    """

    before: tuple[int, int] | None = None

    def begin(self) -> None:
        record = self.victim.record
        self.how = running.invocation(record)
        _, hard = self.before = resource.prlimit(record.pid, resource.RLIMIT_FSIZE)
        record.file.unlink(missing_ok=True)  # it may end, and that would be on purpose
        resource.prlimit(record.pid, resource.RLIMIT_FSIZE, (0, hard))

    def end(self) -> None:
        record = self.victim.record
        if self.how is None or self.before is None:
            return
        if record.alive:
            resource.prlimit(record.pid, resource.RLIMIT_FSIZE, self.before)
            record.write()
        else:
            self._respawn(self.how)


class Outage(Action):
    """The emulated registry answers 503 to everything: for some seconds only, should nobody be left to prolong it."""

    def begin(self) -> None:
        self.victim.signal(signal.SIGUSR1)

    def hold(self, over: Event, seconds: float) -> None:
        end = time.monotonic() + seconds
        while end - time.monotonic() > PROLONG_SECONDS and not over.wait(PROLONG_SECONDS):
            self.victim.signal(signal.SIGUSR1)
        over.wait(max(0.0, end - time.monotonic()))

    def end(self) -> None:
        self.victim.signal(signal.SIGUSR2)


class ClockSkew(Action):
    """The certificate that it serves is replaced by one for the same key that is not valid yet.

    Ratify and Gatekeeper watch the file. Connections that are open stay open: it is for new ones.
    """

    before: bytes | None = None

    def begin(self) -> None:
        later = self.victim.certificates.get("notYetValid")
        if later is None:
            raise ProcessError(
                f"{self.victim.record.name} has no certificate that is not valid yet: they are issued when the stack "
                "is brought up with the fault in its schedule. Destroy the stack and bring it up with it."
            )
        served = Path(self.victim.certificates["serving"])
        self.before = served.read_bytes()
        _replace(served, Path(later).read_bytes())

    def end(self) -> None:
        if self.before is not None:
            _replace(Path(self.victim.certificates["serving"]), self.before)


ACTIONS: dict[str, type[Action]] = {
    "kill": Kill,
    "stop": Stop,
    "slow": Slow,
    "disk-full": DiskFull,
    "outage": Outage,
    "clock-skew": ClockSkew,
}


def find(
    target: str, outputs: Mapping[str, Any], shared: Mapping[str, Any], follow: Callable[[str, int | None], None]
) -> Victim:
    """The process that is called ``target`` in a schedule. Raises ProcessError if it is not there."""
    name, host = target, None
    if target == "registry":
        host = outputs.get("registry")
        names = {one["host"]: f"registry-{one['region']}" for one in shared.get("registries") or ()}
        name = names.get(host, target)
    targets = {**(shared.get("targets") or {}), **(outputs.get("targets") or {})}
    known = targets.get(name, {})
    record = running.record({"folder": known["folder"], "name": name}) if "folder" in known else None
    if record is None:
        raise ProcessError(f"{name} is not a process of the stack that is meant to run.")
    return Victim(record, known.get("certificates", {}), host, lambda pid: follow(name, pid))


def _replace(file: Path, content: bytes) -> None:
    """Changes a file at once: who watches it sees the old content or the new one."""
    scratch = file.with_name(f".{file.name}.fault")
    with open(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as handle:
        handle.write(content)
    os.replace(scratch, file)


def _serves(host: str) -> bool:
    """Whether a registry gives any answer but that it is unavailable."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://{host}/v2/", timeout=probes.TIMEOUT_SECONDS):
            return True
    except urllib.error.HTTPError as error:
        error.close()
        return error.code != UNAVAILABLE
    except OSError:
        return False

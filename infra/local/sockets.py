"""Which ports of loopback are free, and whose they are. Without pulumi, so that the command line can look as well.

A port that is free when a stack chooses it is not bound until its process starts, and another stack may come up in the
same moment. So a stack reserves its ports, machine-wide for one user: a reservation is a symbolic link in the cache,
``ports/<port>``, that points at the stack's folder. A link is made whole or not at all, and one whose folder is gone
counts for nothing: what a kill leaves behind blocks nobody.
"""

from __future__ import annotations

import fcntl
import os
import random
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from infra.local.tools import cache_root
from workloads.errors import ProcessError

PORTS = range(20_000, 32_000)
"""Where free ports are looked for: below the range that the kernel takes for outgoing connections."""


def is_free(port: int) -> bool:
    """Whether nothing listens on this port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def free_ports(count: int, without: Sequence[int] = ()) -> list[int]:
    """``count`` different ports on which nothing listens now, and none of ``without``.

    Raises ProcessError if there are not so many.
    """
    candidates = [port for port in random.sample(PORTS, len(PORTS)) if port not in without]
    ports = [port for port, _ in zip((p for p in candidates if is_free(p)), range(count), strict=False)]
    if len(ports) < count:
        raise ProcessError(f"There are no {count} free ports between {PORTS.start} and {PORTS.stop} on 127.0.0.1.")
    return ports


def reservations() -> dict[int, Path]:
    """Every reserved port, and the folder of the stack that it is reserved for; the folder may be gone."""
    found = {}
    with suppress(FileNotFoundError):
        for entry in os.scandir(_folder()):
            if entry.name.isdecimal() and entry.is_symlink():
                with suppress(OSError):  # released meanwhile
                    found[int(entry.name)] = Path(os.readlink(entry.path))
    return found


def owner(port: int) -> Path | None:
    """The folder of the stack that has reserved the port; None if no stack has that is still there."""
    folder = reservations().get(port)
    return folder if folder is not None and folder.exists() else None


def reserve(folder: Path, names: Sequence[str], fixed: Mapping[str, int]) -> dict[str, int]:
    """Chooses a port for each of ``names`` and reserves it for the stack in ``folder``; ``fixed`` are chosen already.

    Raises ProcessError, with nothing reserved, for a fixed port that is busy or another stack's.
    """
    with _alone() as place:
        taken = {port: other for port, other in reservations().items() if other != folder and other.exists()}
        for name, port in fixed.items():
            if port in taken:
                raise ProcessError(
                    f"Port {port}, which is set for {name}, is reserved for the stack in {taken[port]}; set another, "
                    "or 0."
                )
            if not is_free(port):
                raise ProcessError(f"Port {port}, which is set for {name}, is busy on 127.0.0.1; set another, or 0.")
        wanted = [name for name in names if name not in fixed]
        free = free_ports(len(wanted), [*taken, *fixed.values()])
        ports = {**fixed, **dict(zip(wanted, free, strict=True))}
        for port in ports.values():
            (place / str(port)).unlink(missing_ok=True)  # of a stack that is gone, or of an earlier attempt
            (place / str(port)).symlink_to(folder)
        return {name: ports[name] for name in names}


def release(folder: Path) -> None:
    """Gives back every port that is reserved for the stack in ``folder``."""
    if _folder().exists():
        with _alone() as place:
            for port, other in reservations().items():
                if other == folder:
                    (place / str(port)).unlink(missing_ok=True)


def release_lost() -> list[int]:
    """Gives back the ports of stacks whose folder is gone; returns them."""
    if not _folder().exists():
        return []
    with _alone() as place:
        lost = [port for port, folder in reservations().items() if not folder.exists()]
        for port in lost:
            (place / str(port)).unlink(missing_ok=True)
        return lost


def _folder() -> Path:
    return cache_root() / "ports"


@contextmanager
def _alone() -> Iterator[Path]:
    """The folder of the reservations, locked: a lock of the folder itself, which leaves nothing behind."""
    folder = _folder()
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield folder
    finally:
        os.close(handle)

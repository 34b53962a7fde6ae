"""One operation at a time on a stack: an flock that the kernel drops when its holder dies.

The file is there only while the lock is held. Because it is removed, whoever got the lock checks that the file it
locked is still the one at the path, and tries again otherwise.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from workloads.errors import UsageError


@contextmanager
def stack_lock(folder: Path, stack: str, name: str = "lock") -> Iterator[None]:
    """Holds the lock of a stack; raises ``UsageError`` with the holder's pid if it is taken.

    The stack's folder, and the one that it is in, are made for it and removed again if nothing else is in them.
    """
    path = folder / name
    handle = _acquire(path, stack)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(handle)
        with suppress(OSError):
            folder.rmdir()
            folder.parent.rmdir()


def _acquire(path: Path, stack: str) -> int:
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except FileNotFoundError:  # its last holder has just removed the folder
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(handle).st_ino == os.stat(path).st_ino:
                os.ftruncate(handle, 0)
                os.pwrite(handle, str(os.getpid()).encode(), 0)
                return handle
        except BlockingIOError:
            pid = os.pread(handle, 32, 0).decode() or "unknown"
            os.close(handle)
            raise UsageError(
                f"Stack {stack} is in use by process {pid}. Wait until it has ended, or stop it, and try again."
            ) from None
        except FileNotFoundError:
            pass
        os.close(handle)

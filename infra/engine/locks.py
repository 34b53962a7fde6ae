"""One operation at a time on a stack: an flock that the kernel drops when its holder dies.

The file is there only while the lock is held. Because it is removed, whoever got the lock checks that the file it
locked is still the one at the path, and tries again otherwise.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from workloads.errors import UsageError


@contextmanager
def stack_lock(folder: Path, stack: str) -> Iterator[None]:
    """Holds the lock of a stack; raises ``UsageError`` with the holder's pid if it is taken."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "lock"
    handle = _acquire(path, stack)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(handle)


def _acquire(path: Path, stack: str) -> int:
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
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

"""One operation at a time on a stack: an flock that the kernel drops when its holder dies.

The file is there only while the lock is held. Because it is removed, whoever got the lock checks that the file it
locked is still the one at the path, and tries again otherwise.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from workloads.errors import UsageError

POLL_SECONDS = 0.1


@contextmanager
def stack_lock(folder: Path, stack: str, name: str = "lock", *, wait: bool = False) -> Iterator[None]:
    """Holds the lock of a stack; raises ``UsageError`` with the holder's pid if it is taken, or waits for it.

    The stack's folder, and the one that it is in, are made for it and removed again if nothing else is in them.
    """
    path = folder / name
    handle = _acquire(path)
    while handle is None and wait:
        time.sleep(POLL_SECONDS)
        handle = _acquire(path)
    if handle is None:
        raise UsageError(
            f"Stack {stack} is in use by process {holder(path) or 'unknown'}. Wait until it has ended, or stop it, and "
            "try again; or give this command stacks of its own with --instance NAME."
        )
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(handle)
        with suppress(OSError):
            folder.rmdir()
            folder.parent.rmdir()


def holder(path: Path) -> int | None:
    """The pid that is written in a lock's file, whether or not the lock is held."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def is_held(path: Path) -> bool:
    """Whether somebody holds this lock now. What a killed process left is a file without a lock."""
    try:
        handle = os.open(path, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def _acquire(path: Path) -> int | None:
    """The handle of the lock; None if somebody has it."""
    while True:
        private_folder(path.parent)
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
            os.close(handle)
            return None
        except FileNotFoundError:
            pass
        os.close(handle)


def private_folder(folder: Path) -> None:
    """Makes a folder, and those above it that are not there, for their owner only."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except FileNotFoundError:
        private_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)

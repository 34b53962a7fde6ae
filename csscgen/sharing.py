"""Who uses a shared stack, and who has to remove it.

A shared stack that somebody brought up with ``csscgen up`` stays until it is destroyed. One that a run brought up
itself is temporary: the last of the stacks that use it removes it. Both are files in the shared stack's folder, so that
a run that was killed is as known as one that lives: ``temporary``, and ``users/<stack>`` with the harness's pid.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from csscgen.context import Context
from infra.engine.locks import private_folder, stack_lock
from infra.local.running import is_alive, started_ticks
from workloads.errors import EngineError, UsageError

LOCK = "sharing"
TEMPORARY = "temporary"
USERS = "users"


@contextmanager
def joined(context: Context, *, temporary: bool) -> Iterator[bool]:
    """The stack uses its shared stack from here on. Yields whether that has to be brought up, alone on the machine.

    ``temporary`` says that one which is brought up now goes with its last user.
    """
    folder = _folder(context)
    with _alone(context):
        user = folder / USERS / context.stack.name
        private_folder(user.parent)
        user.write_text(json.dumps([os.getpid(), started_ticks(os.getpid())]))
        # One whose own up was cut off has resources and no outputs: it is completed.
        lacking = not context.engine.outputs(folder.name)
        if not temporary:
            (folder / TEMPORARY).unlink(missing_ok=True)
        elif lacking and not context.engine.exists(folder.name):
            (folder / TEMPORARY).touch()
        yield lacking


@contextmanager
def left(context: Context, *, also: bool) -> Iterator[bool]:
    """The stack uses its shared stack no more. Yields whether that has to be destroyed: it is temporary and nobody
    uses it, or the caller wants it with ``also``."""
    folder = _folder(context)
    if not also and not folder.exists():
        yield False
        return
    with _alone(context):
        (folder / USERS / context.stack.name).unlink(missing_ok=True)
        users = [user for user in _users(context) if user != context.stack.name]
        last = also or ((folder / TEMPORARY).exists() and not users)
        yield last
        if last:
            forget(folder)
        with suppress(OSError):
            (folder / USERS).rmdir()


def forget(folder: Path) -> None:
    """The shared stack in ``folder`` is gone: so is what was known of its users."""
    (folder / TEMPORARY).unlink(missing_ok=True)
    shutil.rmtree(folder / USERS, ignore_errors=True)


def living(folder: Path) -> list[int]:
    """The pids of the commands that use the shared stack in ``folder`` and live."""
    return [pid for file in sorted((folder / USERS).glob("*")) if (pid := _lives(file)) is not None]


def _users(context: Context) -> list[str]:
    """The stacks that use the shared stack: those that are there, and those that a living harness is about to make."""
    return [
        file.name
        for file in sorted((_folder(context) / USERS).glob("*"))
        if _lives(file) is not None or _exists(context, file.name)
    ]


def _exists(context: Context, stack: str) -> bool:
    try:
        return context.engine.exists(stack)
    except UsageError:  # a file that somebody else put there: no stack can have such a name
        return False
    except EngineError:  # its state cannot be read, so it is not known to be gone
        return True


def _lives(file: Path) -> int | None:
    """The pid of the command that wrote this; None if it is gone."""
    try:
        pid, started = json.loads(file.read_text())
        return int(pid) if is_alive(int(pid), int(started)) else None
    except (OSError, ValueError, TypeError):
        return None


def _folder(context: Context) -> Path:
    assert context.stack.shared is not None
    return context.state / context.stack.shared.name


@contextmanager
def _alone(context: Context) -> Iterator[None]:
    folder = _folder(context)
    with stack_lock(folder, folder.name, LOCK, wait=True):
        yield

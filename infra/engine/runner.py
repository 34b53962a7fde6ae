"""Runs the program in this process, as Pulumi's own executor would: the same start-up sequence, with our monitor.

The program may be run again in the same process and from any thread. One program runs at a time, because ``runpy``
lends out ``sys.modules["__main__"]``. What differs from the CLI: the working directory stays the caller's.
"""

from __future__ import annotations

import asyncio
import contextvars
import gc
import json
import pickle
import runpy
import signal
import sys
import threading
import traceback
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

_THREADS = 64
_one_program = threading.Lock()


def program_config(project: str, config: Mapping[str, object]) -> dict[str, str]:
    """Configuration as the SDK reads it: every key with its namespace, every value a string (JSON for the rest)."""
    return {
        key if ":" in key else f"{project}:{key}": value if isinstance(value, str) else json.dumps(value)
        for key, value in config.items()
    }


@contextmanager
def importable(root: Path) -> Iterator[None]:
    """``root`` on ``sys.path``: for the program, for what it does after its end, and for what its state refers to."""
    path = str(root)
    added = path not in sys.path
    if added:
        sys.path.insert(0, path)
    try:
        yield
    finally:
        if added:
            sys.path.remove(path)


def run_program(
    root: Path,
    monitor: Any,
    engine: Any,
    *,
    project: str,
    stack: str,
    config: Mapping[str, object],
    dry: bool,
    settle: Callable[[bool], None],
) -> None:
    """Runs ``root/__main__.py`` to its end, every resource included. Raises what the program raises.

    ``settle`` is called first if it raises; it lets the running steps end, and starts no other. Its argument says
    whether that may only take a moment, because somebody pressed Ctrl-C.
    """
    from pulumi.runtime import Settings, configure, reset_options, run_in_stack, set_all_config

    def program() -> None:
        try:
            runpy.run_path(str(root / "__main__.py"), run_name="__main__")
        except KeyboardInterrupt as interrupt:
            # The SDK would keep it, and first wait for outputs that nobody makes any more.
            asyncio.get_running_loop().call_soon(_raise, interrupt)
            raise

    def body() -> None:
        reset_options(project=project, stack=stack, preview=dry, organization="organization")
        configure(
            Settings(
                project=project,
                stack=stack,
                monitor=monitor,
                engine=engine,
                parallel=16,
                dry_run=dry,
                organization="organization",
                root_directory=str(root),
            )
        )
        set_all_config(program_config(project, config), [])
        _run(run_in_stack(program), settle)

    with _one_program, importable(root), _own_pickler(), warnings.catch_warnings():
        # After a failure the SDK leaves coroutines of its own behind, and Python would warn of each.
        warnings.filterwarnings("ignore", r"coroutine 'Output\.", RuntimeWarning)
        contextvars.copy_context().run(body)


@contextmanager
def _own_pickler() -> Iterator[None]:
    """Puts Python's pickler back when the program has run.

    The SDK wraps it once more for every dynamic resource and never takes that off: after some hundred of them in one
    process, a provider that is pickled by value would exceed the depth of recursion.
    """
    kept = {name: getattr(pickle._Pickler, name) for name in ("_batch_setitems", "save_dict")}
    try:
        yield
    finally:
        for name, method in kept.items():
            setattr(pickle._Pickler, name, method)


def _run(main: Any, settle: Callable[[bool], None]) -> None:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="program")
    loop.set_default_executor(pool)
    loop.set_exception_handler(lambda _loop, _context: None)  # the first error is raised; the rest follow from it
    try:
        with _between_callbacks(loop):
            loop.run_until_complete(main)
    except BaseException as error:
        pool.shutdown(wait=False, cancel_futures=True)
        settle(isinstance(error, KeyboardInterrupt))
        _cancel_all(loop)
        _drop_unawaited(error)
        raise
    finally:
        pool.shutdown(wait=False)
        asyncio.set_event_loop(None)
        loop.close()


@contextmanager
def _between_callbacks(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Has signals handled between two callbacks of the loop, by whoever handles them otherwise.

    A handler raises, and in the middle of the SDK that is worth nothing: it catches whatever comes in some places, and
    waits for ever for a resource whose declaration was cut off in others.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers: dict[int, Any] = {
        number: handler for number in signal.valid_signals() if callable(handler := signal.getsignal(number))
    }
    came: deque[tuple[int, FrameType | None]] = deque()

    def handle() -> None:
        while came:
            number, frame = came.popleft()
            handlers[number](number, frame)

    def take(number: int, frame: FrameType | None) -> None:
        came.append((number, frame))
        loop.call_soon_threadsafe(handle)

    for number in handlers:
        signal.signal(number, take)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    handle()  # what came after the loop's last callback


def _raise(error: BaseException) -> None:
    raise error


def _cancel_all(loop: asyncio.AbstractEventLoop) -> None:
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))


def _drop_unawaited(error: BaseException | None) -> None:
    """Frees what the failed program holds in its frames, while the warning of unawaited coroutines is off."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__
    gc.collect()

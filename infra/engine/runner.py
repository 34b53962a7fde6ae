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
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
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
        runpy.run_path(str(root / "__main__.py"), run_name="__main__")

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

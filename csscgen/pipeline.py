"""A run from nothing to a report: tools, up, seed, arm, load, settle, collect, report, destroy, in this order.

Whatever happens on the way, what was measured is kept and judged, and what was started is stopped. The report is of
what there is; a run that broke has one that says so.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Any

from csscgen import runs, steps
from csscgen.collecting import collect
from csscgen.context import Context
from csscgen.driving import drive
from csscgen.runs import Run
from infra.engine.locks import stack_lock


def run(context: Context, *, keep: bool = False) -> dict[str, Any]:
    """Runs the stack's scenario and returns its summary.

    ``keep`` leaves the stack up. Raises ProjectError of the step that failed, after the report is written and the
    stack is gone; KeyboardInterrupt likewise.
    """
    steps.check(context)
    with exclusive(context), _interruptible():
        return _run(context, keep)


def exclusive(context: Context) -> AbstractContextManager[None]:
    """Holds the stack for one command. Raises UsageError, with the holder's pid, if another has it."""
    return stack_lock(context.state / context.stack.name, context.stack.name, "run")


def _run(context: Context, keep: bool) -> dict[str, Any]:
    record, context = begin(context)
    shared = context.stack.shared
    # A shared stack that was up before the run is its owner's, and stays.
    ours = shared is not None and not context.engine.exists(shared.name)
    try:
        try:
            _to_settled(context, record)
        finally:
            _finish(context, record)
    finally:
        try:
            if not keep:
                with _uninterrupted(), _afterwards(context), record.phase(context.progress, "destroy"):
                    steps.destroy(context, shared=ours)
        finally:
            with _afterwards(context):
                summary = report(context, record)
    return summary


def _to_settled(context: Context, record: Run) -> None:
    with record.phase(context.progress, "tools"):
        record.versions = runs.versions(steps.install_tools(context))
    with record.phase(context.progress, "up"):
        steps.bring_up(context)
    with record.phase(context.progress, "seed"):
        record.artifacts = steps.seed(context)
    drive(context, record)


def begin(context: Context) -> tuple[Run, Context]:
    """Makes the folder of a new run, and the context in which everything carries its id."""
    folder = runs.folder(context.root) / runs.new_id(context.stack.name)
    context = context.changed(runId=folder.name)
    folder.mkdir(parents=True)
    settings = asdict(context.settings)
    record = Run(
        folder,
        context.stack.name,
        context.settings.platform,
        {"name": context.engine.name, "version": context.engine.version},
        settings,
        runs.versions({}),
    )
    record.save()
    return record, context


def report(context: Context, record: Run) -> dict[str, Any]:
    """Closes the record and makes summary.json and the report of what is there."""
    from analysis.results import analyse

    record.finished_at = runs.now()
    record.save()
    summary = analyse(record.folder)
    context.progress.say(f"  report: {_shown(record.folder / 'report.html')}")
    return summary


def _finish(context: Context, record: Run) -> None:
    """Collects what there is."""
    with _afterwards(context):
        if context.engine.outputs(context.stack.name):
            with record.phase(context.progress, "collect"):
                collect(context, record)


@contextmanager
def _afterwards(context: Context) -> Iterator[None]:
    """What is done after a failure too. Should it fail itself, that is told, and does not hide what led to it."""
    failing = sys.exc_info()[1] is not None
    try:
        yield
    except Exception as error:
        if not failing:
            raise
        context.progress.say(f"  that failed too: {error or type(error).__name__}")


@contextmanager
def _interruptible() -> Iterator[None]:
    """SIGTERM and SIGHUP end a run as Ctrl-C does: with its teardown."""

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    with _handlers(interrupt, signal.SIGTERM, signal.SIGHUP):
        yield


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Teardown is not cut short: what would be left behind is more than the seconds that it takes."""

    def wait(_signal: int, _frame: FrameType | None) -> None:
        os.write(2, b"Stopping what was started; this takes a few seconds.\n")  # print is not for signal handlers

    with _handlers(wait, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        yield


@contextmanager
def _handlers(handler: Any, *numbers: signal.Signals) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # What is ignored stays so: nohup would have it like that.
    taken = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, handler) for number in taken}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def _shown(path: Path) -> str:
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)

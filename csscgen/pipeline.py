"""A run from nothing to a report: tools, up, seed, arm, load, settle, collect, report, destroy, in this order.

Whatever happens on the way, what was measured is kept and judged, and what was started is stopped. The report is of
what there is; a run that broke has one that says so.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Any

from csscgen import runs, steps
from csscgen.collecting import collect
from csscgen.context import Context
from csscgen.driving import drive
from csscgen.runs import Run
from workloads.errors import ProjectError


def run(context: Context, *, keep: bool = False) -> dict[str, Any]:
    """Runs the stack's scenario and returns its summary.

    ``keep`` leaves the stack up. Raises ProjectError of the step that failed, after the report is written and the
    stack is gone; KeyboardInterrupt likewise.
    """
    steps.check(context)
    record, context = begin(context)
    shared = context.stack.shared
    # A shared stack that was up before the run is its owner's, and stays.
    ours = shared is not None and not context.engine.exists(shared.name)
    with _interruptible():
        try:
            try:
                _to_settled(context, record)
            finally:
                _finish(context, record)
        finally:
            try:
                if not keep:
                    with _uninterrupted(), record.phase(context.progress, "destroy"):
                        steps.destroy(context, shared=ours)
            finally:
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
    folder.mkdir(parents=True)
    context = context.changed(runId=folder.name)
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
    """Collects what there is. A failure here is told, and does not hide the one that led to it."""
    failing = sys.exc_info()[1] is not None
    try:
        if context.engine.outputs(context.stack.name):
            with record.phase(context.progress, "collect"):
                collect(context, record)
    except ProjectError as error:
        if not failing:
            raise
        context.progress.say(f"  collecting failed too: {error}")


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
        print("Stopping what was started; this takes a few seconds.", file=sys.stderr, flush=True)

    with _handlers(wait, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        yield


@contextmanager
def _handlers(handler: Any, *numbers: signal.Signals) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def _shown(path: Path) -> str:
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)

"""A run from nothing to a report: tools, up, seed, arm, load, settle, collect, destroy, report, in this order.

Whatever happens on the way, what was measured is kept and judged, and what was started is stopped. The report is of
what there is; a run that broke has one that says so. Every step is in the run's journal before it begins, so that a run
whose harness was killed can be reported, cleaned up, or gone on with.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from csscgen import recovering, runs, steps
from csscgen.checking import check
from csscgen.collecting import collect
from csscgen.context import Context
from csscgen.driving import drive
from csscgen.faults import unfinished
from csscgen.guarding import Guard, guarded
from csscgen.journal import Story
from csscgen.resuming import Watched, gap
from csscgen.runs import Run
from csscgen.seeding import seed
from csscgen.stackfiles import parse_changes, read
from infra.engine.locks import stack_lock
from infra.settings import Settings
from workloads.errors import InUseError, UsageError


def _tools(context: Context, record: Run) -> None:
    record.versions = runs.versions(steps.install_tools(context))


def _up(context: Context, _record: Run) -> None:
    steps.bring_up(context, temporary=True)


def _seed(context: Context, record: Run) -> None:
    seeded = seed(context)
    record.artifacts = record.artifacts or seeded  # of a resumed run: what was pushed, and not what was found


PREPARATION: dict[str, Callable[[Context, Run], None]] = {"tools": _tools, "up": _up, "seed": _seed}
"""The steps before the load, in order. Each can be taken again: it finds what it had done, and does what is lacking."""


def run(context: Context, *, keep: bool = False, in_set: str | None = None) -> dict[str, Any]:
    """Runs the stack's scenario and returns its summary.

    ``keep`` leaves the stack up; ``in_set`` is the set of runs that this is one of. Raises ProjectError of the step
    that failed, after the report is written and the stack is gone; KeyboardInterrupt likewise.
    """
    check(context)
    with exclusive(context), guarded(context) as guard:
        _check_left(context)
        record, context = begin(context, guard, in_set)
        return _to_the_end(context, record, guard, lambda: _measure(context, record), keep)


def resume(context: Context, name: str | None, *, keep: bool = False) -> dict[str, Any]:
    """Goes on with a run that was cut off: the one named, or the stack's newest. Otherwise like :func:`run`.

    Raises UsageError for a run that cannot be gone on with.
    """
    with exclusive(context):
        record = _resumable(context, name)
        if record.engine["name"] != context.engine.name:
            raise UsageError(
                f"Run {record.id} cannot be resumed with the engine {context.engine.name}, which does not know its "
                f"stack: it was begun with --engine {record.engine['name']}."
            )
        story, before = Story.read(record.folder), Watched.read(record.folder)
        context = _as_it_was(context, record)
        if before is not None and not all(context.engine.outputs(stack.name) for stack in context.stacks):
            raise UsageError(
                f"Run {record.id} cannot be resumed: its stack is gone. `csscgen report` has what is left."
            )
        if undone := unfinished(record.folder):
            raise UsageError(
                f"Run {record.id} cannot be resumed: its harness was killed during a fault ({', '.join(undone)}), "
                f"which nobody has undone. `csscgen destroy --stack {record.stack}` cleans up and reports it."
            )
        settled = story.ended("settle")
        with guarded(context) as guard:
            if not settled:
                record.resumed.append(gap(record.folder))
                record.window = None
            record.error, record.cut_off, record.finished_at = None, False, None
            _open(context, record, guard)

            def work() -> None:
                if before is None:
                    _measure(context, record)
                elif not settled:
                    drive(context, record, before)

            return _to_the_end(context, record, guard, work, keep)


@contextmanager
def exclusive(context: Context) -> Iterator[None]:
    """Holds the stack for one command. Raises UsageError, with the holder's pid, if another has it."""
    with stack_lock(context.state / context.stack.name, context.stack.name, "run"):
        yield
    if context.instance:
        steps.remove_instance(context.state)


def begin(context: Context, guard: Guard | None = None, in_set: str | None = None) -> tuple[Run, Context]:
    """Makes the folder of a new run, and the context in which everything carries its id."""
    record = Run.of(context, set=in_set)
    context = context.changed(runId=record.id)
    record.settings = asdict(context.settings)
    _open(context, record, guard)
    return record, context


def report(context: Context, record: Run) -> dict[str, Any]:
    """Closes the record and makes summary.json and the report of what is there."""
    from analysis.results import analyse

    record.finished_at = runs.now()
    record.save()
    summary = analyse(record.folder)
    record.journal.write("reported")
    context.progress.say(f"  report: {_shown(record.folder / 'report.html')}")
    return summary


def _check_left(context: Context) -> None:
    """Refuses a stack that a run which was cut off has left with its load in it. Raises UsageError."""
    left = [folder for folder in recovering.unreported(context) if not Story.read(folder).has("loaded")]
    if left and context.engine.exists(context.stack.name):
        raise UsageError(
            f"Run {left[-1].name} was cut off, and its stack is still there. Go on with it "
            f"(`{context.named('run')} --resume`), or remove it (`{context.named('destroy')}`)."
        )
    recovering.report_all(context)


def _measure(context: Context, record: Run) -> None:
    for name, step in PREPARATION.items():
        with record.phase(context.progress, name):
            step(context, record)
    drive(context, record)


def _to_the_end(context: Context, record: Run, guard: Guard, work: Callable[[], None], keep: bool) -> dict[str, Any]:
    """Does the work, and then what has to be done whatever became of it: collect, destroy, report."""
    try:
        try:
            work()
        except BaseException as error:
            record.blame(error)  # it may have come between two steps
            raise
        finally:
            _finish(context, record)
        guard.check()
    except BaseException as error:
        record.blame(error)
        raise
    finally:
        guard.stand_down()
        in_use = isinstance(sys.exc_info()[1], InUseError)
        try:
            if in_use:  # what somebody else is working on may be theirs altogether
                context.progress.say(f"  the stack is left as it is; `{context.named('destroy')}` removes it")
            elif not keep:
                with _afterwards(context), record.phase(context.progress, "destroy"):
                    steps.destroy(context, shared=False)
        finally:
            with _afterwards(context):
                summary = report(context, record)
    return summary


def _finish(context: Context, record: Run) -> None:
    """Collects what there is; of a stack that did not come up, the logs."""
    with _afterwards(context):
        if context.engine.outputs(context.stack.name):
            with record.phase(context.progress, "collect"):
                collect(context, record)
        recovering.keep_logs(context, record.folder)


def _open(context: Context, record: Run, guard: Guard | None) -> None:
    """Puts on disk whose run this is, before anything of it is done."""
    record.guard = guard
    record.save()
    record.journal.write(
        "run", stack=context.stack.name, instance=context.instance, state=str(context.state), engine=context.engine.name
    )


def _resumable(context: Context, name: str | None) -> Run:
    """The run to go on with. Raises UsageError if there is none such."""
    stack = context.stack.name
    if name is None:
        found = [folder for folder in runs.every(context.root) if _is_open(context, folder)]
        if not found:
            raise UsageError(f"There is no run of stack {stack} that was cut off, so there is nothing to resume.")
        return runs.load(found[-1])
    record = runs.load(runs.find(context.root, name))
    story = Story.read(record.folder)
    if record.stack != stack or story.place.get("state", str(context.state)) != str(context.state):
        instance = f", instance {record.instance}" if record.instance else ""
        raise UsageError(f"Run {record.id} is one of stack {record.stack}{instance}, and not of {stack} here.")
    if story.harness_lives:
        raise UsageError(f"Run {record.id} cannot be resumed: its harness (pid {story.pid}) still works on it.")
    if record.finished_at and not record.cut_off:
        raise UsageError(f"Run {record.id} cannot be resumed: it is finished.")
    if not story.lines:
        raise UsageError(f"Run {record.id} cannot be resumed: it has no journal.")
    return record


def _is_open(context: Context, folder: Path) -> bool:
    try:
        record, story = runs.load(folder), Story.read(folder)
    except UsageError:
        return False
    ours = record.stack == context.stack.name and story.place.get("state") == str(context.state)
    return ours and not story.harness_lives and (record.finished_at is None or record.cut_off)


def _as_it_was(context: Context, record: Run) -> Context:
    """The context with the settings of the run, whatever its stack's file says by now. Raises SettingsError."""
    stack = read(context.root, record.stack, parse_changes(record.changes))
    settings = Settings.read(record.settings, f"run {record.id}")
    config = {**stack.config, **record.settings}
    return replace(context, stack=replace(stack, config=config, settings=settings))


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


def _shown(path: Path) -> str:
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)

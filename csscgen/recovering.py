"""Runs that were cut off: which there are, and how one is reported all the same.

A run was cut off if it has no end and the harness that wrote its journal does not live. What it had measured is on
disk: checkpoints of its pods, requests and events, a spool of its scrapes, a journal of what it did when. Out of that
come the figures, over a window from the first object that was sent to the last whole round of scrapes.
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

from analysis.formats import utc
from csscgen import runs, spools
from csscgen.auditing import collect_admissions
from csscgen.checkpoints import PODS
from csscgen.context import Context
from csscgen.journal import Story
from csscgen.runs import Run
from workloads.errors import ProjectError, UsageError


def is_cut_off(folder: Path) -> bool:
    """Whether the run in ``folder`` ended without its own doing."""
    try:
        return runs.load(folder).finished_at is None and not Story.read(folder).harness_lives
    except UsageError:
        return False


def unreported(context: Context) -> list[Path]:
    """The runs of the context's stack that were cut off and have no report of it yet, oldest first."""
    return [folder for folder in runs.every(context.root) if is_cut_off(folder) and _is_of(context, folder)]


def close(folder: Path) -> Run:
    """Completes the record of a run that was cut off, so that it can be analysed.

    Raises UsageError if its run.json cannot be read.
    """
    record, story = runs.load(folder), Story.read(folder)
    step = story.step or "the time between two steps"
    rounds = spools.rounds(folder / spools.FILE)
    seen = [*rounds[-1:], *([(folder / PODS).stat().st_mtime] if (folder / PODS).exists() else [])]
    last = max([*seen, *filter(None, [story.last_seen])], default=None)
    if record.window is None and story.sent is not None:
        # The last round may not be whole. Figures need a round at the end or after it.
        end = next((moment for moment in reversed(rounds[:-1]) if moment > story.sent), last or story.sent)
        record.window = {"start": story.sent, "end": end}
    spools.publish(folder)
    for phase in record.phases:
        if phase["finished"] is None:
            phase.update(finished=last, ok=False)
    if record.error is None and not story.has("loaded"):
        pid = f" (pid {story.pid})" if story.pid else ""
        message = f"The harness{pid} ended during {step}: what is reported is what it had measured until then."
        record.error = {"phase": step, "message": message}
    record.cut_off = True
    record.finished_at = utc(last) if last else runs.now()
    record.save()
    return record


def report_all(context: Context) -> None:
    """Reports every run of the context's stack that was cut off; what cannot be is told, and stands in nobody's way."""
    from analysis.results import analyse

    for folder in unreported(context):
        try:
            record = close(folder)
            with suppress(ProjectError):  # what its stack can still tell, be it up or half up
                collect_admissions(context.outputs().get("audit"), record)
            keep_logs(context, folder)
            analyse(folder)
        except (ProjectError, OSError) as error:
            context.progress.say(f"  {folder.name} was cut off and could not be reported: {error}")
            continue
        context.progress.say(f"  {folder.name}: {record.error['message'] if record.error else 'reported'}")


def keep_logs(context: Context, folder: Path) -> None:
    """Copies the logs of a local stack's processes to a run's folder, whether or not its outputs are known.

    What is there already stays, and what cannot be copied is left out: it is the last that there is to be had.
    """
    for stack in context.stacks:
        for log in sorted((context.files(stack) / "logs").glob("*.log")):
            target = folder / "logs" / log.name
            if not target.exists():
                target.parent.mkdir(exist_ok=True)
                with suppress(OSError):
                    shutil.copyfile(log, target)


def _is_of(context: Context, folder: Path) -> bool:
    place = Story.read(folder).place
    return place.get("stack") == context.stack.name and place.get("state") == str(context.state)

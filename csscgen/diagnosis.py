"""What runs of this user's stacks, and what is left of commands that are gone.

A finding says what it is, whose it was and the one command that removes it. What a stack may still need, its state and
its processes, is only told; what nobody can need (locks without a holder, half-written files, reservations of stacks
that are gone, half-built tools) can be mended here, and so can a run without its report.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from analysis.results import analyse
from csscgen import recovering, runs, sharing
from csscgen.journal import Story
from infra.engine.locks import holder, is_held
from infra.engine.places import instance_of, state_folders
from infra.engine.state import FILE
from infra.local.running import end_all, marked
from infra.local.sockets import release_lost, reservations
from infra.local.tools import TOOLS, cache_root
from workloads.errors import ProjectError

LOCKS = ("run", "lock", sharing.LOCK)
DRAFTS = ("*.tmp", "*.new", ".*.tmp", ".*.new", ".key.*")
FIX = "csscgen doctor --fix"


@dataclass(frozen=True)
class Process:
    """A process of a stack."""

    name: str
    pid: int
    since: str
    stack: str
    instance: str | None
    run: str | None
    harness: int | None
    """The pid of the command that works on the stack; None if none lives."""
    state: str


@dataclass(frozen=True)
class Finding:
    """Something that is left over."""

    what: str
    remedy: str
    fix: Callable[[], object] | None = None
    """Mends it; None if that is the user's to say."""


def processes() -> list[Process]:
    """Every process of this user's stacks, wherever their state is."""
    found = []
    for mark, process in marked():
        folder, _, name = mark.rpartition(":")
        stack = Path(folder).parent
        since = datetime.fromtimestamp(process.create_time(), UTC).isoformat(timespec="seconds")
        run = _open_run(stack)
        found.append(
            Process(
                name,
                process.pid,
                since.replace("+00:00", "Z"),
                stack.name,
                instance_of(stack.parent),
                run.name if run else None,
                _harness(stack),
                str(stack.parent),
            )
        )
    return sorted(found, key=lambda one: (one.state, one.stack, one.since, one.pid))


def findings(root: Path, base: Path, running: list[Process]) -> list[Finding]:
    """What is left over of the stacks in ``base``, of the runs and in the cache."""
    found: list[Finding] = []
    for state in state_folders(base):
        for stack in sorted(folder for folder in state.glob("[!@.]*") if folder.is_dir()):
            if _harness(stack) is None:
                found += _of_stack(stack, [one for one in running if _is_of(one, stack)])
        found += [_draft(file) for file in state.glob(".key.*")]
    lost = [one for one in running if _is_under(one, base) and not (Path(one.state) / one.stack).exists()]
    for folder in sorted({Path(one.state) / one.stack / "files" for one in lost}):
        names = ", ".join(f"{one.name} (pid {one.pid})" for one in lost if _is_of(one, folder.parent))
        found.append(Finding(f"{names} of a stack that no state knows", FIX, partial(end_all, folder)))
    found += [*_of_runs(root), *_of_cache()]
    return found


def _of_stack(stack: Path, running: list[Process]) -> Iterator[Finding]:
    """What is left of a stack on which no command works."""
    instance = instance_of(stack.parent)
    words = f"--stack {stack.name}" + (f" --instance {instance}" if instance else "")
    if (stack / FILE).exists() or (stack / "files").exists() or running:
        run = _open_run(stack)
        resume = f", or `csscgen run {words} --resume`" if run else ""
        of = f", left by run {run.name}{resume}" if run else ""
        yield Finding(
            f"stack {stack.name}{f' of instance {instance}' if instance else ''} is there with {len(running)} "
            f"processes, and no command works on it{of}",
            f"csscgen destroy {words}",
        )
    for name in LOCKS:
        if (stack / name).exists() and not is_held(stack / name):
            yield Finding(
                f"{stack / name} is a lock of process {holder(stack / name)}, which is gone",
                FIX,
                partial((stack / name).unlink, missing_ok=True),
            )
    for pattern in DRAFTS:
        for place in (stack, stack / "files", stack / "files" / "processes"):
            yield from (_draft(file) for file in place.glob(pattern))
    for file in stack.glob(f"{FILE}.unreadable-*"):
        yield Finding(f"{file} is a state that could not be read, kept by a destroy", f"rm {file}")


def _of_runs(root: Path) -> Iterator[Finding]:
    for folder in runs.every(root):
        if recovering.is_cut_off(folder):
            story = Story.read(folder)
            yield Finding(
                f"run {folder.name} has no report: its harness (pid {story.pid}) ended during {story.step}",
                f"csscgen report {folder.name}",
                partial(_report, folder),
            )
        elif not Story.read(folder).harness_lives:
            yield from (_draft(file) for pattern in DRAFTS for file in folder.glob(pattern))


def _of_cache() -> Iterator[Finding]:
    lost = [port for port, folder in reservations().items() if not folder.exists()]
    if lost:
        yield Finding(f"{len(lost)} ports are reserved for stacks that are gone", FIX, release_lost)
    for tool in TOOLS.values():
        if not is_held(cache_root() / f"{tool.name}.lock"):
            for folder in cache_root().glob(f".{tool.name}-*"):
                yield Finding(
                    f"{folder} is a build of {tool.name} that was cut off",
                    FIX,
                    partial(shutil.rmtree, folder, ignore_errors=True),
                )


def _draft(file: Path) -> Finding:
    age = time.time() - file.stat().st_mtime if file.exists() else 0
    return Finding(f"{file} was left half-written {age:.0f} s ago", FIX, partial(file.unlink, missing_ok=True))


def _report(folder: Path) -> None:
    try:
        recovering.close(folder)
        analyse(folder)
    except ProjectError:
        return  # it stays a finding


def _harness(stack: Path) -> int | None:
    """The pid of the command that works on a stack, or of one that uses it as its shared stack."""
    for name in LOCKS:
        if is_held(stack / name):
            return holder(stack / name)
    return next(iter(sharing.living(stack)), None)


def _open_run(stack: Path) -> Path | None:
    """The newest run of a stack that is not at its end."""
    from csscgen.stackfiles import project_root

    for folder in reversed(runs.every(project_root())):
        place = Story.read(folder).place
        if place.get("stack") == stack.name and place.get("state") == str(stack.parent):
            return None if Story.read(folder).has("reported") else folder
    return None


def _is_of(process: Process, stack: Path) -> bool:
    return process.stack == stack.name and process.state == str(stack.parent)


def _is_under(process: Process, base: Path) -> bool:
    return Path(process.state) in (base, *state_folders(base)) or Path(process.state).parent == base

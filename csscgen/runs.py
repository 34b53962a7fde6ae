"""A run's folder: its name, its run.json, and the runs that there are."""

from __future__ import annotations

import os
import platform
import re
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import orjson

import csscgen
from analysis.files import write_atomically
from analysis.formats import utc
from csscgen.journal import Journal
from csscgen.progress import Progress
from csscgen.stackfiles import chosen_folder
from workloads.errors import CollectError, UsageError, named

if TYPE_CHECKING:
    from csscgen.context import Context
    from csscgen.guarding import Guard

FOLDER_VARIABLE = "CSSCGEN_RUNS"
ID = re.compile(r"(.+)-(\d{8}-\d{6})-[0-9a-f]{4}")


def folder(root: Path) -> Path:
    """Where runs are kept: ``CSSCGEN_RUNS``, or ``runs`` beside Pulumi.yaml. Raises UsageError if a file is there."""
    return chosen_folder(FOLDER_VARIABLE, root / "runs")


def now() -> str:
    """This moment as RFC 3339, UTC."""
    return utc(time.time())


def new_id(stack: str) -> str:
    """A run's id: stack, time and four random digits; a name for a folder, and the value of a Kubernetes label."""
    moment = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    return f"{_beginning(stack)}-{moment}-{secrets.token_hex(2)}"


def _beginning(stack: str) -> str:
    """A stack's name as a run's id begins with it: a label's value takes neither every character nor every length."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", stack)[:40].lstrip("-._") or "run"


@dataclass
class Run:
    """run.json: what was run. Kept up to date as the run goes on, so that one that is cut off tells how far it came."""

    folder: Path
    stack: str
    platform: str
    engine: dict[str, str]
    settings: dict[str, Any]
    versions: dict[str, str | None]
    started_at: str = field(default_factory=now)
    finished_at: str | None = None
    window: dict[str, float] | None = None
    phases: list[dict[str, Any]] = field(default_factory=list)
    artifacts: dict[str, Any] | None = None
    prometheus: dict[str, Any] | None = None
    harness: dict[str, float | None] = field(default_factory=dict)
    error: dict[str, str] | None = None
    deadline_passed: bool = False
    instance: str | None = None
    changes: list[str] = field(default_factory=list)
    """The ``--set`` words."""
    set: str | None = None
    """The set of runs that it is one of."""
    cut_off: bool = False
    """Whether the harness ended before the run did. It can be resumed for as long as its stack is there."""
    resumed: list[dict[str, Any]] = field(default_factory=list)
    """From when to when, epoch seconds, nothing was watched, and in which step that began."""

    cluster: dict[str, Any] | None = None
    """Version and nodes of a cluster that was found, and not made of processes of this machine."""
    unscraped: dict[str, str] = field(default_factory=dict)
    """Why a component was not scraped at all."""
    watch: dict[str, int] | None = None
    """How often the watches of the cluster began anew from a LIST (``relists``) or broke off (``interruptions``)."""
    clock_jumps: list[dict[str, float]] | None = None
    """Steps of the wall clock while the run was watched; None if nobody looked."""
    profile: dict[str, Any] | None = None
    """The metrics and alerts that Prometheus is asked for when the load is over; None if there are none."""
    collected_afterwards: bool = False
    """Whether the record was made after the fact: nobody watched the load."""

    @classmethod
    def of(cls, context: Context, **more: Any) -> Self:
        """The record of a run of the context's stack, in a folder that is made for it and named by the run's id.

        Raises UsageError, before it makes anything, for a metric profile or a login to Prometheus that cannot be used.
        """
        from csscgen import httpconfigs, profiles  # with what asks Prometheus, which most commands do not need

        profile = profiles.record(profiles.of(context))
        httpconfigs.of(context)
        place = folder(context.root) / new_id(context.stack.name)
        place.mkdir(parents=True)
        return cls(
            place,
            context.stack.name,
            context.settings.platform,
            {"name": context.engine.name, "version": context.engine.version},
            asdict(context.settings),
            versions({}),
            instance=context.instance,
            changes=list(context.changes),
            profile=profile,
            **more,
        )

    def __post_init__(self) -> None:
        self.journal = Journal(self.folder)
        self.guard: Guard | None = None

    def shielded(self) -> AbstractContextManager[None]:
        """What is done inside is done to its end, if the run is guarded."""
        return self.guard.shielded() if self.guard else nullcontext()

    @property
    def id(self) -> str:
        return self.folder.name

    def save(self) -> None:
        """Writes run.json."""
        known = {key: value for key, value in asdict(self).items() if key != "folder"}
        content = {"run_id": self.id, "family": "ratify", **known, "machine": machine()}
        write_atomically(self.folder / "run.json", orjson.dumps(content, option=orjson.OPT_INDENT_2) + b"\n")

    def blame(self, error: BaseException, phase: str | None = None) -> None:
        """Says what the run failed with, in the phase or after the last one; the first error stays."""
        if self.error is None:
            last = self.phases[-1]["name"] if self.phases else "begin"
            self.error = {"phase": phase or last, "message": _message(error)}

    @contextmanager
    def phase(self, progress: Progress, name: str) -> Iterator[None]:
        """A step of the run: announced, timed, journaled and kept.

        Raises what the step raises, or what is behind that: a process that ended on its own.
        """
        record: dict[str, Any] = {"name": name, "started": time.time(), "finished": None, "ok": None}
        self.phases.append(record)
        self.save()
        self.journal.write("began", step=name)
        try:
            with progress.step(name):
                yield
        except BaseException as error:
            # What comes after the first error is not explained by what explains that one.
            cause = self.guard.explain(error) if self.guard and self.error is None else error
            record.update(finished=time.time(), ok=False)
            self.journal.write("failed", step=name, message=_message(cause))
            self.blame(cause, name)
            if cause is not error:
                raise cause from error
            raise
        else:
            record.update(finished=time.time(), ok=True)
            self.journal.write("ended", step=name)
        finally:
            self.save()


def _message(error: BaseException) -> str:
    return str(error) or ("KeyboardInterrupt" if isinstance(error, KeyboardInterrupt) else type(error).__name__)


def machine() -> dict[str, Any]:
    """The machine that the harness runs on."""
    return {
        "cpu_count": len(os.sched_getaffinity(0)),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "os": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
    }


def versions(tools: Mapping[str, str | None]) -> dict[str, str | None]:
    """Versions of the components, of this program and of the packages that figures may depend on."""
    from importlib.metadata import version

    packages = {name: version(name) for name in ("pulumi", "pulumi-kubernetes", "aiohttp")}
    return {"csscgen": csscgen.__version__, **tools, **packages}


def find(root: Path, name: str | None, stack: str | None = None) -> Path:
    """The folder of a run by its id, a unique beginning of it, or its path; without a name the newest.

    With ``stack`` only the runs of that stack are looked at. Raises UsageError if there is none such, or more than one.
    """
    with suppress(OSError):  # a name may be longer than a path may be
        if name and (Path(name) / "run.json").exists():
            return Path(name).resolve()
    folders = [each for each in every(root) if stack is None or _parts(each)[0] == _beginning(stack)]
    found = [folder for folder in folders if folder.name == name] or [
        folder for folder in folders if name is None or folder.name.startswith(name)
    ]
    if not found:
        what = f"run {named(name)}" if name else f"run of stack {stack}" if stack else "run"
        raise UsageError(f"There is no {what} in {folder(root)}. `csscgen runs list` shows what there is.")
    if name and len(found) > 1:
        raise UsageError(f"{name} could be any of {', '.join(folder.name for folder in found)}.")
    return max(found, key=_moment)


def every(root: Path) -> list[Path]:
    """The folders of all runs, oldest first."""
    return sorted((file.parent for file in folder(root).glob("*/run.json")), key=_moment)


def _parts(folder: Path) -> tuple[str, str]:
    """What a run's id says of its stack and of its time."""
    match = ID.fullmatch(folder.name)
    return (match[1], match[2]) if match else (folder.name, "")


def _moment(folder: Path) -> tuple[str, str]:
    """For sorting by time."""
    return (_parts(folder)[1], folder.name)


def load(folder: Path) -> Run:
    """The record of a run, to go on with. Raises UsageError if its run.json cannot be read."""
    from analysis.records import read_run  # with what reads samples, which most commands do not need

    try:
        content = read_run(folder)
        known = {f.name for f in fields(Run)}
        return Run(folder, **{key: value for key, value in content.items() if key in known})
    except CollectError as error:
        raise UsageError(str(error)) from error
    except TypeError as error:
        raise UsageError(f"{folder / 'run.json'} is not the record of a run, it lacks entries: {error}.") from error

"""A run's folder: its name, its run.json, and the runs that there are."""

from __future__ import annotations

import json
import os
import platform
import re
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import csscgen
from csscgen.progress import Progress
from workloads.errors import UsageError

FOLDER_VARIABLE = "CSSCGEN_RUNS"


def folder(root: Path) -> Path:
    """Where runs are kept: ``CSSCGEN_RUNS``, or ``runs`` beside Pulumi.yaml."""
    return Path(os.environ.get(FOLDER_VARIABLE) or root / "runs").resolve()


def now() -> str:
    """This moment as RFC 3339, UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def new_id(stack: str) -> str:
    """A run's id: stack, time and four random digits; short enough to be the value of a label."""
    moment = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    return f"{stack[:40]}-{moment}-{secrets.token_hex(2)}"


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

    @property
    def id(self) -> str:
        return self.folder.name

    def save(self) -> None:
        """Writes run.json."""
        known = {key: value for key, value in asdict(self).items() if key != "folder"}
        content = {"run_id": self.id, "family": "ratify", **known, "machine": machine()}
        write(self.folder / "run.json", json.dumps(content, indent=2) + "\n")

    @contextmanager
    def phase(self, progress: Progress, name: str) -> Iterator[None]:
        """A step of the run: announced, timed, and kept."""
        record: dict[str, Any] = {"name": name, "started": time.time(), "finished": None, "ok": None}
        self.phases.append(record)
        self.save()
        try:
            with progress.step(name):
                yield
        except BaseException as error:
            record.update(finished=time.time(), ok=False)
            if self.error is None:
                self.error = {"phase": name, "message": str(error) or type(error).__name__}
            raise
        else:
            record.update(finished=time.time(), ok=True)
        finally:
            self.save()


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


def write(file: Path, text: str) -> None:
    """Writes a file atomically."""
    scratch = file.with_name(f".{file.name}.new")
    scratch.write_text(text)
    os.replace(scratch, file)


def find(root: Path, name: str | None) -> Path:
    """The folder of a run by its id, a unique beginning of it, or its path; without a name the newest.

    Raises UsageError if there is none such, or more than one.
    """
    if name and (Path(name) / "run.json").exists():
        return Path(name).resolve()
    folders = every(root)
    found = [folder for folder in folders if folder.name == name] or [
        folder for folder in folders if name is None or folder.name.startswith(name)
    ]
    if not found:
        raise UsageError(f"There is no run {name or ''} in {folder(root)}. `csscgen runs list` shows what there is.")
    if name and len(found) > 1:
        raise UsageError(f"{name} could be any of {', '.join(folder.name for folder in found)}.")
    return max(found, key=_moment)


def every(root: Path) -> list[Path]:
    """The folders of all runs, oldest first."""
    return sorted((file.parent for file in folder(root).glob("*/run.json")), key=_moment)


def _moment(folder: Path) -> tuple[str, str]:
    """What a run's id says of its time, for sorting."""
    match = re.search(r"\d{8}-\d{6}", folder.name)
    return (match[0] if match else "", folder.name)


def load(folder: Path) -> Run:
    """The record of a run, to go on with. Raises UsageError if its run.json cannot be read."""
    try:
        content = json.loads((folder / "run.json").read_text())
        known = {f.name for f in fields(Run)}
        return Run(folder, **{key: value for key, value in content.items() if key in known})
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(f"{folder / 'run.json'} is not the record of a run: {error}") from error

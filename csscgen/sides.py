"""Which runs a word means: a run, a set of runs that were made together, or a baseline, runs kept by a name.

A set is written in the run.json of its runs. Baselines are in one small file beside the runs.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import orjson

from analysis.files import write_atomically
from csscgen import runs
from workloads.errors import UsageError, named

FILE = "baselines.json"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


def find(root: Path, words: str) -> list[Path]:
    """The folders of the runs that words, separated by commas, mean; each once.

    A word is a run's id or path, the name of a baseline or of a set, or a unique beginning of a run's id, and means the
    first of these that there is. Raises UsageError if there is none, or a baseline's run is gone.
    """
    found = (folder for word in words.split(",") for folder in _meant(root, word.strip()))
    return list(dict.fromkeys(found))


def of_set(root: Path, name: str) -> list[Path]:
    """The folders of the runs of a set, oldest first; none if there is no such set."""
    return [folder for folder in runs.every(root) if set_of(folder) == name]


def set_of(folder: Path) -> str | None:
    """The set that a run is of; None without one, or if its run.json cannot be read."""
    try:
        found = orjson.loads((folder / "run.json").read_bytes()).get("set")
    except (OSError, ValueError, AttributeError):
        return None
    return found if isinstance(found, str) else None


def check_set(root: Path, name: str) -> None:
    """Raises UsageError if a set cannot be named so."""
    _check(root, name, "set")
    if name in baselines(root):
        raise UsageError(f"{name} is the name of a baseline. Name the set otherwise.")


def baselines(root: Path) -> dict[str, list[str]]:
    """Name → the runs of every baseline, by their ids, or by their paths if they are elsewhere.

    Raises UsageError if the file of the baselines cannot be read.
    """
    file = runs.folder(root) / FILE
    try:
        content = orjson.loads(file.read_bytes())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}. Mend that.") from None
    except orjson.JSONDecodeError as error:
        raise UsageError(f"{file} has no baselines: it is not JSON ({error}). Mend it, or remove it.") from None
    if not isinstance(content, dict) or not all(_names(value) for value in content.values()):
        raise UsageError(f"{file} has no baselines: it is not an object with a list of runs per name. Remove it.")
    return content


def keep(root: Path, name: str, folders: Sequence[Path]) -> None:
    """Keeps runs as a baseline; one of that name is replaced. Raises UsageError if it cannot be named so."""
    _check(root, name, "baseline")
    if of_set(root, name):
        raise UsageError(f"{name} is the name of a set. Name the baseline otherwise.")
    home = runs.folder(root)
    _write(root, baselines(root) | {name: [each.name if each.parent == home else str(each) for each in folders]})


def remove(root: Path, name: str) -> None:
    """Removes a baseline; its runs stay. Raises UsageError if there is none of that name."""
    known = baselines(root)
    if name not in known:
        raise UsageError(f"There is no baseline {named(name)}. `csscgen baselines list` shows what there is.")
    _write(root, {key: value for key, value in known.items() if key != name})


def gone(root: Path, names: Sequence[str]) -> list[str]:
    """Which runs of a baseline are not there any more."""
    return [name for name in names if not (runs.folder(root) / name / "run.json").exists()]


def _meant(root: Path, word: str) -> list[Path]:
    if not word:
        raise UsageError("There is a comma with no run beside it. Name the runs as RUN,RUN.")
    if not _is_run(root, word):
        if (names := baselines(root).get(word)) is not None:
            if lost := gone(root, names):
                raise UsageError(
                    f"{len(lost)} of the {len(names)} runs of baseline {word} are gone: {', '.join(lost)}. "
                    f"`csscgen baselines set {word} RUN,RUN` names others."
                )
            return [runs.find(root, name) for name in names]
        if found := of_set(root, word):
            return found
    return [runs.find(root, word)]


def _is_run(root: Path, word: str) -> bool:
    """Whether a word is the whole name, or the path, of a run."""
    try:
        return any((folder / "run.json").exists() for folder in (runs.folder(root) / word, Path(word)))
    except OSError:  # a name may be longer than a path may be
        return False


def _check(root: Path, name: str, what: str) -> None:
    if not NAME.fullmatch(name):
        raise UsageError(
            f"{named(name)} cannot be the name of a {what}: take up to 63 letters, digits, dots, dashes and "
            "underscores, beginning with a letter or a digit."
        )
    if _is_run(root, name):
        raise UsageError(f"{name} is a run. Name the {what} otherwise.")


def _names(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, str) and each for each in value)


def _write(root: Path, content: dict[str, list[str]]) -> None:
    write_atomically(runs.folder(root) / FILE, orjson.dumps(content, option=orjson.OPT_INDENT_2) + b"\n")

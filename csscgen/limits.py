"""Thresholds by flag and by file: they stand beside those of a stack, or of a run that is judged again."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import yaml

from analysis.files import write_atomically
from csscgen.yamlfiles import RepeatedKey, load
from workloads import thresholds
from workloads.errors import UsageError, named, quoted

_WORDS = re.compile(r"\s*([^\s<>=]+)\s*([<>=].*)", re.DOTALL)


def read(words: Sequence[str], file: Path | None) -> dict[str, str]:
    """Figure → limit, of ``--threshold`` words and of a file; a word counts more than the file.

    Raises UsageError for a word that is no figure and limit, a file that cannot be read, and a figure that there is
    not: a run may take hours, and would fail for it.
    """
    found = _file(file) if file else {}
    for word in words:
        match = _WORDS.fullmatch(word)
        if match is None:
            raise UsageError(
                f"--threshold {quoted(word)} is not a figure and its limit, such as 'pods.missing <= 0' or "
                "'pods.ready >= pods.expected'."
            )
        found[match[1]] = match[2].strip()
    where = str(file) if file and not words else "--threshold"
    for figure, limit in found.items():
        if problem := thresholds.problem(limit) or _unknown(figure):
            raise UsageError(f"{where}: {named(figure)}: {problem}")
    return found


def keep(folder: Path, given: Mapping[str, str]) -> None:
    """Keeps thresholds in the run.json of a run that is judged again, beside those that it has.

    Raises CollectError if the folder is not a run's.
    """
    from analysis.records import read_run  # with what reads samples

    if not given:
        return
    run: dict[str, Any] = read_run(folder)
    settings = run.setdefault("settings", {})
    settings["thresholds"] = {**(settings.get("thresholds") or {}), **given}
    write_atomically(folder / "run.json", orjson.dumps(run, option=orjson.OPT_INDENT_2) + b"\n")


def _file(file: Path) -> dict[str, str]:
    try:
        content = load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}. Name another file of thresholds.") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        twice = f" It has {quoted(error.key)} twice." if isinstance(error, RepeatedKey) else ""
        raise UsageError(f"{file} is not YAML with a threshold per line: mend it.{twice}") from None
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise UsageError(f"{file} has to have figures and their limits, such as `pods.missing: <= 0`.")
    return dict(content)


def _unknown(figure: str) -> str | None:
    from analysis.comparing.figures import near, of

    if of(figure):
        return None
    return (
        f"There is no such figure; did you mean {nearest}?" if (nearest := near(figure)) else "There is no such figure."
    )

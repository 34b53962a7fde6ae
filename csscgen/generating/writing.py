"""Where what is generated goes: to standard output, to a file that is whole or not there, or to a folder of files."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from analysis.files import write_atomically
from workloads.errors import UsageError


def write_text(pieces: Iterable[str], file: Path | None) -> None:
    """One piece after another. Raises UsageError if the file cannot be written."""
    if file is None:
        sys.stdout.writelines(pieces)
        return
    draft = file.with_name(f".{file.name}.tmp")
    try:
        try:
            with draft.open("w", encoding="utf-8") as target:
                target.writelines(pieces)
            os.replace(draft, file)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise _refused(file, error) from error


def write_files(files: Mapping[str, str], folder: Path) -> None:
    """Files by their names. Raises UsageError if the folder cannot be made or written to."""
    try:
        for name, text in files.items():
            write_atomically(folder / name, text.encode())
    except OSError as error:
        raise _refused(folder, error) from error


def _refused(path: Path, error: OSError) -> UsageError:
    return UsageError(f"{path} cannot be written: {error.strerror}. Name another with -f, in a folder that is there.")

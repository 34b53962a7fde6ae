"""The command line in the tests' own process."""

from __future__ import annotations

import pytest

from csscgen.cli import main


def csscgen(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Runs a command: exit code, stdout, stderr."""
    code = 0
    try:
        main(words)
    except SystemExit as left:
        code = int(left.code or 0)
    return (code, *capsys.readouterr())

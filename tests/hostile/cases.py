"""What a hostile input is, and what a command has to say about it.

A case is an input that a real machine could produce, and the words that tell a user what is wrong with it. The judge is
the same for all of them: one message of full sentences, no traceback, in bounded time, short enough to be read.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import pytest

from csscgen.cli import main

SECONDS = 20.0
MOST_CHARACTERS = 2_000
MB_10 = 10_000_000


class Case(NamedTuple):
    """An input, and the words of the message that it has to get."""

    given: str | bytes
    says: tuple[str, ...]
    code: int = 2


class Said(NamedTuple):
    """What a command said."""

    code: int
    out: str
    err: str
    seconds: float


Csscgen = Callable[..., Said]


def command_line(capsys: pytest.CaptureFixture[str]) -> Csscgen:
    """The command line, in this process."""

    def run(*words: str) -> Said:
        started, code = time.monotonic(), 0
        with at_most(SECONDS):
            try:
                main(words)
            except SystemExit as left:
                code = int(left.code or 0)
        return Said(code, *capsys.readouterr(), time.monotonic() - started)

    return run


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Breaks off what takes longer."""

    def late(*_: object) -> None:
        raise AssertionError(f"it took longer than {seconds:g} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def message(said: Said) -> str:
    """The one message of a command that failed. Progress before it does not count."""
    assert "Traceback" not in said.out + said.err
    assert said.seconds < SECONDS
    before, marked, text = f"\n{said.err}".partition("\nError: ")
    assert marked, f"there is no message: exit code {said.code}, {said.err[-500:]!r}"
    assert not any(line.startswith("Error: ") for line in text.splitlines()), "there is more than one message"
    assert all(line.startswith(("✓", "✗", "  ", "Usage:", "Try '")) or not line for line in before.splitlines()), before
    text = text.rstrip("\n")
    assert len(text) <= MOST_CHARACTERS, f"{len(text)} characters: {text[:300]!r}"
    assert all(line.isprintable() for line in text.splitlines()), f"not to be printed on a terminal: {text!r}"
    assert text[0].isupper() or text[0] in "'`-/" or text.startswith(("stacks/", "state")), text
    assert text.endswith((".", "?")), f"not a sentence: {text!r}"
    return text


def assert_refused(said: Said, case: Case) -> None:
    """The command ended with the one message that the case asks for."""
    text = message(said)
    lacking = [words for words in case.says if words not in text]
    assert not lacking, f"{lacking} is not in: {text}"
    assert said.code == case.code

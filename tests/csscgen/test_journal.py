from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from csscgen.journal import FILE, Journal, Story


def test_a_journal_tells_what_was_done_by_whom(tmp_path: Path):
    journal = Journal(tmp_path)
    journal.write("run", stack="local-S", instance="a", state="/s")
    journal.write("began", step="up")
    story = Story.read(tmp_path)
    assert (story.place["stack"], story.place["instance"], story.step) == ("local-S", "a", "up")
    assert (story.pid, story.harness_lives) == (os.getpid(), True)
    journal.write("ended", step="up")
    assert (Story.read(tmp_path).step, Story.read(tmp_path).ended("up")) == (None, True)


def test_a_step_that_failed_is_not_open(tmp_path: Path):
    Journal(tmp_path).write("began", step="up")
    Journal(tmp_path).write("failed", step="up", message="x")
    assert Story.read(tmp_path).step is None


def test_a_recycled_pid_is_not_the_harness(tmp_path: Path):
    Journal(tmp_path).write("began", step="up")
    line = json.loads((tmp_path / FILE).read_text())
    (tmp_path / FILE).write_text(json.dumps({**line, "started": line["started"] - 1}) + "\n")
    assert not Story.read(tmp_path).harness_lives


def test_a_line_that_was_cut_off_is_dropped_and_the_next_one_is_whole(tmp_path: Path):
    Journal(tmp_path).write("began", step="up")
    with (tmp_path / FILE).open("ab") as file:
        file.write(b'{"time": 1, "event": "ended", "st')
    assert Story.read(tmp_path).step == "up"
    Journal(tmp_path).write("ended", step="up")
    assert [line["event"] for line in Story.read(tmp_path).lines] == ["began", "ended"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\0" * 4096,
        "null",
        "[]",
        "3",
        '"x"',
        "{}",
        '{"time": 1}',
        '{"time": "x", "event": "began", "step": "up", "pid": 1, "started": 1}',
        '{"time": 1, "event": "began", "pid": 1, "started": 1}',
        '{"time": 1, "event": "began", "step": 5, "pid": 1, "started": 1}',
        '{"time": 1, "event": null, "step": "up", "pid": 1, "started": 1}',
        '{"time": 1, "event": "began", "step": "up", "pid": "1", "started": 1}',
        "[" * 100_000,
        "\udc80",
    ],
)
def test_what_is_no_line_of_a_journal_is_left_out(tmp_path: Path, text: str):
    Journal(tmp_path).write("began", step="load")
    with (tmp_path / FILE).open("ab") as file:
        file.write(text.encode(errors="surrogateescape") + b"\n")
    assert Story.read(tmp_path).step == "load"


def test_no_journal_at_all(tmp_path: Path):
    story = Story.read(tmp_path)
    assert (story.lines, story.pid, story.step, story.sent, story.harness_lives) == ([], None, None, None, False)


WRITER = """
import itertools, sys
from pathlib import Path
from csscgen.journal import Journal
for number in itertools.count():
    Journal(Path(sys.argv[1])).write("began", step=str(number), padding="x" * 5000)
"""


def test_a_journal_survives_a_kill_at_any_moment(tmp_path: Path):
    told = 0
    for attempt in range(6):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)])
        while len(Story.read(tmp_path).lines) <= told + attempt:
            assert writer.poll() is None
        writer.kill()
        writer.wait()
        lines = Story.read(tmp_path).lines
        assert len(lines) > told
        assert all(len(line["padding"]) == 5000 for line in lines)
        assert not Story.read(tmp_path).harness_lives
        told = len(lines)

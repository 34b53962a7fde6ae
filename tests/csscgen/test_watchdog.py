from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from csscgen import interruptions
from csscgen.interruptions import interruptible
from csscgen.watchdog import Watchdog
from infra.local import running
from infra.local.running import Record, started_ticks
from workloads.errors import ProcessError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "files"


class Victim:
    """A process that is meant to run."""

    def __init__(self, folder: Path, name: str) -> None:
        self.process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        log = folder / f"{name}.log"
        folder.mkdir(exist_ok=True)
        log.write_text(f"hello\nlast words of {name}\n")
        started = started_ticks(self.process.pid)
        assert started is not None
        self.record = Record(name, str(folder), self.process.pid, started, str(log), {})
        self.record.write()

    def die(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def victims(folder: Path) -> Iterator[list[Victim]]:
    made = [Victim(folder, "etcd")]
    time.sleep(0.02)  # a clock tick, so that their start times differ
    made.append(Victim(folder, "apiserver"))
    yield made
    for victim in made:
        victim.die()


def watchdog(folder: Path, found=lambda _: None) -> Watchdog:
    return Watchdog([folder.parent / "never made", folder], lambda: "settle", found)


def test_all_is_well(folder: Path, victims: list[Victim]):
    assert watchdog(folder).look() is None


def test_nothing_is_there_yet(folder: Path):
    assert watchdog(folder).look() is None
    assert watchdog(folder).explain() is None


def test_a_process_that_ended_on_its_own_is_named_with_all_that_is_known(folder: Path, victims: list[Victim]):
    victim = victims[0]
    victim.die()
    told = str(watchdog(folder).look())
    assert told.startswith(f"etcd (pid {victim.process.pid}) ended on its own after ")
    assert " s, during settle: " in told
    assert told.endswith("The last lines of its log:\n  hello\n  last words of etcd")


def test_of_several_the_first_that_was_started_is_the_cause(folder: Path, victims: list[Victim]):
    for victim in reversed(victims):
        victim.die()
    told = str(watchdog(folder).look())
    assert told.startswith("etcd (pid ")
    assert f", and so did apiserver (pid {victims[1].process.pid})" in told


def test_the_first_finding_stays_and_is_told_once(folder: Path, victims: list[Victim]):
    found: list[ProcessError] = []
    dog = watchdog(folder, found.append)
    victims[1].die()
    first = dog.look()
    victims[0].die()
    assert dog.look() is first
    assert found == [first]


def test_one_that_is_ended_on_purpose_has_no_record_and_is_none_of_its_business(folder: Path, victims: list[Victim]):
    dog = watchdog(folder)
    assert dog.look() is None
    victims[0].record.file.unlink()
    victims[0].die()
    assert dog.look() is None


def test_one_that_was_started_again_is_watched_under_its_new_pid(folder: Path, victims: list[Victim]):
    dog = watchdog(folder)
    assert dog.look() is None
    victims[0].record.file.unlink()
    victims[0].die()
    victims[0] = again = Victim(folder, "etcd")
    assert dog.look() is None
    again.die()
    assert f"etcd (pid {again.process.pid})" in str(dog.look())


def test_a_recycled_pid_is_another_process(folder: Path, victims: list[Victim]):
    record = victims[0].record
    replace(record, started=record.started - 1).write()
    assert "etcd" in str(watchdog(folder).look())


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"name": "x"}', "\0" * 100])
def test_a_record_that_is_none_is_left_out(folder: Path, victims: list[Victim], text: str):
    (folder / "processes" / "broken.json").write_text(text)
    assert watchdog(folder).look() is None


def test_an_error_is_explained_by_a_death_just_after_it(folder: Path, victims: list[Victim]):
    threading.Timer(0.15, victims[0].die).start()
    assert "etcd" in str(watchdog(folder).explain())


def test_once_it_is_stopped_it_finds_nothing_any_more(folder: Path, victims: list[Victim]):
    dog = watchdog(folder)
    dog.stop()
    victims[0].die()
    assert (dog.look(), dog.explain()) == (None, None)


WAITING = {
    "a sleep": lambda: time.sleep(30),
    "a lock": lambda: threading.Event().wait(30),
    "an event loop": lambda: interruptions.run(_nothing()),
    "a process": lambda: subprocess.run([sys.executable, "-c", "import time; time.sleep(5)"], check=False),
}


async def _nothing() -> None:
    import asyncio

    await asyncio.sleep(30)


@pytest.mark.parametrize("what", WAITING)
def test_a_death_ends_whatever_the_command_waits_for(folder: Path, victims: list[Victim], what: str):
    died: list[float] = []

    def die() -> None:
        died.append(time.monotonic())
        victims[0].die()

    threading.Timer(0.3, die).start()
    with pytest.raises(ProcessError, match=r"etcd \(pid \d+\) ended on its own"), interruptible() as interrupts:
        dog = Watchdog([folder], lambda: what, interrupts.interrupt)
        with dog.watching():
            WAITING[what]()
    assert time.monotonic() - died[0] < 3


def test_a_scan_costs_next_to_nothing(folder: Path, victims: list[Victim]):
    for number in range(12):
        replace(victims[0].record, name=f"other-{number}").write()
    dog = watchdog(folder)
    dog.look()
    began = time.process_time()
    for _ in range(100):
        dog.look()
    assert (time.process_time() - began) / 100 < 0.005


def test_how_a_child_ended_is_known_to_its_parent(tmp_path: Path):
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    started = started_ticks(process.pid)
    assert started is not None
    assert "an earlier command started it" in running.how_it_ended(process.pid, started)
    running._children[process.pid, started] = process
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert running.how_it_ended(process.pid, started) == "killed by SIGKILL"
    process.returncode = 3
    assert running.how_it_ended(process.pid, started) == "exit code 3"
    running.stop(process.pid, started, 0)
    assert (process.pid, started) not in running._children


def test_every_process_of_a_folder_is_ended_known_or_not(tmp_path: Path):
    script = "import time; time.sleep(60)"
    folders = [tmp_path / "files", tmp_path / "files-of-another"]
    made = [
        subprocess.Popen([sys.executable, "-c", script], env={**os.environ, running.MARKER: f"{folder}:x-{number}"})
        for folder in folders
        for number in range(2)
    ]
    (folders[0] / "processes").mkdir(parents=True)
    (folders[0] / "processes" / "x-0.json").write_text(json.dumps({}))
    while len([mark for mark, _ in running.marked() if str(tmp_path) in mark]) < 4:
        time.sleep(0.02)
    assert sorted(running.end_all(folders[0])) == ["x-0", "x-1"]
    assert [process.poll() is not None for process in made] == [True, True, False, False]
    assert not (folders[0] / "processes").exists()
    assert running.end_all(folders[0]) == []
    for process in made:
        process.kill()
        process.wait()

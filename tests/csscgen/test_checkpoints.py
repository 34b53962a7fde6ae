from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest

from csscgen import checkpoints
from csscgen.checkpoints import Checkpoints
from csscgen.loading import Request
from csscgen.tracking import Tracker
from tests.csscgen.pods import denial, failed_create, ready_pod
from tests.csscgen.servers import plan


def lines(folder: Path, name: str = "pods.jsonl") -> list[dict]:
    file = folder / name
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def test_what_is_known_is_written_while_the_load_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(checkpoints, "EVERY_SECONDS", 0.05)
    tracker, requests = Tracker(plan()), list[Request]()
    with Checkpoints(tmp_path, tracker, requests).kept():
        tracker.on_pod("ADDED", ready_pod(0))
        requests.append(Request("deployment/n/w", 1.0, 1.0, 2.0, "created"))
        tracker.on_event("ADDED", failed_create("ReplicaSet", "ratify-0-a", denial()))
        end = time.monotonic() + 5
        wanted = ["ready", "denied", "denied"]
        while not lines(tmp_path, "events.jsonl") or [pod["end"] for pod in lines(tmp_path)] != wanted:
            assert time.monotonic() < end
            time.sleep(0.01)
    assert lines(tmp_path, "requests.jsonl") == [requests[0].record()]


def test_what_has_not_changed_is_not_written_again(tmp_path: Path):
    tracker = Tracker(plan())
    kept = Checkpoints(tmp_path, tracker, [])
    kept.write()
    before = (tmp_path / "pods.jsonl").stat().st_ino
    kept.write()
    assert (tmp_path / "pods.jsonl").stat().st_ino == before
    tracker.on_pod("ADDED", ready_pod(0))
    kept.write()
    assert (tmp_path / "pods.jsonl").stat().st_ino != before


def test_it_writes_while_pods_come_and_takes_little_of_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(checkpoints, "EVERY_SECONDS", 0.01)
    monkeypatch.setattr(checkpoints, "SHARE", 0.2)
    tracker = Tracker(plan(replicas=20_000))
    done = threading.Event()

    def feed() -> None:
        for number in range(20_000):
            tracker.on_pod("ADDED", ready_pod(number))
        done.set()

    feeder = threading.Thread(target=feed)
    with Checkpoints(tmp_path, tracker, []).kept():
        feeder.start()
        assert done.wait(30)
    feeder.join()
    found = lines(tmp_path)
    assert len(found) == 20_000  # a file is always whole
    Checkpoints(tmp_path, tracker, []).write()
    assert all(pod["end"] == "ready" for pod in lines(tmp_path))

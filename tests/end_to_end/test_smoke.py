"""local-smoke with every real component: what a run must show, and what it must not leave behind."""

from __future__ import annotations

import json
import signal
import time

import pytest

from infra.local import tools
from tests.end_to_end.conftest import Place

pytestmark = pytest.mark.real


def test_a_run_goes_from_nothing_to_a_report_and_leaves_nothing_running(place: Place) -> None:
    done = place.csscgen("run", "--stack", "local-smoke", "--json")

    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary == place.summary()
    assert summary["verdict"] == "pass"
    pods = summary["pods"]
    assert (pods["expected"], pods["ready"], pods["denied"], pods["failed"], pods["missing"]) == (5, 5, 0, 0, 0)
    assert summary["ratify"]["verification_requests"] >= 5
    assert summary["ratify"]["registry_requests"]["200"] > 0
    for component in ("ratify", "gatekeeper"):
        assert summary[component]["memory_bytes"]["peak"] > 0
        assert summary[component]["cpu_cores"]["peak"] > 0
    assert summary["artifacts"]["signatures"] == 4
    assert summary["engine"]["name"] == "embedded"
    folder = place.run_folder()
    for name in ("run.json", "pods.jsonl", "requests.jsonl", "metrics.parquet", "report.html", "junit.xml"):
        assert (folder / name).stat().st_size > 0, name
    assert (folder / "logs" / "ratify-0.log").stat().st_size > 0
    assert place.leftovers() == []


@pytest.mark.parametrize("match", ["pods", "workloads"])
def test_unsigned_images_are_denied_by_the_real_chain_and_counted_with_their_reason(place: Place, match: str) -> None:
    done = place.csscgen(
        "run", "--stack", "local-smoke", "--set", "scenario.signatures=0", "--set", f"policy.match={match}"
    )

    assert done.returncode == 3, done.stderr
    pods = place.summary()["pods"]
    assert (pods["ready"], pods["denied"], pods["missing"]) == (0, 5, 0)
    assert sum(reason["count"] for reason in pods["reasons"]) == 5
    assert "verification failed for <image>" in pods["reasons"][0]["reason"]
    assert place.leftovers() == []


def test_a_run_of_jobs_with_rsa_signatures_created_at_a_rate(place: Place) -> None:
    changes = {
        "scenario.workload": "job",
        "scenario.shards": "5",
        "scenario.jobSeconds": "1",
        "signing.algorithm": "PS256",
        "load.mode": "created",
        "load.rate": "5",
        "monitoring.prometheus": "off",
    }
    words = [word for key, value in changes.items() for word in ("--set", f"{key}={value}")]

    done = place.csscgen("run", "--stack", "local-smoke", *words)

    assert done.returncode == 0, done.stderr
    summary = place.summary()
    assert summary["pods"]["ready"] == 5
    assert summary["load"]["objects"] == 5
    assert summary["load"]["achieved_per_s"] == pytest.approx(5, rel=0.2)
    assert place.leftovers() == []


@pytest.mark.parametrize("kind", ["emulator", "distribution"])
def test_with_a_prometheus_beside_the_scraper_both_agree(place: Place, kind: str) -> None:
    if lacking := tools.missing(tools.select(["prometheus", "distribution"])):
        pytest.skip(f"{lacking[0].name} is not built; scripts/test builds it")

    done = place.csscgen(
        "run", "--stack", "local-smoke", "--set", "monitoring.prometheus=on", "--set", f"registry.kind={kind}"
    )

    assert done.returncode == 0, done.stderr
    said = json.loads((place.run_folder() / "run.json").read_text())["prometheus"]
    assert said["url"].startswith("http://127.0.0.1:")
    # What came between a scrape and the window's ends is all that they may differ by.
    assert said["verification_requests"] == pytest.approx(place.summary()["ratify"]["verification_requests"], abs=4)
    assert said["apiserver_requests"] > 0
    assert place.leftovers() == []


def test_ctrl_c_tears_everything_down(place: Place) -> None:
    run = place.start("run", "--stack", "local-smoke")
    place.await_process("gatekeeper")

    run.send_signal(signal.SIGINT)
    output, _ = run.communicate(timeout=60)

    assert run.returncode == 130, output
    assert "Traceback" not in output
    assert place.leftovers() == []
    assert place.summary()["verdict"] == "fail"


def test_what_a_killed_run_leaves_is_removed_by_one_destroy(place: Place) -> None:
    run = place.start("run", "--stack", "local-smoke")
    place.await_process("kube-scheduler")
    run.kill()
    run.communicate()
    time.sleep(1)
    assert "etcd" in place.processes()

    done = place.csscgen("destroy", "--stack", "local-smoke", "--shared")

    assert done.returncode == 0, done.stderr
    assert place.leftovers() == []
    again = place.csscgen("destroy", "--stack", "local-smoke", "--shared")
    assert again.returncode == 0, again.stderr


def test_the_steps_of_a_run_one_by_one(place: Place) -> None:
    stack = ("--stack", "local-smoke")
    assert place.csscgen("up", *stack).returncode == 0
    (first,) = json.loads(place.csscgen("artifacts", "seed", *stack, "--json").stdout)
    (second,) = json.loads(place.csscgen("artifacts", "seed", *stack, "--json").stdout)
    assert first["pushed"] > 0
    assert (second["pushed"], second["present"]) == (0, first["pushed"])
    again = place.csscgen("up", *stack)
    assert again.returncode == 0, again.stderr
    loaded = place.csscgen("load", *stack)
    assert loaded.returncode == 0, loaded.stderr
    collected = place.csscgen("collect", *stack)
    assert collected.returncode == 0, collected.stderr
    assert place.summary()["pods"]["ready"] == 5
    listed = json.loads(place.csscgen("runs", "list", "--json").stdout)
    assert [row["verdict"] for row in listed] == ["pass"]
    outputs = place.csscgen("outputs", *stack).stdout
    assert "PRIVATE KEY" not in outputs
    assert place.csscgen("destroy", *stack, "--shared").returncode == 0
    assert place.leftovers() == []

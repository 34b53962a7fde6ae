from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as xml

import pytest

from analysis.results import analyse
from analysis.summary import summarize
from tests.analysis.runs import (
    SCRAPES,
    known_run,
    pod,
    process,
    sample,
    with_settings,
    write_admissions,
    write_lines,
    write_metrics,
)
from workloads.audit import VERIFYING

UNSIGNED: dict[str, Any] = {"cause": "unsigned", "variant": "unsigned", "must_be_denied": True}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run in which everything went well: four pods, ten verification requests, and an audit log that agrees."""
    folder = known_run(tmp_path / "run-1")
    write_pods(folder, [ready(number) for number in range(4)])
    write_admissions(folder)
    return folder


def ready(number: int, **more: Any) -> Any:
    more = {"unverified": False, **more}
    return pod(f"pod-{number}", 1000.5, 1002.0 + number, "ready", None, **more)


def denied(reason: str = "denied", **more: Any) -> Any:
    return pod(None, None, None, "denied", reason, **more)


def write_pods(folder: Path, pods: Sequence[Any]) -> None:
    write_lines(folder / "pods.jsonl", pods)


def write_fail_opens(folder: Path, **counts: float) -> None:
    """The API server's page, with its counter of fail-opens by webhook: it grows in the window to what is given."""

    def page(late: bool) -> list[tuple[str, str, float]]:
        witness = sample("apiserver_admission_webhook_request_total", 9, name=VERIFYING)
        opened = [
            sample("apiserver_admission_webhook_fail_open_count", late * count, name=f"{kind}.gatekeeper.sh")
            for kind, count in counts.items()
        ]
        return [witness, *opened, *process(903, 1, 1e9)]

    write_metrics(folder, [(time, "kube-apiserver", page(index >= 2)) for index, time in enumerate(SCRAPES)])


def reasons(folder: Path) -> list[str]:
    found: list[str] = summarize(folder)["verdict_reasons"]
    return found


def test_a_run_in_which_every_pod_was_verified_passes(folder: Path):
    summary = summarize(folder)
    assert summary["verdict"] == "pass"
    pods = summary["pods"]
    assert (pods["unverified"], pods["unaccounted"], pods["wrongly_admitted"]) == (0, 0, 0)
    assert pods["all_ready_seconds"] == 5.0  # the window begins at 1000, the last pod was Ready at 1005
    assert summary["control_plane"]["fail_open_by_webhook"] == {"mutation.gatekeeper.sh": 0, VERIFYING: 0}


def test_pods_that_got_in_unverified_fail_the_run_and_are_named(folder: Path):
    write_pods(folder, [ready(number, unverified=True) for number in range(7)])
    write_admissions(folder, unverified=7, fail_open=[fail_open(count=7)])
    (reason, other) = reasons(folder)
    assert reason.startswith("7 pods were admitted without verification, because the API server could not ask")
    assert reason.endswith("perf/pod-0, perf/pod-1, perf/pod-2, perf/pod-3, perf/pod-4 and 2 more.")
    assert other.startswith(f"The API server counted 0 fail-opens of {VERIFYING}")


def test_pods_of_which_only_the_audit_log_has_the_name_are_named_too(folder: Path):
    unmatched = {"count": 1, "names": ["perf/stray"]}
    write_admissions(folder, unverified=1, unmatched=unmatched)
    assert reasons(folder)[0].endswith("Ignore: perf/stray.")


def test_a_mutating_webhook_that_failed_open_breaks_nothing(folder: Path):
    write_fail_opens(folder, mutation=3)
    write_admissions(folder, fail_open=[fail_open(webhook="mutation.gatekeeper.sh", count=3)])
    summary = summarize(folder)
    assert summary["control_plane"]["webhook_fail_open"] == 3
    assert summary["verdict"] == "pass"


def test_a_fail_open_for_another_request_fails_the_run_and_says_which(folder: Path):
    write_fail_opens(folder, validation=2)
    write_admissions(folder, fail_open=[fail_open(resource="replicasets", count=2)])
    (reason,) = reasons(folder)
    assert reason == (
        f"{VERIFYING} failed open 2 times: no pod was created that way, but there was 2 × create of replicasets."
    )


def test_counts_that_disagree_are_told(folder: Path):
    write_pods(folder, [ready(0, unverified=True)])
    write_fail_opens(folder, validation=3)
    write_admissions(folder, unverified=1, fail_open=[fail_open(count=1)])
    assert reasons(folder)[-1] == (
        f"The API server counted 3 fail-opens of {VERIFYING} between the scrapes around the window, and its audit log "
        "has 1 in the window."
    )


def test_without_an_audit_log_a_fail_open_fails_the_run_and_the_pods_are_not_known(folder: Path):
    write_fail_opens(folder, validation=2)
    (folder / "admissions.json").unlink()
    summary = summarize(folder)
    assert summary["pods"]["unverified"] is None
    assert "no audit log" in summary["missing"]["pods.unverified"]
    assert summary["verdict_reasons"] == [
        f"{VERIFYING} failed open 2 times: that many requests were not verified (Who got in unverified is not known: "
        "The run has no audit log of the API server)."
    ]


def test_an_audit_log_that_lost_its_beginning_gives_no_figure(folder: Path):
    write_admissions(folder, complete=False)
    summary = summarize(folder)
    assert summary["pods"]["unverified"] is None
    assert "may be lost" in summary["missing"]["pods.unverified"]


def test_an_audit_summary_that_is_no_json_is_a_reason(folder: Path):
    (folder / "admissions.json").write_text("{")
    assert "is not JSON" in summarize(folder)["missing"]["pods.unverified"]


def test_more_pods_than_verifications_and_fail_opens_fail_the_run(folder: Path):
    write_pods(folder, [ready(number, unverified=not number) for number in range(14)])
    write_admissions(folder, unverified=1)
    assert summarize(folder)["pods"]["unaccounted"] == 3  # 14 pods, 1 unverified, 10 verification requests
    assert any(reason.startswith("3 pods were admitted beyond those that Ratify") for reason in reasons(folder))


@pytest.mark.parametrize("cache", [True, None])
def test_with_caches_pods_and_verifications_do_not_compare(folder: Path, cache: bool | None):
    known_run(folder, settings=with_settings(ratify={"cache": cache}))
    write_pods(folder, [ready(number) for number in range(14)])
    summary = summarize(folder)
    assert summary["pods"]["unaccounted"] is None
    assert "do not compare" in summary["missing"]["pods.unaccounted"]
    assert summary["verdict"] == "pass"


def test_pods_that_had_to_be_denied_and_were_admitted_fail_the_run_whatever_its_thresholds(folder: Path):
    write_pods(folder, [ready(0), ready(1, **UNSIGNED), denied(**UNSIGNED), denied(cause="timeout")])
    summary = summarize(folder)
    pods = summary["pods"]
    assert (pods["expected_denied"], pods["wrongly_admitted"], pods["wrongly_denied"]) == (2, 1, 1)
    assert summary["verdict"] == "fail"
    assert summary["verdict_reasons"] == ["1 pod was admitted that had to be denied, of deployment/x (unsigned)."]


def test_negative_pods_that_were_all_denied_pass(folder: Path):
    limits = {"pods.denied": "== pods.expected_denied", "pods.causes.unsigned": "== 2", "pods.causes.throttled": "<= 0"}
    known_run(folder, settings=with_settings(thresholds=limits))
    write_pods(folder, [ready(0), denied(**UNSIGNED), denied(**UNSIGNED)])
    assert summarize(folder)["verdict"] == "pass"


def test_refused_attempts_are_those_of_the_audit_log(folder: Path):
    write_admissions(folder, refused_attempts={"timeout": 12})
    assert summarize(folder)["pods"]["refused_attempts"] == {"timeout": 12}


def test_without_an_audit_log_they_are_those_of_events_and_of_refused_workloads(folder: Path):
    (folder / "admissions.json").unlink()
    refused = {"object": "deployment/perf/x", "intended": 1000.0, "sent": 1000.0, "answered": 1001.0}
    refused |= {"status": "failed", "message": "failed calling webhook: connection refused"}
    write_lines(folder / "requests.jsonl", [refused])
    assert summarize(folder)["pods"]["refused_attempts"] == {"unsigned": 3, "webhook-unreachable": 1}


def test_records_of_an_earlier_release_have_no_causes_and_no_negatives(folder: Path):
    write_pods(folder, [pod("a", 1.0, 2.0, "ready"), pod(None, None, None, "denied", "denied")])
    pods = summarize(folder)["pods"]
    assert (pods["expected_denied"], pods["causes"]) == (0, {"other": 1})


def fail_open(webhook: str = VERIFYING, resource: str = "pods", verb: str = "create", count: int = 1) -> dict[str, Any]:
    return {"webhook": webhook, "resource": resource, "verb": verb, "count": count}


def test_ci_is_told_of_pods_that_had_to_be_denied_as_a_failure_of_the_run(folder: Path):
    write_pods(folder, [ready(0), ready(1, **UNSIGNED)])
    analyse(folder)
    suite = xml.fromstring((folder / "junit.xml").read_bytes())
    failed = suite.find("testcase/failure")
    assert failed is not None and failed.text == "1 pod was admitted that had to be denied, of deployment/x (unsigned)."

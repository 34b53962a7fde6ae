from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from csscgen.auditing import collect_admissions, read
from csscgen.runs import Run
from tests.csscgen.audits import END, START, created, refusal, write
from tests.workloads.ratify.messages import MESSAGES
from workloads.errors import CollectError

UNSIGNED, TIMEOUT = MESSAGES["unsigned"][0], MESSAGES["webhook-timeout"][0]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run with the pods a, b and c, and one that was never created."""
    folder = tmp_path / "run"
    folder.mkdir()
    pods = [{"uid": uid, "name": uid and f"pod-{uid}", "unverified": None} for uid in ("a", "b", "c", None)]
    (folder / "pods.jsonl").write_text("".join(f"{json.dumps(pod)}\n" for pod in pods))
    return Run(folder, "s", "local", {}, {}, {}, window={"start": START, "end": END})


def audit(tmp_path: Path, old_files: int = 2) -> dict[str, Any]:
    return {"log": str(tmp_path / "audit" / "audit.log"), "old_files": old_files}


def pods(run: Run) -> dict[str | None, bool | None]:
    lines = (run.folder / "pods.jsonl").read_text().splitlines()
    return {pod["uid"]: pod["unverified"] for pod in map(json.loads, lines)}


def admissions(run: Run) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run.folder / "admissions.json").read_text())
    return found


def test_exactly_the_pods_that_the_verifying_webhook_let_in_unasked_are_unverified(tmp_path: Path, run: Run):
    write(
        tmp_path / "audit" / "audit.log",
        created("a", opened=("validation", "mutation")),
        created("b", opened=("mutation",)),
        created("c"),
    )
    collect_admissions(audit(tmp_path), run)
    assert pods(run) == {"a": True, "b": False, "c": False, None: None}
    found = admissions(run)
    assert (found["unverified"], found["unnamed"], found["unmatched"]["count"], found["complete"]) == (1, 0, 0, True)
    assert {(each["webhook"], each["count"]) for each in found["fail_open"]} == {
        ("validation.gatekeeper.sh", 1),
        ("mutation.gatekeeper.sh", 2),
    }


def test_a_pod_has_when_the_request_that_created_it_came_and_was_answered(tmp_path: Path, run: Run):
    unanswered = {key: value for key, value in created("b").items() if key != "stageTimestamp"}
    write(tmp_path / "audit" / "audit.log", created("a", at=1002.0, took=3.5), unanswered)
    collect_admissions(audit(tmp_path), run)
    lines = [json.loads(line) for line in (run.folder / "pods.jsonl").read_text().splitlines()]
    assert [pod["admission"] for pod in lines] == [
        {"received": 1002.0, "answered": 1005.5},
        {"received": 1001.0, "answered": None},
        None,
        None,
    ]


def test_other_requests_that_a_webhook_let_pass_are_told_and_are_no_pods(tmp_path: Path, run: Run):
    workload = {"resource": "deployments", "namespace": "ratify-perf-0", "apiGroup": "apps"}
    opened = created(None, opened=("validation",), verb="patch", objectRef=workload)
    write(tmp_path / "audit" / "audit.log", opened, created("a", opened=("validation",), verb="update"))
    collect_admissions(audit(tmp_path), run)
    found = admissions(run)
    assert found["unverified"] == 0
    assert [(each["resource"], each["verb"]) for each in found["fail_open"]] == [
        ("deployments", "patch"),
        ("pods", "update"),
    ]


def test_dry_runs_and_what_was_before_and_after_the_window_do_not_count(tmp_path: Path, run: Run):
    opened = ("validation",)
    write(
        tmp_path / "audit" / "audit.log",
        created("a", opened=opened, at=START - 1),
        created("b", opened=opened, at=END + 1),
        created("c", opened=opened, requestURI="/api/v1/namespaces/ratify-perf-0/pods?dryRun=All"),
    )
    collect_admissions(audit(tmp_path), run)
    assert (admissions(run)["unverified"], admissions(run)["events"]) == (0, 0)


def test_a_pod_that_was_refused_is_not_unverified(tmp_path: Path, run: Run):
    denied = refusal("exceeded quota")
    denied["annotations"] |= created(None, opened=("validation",))["annotations"]
    write(tmp_path / "audit" / "audit.log", denied)
    collect_admissions(audit(tmp_path), run)
    assert admissions(run)["unverified"] == 0


def test_every_refusal_counts_by_its_cause(tmp_path: Path, run: Run):
    deployment: dict[str, Any] = {"verb": "patch", "objectRef": {"resource": "deployments"}}
    write(
        tmp_path / "audit" / "audit.log",
        *[refusal(TIMEOUT, 500)] * 3,
        refusal(UNSIGNED),
        refusal(UNSIGNED, **deployment),
        refusal("exceeded quota: pods"),
        refusal("the object has been modified", 409, **deployment),
    )
    collect_admissions(audit(tmp_path), run)
    assert admissions(run)["refused_attempts"] == {"webhook-timeout": 3, "unsigned": 2, "quota": 1}


def test_pods_without_a_name_and_pods_that_nobody_saw_are_told(tmp_path: Path, run: Run):
    opened = ("validation",)
    write(tmp_path / "audit" / "audit.log", created(None, opened=opened), created("x", opened=opened), created("a"))
    collect_admissions(audit(tmp_path), run)
    found = admissions(run)
    assert (found["unverified"], found["unnamed"]) == (2, 1)
    assert found["unmatched"] == {"count": 1, "names": ["ratify-perf-0/pod-x"]}
    assert found["unheard_of"] == 2
    assert pods(run) == {"a": False, "b": None, "c": None, None: None}


def test_full_files_that_were_put_aside_are_read_and_copied(tmp_path: Path, run: Run):
    log = write(tmp_path / "audit" / "audit.log", created("b"))
    write(log.with_name("audit-2026-01-02T10-15-00.000.log"), created("a", opened=("validation",)))
    collect_admissions(audit(tmp_path), run)
    assert pods(run)["a"] is True
    assert len(list((run.folder / "logs").glob("kube-apiserver-audit*.log"))) == 2


def test_a_log_whose_beginning_may_be_gone_says_nothing_about_pods(tmp_path: Path, run: Run):
    log = write(tmp_path / "audit" / "audit.log", created("b"))
    for number in range(2):
        write(log.with_name(f"audit-{number}.log"), created("a", at=START + 1))
    collect_admissions(audit(tmp_path), run)
    assert not admissions(run)["complete"]
    assert set(pods(run).values()) == {None}


def test_a_full_log_that_begins_before_the_window_is_whole(tmp_path: Path, run: Run):
    log = write(tmp_path / "audit" / "audit.log", created("b"))
    for number in range(2):
        write(log.with_name(f"audit-{number}.log"), created("a", at=START - 1 + number))
    collect_admissions(audit(tmp_path), run)
    assert admissions(run)["complete"]


@pytest.mark.parametrize("tail", ['{"kind": "Ev', "[]\n", "null\n", '{"requestReceivedTimestamp": "then"}\n', "\xff\n"])
def test_a_line_that_is_no_event_is_counted_and_hides_nothing(tmp_path: Path, run: Run, tail: str):
    write(tmp_path / "audit" / "audit.log", created("a", opened=("validation",)), tail=tail)
    collect_admissions(audit(tmp_path), run)
    assert (admissions(run)["unverified"], admissions(run)["unreadable"]) == (1, 1)


def test_a_stack_without_an_audit_log_has_no_admissions(tmp_path: Path, run: Run):
    collect_admissions(None, run)
    assert not (run.folder / "admissions.json").exists()


def test_a_log_that_is_gone_is_told_in_a_sentence(tmp_path: Path, run: Run):
    with pytest.raises(CollectError, match="audit log could not be joined"):
        collect_admissions(audit(tmp_path), run)
    assert set(pods(run).values()) == {None}


def test_what_a_window_says_does_not_depend_on_the_order_of_the_files(tmp_path: Path):
    files = [write(tmp_path / "1", created("a")), write(tmp_path / "2", created("b", opened=("validation",)))]
    assert read(files, START, END) == read(files[::-1], START, END)

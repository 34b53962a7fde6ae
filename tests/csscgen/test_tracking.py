from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from csscgen.reasons import group
from csscgen.tracking import MILESTONES, Tracker
from tests.csscgen.pods import TIMEOUT, denial, failed_create, job, pod, ready_pod
from tests.csscgen.servers import plan
from workloads.ratify.objects import Plan

QUOTA = 'Error creating: pods "ratify-0-a-b" is forbidden: exceeded quota: pods, requested: pods=1, used: pods=2'


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def tracker(clock: Clock | None = None, **changes: Any) -> Tracker:
    return Tracker(plan(**changes), clock or Clock())


def ends(track: Tracker) -> dict[str, int]:
    return dict(Counter(record["end"] for record in track.records()))


def test_a_pod_that_becomes_ready_has_every_milestone_by_both_clocks():
    clock = Clock()
    track = tracker(clock, replicas=1)
    for second, seen in enumerate(
        [pod(0), pod(0, node="node-0"), pod(0, node="node-0", phase="Running", ready=False), ready_pod(0)]
    ):
        clock.now = 1000.0 + second
        track.on_pod("ADDED" if not second else "MODIFIED", seen)
    (record,) = track.records()
    assert (record["end"], record["reason"], record["node"]) == ("ready", None, "node-0")
    assert [record["milestones"][name]["local"] for name in MILESTONES] == [1000, 1001, 1002, 1003]
    server = [record["milestones"][name]["server"] for name in MILESTONES]
    assert [moment - server[0] for moment in server] == [0, 1, 2, 3]
    assert (record["name"], record["namespace"], record["workload"]) == (
        "ratify-0-0",
        "ratify-perf-0",
        "deployment/ratify-0",
    )


def test_a_milestone_is_when_it_was_first_reached():
    clock = Clock()
    track = tracker(clock, replicas=1)
    track.on_pod("ADDED", ready_pod(0))
    clock.now += 5
    track.on_pod("MODIFIED", ready_pod(0))
    (record,) = track.records()
    assert record["milestones"]["ready"]["local"] == 1000
    assert (track.ready, track.waiting, track.changed_at) == (1, 0, 1000)


def test_a_failed_pod_says_why():
    track = tracker(replicas=1)
    track.on_pod("ADDED", pod(0, phase="Failed", reason="Evicted", message="The node was low on memory."))
    (record,) = track.records()
    assert (record["end"], record["reason"]) == ("failed", "Evicted: The node was low on memory.")
    assert track.settled(15, 90)


def test_a_ready_pod_that_fails_is_failed_and_counted_once():
    track = tracker(replicas=1)
    track.on_pod("ADDED", ready_pod(0))
    for _ in range(2):
        track.on_pod("MODIFIED", pod(0, node="node-0", phase="Failed"))
    assert (track.ready, track.failed, track.waiting) == (0, 1, 0)
    assert ends(track) == {"failed": 1}


def test_a_pod_deleted_before_it_was_ready_has_failed():
    track = tracker(replicas=1)
    track.on_pod("ADDED", pod(0))
    track.on_pod("DELETED", pod(0))
    (record,) = track.records()
    assert (record["end"], record["reason"]) == ("failed", "deleted before it was ready")


def test_a_pod_deleted_after_it_was_ready_was_ready():
    track = tracker(replicas=1)
    track.on_pod("ADDED", ready_pod(0))
    track.on_pod("DELETED", pod(0))
    assert (ends(track), track.failed) == ({"ready": 1}, 0)


def test_a_workload_that_is_deleted_is_expected_again_beside_what_was_seen():
    track = tracker(replicas=3)
    track.on_pod("ADDED", ready_pod(0))
    track.on_pod("ADDED", pod(1))
    track.expect_again("ratify-0")
    track.on_pod("DELETED", ready_pod(0))
    track.on_pod("DELETED", pod(1))
    assert track.outstanding() == 3
    for number in (3, 4, 5):
        track.on_pod("ADDED", ready_pod(number))
    assert track.outstanding() == 0
    assert ends(track) == {"ready": 4, "failed": 1}


def test_a_deletion_that_only_a_second_list_showed_has_no_state():
    track = tracker(replicas=1)
    track.on_pod("ADDED", pod(0))
    track.on_pod("DELETED", {"metadata": pod(0)["metadata"]})
    assert ends(track) == {"failed": 1}


def test_the_last_state_of_a_deleted_pod_counts():
    track = tracker(replicas=2)
    track.on_pod("DELETED", pod(0, node="node-0", phase="Succeeded"))
    track.on_pod("DELETED", pod(1, phase="Failed", reason="Evicted", message="memory"))
    assert [record["reason"] for record in track.records()] == [None, "Evicted: memory"]


def test_a_jobs_pod_that_is_through_was_ready():
    track = tracker(kind="job", replicas=1)
    track.on_pod("ADDED", pod(0))
    track.on_pod("MODIFIED", pod(0, node="node-0", phase="Succeeded", ready=False))
    (record,) = track.records()
    assert record["end"] == "ready"
    assert record["milestones"]["running"]["local"] is not None
    assert record["workload"] == "job/ratify-0"


def test_a_pod_that_no_node_takes_says_why():
    track = tracker(replicas=1)
    stuck = pod(0)
    stuck["status"]["conditions"] = [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes are available."}
    ]
    track.on_pod("ADDED", stuck)
    (record,) = track.records()
    assert (record["end"], record["reason"]) == ("missing", "Unschedulable: 0/1 nodes are available.")
    assert not track.settled(0, 0)


def test_other_pods_are_not_counted():
    track = tracker()
    other = pod(0, workload="ratify-7")
    track.on_pod("ADDED", other)
    bare = pod(1)
    del bare["metadata"]["labels"]
    track.on_pod("ADDED", bare)
    assert not track.pods


def test_pods_denied_by_the_event_of_a_replica_set():
    track = tracker(replicas=3)
    track.on_pod("ADDED", ready_pod(0))
    track.on_event("ADDED", failed_create("ReplicaSet", "ratify-0-77ff54b566", denial()))
    assert track.denied == 2
    assert ends(track) == {"ready": 1, "denied": 2}
    assert {record["reason"] for record in track.records()} == {None, group(denial())}


def test_pods_denied_by_the_event_of_a_job():
    track = tracker(kind="job", shards=2, replicas=4)
    track.on_event("ADDED", failed_create("Job", "ratify-1", denial()))
    assert track.denied == 2
    assert ends(track) == {"missing": 2, "denied": 2}


def test_events_of_others_deny_nothing():
    track = tracker()
    track.on_event("ADDED", failed_create("ReplicaSet", "other-77ff54b566", denial()))
    track.on_event("ADDED", failed_create("Job", "other", denial(), uid="e-2"))
    assert track.denied == 0
    assert len(track.events) == 2


def test_pods_that_are_refused_because_a_webhook_did_not_answer_are_denied_for_that_cause():
    track = tracker(replicas=2)
    track.on_event("ADDED", failed_create("ReplicaSet", "ratify-0-77ff54b566", TIMEOUT))
    assert (track.denied, track.refusals) == (2, 1)
    said = [(r["end"], r["reason"], r["cause"]) for r in track.records()]
    assert said == [("denied", group(TIMEOUT), "webhook-timeout")] * 2


def test_a_quota_denies_nothing_but_is_the_reason_of_what_is_missing():
    track = tracker(replicas=2)
    track.on_event("ADDED", failed_create("ReplicaSet", "ratify-0-a", QUOTA))
    assert track.denied == 0
    said = [(r["end"], r["reason"], r["cause"]) for r in track.records()]
    assert said == [("missing", group(QUOTA), "quota")] * 2


def test_pods_of_a_deployment_whose_replica_set_was_refused_are_denied():
    track = tracker(replicas=2)
    event = failed_create("Deployment", "ratify-0", f'Failed to create new replica set "ratify-0-a": {denial()}')
    track.on_event("ADDED", event | {"reason": "ReplicaSetCreateError"})
    assert [(r["end"], r["cause"]) for r in track.records()] == [("denied", "unsigned")] * 2


def test_one_refusal_of_the_images_explains_every_pod_of_the_workload():
    track = tracker(replicas=10)
    track.on_event("MODIFIED", failed_create("ReplicaSet", "ratify-0-a", TIMEOUT, count=9))
    track.on_event("ADDED", failed_create("ReplicaSet", "ratify-0-a", denial(), uid="e-2"))
    assert Counter(record["cause"] for record in track.records()) == {"unsigned": 10}


def test_what_a_retry_made_good_is_no_cause_of_a_pod_and_stays_in_the_events():
    track = tracker(replicas=1)
    track.on_event("ADDED", failed_create("ReplicaSet", "ratify-0-a", TIMEOUT, count=3))
    track.on_pod("ADDED", ready_pod(0))
    (record,) = track.records()
    assert (record["end"], record["cause"]) == ("ready", None)
    assert [(told["times"], told["cause"]) for told in track.events] == [(3, "webhook-timeout")]


def test_a_line_says_which_pod_it_is_and_what_must_become_of_it():
    class Negative(Plan):
        def variant(self, shard: int) -> str | None:
            return "expired" if shard else None

        def must_be_denied(self, shard: int) -> bool:
            return shard == 1

    track = Tracker(Negative(**(asdict(plan(shards=2, replicas=2)))), Clock())
    track.on_pod("ADDED", ready_pod(0))
    track.on_event("ADDED", failed_create("ReplicaSet", "ratify-1-a", denial()))
    ready, denied = track.records()
    assert (ready["uid"], ready["variant"], ready["must_be_denied"]) == ("ratify-0-0", None, False)
    assert (denied["uid"], denied["variant"], denied["must_be_denied"]) == (None, "expired", True)


def test_reasons_share_the_pods_by_how_often_they_were_given():
    track = tracker(replicas=10)
    quota = 'admission webhook "quota" denied the request: exceeded quota'
    track.on_event("ADDED", failed_create("ReplicaSet", "ratify-0-a", denial(), count=1))
    track.on_event("MODIFIED", failed_create("ReplicaSet", "ratify-0-a", denial("1"), count=9))
    track.on_event("ADDED", failed_create("ReplicaSet", "ratify-0-a", quota, uid="e-2"))
    reasons = Counter(record["reason"] for record in track.records())
    assert reasons == {group(denial()): 9, "denied by quota: exceeded quota": 1}


def test_an_event_that_is_told_again_counts_once():
    track = tracker(replicas=1)
    for _ in range(3):
        track.on_event("MODIFIED", failed_create("ReplicaSet", "ratify-0-a", denial(), count=2))
    track.on_event("DELETED", failed_create("ReplicaSet", "ratify-0-a", denial(), count=2))
    assert [entry["count"] for entry in track.events] == [2]
    assert track.denials["ratify-0"].reasons.total() == 2


def test_events_of_an_earlier_load_deny_nothing():
    track = tracker(replicas=1)
    track.on_event("LISTED", failed_create("ReplicaSet", "ratify-0-a", denial(), count=4))
    assert (track.denied, track.events) == (0, [])
    track.on_event("MODIFIED", failed_create("ReplicaSet", "ratify-0-a", denial(), count=5))
    assert (track.denied, track.denials["ratify-0"].reasons.total()) == (1, 1)


def test_an_event_of_the_newer_api():
    track = tracker(replicas=1)
    event = failed_create("ReplicaSet", "ratify-0-a", "", count=None)
    del event["message"], event["involvedObject"]
    event |= {"note": denial(), "regarding": {"kind": "ReplicaSet", "name": "ratify-0-a"}, "series": {"count": 3}}
    track.on_event("ADDED", event)
    (told,) = track.events
    assert (told["object"], told["count"], track.denied) == ("replicaset/ratify-0-a", 3, 1)


def test_a_workload_that_was_denied_has_all_its_pods_denied_and_is_settled():
    track = tracker(shards=2, replicas=5)
    for workload in ("ratify-0", "ratify-1"):
        track.refuse(workload, denial())
    assert (track.denied, track.outstanding(), track.settled(15, 90)) == (5, 0, True)
    assert ends(track) == {"denied": 5}


def test_a_workload_that_could_not_be_created_is_missing_and_not_denied():
    track = tracker(replicas=2)
    track.refuse("ratify-0", 'deployments.apps "ratify-0" already exists')
    assert (track.denied, track.settled(15, 90)) == (0, True)
    assert [(r["end"], r["reason"]) for r in track.records()] == [
        ("missing", 'deployments.apps "ratify-0" already exists')
    ] * 2


def test_a_job_that_failed_makes_no_further_attempt():
    track = tracker(kind="job", replicas=2)
    track.on_workload("ADDED", job("ratify-0"))
    assert not track.settled(15, 90)
    track.on_workload("MODIFIED", job("ratify-0", "Failed"))
    track.on_workload("MODIFIED", job("other", "Failed"))
    assert track.settled(15, 90)


def test_nothing_seen_is_not_settled():
    clock = Clock()
    track = tracker(clock)
    clock.now += 1_000_000
    assert not track.settled(15, 90)
    assert track.outstanding() == 3
    assert ends(track) == {"missing": 3}


def test_denied_pods_are_given_up_after_a_quiet_time():
    clock = Clock()
    track = tracker(clock, replicas=2)
    track.on_pod("ADDED", ready_pod(0))
    clock.now += 1
    track.on_event("ADDED", failed_create("ReplicaSet", "ratify-0-a", denial()))
    clock.now += 14.9
    assert not track.settled(15, 90)
    clock.now += 0.2
    assert track.settled(15, 90)


def test_the_quiet_time_begins_with_the_denial_however_long_arming_took():
    clock = Clock()
    track = tracker(clock, shards=2, replicas=4)
    clock.now += 60
    track.on_event("ADDED", failed_create("ReplicaSet", "ratify-0-a", denial()))
    clock.now += 20
    track.on_event("ADDED", failed_create("ReplicaSet", "ratify-1-a", denial(), uid="e-2"))
    assert not track.settled(15, 90)


def test_pods_that_a_later_attempt_may_bring_in_are_given_longer():
    clock = Clock()
    track = tracker(clock, shards=2, replicas=4)
    track.on_event("ADDED", failed_create("ReplicaSet", "ratify-0-a", denial()))
    track.on_event("ADDED", failed_create("ReplicaSet", "ratify-1-a", TIMEOUT, uid="e-2"))
    clock.now += 89
    assert not track.settled(15, 90)
    clock.now += 2
    assert track.settled(15, 90)


def test_a_timeout_does_not_put_off_the_end_of_pods_whose_images_were_refused():
    clock = Clock()
    track = tracker(clock, replicas=4)
    track.on_event("ADDED", failed_create("ReplicaSet", "ratify-0-a", TIMEOUT))
    track.on_event("ADDED", failed_create("ReplicaSet", "ratify-0-a", denial(), uid="e-2"))
    clock.now += 16
    assert track.settled(15, 90)


def test_whatever_refuses_the_pods_they_are_given_up_in_the_end():
    clock = Clock()
    track = tracker(clock, replicas=4)
    track.on_event("ADDED", failed_create("ReplicaSet", "ratify-0-a", QUOTA))
    clock.now += 91
    assert track.settled(15, 90)


def test_a_refused_workload_and_one_that_is_retried_end_each_in_its_own_way():
    clock = Clock()
    track = tracker(clock, shards=3, replicas=3)
    track.refuse("ratify-0", denial())
    track.on_event("ADDED", failed_create("ReplicaSet", "ratify-1-a", TIMEOUT))
    track.on_pod("ADDED", ready_pod(0, "ratify-2"))
    assert not track.settled(15, 90)
    track.on_pod("ADDED", ready_pod(0, "ratify-1"))
    assert track.settled(15, 90)
    assert ends(track) == {"denied": 1, "ready": 2}


def test_further_denials_do_not_put_the_end_off():
    clock = Clock()
    track = tracker(clock, replicas=2)
    for count in range(1, 20):
        track.on_event("MODIFIED", failed_create("ReplicaSet", "ratify-0-a", denial(), count=count))
        clock.now += 1
    assert track.settled(15, 90)


def test_a_pod_that_is_still_on_its_way_is_waited_for():
    clock = Clock()
    track = tracker(clock, replicas=2)
    track.on_event("ADDED", failed_create("ReplicaSet", "ratify-0-a", denial()))
    track.on_pod("ADDED", pod(0))
    clock.now += 1000
    assert not track.settled(15, 90)
    assert track.outstanding() == 2


def test_a_workload_of_which_nothing_was_said_is_waited_for():
    clock = Clock()
    track = tracker(clock, shards=2, replicas=2)
    track.on_event("ADDED", failed_create("ReplicaSet", "ratify-0-a", denial()))
    clock.now += 1000
    assert not track.settled(15, 90)


STATES = st.builds(
    pod,
    st.integers(0, 4),
    workload=st.sampled_from(["ratify-0", "ratify-1", "ratify-2", "stranger"]),
    node=st.sampled_from([None, "node-0"]),
    phase=st.sampled_from(["Pending", "Running", "Succeeded", "Failed", "Unknown"]),
    ready=st.sampled_from([None, False, True]),
)
KINDS = st.sampled_from(["LISTED", "ADDED", "MODIFIED", "DELETED"])
EVENTS = st.builds(
    failed_create,
    st.sampled_from(["ReplicaSet", "Job", "Pod"]),
    st.sampled_from(["ratify-0-abc", "ratify-1-abc", "ratify-0", "ratify-2", "stranger"]),
    st.sampled_from([denial("0"), denial("1"), TIMEOUT, "quota"]),
    count=st.none() | st.integers(0, 5),
    uid=st.sampled_from(["e-1", "e-2", "e-3"]),
)
HAPPENINGS = st.one_of(
    st.tuples(st.just("on_pod"), KINDS, STATES),
    st.tuples(st.just("on_event"), KINDS, EVENTS),
    st.tuples(st.just("on_workload"), KINDS, st.builds(job, st.sampled_from(["ratify-0", "x"]), st.just("Failed"))),
    st.tuples(st.just("refuse"), st.sampled_from(["ratify-0", "ratify-2"]), st.sampled_from([denial(), "conflict"])),
)


@given(st.lists(HAPPENINGS, max_size=40), st.sampled_from(["deployment", "job"]), st.integers(3, 12))
def test_every_pod_of_the_plan_is_accounted_for_whatever_happens(happenings: list, kind: str, replicas: int):
    track = tracker(kind=kind, shards=3, replicas=replicas)
    for what, *arguments in happenings:
        getattr(track, what)(*arguments)
        assert track.waiting >= 0
        assert track.outstanding() >= 0
        track.settled(0, 0)
    records = list(track.records())
    for workload, expected in track.expected.items():
        own = [record for record in records if record["workload"] == f"{kind}/{workload}"]
        seen = [record for record in own if record["name"] is not None]
        assert len(own) == max(expected, len(seen))  # a controller may have replaced pods
        assert all(record["end"] in ("denied", "missing") for record in own if record["name"] is None)
    counted = Counter(record["end"] for record in records)
    assert (counted["ready"], counted["failed"], counted["denied"]) == (track.ready, track.failed, track.denied)
    assert all((record["reason"] is None) == (record["end"] == "ready") for record in records)
    if track.outstanding() == 0:
        assert track.settled(1e9, 1e9)


def test_asking_how_things_stand_does_not_look_at_every_pod():
    class Counted(dict):
        looks = 0

        def __iter__(self):
            Counted.looks += 1
            return super().__iter__()

        def values(self):
            Counted.looks += 1
            return super().values()

        def items(self):
            Counted.looks += 1
            return super().items()

    track = tracker(replicas=50)
    track.pods = Counted()
    for number in range(50):
        track.on_pod("ADDED", ready_pod(number))
    track.settled(1, 1), track.outstanding(), track.denied, track.waiting, track.ready
    assert Counted.looks == 0

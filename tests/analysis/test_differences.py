"""In what two sides of runs differ besides their figures."""

from __future__ import annotations

from typing import Any

from analysis.differences import MAX_TEXT, Difference, differences


def run(**entries: Any) -> dict[str, Any]:
    return {"run_id": object(), "started_at": object(), "versions": {"ratify": "v1.4.6"}, **entries}


def test_equal_runs_do_not_differ_whatever_their_ids_and_times_are():
    one, two = (run(settings={"runId": name, "load": {"rate": 1.0}}) for name in "ab")
    assert differences([one], [two]) == []


def test_an_entry_is_told_by_its_path_and_both_sides():
    found = differences(
        [run(settings={"ratify": {"cache": True}, "faults": []})],
        [run(settings={"ratify": {"cache": False}, "faults": [{"at": 5}], "new": None}, versions={"ratify": "v1.5.0"})],
    )
    assert set(found) == {
        Difference("versions.ratify", "v1.4.6", "v1.5.0", mixed=False),
        Difference("settings.ratify.cache", "on", "off", mixed=False),
        Difference("settings.faults", "none", "not recorded", mixed=False),
        Difference("settings.faults[0].at", "not recorded", "5", mixed=False),
        Difference("settings.new", "not recorded", "not set", mixed=False),
    }


def test_runs_of_one_side_that_differ_are_counted():
    base = [run(machine={"cpu_count": count}) for count in (2, 2, 4)]
    (found,) = differences(base, [run(machine={"cpu_count": 2})])
    assert found == Difference("machine.cpu_count", "2 (2 of 3), 4 (1 of 3)", "2", mixed=True)


def test_long_and_deep_entries_are_bounded():
    deep: Any = 1
    for _ in range(3000):
        deep = [deep]
    (long, _, _) = differences([run(settings={"a": "x" * 5000, "b": deep})], [run(settings={"a": "x" * 5001, "b": 1})])
    assert len(long.base) == len(long.new) == MAX_TEXT

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.values import Unfit, convert, read_fields, unknown_key

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.dates(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers() | st.none(), inner),
    max_leaves=8,
)
HINTS: list[Any] = [
    bool,
    int,
    float,
    str,
    int | None,
    str | None,
    Literal["on", "off"],
    tuple[str, ...],
    tuple[int, ...],
    Mapping[str, str],
]


@dataclass(frozen=True)
class Point:
    """A class of settings for these tests."""

    x: int
    y: int = 0


@dataclass(frozen=True)
class Subject:
    """Another one, with bounds and forms."""

    count: int = field(default=1, metadata={"minimum": 1, "maximum": 5})
    least: float = field(default=1, metadata={"minimum": 0.5, "maximum": None})
    name: str = field(default="a", metadata={"form": (r"[a-z]+", "letters")})
    points: tuple[Point, ...] = ()


def read(value: object) -> tuple[dict[str, Any], list[str]]:
    problems: list[str] = []
    return read_fields(Subject, value, "subject", problems), problems


@pytest.mark.parametrize("raw", [True, "on", "ON", "true", "yes", "True"])
def test_a_switch_is_on_in_each_of_its_spellings(raw):
    assert convert(raw, bool) is True


@pytest.mark.parametrize("raw", [False, "off", "Off", "false", "no"])
def test_a_switch_is_off_in_each_of_its_spellings(raw):
    assert convert(raw, bool) is False


@pytest.mark.parametrize("raw", [0, 1, "", "0", "maybe", None, [], {}])
def test_what_is_not_a_switch_is_told(raw):
    with pytest.raises(Unfit, match="expected on or off, got"):
        convert(raw, bool)


@pytest.mark.parametrize(
    ("raw", "hint", "value"),
    [
        (5, int, 5),
        (5.0, int, 5),
        ("5", int, 5),
        ("-1", int, -1),
        (2**60 + 1, int, 2**60 + 1),
        (5, float, 5.0),
        ("0.5", float, 0.5),
        (1e-3, float, 0.001),
        ("word", str, "word"),
        (64, str, "64"),
        (None, int | None, None),
        ("", int | None, None),
        ("null", str | None, None),
        ("7", int | None, 7),
        ("word", str | None, "word"),
        (True, Literal["auto", "on", "off"], "on"),
        (False, Literal["auto", "on", "off"], "off"),
        (["a", 5], tuple[str, ...], ("a", "5")),
        ('["a", 5]', tuple[str, ...], ("a", "5")),
        ({"a": 1}, Mapping[str, str], {"a": "1"}),
        ('{"a": "1"}', Mapping[str, str], {"a": "1"}),
        ({"x": 1}, Point, Point(1)),
        ('{"x": "1", "y": 2}', Point, Point(1, 2)),
        ([{"x": 1}], tuple[Point, ...], (Point(1),)),
    ],
)
def test_values_are_taken_from_yaml_json_and_the_command_line(raw, hint, value):
    found = convert(raw, hint)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("raw", "hint", "expected"),
    [
        (5.5, int, "a whole number, got 5.5"),
        (True, int, "a whole number, got True"),
        ("five", int, "a whole number, got 'five'"),
        ("nan", float, "a number, got 'nan'"),
        (float("inf"), int, "a whole number, got inf"),
        ("1" * 5000, float, "a number, got"),
        (10**400, float, "a number, got"),
        ([], int, "a whole number"),
        (None, float, "a number, got None"),
        (True, str, "text, got True"),
        ({}, str, "text"),
        ("c", Literal["a", "b"], "one of a, b, got 'c'"),
        (["a"], Literal["a", "b"], "one of a, b"),
        ("a, b", tuple[str, ...], "a list, got 'a, b'"),
        ([[]], tuple[str, ...], "text"),
        ([1], Mapping[str, str], "an object"),
        ({"x": "left"}, Point, "point.x: expected a whole number"),
        ({"x": 1, "z": 1}, Point, "point.z: there is no such key"),
        ({"y": 1}, Point, "lacks x"),
        ("[" * 100_000, tuple[str, ...], "a list"),
    ],
)
def test_what_does_not_fit_is_told_with_what_is_expected(raw, hint, expected):
    with pytest.raises(Unfit, match="expected|lacks|no such key") as told:
        convert(raw, hint)
    assert expected in str(told.value)


@given(JSON, st.sampled_from(HINTS))
def test_any_value_is_converted_or_unfit(raw, hint):
    try:
        convert(raw, hint)
    except Unfit as unfit:
        assert str(unfit).endswith(".")


@given(st.text())
def test_any_text_is_converted_or_unfit(raw):
    for hint in HINTS:
        try:
            convert(raw, hint)
        except Unfit:
            continue


@given(st.integers())
def test_whole_numbers_are_exact(number):
    assert convert(number, int) == number
    assert convert(json.loads(json.dumps(number)), int) == number


@pytest.mark.parametrize("raw", [{"count": 5, "name": "b"}, '{"count": 5, "name": "b"}'])
def test_an_object_or_json_text_of_one_is_read(raw):
    assert read(raw) == ({"count": 5, "name": "b"}, [])


@pytest.mark.parametrize("raw", [None, "", "text", "[1]", 5, [1], True])
def test_what_is_no_object_is_told_with_the_keys_that_it_should_have(raw):
    assert read(raw) == ({}, ["subject: expected an object with the keys count, least, name, points."])


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        ({"count": 0}, "subject.count: expected from 1 to 5, got 0."),
        ({"count": 6}, "subject.count: expected from 1 to 5, got 6."),
        ({"least": 0.4}, "subject.least: expected 0.5 or more, got 0.4."),
        ({"name": "A1"}, "subject.name: expected letters, got 'A1'."),
        ({"name": "a\n"}, "subject.name: expected letters, got 'a\\n'."),
        ({"conut": 1}, "subject.conut: there is no such key; did you mean subject.count?"),
        ({None: 1}, "subject.None: there is no such key; did you mean subject.name?"),
        ({17: 1}, "subject.17: there is no such key; the known keys are count, least, name, points."),
    ],
)
def test_a_bad_key_is_named_with_what_is_wrong(raw, problem):
    assert read(raw) == ({}, [problem])


def test_all_problems_are_told_at_once_and_the_rest_is_read():
    values, problems = read({"count": "x", "least": 2, "nam": "b", "points": [{}]})
    assert values == {"least": 2.0}
    assert [problem.partition(":")[0] for problem in problems] == ["subject.count", "subject.nam", "subject.points"]


def test_the_nearest_key_is_told_only_where_one_is_near():
    assert unknown_key("replica", ["replicas", "shards"], "scenario").endswith("did you mean scenario.replicas?")
    assert unknown_key("zzz", ["replicas", "shards"], "scenario").endswith("the known keys are replicas, shards.")
    assert unknown_key("clustr", ["cluster"]) == "clustr: there is no such key; did you mean cluster?"

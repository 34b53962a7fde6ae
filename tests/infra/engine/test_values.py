from __future__ import annotations

from typing import Any

import pytest

from infra.engine.values import (
    UNKNOWN,
    Secret,
    get_path,
    has_secret,
    has_unknown,
    parse_path,
    plain,
    redacted,
    secret_texts,
    set_path,
)

DEEP = {"a": [1, Secret({"b": "hush"})], "c": UNKNOWN}


def test_a_secret_does_not_show_itself():
    assert str(Secret("hush")) == repr(Secret("hush")) == f"{Secret('hush')}" == "[secret]"
    assert str([Secret("hush")]) == "[[secret]]"


def test_walks():
    assert plain(DEEP) == {"a": [1, {"b": "hush"}], "c": UNKNOWN}
    assert redacted(DEEP) == {"a": [1, "[secret]"], "c": "[unknown]"}
    assert has_secret(DEEP) and has_unknown(DEEP) and has_unknown(Secret([UNKNOWN]))
    assert not has_secret({"a": [1]}) and not has_unknown({"a": [1]})
    assert list(secret_texts(DEEP)) == ["hush"]


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("a", ["a"]),
        ("spec.ports[0].name", ["spec", "ports", 0, "name"]),
        ('metadata.annotations["a.b/c"]', ["metadata", "annotations", "a.b/c"]),
    ],
)
def test_paths(path, parts):
    assert parse_path(path) == parts


@pytest.mark.parametrize("path", ["a[*]", "a..b", 'a["b', "a[x]"])
def test_bad_paths(path):
    with pytest.raises(ValueError):
        parse_path(path)


def test_get_and_set_by_path():
    value: dict[str, Any] = {"a": [{"b": 1}, {"b": 2}], "s": Secret({"t": 3})}
    assert get_path(value, ["a", 1, "b"]) == 2 and get_path(value, ["a", 5]) is None
    assert get_path(value, ["s", "t"]) == 3 and get_path(value, ["a", "b"]) is None
    assert set_path(value, ["a", 0, "b"], 9) == {**value, "a": [{"b": 9}, {"b": 2}]}
    assert set_path(value, ["s", "t"], 4) == {**value, "s": Secret({"t": 4})}
    assert set_path(value, ["x", "y"], 1) == {**value, "x": {"y": 1}}
    assert set_path(value, ["s"], None) == {"a": value["a"]}
    assert value["a"][0] == {"b": 1}

from __future__ import annotations

import base64
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.engine.providers import Diff, NotMadeError, random
from workloads.errors import EngineError


def draw(name: str, **inputs):
    return random.make(f"random:index/random{name}:Random{name}").create(inputs, None)


@given(st.integers(8, 64), st.integers(0, 2), st.integers(0, 2), st.booleans())
def test_strings_keep_their_rules(length, upper, special, numeric):
    made = draw("String", length=length, minUpper=upper, minSpecial=special, numeric=numeric, overrideSpecial="_-")
    text = made.outputs["result"]
    assert made.id == text and len(text) == length
    assert sum(c.isupper() for c in text) >= upper and sum(c in "_-" for c in text) >= special
    assert numeric or not any(c.isdigit() for c in text)
    assert all(c.isalnum() or c in "_-" for c in text)


@pytest.mark.parametrize(
    "inputs",
    [
        {"length": 0},
        {"length": 2, "minUpper": 3},
        {"length": 3, "lower": False, "upper": False, "numeric": False, "special": False},
        {"length": "x"},
    ],
)
def test_impossible_strings_are_refused(inputs):
    with pytest.raises(NotMadeError):
        draw("String", **inputs)


def test_passwords_are_secret_and_have_no_telling_id():
    made = draw("Password", length=12)
    assert made.id == "none" and len(made.outputs["result"]) == 12
    assert "result" in random.make("random:index/randomPassword:RandomPassword").secret_outputs({})


def test_bytes_are_secret_and_have_no_telling_id():
    made = draw("Bytes", length=16)
    assert made.id == "none" and len(made.outputs["hex"]) == 32
    assert bytes.fromhex(made.outputs["hex"]) == base64.b64decode(made.outputs["base64"])
    assert {"hex", "base64"} <= random.make("random:index/randomBytes:RandomBytes").secret_outputs({})


def test_ids_agree_with_each_other():
    made = draw("Id", byteLength=5, prefix="p-")
    hex_ = made.outputs["hex"].removeprefix("p-")
    assert len(hex_) == 10 and made.outputs["dec"] == f"p-{int(hex_, 16)}"
    assert made.outputs["b64Url"] == f"p-{made.id}" and "=" not in made.id


def test_uuids_and_integers():
    assert uuid.UUID(draw("Uuid").outputs["result"])
    assert {draw("Integer", min=1, max=2).outputs["result"] for _ in range(50)} == {1, 2}
    for wrong in ({"min": 2, "max": 1}, {"min": 1, "max": 2, "seed": "s"}):
        with pytest.raises(NotMadeError):
            draw("Integer", **wrong)


def test_any_change_makes_a_new_value():
    provider = random.make("random:index/randomUuid:RandomUuid")
    assert provider.diff("x", {"keepers": {"a": "1"}}, {}, {"keepers": {"a": "2"}}) == Diff(True, True)
    assert provider.diff("x", {"keepers": {"a": "1"}}, {}, {"keepers": {"a": "1"}}) == Diff()


def test_other_types_are_refused():
    with pytest.raises(EngineError, match="RandomShuffle"):
        random.make("random:index/randomShuffle:RandomShuffle")

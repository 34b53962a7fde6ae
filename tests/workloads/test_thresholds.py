from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workloads.thresholds import OPERATORS, Limit, parse, problem


@given(st.sampled_from(OPERATORS), st.floats(allow_nan=False, allow_infinity=False))
def test_every_operator_takes_every_number(operator, number):
    assert parse(f" {operator} {number!r} ") == Limit(operator, number)


@pytest.mark.parametrize("expression", ["<=0.5", "<= .5", "<= 5e-1", "<= +0.5"])
def test_spellings_of_a_number(expression):
    assert parse(expression) == Limit("<=", 0.5)


def test_the_right_side_may_be_another_figure():
    assert parse(">= pods.expected") == Limit(">=", "pods.expected")


@pytest.mark.parametrize("expression", ["", "0.5", "=> 1", "<= ", "<= 1 2", "<= Pods.Ready", "<= 0.5s", "!= 1"])
def test_anything_else_is_a_problem_in_a_sentence(expression):
    told = problem(expression)
    assert told is not None
    assert told.endswith(".")


@pytest.mark.parametrize("expression", [0.5, None, ["<= 1"]])
def test_what_is_not_text_is_a_problem(expression):
    assert "is not text" in (problem(expression) or "")

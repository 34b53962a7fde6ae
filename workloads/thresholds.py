"""The grammar of thresholds: what a run must keep, written as ``figure: "<= 0.5"`` in a stack's settings.

The left side is the path of a figure in summary.json (``ratify.verification_seconds.p95``). The right side is an
operator and a number, or an operator and the path of another figure (``>= pods.expected``). Anything richer is refused:
a threshold is something that a reader of the report checks in his head. The grammar is here so that settings can refuse
a bad expression before anything is started; ``analysis.thresholds`` evaluates it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, cast, get_args

from workloads.errors import quoted

Operator = Literal["<=", "<", ">=", ">", "=="]

OPERATORS: tuple[Operator, ...] = get_args(Operator)

_PATH = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9_-]+)*")
_NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?")
_EXPRESSION = re.compile(r"\s*(<=|>=|==|<|>)\s*(\S+)\s*")


@dataclass(frozen=True)
class Limit:
    """The right side of a threshold: an operator, and a number or the path of another figure."""

    operator: Operator
    bound: float | str


def parse(expression: str) -> Limit:
    """Read an expression such as ``<= 0.5`` or ``>= pods.expected``. Raises ValueError with a full sentence."""
    match = _EXPRESSION.fullmatch(expression)
    if match is None:
        raise ValueError(
            f"{quoted(expression)} is not an operator ({', '.join(OPERATORS)}) followed by a number or a figure's path."
        )
    operator = cast(Operator, match[1])
    right = match[2]
    if _NUMBER.fullmatch(right):
        return Limit(operator, float(right))
    if _PATH.fullmatch(right):
        return Limit(operator, right)
    raise ValueError(f"{quoted(right)} in {quoted(expression)} is neither a number nor the path of a figure.")


def problem(expression: object) -> str | None:
    """What is wrong with an expression, as a sentence; None if nothing is."""
    if not isinstance(expression, str):
        return f"{quoted(expression)} is not text such as '<= 0.5'."
    try:
        parse(expression)
    except ValueError as error:
        return str(error)
    return None

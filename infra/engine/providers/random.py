"""The random provider: values that are made once and live in the state.

Inputs and outputs are those of pulumi-random; any change of the inputs, ``keepers`` included, makes a new value.
``RandomPassword.bcryptHash`` stays empty (it would take a dependency that nothing needs), and types or seeds that would
have to reproduce the original's algorithms are refused.
"""

from __future__ import annotations

import base64
import secrets
import string
import uuid
from collections.abc import Callable

from infra.engine.providers import Diff, Made, NotMadeError
from infra.engine.values import Properties
from workloads.errors import EngineError

_SPECIAL = "!@#$%&*()-_=+[]{}<>:?"


class Random:
    """Makes the values of one type."""

    def __init__(self, draw: Callable[[Properties], Made], secret: frozenset[str]) -> None:
        self._draw = draw
        self._secret = secret

    def check(self, name: str, old: Properties | None, new: Properties, dry: bool) -> Properties:
        return new

    def diff(self, identifier: str, old: Properties, outputs: Properties, new: Properties) -> Diff:
        return Diff(changed=old != new, replace=old != new)

    def create(self, inputs: Properties, timeout: float | None) -> Made:
        made = self._draw(inputs)
        return Made(made.id, {**inputs, **made.outputs})

    def update(
        self,
        identifier: str,
        old: Properties,
        outputs: Properties,
        new: Properties,
        timeout: float | None,
    ) -> Properties:
        return outputs

    def delete(self, identifier: str, inputs: Properties, outputs: Properties, timeout: float | None) -> None:
        """Nothing is anywhere but in the state."""

    def read(self, identifier: str) -> Properties:
        raise EngineError(f"The random value {identifier} cannot be read, only made.")

    def recover(self, inputs: Properties) -> None:
        """Nothing is anywhere but in the state."""

    def secret_outputs(self, inputs: Properties) -> frozenset[str]:
        return self._secret


def make(type_: str) -> Random:
    """The provider of a type of pulumi-random; raises ``EngineError`` on one that is not here."""
    name = type_.rpartition(":")[2]
    if name not in _DRAWS:
        raise EngineError(
            f"The embedded engine does not make resources of type {type_}. Use one of "
            f"{', '.join(sorted(_DRAWS))}, or the Pulumi CLI (--engine cli)."
        )
    return Random(_DRAWS[name], frozenset(_SECRETS.get(name, ())))


def _text(inputs: Properties) -> Made:
    """Characters by the rules of RandomString: the minima first, the rest from all allowed classes, then shuffled."""
    numeric = "numeric" if "numeric" in inputs else "number"
    special = str(inputs.get("overrideSpecial") or _SPECIAL)
    classes = {
        "lower": (string.ascii_lowercase, "minLower"),
        "upper": (string.ascii_uppercase, "minUpper"),
        numeric: (string.digits, "minNumeric"),
        "special": (special, "minSpecial"),
    }
    allowed, drawn = "", list[str]()
    for switch, (alphabet, minimum) in classes.items():
        if inputs.get(switch, True):
            allowed += alphabet
        drawn += [secrets.choice(alphabet) for _ in range(_int(inputs, minimum, 0))]
    length = _int(inputs, "length")
    if length < max(1, len(drawn)) or not allowed:
        raise NotMadeError(
            f"A text of {length} characters cannot be made: at least {max(1, len(drawn))} are asked for, "
            f"of {len(allowed)} different ones."
        )
    drawn += [secrets.choice(allowed) for _ in range(length - len(drawn))]
    secrets.SystemRandom().shuffle(drawn)
    text = "".join(drawn)
    return Made(text, {"result": text})


def _password(inputs: Properties) -> Made:
    return Made("none", _text(inputs).outputs)  # as the original: the id is shown, the value is not


def _id(inputs: Properties) -> Made:
    blob = secrets.token_bytes(_int(inputs, "byteLength"))
    prefix = str(inputs.get("prefix", ""))
    url = base64.urlsafe_b64encode(blob).decode().rstrip("=")
    outputs: Properties = {
        "b64Std": prefix + base64.b64encode(blob).decode(),
        "b64Url": prefix + url,
        "hex": prefix + blob.hex(),
        "dec": prefix + str(int.from_bytes(blob)),
    }
    return Made(url, outputs)


def _bytes(inputs: Properties) -> Made:
    blob = secrets.token_bytes(_int(inputs, "length"))
    return Made("none", {"base64": base64.b64encode(blob).decode(), "hex": blob.hex()})


def _uuid(_inputs: Properties) -> Made:
    text = str(uuid.uuid4())
    return Made(text, {"result": text})


def _integer(inputs: Properties) -> Made:
    if "seed" in inputs:
        raise NotMadeError("A RandomInteger with a seed needs the Pulumi CLI (--engine cli).")
    low, high = _int(inputs, "min"), _int(inputs, "max")
    if low > high:
        raise NotMadeError(f"A RandomInteger from {low} to {high} cannot be made.")
    number = low + secrets.randbelow(high - low + 1)
    return Made(str(number), {"result": number})


def _int(inputs: Properties, key: str, default: int | None = None) -> int:
    value = inputs.get(key, default)
    if not isinstance(value, int):
        raise NotMadeError(f"{key} must be a whole number, not {value!r}.")
    return value


_DRAWS: dict[str, Callable[[Properties], Made]] = {
    "RandomPassword": _password,
    "RandomString": _text,
    "RandomId": _id,
    "RandomBytes": _bytes,
    "RandomUuid": _uuid,
    "RandomInteger": _integer,
}
_SECRETS = {"RandomPassword": ("result", "bcryptHash"), "RandomBytes": ("base64", "hex")}

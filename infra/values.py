"""From raw config values to the types of a settings class.

Config reaches us as YAML, as JSON (Pulumi hands every object on as JSON text) and as words on the command line, so a
value is taken in each of these spellings: ``off``, ``false`` and False are one. What does not fit becomes a sentence in
the list of problems; nothing is raised here, so that all problems of a stack are told at once.
"""

from __future__ import annotations

import difflib
import json
import re
import types
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from workloads.errors import named, quoted

SWITCH = {"on": True, "true": True, "yes": True, "off": False, "false": False, "no": False}


GREATEST = 2**31 - 1
"""What a number may be at most where its setting does not say: the components read theirs as 32 bits or more."""


class Unfit(ValueError):
    """A value that is not of its setting's type; the message says what is expected."""


def unknown_key(key: object, known: Collection[str], prefix: str = "") -> str:
    """The sentence for a key that does not exist, with the nearest one that does. ``prefix`` is its subject's name."""
    dot = f"{prefix}." if prefix else ""
    near = difflib.get_close_matches(named(key), known, n=1, cutoff=0.5)
    advice = f"did you mean {dot}{near[0]}?" if near else f"the known keys are {', '.join(sorted(known))}."
    return f"{dot}{named(key)}: there is no such key; {advice}"


def read_fields(cls: type, value: object, prefix: str, problems: list[str]) -> dict[str, Any]:
    """The fields of dataclass ``cls`` that ``value`` (an object, or JSON text of one) sets, converted and checked.

    ``prefix`` is put before a key's name in ``problems``, to which a sentence per bad key is added.
    """
    if isinstance(value, str):
        value = _json(value)
    if not isinstance(value, Mapping):
        problems.append(f"{prefix}: expected an object with the keys {', '.join(f.name for f in fields(cls))}.")
        return {}
    hints = get_type_hints(cls)
    known = {f.name: f for f in fields(cls)}
    values = {}
    for key, raw in value.items():
        name = f"{prefix}.{named(key)}" if prefix else named(key)
        if key not in known:
            problems.append(unknown_key(key, known, prefix))
            continue
        try:
            values[str(key)] = _bounded(convert(raw, hints[key]), known[key])
        except Unfit as unfit:
            problems.append(f"{name}: {unfit}")
    return values


def convert(raw: object, hint: Any) -> Any:
    """``raw`` as the type ``hint``. Raises Unfit with what was expected."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return None if raw in (None, "", "null") else convert(raw, next(a for a in arguments if a is not type(None)))
    if origin is Literal:
        return _literal(raw, arguments)
    if origin is tuple:
        items = _json(raw) if isinstance(raw, str) else raw
        if not isinstance(items, list | tuple):
            raise Unfit(f"expected a list, got {quoted(raw)}.")
        return tuple(convert(item, arguments[0]) for item in items)
    if origin is not None and issubclass(origin, Mapping):
        items = _json(raw) if isinstance(raw, str) else raw
        if not isinstance(items, Mapping):
            raise Unfit(f"expected an object, got {quoted(raw)}.")
        return {str(key): convert(item, arguments[1]) for key, item in items.items()}
    if is_dataclass(hint):
        return _object(raw, hint)
    return _simple(raw, hint)


def _simple(raw: object, hint: Any) -> Any:
    if hint is bool:
        if isinstance(raw, bool):
            return raw
        if isinstance(raw, str) and raw.lower() in SWITCH:
            return SWITCH[raw.lower()]
        raise Unfit(f"expected on or off, got {quoted(raw)}.")
    if hint is int and isinstance(raw, int) and not isinstance(raw, bool):
        return raw
    if hint in (int, float):
        try:
            if isinstance(raw, bool):
                raise ValueError
            number = float(raw)  # type: ignore[arg-type]  # a TypeError is caught below
            if number != number or number in (float("inf"), float("-inf")) or (hint is int and number != int(number)):
                raise ValueError
        except (TypeError, ValueError, OverflowError):
            raise Unfit(f"expected {'a whole number' if hint is int else 'a number'}, got {quoted(raw)}.") from None
        return hint(number)
    if isinstance(raw, str | int | float) and not isinstance(raw, bool):
        with suppress(ValueError):  # Python writes no number of more than 4,300 digits
            return str(raw)
    raise Unfit(f"expected text, got {quoted(raw)}.")


def _literal(raw: object, choices: tuple[str, ...]) -> str:
    if isinstance(raw, bool):  # YAML 1.1 reads on and off as booleans
        raw = "on" if raw else "off"
    if raw in choices:
        return str(raw)
    raise Unfit(f"expected one of {', '.join(choices)}, got {quoted(raw)}.")


def _object(raw: object, cls: Any) -> Any:
    problems: list[str] = []
    values = read_fields(cls, raw, cls.__name__.lower(), problems)
    lacking = [f.name for f in fields(cls) if f.default is MISSING and f.name not in values]
    if problems or lacking:
        raise Unfit(problems[0] if problems else f"{quoted(raw)} lacks {', '.join(lacking)}.")
    return cls(**values)


def _bounded(value: Any, field: Field[Any]) -> Any:
    if isinstance(value, str) and (form := field.metadata.get("form")) and not re.fullmatch(form[0], value):
        raise Unfit(f"expected {form[1]}, got {quoted(value)}.")
    least, greatest = field.metadata.get("minimum"), field.metadata.get("maximum")
    if value is None or (least is None and greatest is None):
        return value
    if (least is not None and value < least) or value > (GREATEST if greatest is None else greatest):
        bounds = f"{least} or more" if value < GREATEST else f"{GREATEST} or less"
        if greatest is not None:
            bounds = f"from {least} to {greatest}" if least != greatest else f"{least}"
        raise Unfit(f"expected {bounds}, got {quoted(value)}.")
    return value


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text

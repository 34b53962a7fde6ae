"""Words of the command line that Kubernetes has to take: labels, amounts, tolerations."""

from __future__ import annotations

import re
from typing import Any

import click

LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
KEY = re.compile(rf"([a-z0-9]([a-z0-9.-]{{0,251}}[a-z0-9])?/)?{LABEL.pattern}")
DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
QUANTITY = re.compile(r"[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?")
TOLERATION = re.compile(rf"({KEY.pattern})(=({LABEL.pattern}))?(:(NoSchedule|PreferNoSchedule|NoExecute))?")


def pairs(value_form: re.Pattern[str]) -> Any:
    """A callback that makes a mapping of KEY=VALUE words."""

    def read(_context: click.Context, _option: click.Parameter, words: tuple[str, ...]) -> dict[str, str]:
        found = {}
        for word in words:
            key, equals, value = word.partition("=")
            if not (equals and KEY.fullmatch(key) and value_form.fullmatch(value)):
                raise click.BadParameter(f"{word!r} is not KEY=VALUE with names that Kubernetes takes.")
            found[key] = value
        return found

    return read


def tolerations(_context: click.Context, _option: click.Parameter, words: tuple[str, ...]) -> list[dict[str, str]]:
    """A callback that makes tolerations of KEY, KEY:EFFECT and KEY=VALUE:EFFECT words."""
    found = []
    for word in words:
        match = TOLERATION.fullmatch(word)
        if match is None:
            raise click.BadParameter(f"{word!r} is not KEY, KEY:EFFECT or KEY=VALUE:EFFECT.")
        parts = re.split("[=:]", word)
        value, effect = (parts[1] if "=" in word else None), (parts[-1] if ":" in word else None)
        found.append(
            {
                "key": parts[0],
                **({"operator": "Equal", "value": value} if value else {"operator": "Exists"}),
                **({"effect": effect} if effect else {}),
            }
        )
    return found


def label(form: re.Pattern[str], *placeholders: str) -> Any:
    """A callback that takes what has a form, or is one of the placeholders."""

    def read(_context: click.Context, _option: click.Parameter, word: str | None) -> str | None:
        if word and word not in placeholders and not form.fullmatch(word):
            raise click.BadParameter(f"{word!r} is not a name that Kubernetes takes.")
        return word

    return read

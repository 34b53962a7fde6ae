"""The names of resources in Azure: one function, Azure's limits as data.

A name is words and, where it has to be unique beyond its parent, a suffix. pulumi-random makes the suffix, once for
each resource, and it lives in the stack's state: a name is the same in every later update, and another one in every
other stack. What is too long loses the end of its words, never the suffix.
https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pulumi
import pulumi_random as random

from infra.settings.declaring import RESOURCE_GROUP, VAULT_NAME

Kind = Literal[
    "resource group",
    "node resource group",
    "registry",
    "vault",
    "cluster",
    "dns prefix",
    "node pool",
    "identity",
    "federated credential",
]

SUFFIX = 8
"""Lower-case letters and digits: 2.8 trillion, so that nobody in Azure has the name already."""


@dataclass(frozen=True)
class Rule:
    """What Azure takes as the name of one kind of resource."""

    least: int
    most: int
    form: str
    """A regular expression that matches what is allowed, but for the length."""
    joint: str = "-"
    """What stands between words; empty where only letters and digits are allowed."""
    unique: bool = False
    """Whether names are shared with others: all of Azure, or the subscription. Else the parent is unique."""


_WORD = r"[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?"
RULES: dict[Kind, Rule] = {
    "resource group": Rule(1, 90, RESOURCE_GROUP[0], unique=True),
    "node resource group": Rule(1, 80, RESOURCE_GROUP[0], unique=True),
    "registry": Rule(5, 50, r"[a-z0-9]+", joint="", unique=True),
    "vault": Rule(3, 24, VAULT_NAME[0], unique=True),
    "cluster": Rule(1, 63, _WORD),
    "dns prefix": Rule(1, 54, r"[A-Za-z]([A-Za-z0-9-]*[A-Za-z0-9])?"),
    "node pool": Rule(1, 12, r"[a-z][a-z0-9]*", joint=""),
    "identity": Rule(3, 128, _WORD),
    "federated credential": Rule(3, 120, _WORD),
}


def name(kind: Kind, words: Sequence[str], suffix: str = "") -> str:
    """The name of a resource: lower-case words, and at its end the whole suffix."""
    rule = RULES[kind]
    tail = f"{rule.joint}{suffix}" if suffix else ""
    stem = re.sub(r"[^a-z0-9]+", rule.joint, "-".join(words).lower()).strip("-")
    if not stem[:1].isalpha():
        stem = f"n{stem}"  # what begins with a letter is right for every kind
    stem = stem[: rule.most - len(tail)].rstrip("-")
    return f"{stem}{tail}".ljust(rule.least, "0")


def unique(kind: Kind, what: str, words: Sequence[str], opts: pulumi.ResourceOptions) -> pulumi.Output[str]:
    """The name of the resource ``what``, with a suffix of its own that the stack's state keeps."""
    suffix = random.RandomString(f"{what}-suffix", length=SUFFIX, upper=False, special=False, opts=opts)
    return suffix.result.apply(lambda text: name(kind, words, text))

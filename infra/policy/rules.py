"""All rules, and what breaks them: for ``csscgen preview``, for the tests, and for the policy pack."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from infra.policy import exposure, ownership, permissions, secrecy, transport
from infra.policy.resources import Platform, Resource, Rule, Violation

RULES: tuple[Rule, ...] = (
    *transport.RULES,
    *exposure.RULES,
    *ownership.RULES,
    *permissions.RULES,
    *secrecy.RULES,
)


def violations(resources: Iterable[Resource], outputs: Mapping[str, Any], platform: Platform) -> Iterator[Violation]:
    """Everything in a stack that breaks a rule."""
    for resource in resources:
        for rule in RULES:
            for message in rule.check(resource, platform):
                yield Violation(rule.name, resource.urn, message)
    for message in secrecy.output_problems(outputs, platform):
        yield Violation(secrecy.OUTPUTS, "", message)

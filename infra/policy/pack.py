"""The rules as policies of the Pulumi CLI: every violation is mandatory, so that it stops an update before it begins.

A pack is asked about one resource at a time, during a preview and again during an update, when more is known. It is not
told whether a value is secret or whether a resource outlives its deletion: what needs that is judged by ``csscgen
preview`` alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_args

import pulumi
from pulumi_policy import (
    EnforcementLevel,
    Policy,
    PolicyPack,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
)
from pulumi_policy.proxy import UnknownValueError

from infra.policy.resources import UNKNOWN, Platform, Resource, Rule
from infra.policy.rules import RULES

NAME = "ratify-perf"


def policies() -> list[Policy]:
    """A policy for each rule that a pack can judge by."""
    return [
        ResourceValidationPolicy(
            name=rule.name,
            description=rule.description,
            validate=_validation(rule),
            enforcement_level=EnforcementLevel.MANDATORY,
        )
        for rule in RULES
        if rule.pack
    ]


def serve() -> None:
    """Starts the pack's server, tells the CLI its port on stdout, and answers until the CLI ends this process."""
    PolicyPack(NAME, policies(), EnforcementLevel.MANDATORY)


def _validation(rule: Rule) -> Callable[[ResourceValidationArgs, ReportViolation], None]:
    def validate(args: ResourceValidationArgs, report_violation: ReportViolation) -> None:
        inputs = plain(args.props)
        resource = Resource(args.resource_type, args.name, inputs, args.urn, protect=bool(args.opts.protect))
        for message in rule.check(resource, platform()):
            report_violation(message, None)

    return validate


def platform() -> Platform:
    """The stack's platform, of its config, which the CLI gives a pack too; azure where that says nothing."""
    value = pulumi.Config(NAME).get("platform")
    return next((known for known in get_args(Platform) if known == value), "azure")


def plain(value: Any) -> Any:
    """Inputs as plain JSON. What is not known raises where it is read, for which ``[unknown]`` stands."""
    if isinstance(value, Mapping):
        return {str(key): _item(value, key) for key in value}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_item(value, index) for index in range(len(value))]
    return value


def _item(value: Any, key: Any) -> Any:
    try:
        return plain(value[key])
    except UnknownValueError:
        return UNKNOWN

"""What is refused before anything is touched: what an engine cannot make, busy ports, another shared stack."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from csscgen.context import Context
from csscgen.planning.memory import memory
from csscgen.stackfiles import Stack
from csscgen.templates import Template
from infra.local.sockets import is_free, owner
from infra.settings import charts
from workloads.errors import UsageError


def check(context: Context) -> None:
    """Refuses what cannot work, before anything is touched. Raises UsageError."""
    stack = context.stack
    check_template(stack)
    _refuse_for_memory(stack)
    if context.engine.name != "cli":
        _refuse_for_embedded(stack)
    for each in filter(None, (stack.shared, stack)):
        if each.settings.platform == "local" and not context.engine.exists(each.name):
            _refuse_busy_ports(each)
    if stack.shared:
        made = context.engine.outputs(stack.shared.name).get("declared")
        # The CLI may leave out what is null.
        if made is not None and _without_nulls(made) != _without_nulls(stack.shared.settings.shared_part):
            name = stack.shared.name
            if context.engine.name == "cli":  # it is others' too, and has images that took hours
                otherwise = f"change it (`csscgen up --stack {name}`)"
            else:
                otherwise = (
                    f"destroy it (`csscgen destroy --stack {name}`), take stacks of your own with --instance NAME"
                )
            raise UsageError(
                f"Stack {name} is up already, made with {made}, and what is asked for differs. Take it as it is, or "
                f"{otherwise}."
            )


def check_template(stack: Stack) -> None:
    """Refuses a template of the load that gives no objects of the scenario's. Raises UsageError."""
    if stack.settings.load.template:
        Template(stack.settings.load.template).check(stack.settings.plan)


def _refuse_for_memory(stack: Stack) -> None:
    """Refuses a run that this machine cannot hold, and tells of one that it may not. Raises UsageError."""
    found = memory(stack.settings)
    if found is None or found.sentence is None:
        return
    if found.needed > found.total:
        raise UsageError(f"Stack {stack.name} is too large for this machine: scenario.replicas: {found.sentence}")
    click.echo(f"Warning: scenario.replicas: {found.sentence}", err=True)


def _refuse_for_embedded(stack: Stack) -> None:
    """Refuses what the embedded engine cannot make. Raises UsageError."""
    settings = stack.settings
    if settings.platform == "azure":
        raise UsageError(
            f"Stack {stack.name} is on Azure, and making it needs the Pulumi CLI: the embedded engine can only preview "
            "it. Install the CLI and use --engine cli, or take a local stack."
        )
    if problem := charts.problem(settings, stack.name):
        raise UsageError(problem)


def _without_nulls(value: Any) -> Any:
    """A value as it comes back through the CLI, which may leave out what is null."""
    if isinstance(value, Mapping):
        return {key: _without_nulls(each) for key, each in value.items() if each is not None}
    return [_without_nulls(each) for each in value] if isinstance(value, list | tuple) else value


def _refuse_busy_ports(stack: Stack) -> None:
    settings = stack.settings
    if stack.shared:
        fixed = {
            "cluster.apiServerPort": settings.cluster.apiServerPort,
            "gatekeeper.port": settings.gatekeeper.port,
            "ratify.port": settings.ratify.port,
        }
    else:
        first = settings.registry.port
        fixed = {f"registry.port of {r.name}": first and first + i for i, r in enumerate(settings.registry.regions)}
    for key, port in fixed.items():
        other = owner(port) if port else None
        if other is not None:
            raise UsageError(
                f"Port {port}, which {key} of stack {stack.name} asks for, is reserved for the stack in {other}. "
                "Destroy that one, set another port, or 0 for a free one."
            )
        if port and not is_free(port):
            raise UsageError(
                f"Port {port}, which {key} of stack {stack.name} asks for, is busy on 127.0.0.1. End what listens "
                "there, set another port, or 0 for a free one."
            )

"""csscgen preview"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from csscgen.commands import options
from csscgen.commands.printing import table

if TYPE_CHECKING:
    from infra.engine import Outcome
    from infra.policy.resources import Platform, Violation


@click.command()
@options.on_stack
@options.as_json
def command(
    stack: str, changes: tuple[str, ...], engine: str, instance: str | None, quiet: bool, as_json: bool
) -> None:
    """Show what up would do.

    Touches nothing. What would be made is held against the policies (docs/azure.md); what breaks one is told in a
    sentence, and the exit code is 3. With --json every resource is printed with its inputs, parent and dependencies,
    then the outputs and the violations; what is not known before it is made is "[unknown]", a secret is "[secret]".

    \b
    Example:
      csscgen preview --stack local-S
    """
    from csscgen.context import open_context
    from workloads.errors import PolicyError

    context = open_context(stack, changes, engine, instance=instance, quiet=quiet)
    with context.progress.step(f"preview {stack}"):
        outcome = context.engine.preview(stack, context.stack.config)
    broken = judged(outcome, context.settings.platform)
    if as_json:
        click.echo(json.dumps(machine_form(outcome, broken), indent=2))
    else:
        rows = [{"op": step.op, "type": step.type, "name": step.name} for step in outcome.steps]
        table(rows, ["op", "type", "name"], as_json=False)
        click.echo(", ".join(f"{count} to {op}" for op, count in sorted(outcome.changes.items())) or "nothing to do")
    if broken:
        raise PolicyError(
            "\n".join(
                [
                    f"Stack {stack} breaks {len({each.rule for each in broken})} of the policies:",
                    *(f"  - {each.rule}: {each.message}" for each in broken),
                ]
            )
        )


def judged(outcome: Outcome, platform: Platform) -> list[Violation]:
    """What breaks a policy, among all that would be there after an ``up``."""
    from infra.policy.resources import Resource
    from infra.policy.rules import violations

    resources = [
        Resource(
            step.type,
            step.name,
            step.inputs,
            step.urn,
            protect=step.protect,
            retain_on_delete=step.retain_on_delete,
        )
        for step in outcome.steps
        if step.op not in ("delete", "read")
    ]
    return list(violations(resources, shown(outcome.outputs), platform))


def shown(outputs: dict[str, object]) -> dict[str, object]:
    """Outputs as they can be shown: one that is secret is ``[secret]``."""
    from infra.engine.values import redacted

    return {name: redacted(value) for name, value in outputs.items()}


def machine_form(outcome: Outcome, broken: list[Violation]) -> dict[str, object]:
    """What --json prints."""
    return {
        "steps": [asdict(step) for step in outcome.steps],
        "outputs": shown(outcome.outputs),
        "violations": [asdict(each) for each in broken],
    }

"""What is left of a stack whose destroy failed, and how to remove it.

Two witnesses are asked: the stack's own state, which is what a second destroy goes by, and Azure itself, by the run's
tag, which also knows what no state does. Neither hides that the other could not be asked.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence

from analysis.formats import counted
from csscgen.context import Context
from csscgen.stackfiles import Stack
from infra.engine.types import Known
from workloads.errors import ProjectError, brief
from workloads.ratify.objects import RUN_LABEL
from workloads.tags import RUN

GROUP = "azure-native:resources:ResourceGroup"
MOST = 20
"""Lines of a list before the rest is counted."""


def told(context: Context, stack: Stack) -> str:
    """What is left of ``stack``, a line each, and the commands that remove it. Raises nothing."""
    try:
        known: Sequence[Known] = context.engine.resources(stack.name)
        lines = list(_by_state(stack, known))
    except ProjectError as error:
        known, lines = (), [f"What its state still has could not be read: {error}"]
    run_id = _run_id(stack, known)
    if stack.settings.platform == "azure":
        lines += _by_tag(stack, known, run_id)
    return "\n".join([*lines, *_remedies(context, stack, known, run_id)])


def _by_state(stack: Stack, known: Sequence[Known]) -> Iterator[str]:
    inside = [each for each in known if each.type.startswith("kubernetes:")]
    own = [each for each in known if each not in inside]
    if not known:
        yield f"The state of stack {stack.name} has nothing any more."
        return
    yield f"The state of stack {stack.name} still has:"
    names = [
        f"{each.type.rpartition(':')[2]} {each.name}"
        + (f" ({each.id})" if each.id else "")
        + (", whose making was cut off" if each.unfinished else "")
        for each in own
    ]
    yield from _listed([*names, *([f"{counted(len(inside), 'object')} in the cluster"] if inside else [])])


def _by_tag(stack: Stack, known: Sequence[Known], run_id: str) -> list[str]:
    from csscgen.azure import credentials, leftovers

    subscription = _subscription(stack, known)
    if subscription is None:
        return ["What Azure still has could not be asked: the subscription is unknown. Set ARM_SUBSCRIPTION_ID."]
    try:
        with credentials.credential() as login:
            found = leftovers.left(subscription, run_id, stack.name, login)
    except Exception as error:  # whatever it is, it must not hide what failed before
        return [f"What Azure still has could not be asked: {brief(error)}."]
    if not found:
        return [f"Azure has nothing of it with the tag {RUN} {run_id}."]
    return [f"Azure still has, with the tag {RUN} {run_id}:", *_listed(found)]


def _remedies(context: Context, stack: Stack, known: Sequence[Known], run_id: str) -> Iterator[str]:
    again = f"csscgen destroy --stack {stack.name}" + (f" --instance {context.instance}" if context.instance else "")
    yield f"`{again}` goes on with it."
    if stack.settings.platform == "azure" and (groups := [each for each in known if each.type == GROUP]):
        commands = " and ".join(f"`az group delete --name {each.id.rpartition('/')[2]}`" for each in groups)
        yield f"If it fails again, {commands} removes everything in it; `{again}` then clears the state."
    if stack.settings.platform == "kubeconfig":
        cluster = stack.settings.cluster
        options = "".join(
            f" --{name} {value}"
            for name, value in (("kubeconfig", cluster.kubeconfig), ("context", cluster.context))
            if value
        )
        yield (
            f"If it fails again, `kubectl{options} delete namespaces --selector {RUN_LABEL}={run_id}` removes its "
            f"workloads; `{again}` then clears the state."
        )


def _run_id(stack: Stack, known: Sequence[Known]) -> str:
    """The id that the stack's resources carry: that of the run which made them, be that another than this one."""
    for each in known:
        metadata = each.inputs.get("metadata")
        for labels, key in ((each.inputs.get("tags"), RUN), (_entry(metadata, "labels"), RUN_LABEL)):
            if isinstance(value := _entry(labels, key), str):
                return value
    return stack.settings.runId


def _entry(mapping: object, key: str) -> object:
    return mapping.get(key) if isinstance(mapping, dict) else None


def _subscription(stack: Stack, known: Sequence[Known]) -> str | None:
    for each in known:
        if match := re.match(r"/subscriptions/([^/]+)", each.id):
            return match[1]
    return stack.settings.azure.subscription or os.environ.get("ARM_SUBSCRIPTION_ID") or None


def _listed(names: Sequence[str]) -> list[str]:
    more = len(names) - MOST
    return [*(f"  - {name}" for name in names[:MOST]), *([f"  - and {more} more"] if more > 0 else [])]

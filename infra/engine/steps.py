"""What is to be done to a resource, decided from what was, what is wanted and what the provider says. Pure functions.

The rules are those of Pulumi's engine (pkg/resource/deploy/step_generator.go in pulumi/pulumi), for the options that
the embedded engine has. One is added: a resource whose ``deletedWith`` was replaced is gone with it, so it is made
anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Literal

from infra.engine.providers import Diff
from infra.engine.resources import Resource
from infra.engine.values import (
    UNKNOWN,
    Properties,
    get_path,
    parse_path,
    plain,
    plain_properties,
    set_path,
)


@dataclass(frozen=True)
class Goal:
    """A resource as the program wants it. Timeouts are seconds."""

    urn: str
    type: str
    name: str
    custom: bool
    inputs: Properties = field(default_factory=dict)
    parent: str = ""
    provider: str = ""
    dependencies: tuple[str, ...] = ()
    property_dependencies: dict[str, list[str]] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    ignore_changes: tuple[str, ...] = ()
    replace_on_changes: tuple[str, ...] = ()
    delete_before_replace: bool | None = None
    deleted_with: str = ""
    replace_with: tuple[str, ...] = ()
    secret_outputs: tuple[str, ...] = ()
    protect: bool = False
    retain_on_delete: bool = False
    timeouts: dict[str, float] = field(default_factory=dict)

    def resource(self, inputs: Properties, identifier: str, outputs: Properties) -> Resource:
        """The goal as a resource of the state."""
        return Resource(
            urn=self.urn,
            type=self.type,
            name=self.name,
            custom=self.custom,
            id=identifier,
            inputs=inputs,
            outputs=outputs,
            parent=self.parent,
            provider=self.provider,
            dependencies=self.dependencies,
            property_dependencies=self.property_dependencies,
            deleted_with=self.deleted_with,
            protect=self.protect,
            retain_on_delete=self.retain_on_delete,
            delete_timeout=self.timeouts.get("delete"),
        )


@dataclass(frozen=True)
class Step:
    """What to do to one resource."""

    op: Literal["create", "same", "update", "replace"]
    delete_first: bool = False


def decide(
    old: Resource | None,
    goal: Goal,
    inputs: Properties,
    diff: Diff,
    *,
    unfinished: bool = False,
    replaced: AbstractSet[str] = frozenset(),
) -> Step:
    """The step for a custom resource.

    ``inputs`` are the goal's after the provider's check, ``diff`` is the provider's (ignored without ``old``),
    ``unfinished`` says that an update was cut off, ``replaced`` has the URNs replaced so far in this operation.
    """
    if old is None:
        return Step("create")
    delete_first = diff.delete_first if goal.delete_before_replace is None else goal.delete_before_replace
    if {goal.deleted_with, *goal.replace_with} & replaced:
        return Step("replace")
    if old.provider != goal.provider:
        return Step("replace", bool(goal.delete_before_replace))
    if diff.replace or _changed_at(goal.replace_on_changes, old.inputs, inputs):
        return Step("replace", delete_first)
    if diff.changed or unfinished or old.init_error is not None:
        return Step("update")
    return Step("same")


def _changed_at(paths: Sequence[str], old: Properties, new: Properties) -> bool:
    before, after = plain_properties(old), plain_properties(new)
    if "*" in paths:
        return before != after
    return any(get_path(before, p) != get_path(after, p) for p in map(parse_path, paths))


def keep_ignored(goal: Goal, old: Resource | None) -> Properties:
    """The goal's inputs with what ``ignoreChanges`` names as it was."""
    inputs = goal.inputs
    if old is None or not goal.ignore_changes:
        return inputs
    if "*" in goal.ignore_changes:
        return old.inputs
    for path in map(parse_path, goal.ignore_changes):
        changed = set_path(inputs, path, get_path(old.inputs, path))
        inputs = changed if isinstance(changed, dict) else inputs
    return inputs


def replaced_along(
    root: Resource,
    resources: Iterable[Resource],
    would_replace: Callable[[Resource, Properties], bool],
) -> list[Resource]:
    """The resources that must be deleted before ``root`` is, because its replacement replaces them too.

    Those are its dependents by property whose provider, with that property unknown, would replace them; everything made
    through a provider resource that is among them; and dependents that are condemned anyway. Dependents by
    ``dependsOn`` alone stay.
    """
    left = [r for r in resources if r.custom and r.urn != root.urn]
    urns, found = {root.urn}, list[Resource]()
    grown = True
    while grown:
        following = [r for r in left if _follows(r, urns, would_replace)]
        left = [r for r in left if not any(r is other for other in following)]
        found += following
        urns |= {r.urn for r in following}
        grown = bool(following)
    return found


def _follows(resource: Resource, urns: set[str], would_replace: Callable[[Resource, Properties], bool]) -> bool:
    if resource.provider.rpartition("::")[0] in urns:
        return True
    touched = {k for k, needed in resource.property_dependencies.items() if urns & set(needed)}
    if not touched:
        return False
    inputs: Properties = {k: UNKNOWN if k in touched else plain(v) for k, v in resource.inputs.items()}
    return resource.delete or would_replace(resource, inputs)


def deletion_blockers(victims: Sequence[Resource]) -> list[set[int]]:
    """For each victim, the indices of those that must be deleted before it: the ones that need it.

    Of several generations of a URN, a resource needs the one that was live when the program last declared it.
    """
    places: dict[str, list[int]] = {}
    for index, victim in enumerate(victims):
        places.setdefault(victim.urn, []).append(index)
    blockers: list[set[int]] = [set() for _ in victims]
    for index, victim in enumerate(victims):
        for urn in victim.needs():
            for needed in places.get(urn, ()):
                if _was_live(victims[needed], victim.kept):
                    blockers[needed].add(index)
    return blockers


def _was_live(resource: Resource, then: int) -> bool:
    return 0 < resource.made <= then and (not resource.ended or then < resource.ended)

"""Workloads from a template of the user's own, instead of the family's: a Deployment or Job in YAML with placeholders.

The placeholders are spelt as ClusterLoader2 and kube-burner spell theirs, ``{{.Name}}``, and each is replaced by one
value. Functions of Go's templates are not there: what asks for one is refused. What a run goes by stays the
scenario's: how many objects there are, their names and namespaces, and their pods.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from csscgen import yamlfiles
from workloads.errors import UsageError, brief, named, quoted
from workloads.ratify.objects import RUN_LABEL, WORKLOAD_LABEL, Plan
from workloads.resources import KINDS

PLACEHOLDER = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
COUNTS = {"deployment": ("replicas",), "job": ("completions", "parallelism")}
"""The keys of a spec that say how many pods there are."""
MOST_BYTES = 1_500_000
"""Of a template: etcd takes no object that is larger."""


def values(plan: Plan, shard: int, host: str) -> dict[str, str]:
    """What the placeholders stand for in the object of a shard."""
    return {
        "Name": plan.name(shard),
        "Namespace": plan.namespace(shard),
        "Index": str(shard),
        "Iteration": str(shard % plan.namespaces),
        "Replica": str(shard // plan.namespaces + 1),
        "Replicas": str(plan.pods(shard)),
        "RunID": plan.run_id,
        "Registry": host,
    }


class Template:
    """A template that was read."""

    def __init__(self, file: str) -> None:
        """``file`` is its path. Raises UsageError if it cannot be read, or has a placeholder that there is not."""
        self._file = file
        try:
            with Path(file).open("rb") as stream:
                data = stream.read(MOST_BYTES + 1)
            text = data.decode()
        except (OSError, ValueError) as error:
            raise self._wrong(f"it cannot be read: {brief(error)}") from error
        if len(data) > MOST_BYTES:
            raise self._wrong(f"it has more than {MOST_BYTES:,} bytes, and no object may")
        parts = PLACEHOLDER.split(text)
        self._texts, self._names = parts[::2], [self._placeholder(part) for part in parts[1::2]]
        if any("{{" in part for part in self._texts):
            raise self._wrong("the braces of a placeholder are not closed")

    def objects(self, plan: Plan, host: str) -> list[dict[str, Any]]:
        """The object of each shard, with the labels that a run follows its workloads by.

        Raises UsageError for what is no object of the plan's.
        """
        return [self._object(plan, shard, values(plan, shard, host)) for shard in range(plan.shards)]

    def check(self, plan: Plan) -> None:
        """Raises UsageError if the first object or the last, which may have fewer pods, is none of the plan's."""
        for shard in {0, plan.shards - 1}:
            self._object(plan, shard, values(plan, shard, "127.0.0.1:5000"))

    def _placeholder(self, inside: str) -> str:
        name = inside.strip()
        known = list(values(_EXAMPLE, 0, ""))
        if name.removeprefix(".") not in known or not name.startswith("."):
            told = ", ".join(f"{{{{.{each}}}}}" for each in known)
            raise self._wrong(
                f"{quoted('{{' + inside + '}}')} is not one of its placeholders, which are {told}; functions and "
                "variables of Go's templates are not replaced here"
            )
        return name.removeprefix(".")

    def _object(self, plan: Plan, shard: int, known: Mapping[str, str]) -> dict[str, Any]:
        text = self._texts[0] + "".join(
            known[name] + after for name, after in zip(self._names, self._texts[1:], strict=True)
        )
        try:
            body = yamlfiles.load(text)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise self._wrong(f"it is not one document of YAML: {brief(error)}") from error
        api_version, kind, _ = KINDS[plan.kind]
        if not isinstance(body, dict) or (body.get("apiVersion"), body.get("kind")) != (api_version, kind):
            raise self._wrong(
                f"it has to be a {kind} of {api_version}, as scenario.workload is {plan.kind}; set that, or change it"
            )
        metadata, spec = self._mapping(body, "metadata"), self._mapping(body, "spec")
        self._is(metadata, "metadata", "name", plan.name(shard), "{{.Name}}")
        self._is(metadata, "metadata", "namespace", plan.namespace(shard), "{{.Namespace}}")
        for key in COUNTS[plan.kind]:
            self._is(spec, "spec", key, plan.pods(shard), "{{.Replicas}}")
        pod = self._mapping(self._mapping(spec, "template", "spec."), "metadata", "spec.template.")
        for each, where in ((metadata, "metadata."), (pod, "spec.template.metadata.")):
            own = {RUN_LABEL: plan.run_id, WORKLOAD_LABEL: plan.name(shard)}
            self._mapping(each, "labels", where).update(own)
        return body

    def _mapping(self, within: dict[str, Any], key: str, where: str = "") -> dict[str, Any]:
        """A mapping of the document, made if it is not there."""
        found = within.get(key)
        if found is None:
            found = within[key] = {}
        if not isinstance(found, dict):
            raise self._wrong(f"{where}{key} has to be a mapping, and is {quoted(found)}")
        return found

    def _is(self, within: dict[str, Any], where: str, key: str, wanted: str | int, placeholder: str) -> None:
        """Refuses a value that is not what the run goes by; one that is not there is set."""
        found = within.setdefault(key, wanted)
        if found != wanted or isinstance(found, bool):
            raise self._wrong(
                f"{where}.{named(key)} is {quoted(found)} and the scenario has {quoted(wanted)}: write {placeholder} "
                "there, or leave it out"
            )

    def _wrong(self, problem: str) -> UsageError:
        return UsageError(f"The template {quoted(self._file)} cannot be used: {problem}.")


_EXAMPLE = Plan("deployment", 1, 1, 1, 1, 1, False, 0, "run")

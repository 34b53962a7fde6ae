"""What would be refused by Kubernetes, object after object, or cannot be shared out."""

from __future__ import annotations

from workloads.errors import UsageError
from workloads.ratify.generated import Generation

MOST_INDEXES = 100_000
"""Parallel pods that Kubernetes lets an Indexed Job have."""
LONGEST = 63
"""Characters of a label's value, and so of a name that is one."""
TEMPLATES = ("clusterloader2", "kube-burner")
"""Formats whose tools number the objects themselves, one as well."""


def refuse(asked: Generation, name: str | None, namespace: str, namespaces: int, form: str) -> None:
    """Raises UsageError for objects that cannot be, with what is to be changed."""
    if asked.type == "pod" and asked.shards > 1:
        raise UsageError("--shards is for Deployments and Jobs; of pods --num-replicas says how many there are.")
    if asked.type != "pod" and asked.shards > asked.replicas:
        raise UsageError(f"{asked.shards} objects cannot share {asked.replicas} pods: each has to have one at least.")
    if asked.type != "job" and asked.job_seconds is not None:
        raise UsageError("--job-seconds is for Jobs: the containers of others run until they are stopped.")
    if own := sorted({"name", "group"} & set(asked.labels)):
        raise UsageError(f"The label {own[0]} says which object a pod is of: give it by --{own[0]}.")
    if asked.type == "job" and asked.pods(0) > MOST_INDEXES:
        raise UsageError(f"An Indexed Job has {MOST_INDEXES} pods at once at most. Raise --shards.")
    # The longest that is made of it: an object's name with namespace and index, and that of a Job's pod.
    ends = [namespaces] * (form == "kube-burner") + [asked.objects] * (asked.objects > 1 or form in TEMPLATES)
    ends += [asked.pods(0)] * (asked.type == "job")
    room = LONGEST - sum(1 + len(str(end)) for end in ends)
    if name and not name.startswith("{") and len(name) > room:
        raise UsageError(f"The name {name} is too long: with the numbers that follow, {room} characters are left.")
    if len(namespace) > LONGEST - (1 + len(str(namespaces))) * (namespaces > 1):
        raise UsageError(f"The namespace {namespace} is too long for the number that follows.")

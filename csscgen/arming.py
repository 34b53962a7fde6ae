"""Is admission really armed? Asks the API server to admit pods, before any load is sent, until the answers are right.

Gatekeeper takes a moment to read the policy that was just made, kind by kind. Until then it lets everything pass, or
refuses everything because it does not know Ratify yet, and a run would measure that. So a pod with an image that does
not exist has to be refused by Ratify's own word, and the tag of a seeded image has to come back as a digest. The
questions are dry runs: nothing is created.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

from csscgen.cluster import ApiError, Cluster
from csscgen.interruptions import run
from workloads.errors import DeadlineError, brief
from workloads.ratify.objects import Plan

DEADLINE_SECONDS = 60.0
POLL_SECONDS = 0.1
NOT_ASKED = "Ratify could not be asked"
"""What the constraint says when Gatekeeper has no answer of Ratify's."""


def await_enforcement(
    kubeconfig: str, plan: Plan, host: str, deadline: float | None = None, *, mutation: bool = False
) -> float:
    """Returns the seconds until admission was armed; ``mutation`` says whether tags are to become digests.

    Raises DeadlineError if it is not armed at the deadline.
    """
    return run(_await(kubeconfig, plan, host, mutation, deadline or DEADLINE_SECONDS))


async def _await(kubeconfig: str, plan: Plan, host: str, mutation: bool, deadline: float) -> float:
    started = time.monotonic()
    said = "there was no answer"
    # By digest, so that the mutating webhook has nothing to resolve and the validating one is who refuses.
    unsigned = f"{host}/csscgen-probe/unsigned@sha256:{'0' * 64}"
    seeded = next(plan.image_sets[0].references(host))
    with suppress(TimeoutError):
        async with Cluster(kubeconfig) as cluster, asyncio.timeout(deadline):
            while not _refused(said := await _ask(cluster, plan, unsigned)):
                await asyncio.sleep(POLL_SECONDS)
            while mutation and not _resolved(said := await _ask(cluster, plan, seeded)):
                await asyncio.sleep(POLL_SECONDS)
            return time.monotonic() - started
    raise DeadlineError(
        f"After {deadline:g} s admission is still not as the policy has it: asked about a pod, it said: "
        f"{brief(said)}. The logs of Gatekeeper and Ratify say why; without enforcement a run would measure nothing."
    )


async def _ask(cluster: Cluster, plan: Plan, image: str) -> str:
    """What admission says about a pod with this image: the refusal, or the image of the pod that it would admit."""
    namespace = plan.namespace_names[0]
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "csscgen-probe", "namespace": namespace},
        "spec": {"containers": [{"name": "probe", "image": image}], "automountServiceAccountToken": False},
    }
    try:
        answer = await cluster.request("POST", f"/api/v1/namespaces/{namespace}/pods", pod, {"dryRun": "All"})
    except ApiError as error:
        return str(error)
    containers = answer.get("spec", {}).get("containers") or [{"image": image}]
    return f"it admitted {containers[0]['image']}"


def _refused(said: str) -> bool:
    return "validation.gatekeeper.sh" in said and "denied the request" in said and NOT_ASKED not in said


def _resolved(said: str) -> bool:
    """Whether the image was known by its digest, be the pod admitted or, for want of signatures, refused."""
    return "@sha256:" in said and NOT_ASKED not in said

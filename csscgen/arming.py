"""Is admission really armed? Asks the API server to admit pods, before any load is sent, until the answers are right.

Gatekeeper takes a moment to read the policy that was just made, kind by kind. Until then it lets everything pass, or
refuses everything because it does not know Ratify yet, and a run would measure that. So a pod with an image that does
not exist has to be refused by Ratify's own word, and the tag of a seeded image has to come back as a digest. The
questions are dry runs: nothing is created.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

from csscgen.cluster import ApiError, Cluster
from csscgen.interruptions import run
from workloads.errors import DeadlineError, brief
from workloads.ratify.objects import Plan

DEADLINE_SECONDS = {"local": 60.0, "kubeconfig": 300.0, "azure": 600.0}
"""By platform: on a cluster pods pull their images and get their certificates, and a role takes minutes to be known."""
POLL_SECONDS = 0.1
NOT_ASKED = ("Ratify could not be asked", "external data provider")
"""What constraints say when Gatekeeper has no answer of Ratify's: this project's, and the one that Ratify ships."""


def await_enforcement(
    kubeconfig: str,
    plan: Plan,
    host: str,
    deadline: float = DEADLINE_SECONDS["local"],
    *,
    mutation: bool = False,
    on_poll: Callable[[str], None] = lambda told: None,
) -> float:
    """Returns the seconds until admission was armed; ``mutation`` says whether tags are to become digests.

    ``on_poll`` is told what is awaited, as often as it is asked for.

    Raises DeadlineError if it is not armed at the deadline.
    """
    return run(_await(kubeconfig, plan, host, mutation, deadline, on_poll))


async def _await(
    kubeconfig: str, plan: Plan, host: str, mutation: bool, deadline: float, on_poll: Callable[[str], None]
) -> float:
    started = time.monotonic()
    said = "there was no answer"
    # By digest, so that the mutating webhook has nothing to resolve and the validating one is who refuses.
    unsigned = f"{host}/csscgen-probe/unsigned@sha256:{'0' * 64}"
    seeded = next(plan.image_sets[0].references(host))
    with suppress(TimeoutError):
        async with Cluster(kubeconfig) as cluster, asyncio.timeout(deadline):
            while not _refused(said := await _ask(cluster, plan, unsigned)):
                on_poll(f"an unsigned image is to be refused; admission says: {brief(said)}")
                await asyncio.sleep(POLL_SECONDS)
            while mutation and not _resolved(said := await _ask(cluster, plan, seeded)):
                on_poll(f"a tag is to become a digest; admission says: {brief(said)}")
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
    return "validation.gatekeeper.sh" in said and "denied the request" in said and not _unasked(said)


def _resolved(said: str) -> bool:
    """Whether the image was known by its digest, be the pod admitted or, for want of signatures, refused."""
    return "@sha256:" in said and not _unasked(said)


def _unasked(said: str) -> bool:
    return any(words in said for words in NOT_ASKED)

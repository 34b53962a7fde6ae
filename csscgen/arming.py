"""Is admission really armed? Asks the API server to admit a pod that must be refused, before any load is sent.

Gatekeeper takes a moment to read the policy that was just made. Until then it lets everything pass, and a run would
measure that. The question is a dry run: nothing is created.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

from csscgen.cluster import ApiError, Cluster
from workloads.errors import DeadlineError
from workloads.ratify.objects import Plan

DEADLINE_SECONDS = 60.0
POLL_SECONDS = 0.1


def await_enforcement(kubeconfig: str, plan: Plan, host: str, deadline: float = DEADLINE_SECONDS) -> float:
    """Returns the seconds until a pod with an image that does not exist was refused by the validating webhook.

    Raises DeadlineError if it is let in until the deadline.
    """
    return asyncio.run(_ask(kubeconfig, plan, host, deadline))


async def _ask(kubeconfig: str, plan: Plan, host: str, deadline: float) -> float:
    # By digest, so that the mutating webhook has nothing to resolve and the validating one is who refuses.
    image = f"{host}/csscgen-probe/unsigned@sha256:{'0' * 64}"
    namespace = plan.namespace_names[0]
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "csscgen-probe", "namespace": namespace},
        "spec": {"containers": [{"name": "probe", "image": image}], "automountServiceAccountToken": False},
    }
    started = time.monotonic()
    said = "there was no answer"
    with suppress(TimeoutError):
        async with Cluster(kubeconfig) as cluster, asyncio.timeout(deadline):
            while True:
                try:
                    await cluster.request("POST", f"/api/v1/namespaces/{namespace}/pods", pod, {"dryRun": "All"})
                    said = "it was admitted"
                except ApiError as error:
                    said = str(error)
                    if "validation.gatekeeper.sh" in said and "denied the request" in said:
                        return time.monotonic() - started
                await asyncio.sleep(POLL_SECONDS)
    raise DeadlineError(
        f"After {deadline:g} s admission still does not refuse a pod with an unsigned image ({said}). The logs of "
        "Gatekeeper and Ratify say why; without enforcement a run would measure nothing."
    )

"""What of a run is still in Azure, found by its tag: the answer that no state can give, since a state may be wrong.

Azure keeps a resource that failed to go, and one whose making was cut off before anybody wrote down that it was begun.
Every resource of a stack carries the run's id (workloads/tags.py), and Azure Resource Manager can be asked for that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from csscgen.azure.credentials import told
from workloads.tags import RUN, STACK

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential


def left(
    subscription: str, run_id: str, stack: str, credential: TokenCredential, *, transport: Any = None
) -> list[str]:
    """The ids of the resource groups and resources with the run's tag, of ``stack`` only.

    ``transport`` is what sends the requests (azure.core's HttpTransport). Raises AzureError if Azure cannot be asked.
    """
    from azure.mgmt.resource.resources import ResourceManagementClient

    # Azure filters by one tag; runs that were brought up by hand share an id, so the stack's is compared here.
    value = run_id.replace("'", "''")
    wanted = f"tagName eq '{RUN}' and tagValue eq '{value}'"
    options = {"transport": transport} if transport is not None else {}
    with (
        told(f"listing what has the tag {RUN} {run_id}", "the role Reader on the subscription"),
        ResourceManagementClient(credential, subscription, **options) as client,
    ):
        found = [*client.resource_groups.list(filter=wanted), *client.resources.list(filter=wanted)]
    tagged = [(str(each.id), getattr(each, "tags", None) or {}) for each in found]
    return sorted(name for name, tags in tagged if tags.get(STACK, stack) == stack)

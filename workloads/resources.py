"""The kinds of workloads: what their objects say they are, and where the API server has them."""

from __future__ import annotations

from typing import NamedTuple


class Resource(NamedTuple):
    """A kind of object, as its apiVersion, its kind and its name in paths and in RBAC."""

    api_version: str
    kind: str
    plural: str

    @property
    def group(self) -> str:
        """Its API group; the core one is empty."""
        return self.api_version.rpartition("/")[0]

    def path(self, namespace: str | None = None) -> str:
        """Its collection in a namespace, or in all of them."""
        root = "apis" if self.group else "api"
        place = f"/namespaces/{namespace}" if namespace else ""
        return f"/{root}/{self.api_version}{place}/{self.plural}"


KINDS = {
    "deployment": Resource("apps/v1", "Deployment", "deployments"),
    "job": Resource("batch/v1", "Job", "jobs"),
    "pod": Resource("v1", "Pod", "pods"),
}
"""By the kind in small letters, as plans and genk8s name them."""

"""Rules about who can get in, and whom the load can hit: registries with names and logins, no door to the outside."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from infra.policy.resources import HIDDEN, RELEASE, Platform, Resource, Rule, get, mappings, shown
from workloads.registries import public_host

REGISTRY = "azure-native:containerregistry:Registry"
SERVICE = "kubernetes:core/v1:Service"
DOORS = ("LoadBalancer", "NodePort")
ENTRANCES = (":Ingress", ":IngressClass", ":Gateway", ":HTTPRoute", ":GRPCRoute", ":TCPRoute", ":TLSRoute")
WORKLOADS = (
    "kubernetes:core/v1:Pod",
    "kubernetes:core/v1:ReplicationController",
    "kubernetes:apps/v1:Deployment",
    "kubernetes:apps/v1:ReplicaSet",
    "kubernetes:apps/v1:StatefulSet",
    "kubernetes:apps/v1:DaemonSet",
    "kubernetes:batch/v1:Job",
    "kubernetes:batch/v1:CronJob",
)
OWN_SUFFIXES = {
    "azure": (".azurecr.io", ".azurecr.cn", ".azurecr.us"),
    "local": ("127.0.0.1", "localhost"),
    "kubeconfig": ("",),
}
"""Platform → how the host of a registry of its stacks ends; existing ones are wherever the user says."""
SYSTEM = "gatekeeper-system"
"""Where what the load is for is: its images are their makers', as those of its charts are."""
LISTS = ("containers", "initContainers", "ephemeralContainers")


def _no_admin(resource: Resource, _platform: Platform) -> Iterator[str]:
    if resource.type == REGISTRY and resource.inputs.get("adminUserEnabled") is not False:
        yield f"{resource} does not rule out its admin user: set adminUserEnabled to false, and use identities."


def _no_anonymous_pull(resource: Resource, _platform: Platform) -> Iterator[str]:
    if resource.type == REGISTRY and resource.inputs.get("anonymousPullEnabled") is not False:
        yield f"{resource} does not rule out pulls without a login: set anonymousPullEnabled to false."


def _no_door(resource: Resource, _platform: Platform) -> Iterator[str]:
    if resource.type == SERVICE and resource.get("spec", "type") in DOORS:
        yield f"{resource} is a {resource.get('spec', 'type')}, which is open to the outside: make it a ClusterIP."
    if resource.type.startswith("kubernetes:") and resource.type.endswith(ENTRANCES):
        yield f"{resource} lets the outside in: leave it out; csscgen reaches the cluster by its API server."
    if resource.type == RELEASE:
        for path, values in mappings(resource.inputs.get("values"), ("values",)):
            if values.get("type") in DOORS:
                yield f"{resource} has a {values['type']} at {shown(path)}: make it a ClusterIP."
            if path and path[-1].lower().endswith("ingress") and values.get("enabled"):
                yield f"{resource} has an Ingress at {shown(path)}: set its enabled to false."


def _own_images(resource: Resource, platform: Platform) -> Iterator[str]:
    if resource.type not in WORKLOADS or resource.get("metadata", "namespace") == SYSTEM:
        return
    for _, spec in mappings(resource.inputs.get("spec")):
        if spec.get("schedulingGates"):
            continue  # such a pod never runs: it stands for a process
        for container in (each for name in LISTS for each in _items(spec.get(name))):
            image = get(container, "image")
            if image is None or image in HIDDEN:
                continue
            host = registry_of(str(image))
            if public_host(host):
                yield f"{resource} runs {image}, of a public registry: push it to the stack's own."
            elif not host.partition(":")[0].endswith(OWN_SUFFIXES[platform]):
                yield f"{resource} runs {image}, whose registry is none of the stack's: push it to one of them."


def registry_of(image: str) -> str:
    """The host of an image reference; Docker's where there is none, as container runtimes have it."""
    first, slash, _ = image.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else "docker.io"


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


RULES = (
    Rule("no-admin-user", "Registries have no admin user.", _no_admin),
    Rule("no-anonymous-pull", "Nobody pulls without a login.", _no_anonymous_pull),
    Rule("no-door-to-the-outside", "No Service, Ingress or route is open to the outside.", _no_door),
    Rule("own-images", "Workloads run images of the stack's own registries, and of no public one.", _own_images),
)

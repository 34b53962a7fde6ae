"""What mode ``ha`` needs beside Ratify: Dapr, a Redis, and the Component by which Ratify's sidecars find that.

Ratify's own recipe takes Redis from Bitnami's chart, whose images have moved behind a subscription. A cache of one
process that nobody needs after the run asks for no chart: it is declared here. Its password is in no argument: it goes
by a file. What is stored is encrypted by the sidecars with a key of their own.
"""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_kubernetes as k8s
import pulumi_random as random

from infra.kubernetes.placement import Placement
from infra.kubernetes.policy import NAMESPACE
from infra.kubernetes.ratify import STATE_STORE

REDIS = "ratify-redis"
IMAGE = "docker.io/library/redis:7.2.7-alpine"
PORT = 6379
SIGNING_KEY = "ratify-dapr-signing-key"
UNPRIVILEGED = 999
"""The user of the image, ``redis``."""
MEMORY = "512Mi"


def values(placement: Placement) -> dict[str, Any]:
    """The values of Dapr's chart: the state store is all of it that Ratify uses."""
    return {
        "global": {
            **placement.pods,
            "logAsJson": True,
            "actors": {"enabled": False},
            "scheduler": {"enabled": False},
        },
        # Gatekeeper's chart has the namespace, where the sidecars are, enforce the restricted profile.
        "dapr_sidecar_injector": {"sidecarDropALLCapabilities": True},
    }


def component() -> dict[str, Any]:
    """The specification of the Component: where Redis is, its password, the key that values are encrypted with.

    Both are secrets of the cluster, which is where Dapr looks if the Component names no other store.
    """
    secrets = {"redisPassword": (REDIS, "redis-password"), "primaryEncryptionKey": (SIGNING_KEY, "signingKey")}
    return {
        "type": "state.redis",
        "version": "v1",
        "metadata": [
            {"name": "redisHost", "value": f"{REDIS}.{NAMESPACE}:{PORT}"},
            {"name": "enableTLS", "value": "false"},
            *({"name": name, "secretKeyRef": {"name": of, "key": key}} for name, (of, key) in secrets.items()),
        ],
    }


def redis_pod(placement: Placement) -> Any:
    """The pod of Redis: its memory bounded by dropping what was used least, nothing written to disk."""
    return {
        "node_selector": placement.selector,
        "tolerations": placement.tolerated,
        "automount_service_account_token": False,
        "security_context": {
            "run_as_non_root": True,
            "run_as_user": UNPRIVILEGED,
            "run_as_group": UNPRIVILEGED,
            "fs_group": UNPRIVILEGED,
            "seccomp_profile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": "redis",
                "image": IMAGE,
                "args": ["redis-server", "/etc/redis/redis.conf"],
                "ports": [{"name": "redis", "container_port": PORT}],
                "readiness_probe": {"tcp_socket": {"port": PORT}},
                "resources": {"limits": {"memory": MEMORY}, "requests": {"cpu": "500m", "memory": MEMORY}},
                "security_context": {
                    "allow_privilege_escalation": False,
                    "read_only_root_filesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                },
                "volume_mounts": [
                    {"name": "configuration", "mount_path": "/etc/redis", "read_only": True},
                    {"name": "data", "mount_path": "/data"},
                ],
            }
        ],
        "volumes": [
            {
                "name": "configuration",
                "secret": {"secret_name": REDIS, "items": [{"key": "redis.conf", "path": "redis.conf"}]},
            },
            {"name": "data", "empty_dir": {}},
        ],
    }


def configuration(password: str) -> str:
    """Redis' configuration file."""
    lines = ("maxmemory 400mb", "maxmemory-policy allkeys-lru", 'save ""', "appendonly no")
    return "\n".join((f"requirepass {password}", *lines, ""))


class Cache(pulumi.ComponentResource):
    """Redis with its password, and the Component. ``resources`` is what Ratify waits for."""

    resources: list[pulumi.Resource]

    def __init__(
        self,
        name: str,
        placement: Placement,
        opts: pulumi.ResourceOptions,
        children: pulumi.ResourceOptions,
        dapr: pulumi.Resource,
    ) -> None:
        super().__init__("ratify-perf:kubernetes:Cache", name, None, opts)
        options = pulumi.ResourceOptions.merge(children, pulumi.ResourceOptions(parent=self))
        own = pulumi.ResourceOptions(parent=self)
        password = random.RandomPassword(f"{name}-password", length=32, special=False, opts=own).result
        # 16 bytes in hexadecimal: the key of AES-128, which is how Ratify's own recipe makes it.
        key = random.RandomBytes(f"{name}-signing-key", length=16, opts=own).hex

        def secret(what: str, named: str, data: dict[str, pulumi.Input[str]]) -> pulumi.Resource:
            metadata: Any = {"name": named, "namespace": NAMESPACE}
            return k8s.core.v1.Secret(f"{name}-{what}", metadata=metadata, string_data=data, opts=options)

        configured = secret(
            "configuration", REDIS, {"redis-password": password, "redis.conf": password.apply(configuration)}
        )
        signing = secret("key", SIGNING_KEY, {"signingKey": key})
        labels = {"app.kubernetes.io/name": REDIS}
        metadata: Any = {"name": REDIS, "namespace": NAMESPACE, "labels": labels}
        redis = k8s.apps.v1.Deployment(
            f"{name}-redis",
            metadata=metadata,
            spec={
                "replicas": 1,
                "selector": {"match_labels": labels},
                "template": {"metadata": {"labels": labels}, "spec": redis_pod(placement)},
            },
            opts=pulumi.ResourceOptions.merge(options, pulumi.ResourceOptions(depends_on=[configured])),
        )
        service = k8s.core.v1.Service(
            f"{name}-service",
            metadata=metadata,
            spec={"selector": labels, "ports": [{"name": "redis", "port": PORT}]},
            opts=options,
        )
        found = k8s.apiextensions.CustomResource(
            f"{name}-component",
            api_version="dapr.io/v1alpha1",
            kind="Component",
            metadata={"name": STATE_STORE, "namespace": NAMESPACE},
            spec=component(),
            opts=pulumi.ResourceOptions.merge(
                options, pulumi.ResourceOptions(depends_on=[dapr, redis, service, signing])
            ),
        )
        self.resources = [found]
        self.register_outputs({})

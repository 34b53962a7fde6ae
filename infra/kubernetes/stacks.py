"""The two stacks of a cluster that is there already, which a kubeconfig names: what is kept, and what is of a run.

The registries are there too, and named by their hosts; only the keys to sign with are made, on this machine. A run may
just as well refer to the shared stack of the local platform.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from infra.kubernetes import inside, kubeconfig
from infra.local import signers
from infra.local.files import LocalFolder
from infra.settings import Settings
from workloads.errors import UsageError
from workloads.registries import host_of, is_loopback


def shared(settings: Settings, folder: Path) -> None:
    """The registries by their hosts, the logins to them, signing certificates and trust policy."""
    pulumi.export("registries", [{"region": r.name, "size": r.size, "host": r.host} for r in settings.registry.regions])
    if settings.registry.credentials:
        file = str(_credentials(settings.registry.credentials))
        pulumi.export("credentials", {"push": file, "pull": file})
    signers.export(settings, folder, LocalFolder("folder", folder))
    pulumi.export("declared", settings.shared_part)


def run(settings: Settings, _folder: Path) -> None:
    """What the cluster is to carry (:mod:`infra.kubernetes.inside`). Raises UsageError for a bad kubeconfig."""
    text: pulumi.Output[str] = pulumi.Output.secret(_kubeconfig(settings))
    common = pulumi.StackReference(str(settings.sharedStack))
    host = common.require_output("registries").apply(
        lambda hosts: host_of(hosts, settings.registry.size, str(settings.sharedStack))
    )
    trust = inside.InlineTrust(
        certificates=common.require_output("trustStore"),
        docker_config=common.get_output("credentials").apply(_login),
        trusted_identity=common.require_output("trustPolicy").apply(_identity),
        plain_http=host.apply(is_loopback),
    )
    inside.declare(settings, k8s.Provider("cluster", kubeconfig=text), trust, host)
    pulumi.export("kubeconfig", text)


def _kubeconfig(settings: Settings) -> str:
    """The chosen one. Where a machine has none at all, a stack can still be previewed, for a cluster of no address."""
    chosen, context = settings.cluster.kubeconfig, settings.cluster.context
    if pulumi.runtime.is_dry_run() and not chosen and not kubeconfig.any_there():
        pulumi.log.warn(
            "There is no kubeconfig on this machine: what is shown is for a cluster that is yet to be named."
        )
        return kubeconfig.NOWHERE
    return kubeconfig.one_context(chosen, context)


def _identity(policy: dict[str, Any]) -> str:
    """The one whom the trust policy trusts."""
    return str(policy["trustPolicies"][0]["trustedIdentities"][0])


def _login(files: dict[str, str] | None) -> str | None:
    return _credentials(files["pull"]).read_text() if files else None


def _credentials(named: str) -> Path:
    """The docker config.json with the logins. Raises UsageError if it is none."""
    file = Path(named).expanduser().absolute()
    try:
        content = json.loads(file.read_text())
    except OSError as error:
        raise UsageError(
            f"{file}, where the logins to the registries are to be, cannot be read: {error.strerror}. Name another in "
            "registry.credentials."
        ) from None
    except ValueError:
        content = None
    if not isinstance(content, dict) or not isinstance(content.get("auths"), dict):
        raise UsageError(
            f"{file} has no logins to the registries: it is to be a docker config.json whose auths hold them. What a "
            "credential helper keeps is out of the cluster's reach. Name another in registry.credentials."
        )
    return file

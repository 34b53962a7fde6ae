"""How a shard finds the API server: by a kubeconfig, or as a pod does, by its service account."""

from __future__ import annotations

import json
import os
from pathlib import Path

from workloads.errors import UsageError

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where the kubelet puts token and authority (kubernetes.io/docs, "Accessing the Kubernetes API from a Pod")."""


def kubeconfig(file: Path | None, account: Path = ACCOUNT) -> str:
    """The text of a kubeconfig, or of one that stands for the pod's service account.

    Raises UsageError if there is neither.
    """
    if file is not None:
        try:
            return file.read_text()
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or "it is no text"
            raise UsageError(f"The kubeconfig {file} cannot be read: {reason}.") from error
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT")
    if not host or not port or not (account / "token").exists():
        raise UsageError(
            "There is no API server to send to: this is no pod with a service account. Name a kubeconfig with "
            "--kubeconfig, or in KUBECONFIG."
        )
    authority = f"[{host}]" if ":" in host else host
    cluster = {"server": f"https://{authority}:{port}", "certificate-authority": str(account / "ca.crt")}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "pod", "cluster": cluster}],
            "users": [{"name": "pod", "user": {"tokenFile": str(account / "token")}}],
            "contexts": [{"name": "pod", "context": {"cluster": "pod", "user": "pod"}}],
            "current-context": "pod",
        }
    )

"""A Kubernetes control plane without containers: etcd, API server, controller manager and scheduler as processes.

Everything speaks TLS with client certificates and RBAC is on, as on a real cluster. The limits that would be measured
in place of the system under test are off: priority and fairness, in-flight limits, the controllers' client rates, the
scheduler's spreading of a workload's pods. The node-lifecycle controller is left out, and with it the taint that waits
for it: simulated nodes send no heartbeats.

The API server writes an audit log of what can go through the webhooks: it alone says which pods got in although a
webhook could not be asked.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import pulumi

from infra.local.processes import LocalProcess
from infra.local.site import Identities, Site
from workloads.audit import POLICY

PORTS = ("etcd", "etcd-peer", "etcd-metrics", "kube-apiserver", "kube-controller-manager", "kube-scheduler")

IDENTITIES: Identities = {
    "admin": ("ratify-perf-admin", ["system:masters"]),
    "kube-apiserver": ("kube-apiserver", []),
    "etcd": ("etcd", []),
    "kube-controller-manager": ("system:kube-controller-manager", []),
    "kube-scheduler": ("system:kube-scheduler", []),
    "service-account": ("service-accounts", []),
}

AUDIT_LOG = "audit/audit.log"
AUDIT_FILE_MEGABYTES = 256
AUDIT_OLD_FILES = 8
"""With these the log takes 2.3 GB of disk at most, about two million events. The API server makes it with mode 0600."""

CLIENT_RATE = 5000
"""Requests per second of controller manager and scheduler, and how many at once."""


class ControlPlane(pulumi.ComponentResource):
    """The control plane; ``kubeconfig`` is its administrator's, as text without a secret: it names key files."""

    kubeconfig: pulumi.Output[str]
    server: pulumi.Output[str]
    api_server: LocalProcess
    audit: dict[str, str | int]
    """Where the audit log is, and how many full files are kept beside it."""

    def __init__(self, name: str, site: Site, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("ratify-perf:local:ControlPlane", name, None, opts)
        self._site = site
        self.audit = {"log": site.file(AUDIT_LOG), "old_files": AUDIT_OLD_FILES}
        self.server = site.url("https", "kube-apiserver")
        self.kubeconfig = self.kubeconfig_of("admin")
        etcd = self._etcd()
        self.api_server = self._api_server(etcd)
        self._controller_manager()
        self._scheduler()
        self.register_outputs({"server": self.server})

    def kubeconfig_of(self, identity: str) -> pulumi.Output[str]:
        """The kubeconfig of one of the site's identities, as JSON, which YAML readers take."""
        cert, key = self._site.certificate(identity)
        return pulumi.Output.json_dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "local",
                "clusters": [
                    {"name": "local", "cluster": {"server": self.server, "certificate-authority": self._site.ca}}
                ],
                "users": [{"name": identity, "user": {"client-certificate": cert, "client-key": key}}],
                "contexts": [{"name": "local", "context": {"cluster": "local", "user": identity}}],
            }
        )

    def kubeconfig_file(self, identity: str, parent: pulumi.Resource | None = None) -> tuple[str, pulumi.Resource]:
        """Writes an identity's kubeconfig: its path and the resource to depend on."""
        name = _kubeconfig(identity)
        return self._site.file(name), self._site.write(name, self.kubeconfig_of(identity), parent=parent or self)

    def _etcd(self) -> LocalProcess:
        site = self._site
        client, peer = site.url("https", "etcd"), site.url("https", "etcd-peer")
        metrics = site.url("http", "etcd-metrics")
        cert, key = site.certificate("etcd")
        return site.start(
            "etcd",
            "etcd",
            [
                f"--data-dir={site.file('etcd')}",
                "--unsafe-no-fsync",
                "--quota-backend-bytes=8589934592",
                "--log-level=warn",
                pulumi.Output.concat("--listen-client-urls=", client),
                pulumi.Output.concat("--advertise-client-urls=", client),
                pulumi.Output.concat("--listen-peer-urls=", peer),
                pulumi.Output.concat("--initial-advertise-peer-urls=", peer),
                pulumi.Output.concat("--initial-cluster=default=", peer),
                pulumi.Output.concat("--listen-metrics-urls=", metrics),
                "--client-cert-auth",
                f"--trusted-ca-file={site.ca}",
                f"--cert-file={cert}",
                f"--key-file={key}",
                "--peer-client-cert-auth",
                f"--peer-trusted-ca-file={site.ca}",
                f"--peer-cert-file={cert}",
                f"--peer-key-file={key}",
            ],
            parent=self,
            ready={"http": pulumi.Output.concat(metrics, "/health")},
            metrics=pulumi.Output.concat(metrics, "/metrics"),
        )

    def _api_server(self, etcd: LocalProcess) -> LocalProcess:
        site = self._site
        cert, key = site.certificate("kube-apiserver")
        accounts_cert, accounts_key = site.certificate("service-account")
        audit = site.write("audit/policy.json", json.dumps(POLICY, indent=2), parent=self)
        return site.start(
            "kube-apiserver",
            "kube-apiserver",
            [
                pulumi.Output.concat("--secure-port=", site.ports.of("kube-apiserver").apply(str)),
                "--bind-address=127.0.0.1",
                # Endpoints of the service "kubernetes" may not be loopback, and nothing here asks for them.
                "--advertise-address=10.96.0.1",
                "--endpoint-reconciler-type=none",
                "--service-cluster-ip-range=10.96.0.0/16",
                pulumi.Output.concat("--etcd-servers=", site.url("https", "etcd")),
                f"--etcd-cafile={site.ca}",
                f"--etcd-certfile={cert}",
                f"--etcd-keyfile={key}",
                f"--tls-cert-file={cert}",
                f"--tls-private-key-file={key}",
                f"--client-ca-file={site.ca}",
                "--anonymous-auth=false",
                "--authorization-mode=Node,RBAC",
                "--service-account-issuer=https://kubernetes.default.svc",
                f"--service-account-key-file={accounts_cert}",
                f"--service-account-signing-key-file={accounts_key}",
                "--disable-admission-plugins=TaintNodesByCondition",
                "--enable-priority-and-fairness=false",
                "--max-requests-inflight=0",
                "--max-mutating-requests-inflight=0",
                "--profiling=false",
                f"--audit-policy-file={site.file('audit/policy.json')}",
                f"--audit-log-path={site.file(AUDIT_LOG)}",
                f"--audit-log-maxsize={AUDIT_FILE_MEGABYTES}",
                f"--audit-log-maxbackup={AUDIT_OLD_FILES}",
            ],
            parent=self,
            ready=site.tls_probe("kube-apiserver", "/readyz"),
            metrics=site.url("https", "kube-apiserver", "/metrics"),
            after=[etcd, audit],
        )

    def _controller_manager(self) -> None:
        name, site = "kube-controller-manager", self._site
        self._client(
            name,
            f"--kubeconfig={site.file(_kubeconfig(name))}",
            f"--kube-api-qps={CLIENT_RATE}",
            f"--kube-api-burst={CLIENT_RATE}",
            f"--service-account-private-key-file={site.certificate('service-account')[1]}",
            f"--root-ca-file={site.ca}",
            "--use-service-account-credentials=true",
            "--controllers=*,-node-lifecycle-controller",
            "--concurrent-deployment-syncs=50",
            "--concurrent-replicaset-syncs=50",
            "--concurrent-job-syncs=50",
        )

    def _scheduler(self) -> None:
        name, file = "kube-scheduler", "kube-scheduler.json"
        # The default constraints count all pods of the workload for each of its pods: the square of their number.
        spread = {"defaultingType": "List", "defaultConstraints": []}
        configuration = {
            "apiVersion": "kubescheduler.config.k8s.io/v1",
            "kind": "KubeSchedulerConfiguration",
            # A process is started in the site's folder.
            "clientConnection": {"kubeconfig": _kubeconfig(name), "qps": CLIENT_RATE, "burst": CLIENT_RATE},
            "profiles": [{"pluginConfig": [{"name": "PodTopologySpread", "args": spread}]}],
        }
        written = self._site.write(file, json.dumps(configuration, indent=2), parent=self)
        self._client(name, f"--config={self._site.file(file)}", after=[written])

    def _client(self, name: str, *arguments: str, after: Sequence[pulumi.Resource] = ()) -> None:
        """A component that works through the API server: controller manager, scheduler."""
        site = self._site
        kubeconfig, written = self.kubeconfig_file(name)
        cert, key = site.certificate(name)
        site.start(
            name,
            name,
            [
                f"--authentication-kubeconfig={kubeconfig}",
                f"--authorization-kubeconfig={kubeconfig}",
                # Client certificates are the only way in, and who signs them is known.
                "--authentication-skip-lookup=true",
                f"--client-ca-file={site.ca}",
                pulumi.Output.concat("--secure-port=", site.ports.of(name).apply(str)),
                "--bind-address=127.0.0.1",
                f"--tls-cert-file={cert}",
                f"--tls-private-key-file={key}",
                "--leader-elect=false",
                *arguments,
            ],
            parent=self,
            ready=site.tls_probe(name, "/healthz"),
            metrics=site.url("https", name, "/metrics"),
            after=[self.api_server, written, *after],
            patience=1,
        )


def _kubeconfig(identity: str) -> str:
    """The name of its file, within the site."""
    return f"kubeconfig/{identity}.json"

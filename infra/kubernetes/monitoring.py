"""The values of kube-prometheus-stack: a Prometheus that scrapes every pod of Ratify and of Gatekeeper, nothing else.

No Grafana, no alerts, no node exporter: they would take places on the nodes of the load (workloads/sizes.py counts what
else is there), and no figure of a run comes from them.
"""

from __future__ import annotations

from typing import Any

from infra.kubernetes.charts import charts
from infra.kubernetes.placement import Placement
from infra.kubernetes.policy import NAMESPACE
from infra.settings import Settings

NAME = "monitoring"
"""The prefix of the names of what the chart makes."""
PORT = 9090


def service() -> dict[str, Any]:
    """Where Prometheus is found, as the stack's output says it."""
    return {"namespace": charts()["monitoring"].namespace, "name": f"{NAME}-prometheus", "port": PORT}


def values(settings: Settings, placement: Placement, pods: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The values. ``pods`` has what is scraped: name → selector, port."""
    off = {"enabled": False}
    interval = f"{round(settings.monitoring.scrapeSeconds * 1000)}ms"
    return {
        "fullnameOverride": NAME,
        "defaultRules": {"create": False},
        "alertmanager": off,
        "grafana": off,
        "kubeStateMetrics": off,
        "nodeExporter": off,
        "kubernetesServiceMonitors": off,
        "prometheusOperator": {
            **placement.pods,
            "tls": off,
            # A webhook of its own would stand between the load and the API server.
            "admissionWebhooks": {"enabled": False, "patch": off},
            "serviceMonitor": {"selfMonitor": False},
        },
        "prometheus": {
            "service": {"port": PORT},
            "serviceMonitor": {"selfMonitor": False},
            "prometheusSpec": {
                **placement.pods,
                "scrapeInterval": interval,
                "scrapeTimeout": interval,
                "retention": "2d",
            },
            "additionalPodMonitors": [
                {
                    "name": f"{NAME}-{name}",
                    "namespaceSelector": {"matchNames": [NAMESPACE]},
                    "selector": {"matchLabels": dict([each["selector"].split("=")])},
                    "podMetricsEndpoints": [{"portNumber": each["port"]}],
                }
                for name, each in pods.items()
            ],
        },
    }

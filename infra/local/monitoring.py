"""A Prometheus beside the harness's own scraper, where the binary is there: for queries, and for whoever wants to look.

It scrapes the same pages at the same interval. No figure needs it; a run says which of the two it has its figures from.
"""

from __future__ import annotations

from typing import Any

import pulumi
import yaml

from infra.local import tools
from infra.local.site import Site
from infra.settings import Settings

PORTS = ("prometheus",)


def wanted(settings: Settings) -> bool:
    """Whether a Prometheus is to run: asked for, or not ruled out and already there, and no other one is named."""
    choice = settings.monitoring.prometheus
    if settings.monitoring.prometheusUrl:
        return False
    return choice == "on" or (choice == "auto" and tools.find("prometheus") is not None)


def configuration(targets: dict[str, str], seconds: float, ca: str, cert: str, key: str) -> str:
    """Prometheus' configuration: a job per target (name → metrics URL)."""
    jobs: list[dict[str, Any]] = []
    for name, url in targets.items():
        scheme, _, rest = url.partition("://")
        host, _, path = rest.partition("/")
        job: dict[str, Any] = {
            "job_name": name,
            "scheme": scheme,
            "metrics_path": f"/{path}",
            "static_configs": [{"targets": [host]}],
        }
        if scheme == "https":
            job["tls_config"] = {"ca_file": ca, "cert_file": cert, "key_file": key}
        jobs.append(job)
    interval = f"{int(seconds * 1000)}ms"
    return yaml.safe_dump(
        {"global": {"scrape_interval": interval, "scrape_timeout": interval}, "scrape_configs": jobs}, sort_keys=False
    )


class Prometheus(pulumi.ComponentResource):
    """A Prometheus that scrapes the site's targets. ``url`` is its API."""

    url: pulumi.Output[str]

    def __init__(self, name: str, site: Site, settings: Settings, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("ratify-perf:local:Prometheus", name, None, opts)
        cert, key = site.certificate("admin")
        pages = {name: url for name, target in site.targets.items() if (url := target["metrics"]) is not None}
        text = pulumi.Output.all(**pages).apply(
            lambda urls: configuration(urls, settings.monitoring.scrapeSeconds, site.ca, cert, key)
        )
        written = site.write("prometheus.yaml", text, parent=self)
        self.url = site.url("http", "prometheus")
        site.start(
            "prometheus",
            "prometheus",
            [
                f"--config.file={site.file('prometheus.yaml')}",
                f"--storage.tsdb.path={site.file('prometheus')}",
                pulumi.Output.concat("--web.listen-address=127.0.0.1:", site.ports.of("prometheus").apply(str)),
                "--log.level=warn",
            ],
            parent=self,
            ready={"http": pulumi.Output.concat(self.url, "/-/ready")},
            metrics=pulumi.Output.concat(self.url, "/metrics"),
            after=[written],
            patience=0.5,
        )
        self.register_outputs({"url": self.url})

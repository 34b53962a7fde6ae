"""Which charts a run installs on its cluster, and what to say where the engine has no Helm."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from infra.settings import Settings


def needed(settings: Settings) -> dict[str, str]:
    """Name of a chart (infra/kubernetes/charts.yaml) → the setting, with its value, that goes without it.

    Empty for a shared stack, and on this machine, where everything is a process.
    """
    monitoring, ratify = settings.monitoring, settings.ratify
    if settings.platform == "local" or not settings.sharedStack:
        return {}
    found = {}
    if settings.gatekeeper.install:
        found["gatekeeper"] = "gatekeeper.install=false"
    if ratify.install:
        found["ratify"] = "ratify.install=false"
        if ratify.mode == "ha":
            found["dapr"] = "ratify.install=false"
    wanted = monitoring.prometheus == "on" or (monitoring.prometheus == "auto" and settings.platform == "azure")
    if wanted and not monitoring.prometheusUrl:
        found["monitoring"] = "monitoring.prometheus=off"
    return found


def problem(settings: Settings, stack: str) -> str | None:
    """Why the embedded engine cannot make a stack, as sentences that say what to do; None if it can.

    Azure is refused for more than its charts, and by whoever knows that.
    """
    charts = needed(settings)
    if not charts:
        return None
    switches = " ".join(f"--set {switch}" for switch in dict.fromkeys(charts.values()))
    return (
        f"Stack {stack} installs {', '.join(charts)} with Helm, which the embedded engine has not: the Pulumi CLI has "
        f"to be on PATH. Install the CLI, or leave out what the cluster has already: {switches}."
    )

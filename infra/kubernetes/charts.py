"""Helm releases: which charts there are (charts.yaml), and one way to declare each of them.

A release is atomic: one that does not become ready is taken back, so that the next ``up`` starts from nothing instead
of from half. Namespaces are made by Helm and never removed by it: none is taken away from whoever else is in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pulumi
import pulumi_kubernetes as k8s
import yaml

FILE = Path(__file__).with_suffix(".yaml")


@dataclass(frozen=True)
class Chart:
    """A row of charts.yaml."""

    chart: str
    release: str
    repository: str
    namespace: str
    seconds: int
    version: str | None = None
    """None where it is a setting."""


@cache
def charts() -> Mapping[str, Chart]:
    """The charts by name."""
    return {name: Chart(**row) for name, row in yaml.safe_load(FILE.read_text()).items()}


def release(
    name: str,
    values: Mapping[str, Any],
    options: pulumi.ResourceOptions,
    *,
    version: str | None = None,
    after: Sequence[pulumi.Resource] = (),
) -> k8s.helm.v3.Release:
    """Declares the release of a chart by its name in charts.yaml; ``version`` where that is a setting."""
    chart = charts()[name]
    timeouts = pulumi.CustomTimeouts(*(f"{chart.seconds + 60}s" for _ in ("create", "update", "delete")))
    more = pulumi.ResourceOptions(depends_on=[*after], custom_timeouts=timeouts)
    return k8s.helm.v3.Release(
        name,
        name=chart.release,
        chart=chart.chart,
        version=version or chart.version,
        repository_opts={"repo": chart.repository},
        namespace=chart.namespace,
        create_namespace=True,
        values=dict(values),
        atomic=True,
        cleanup_on_fail=True,
        wait_for_jobs=True,
        timeout=chart.seconds,
        opts=pulumi.ResourceOptions.merge(options, more),
    )

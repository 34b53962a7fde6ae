"""A front as a process of a stack: one address for what stands behind it, as a Service has in a cluster."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

import pulumi

from infra.local.processes import LocalProcess
from infra.local.site import Site
from infra.local.tools import MODULES


def name_of(component: str) -> str:
    """The name of the process in front of a component. It does not begin with the component's, or it would count."""
    return f"front-{component}"


def ports_of(component: str) -> tuple[str, ...]:
    """The ports that a front needs beside the address itself."""
    return (name_of(component),)


def start(
    site: Site,
    component: str,
    endpoints: Mapping[str, tuple[str, tuple[str, str] | None]],
    *,
    parent: pulumi.Resource,
    after: Sequence[pulumi.Resource],
) -> LocalProcess:
    """Starts the front that listens on the port called ``component``.

    ``endpoints``: name → (name of its port, (name of its health port, path) or None).
    """

    def port(name: str) -> pulumi.Output[str]:
        return site.ports.of(name).apply(str)

    words = []
    for name, (own, health) in endpoints.items():
        asked: list[pulumi.Input[str]] = [",", port(health[0]), health[1]] if health else []
        words.append(pulumi.Output.concat(f"--endpoint={name}=", port(own), *asked))
    page = site.url("http", name_of(component))
    return site.start(
        name_of(component),
        sys.executable,
        [
            "-m",
            "infra.local.front",
            pulumi.Output.concat("--port=", port(component)),
            pulumi.Output.concat("--metrics-port=", port(name_of(component))),
            *words,
        ],
        env={"PYTHONPATH": str(MODULES.parent)},
        parent=parent,
        ready={"http": pulumi.Output.concat(page, "/readyz")},
        metrics=pulumi.Output.concat(page, "/metrics"),
        after=after,
        patience=0.5,
    )

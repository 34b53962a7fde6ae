"""The real binaries that a local stack starts: which there are, and where each is found.

A binary is taken from the first of these that has it: the environment variable ``CSSCGEN_<NAME>``, PATH at a version
that fits the pin, the cache (``$XDG_CACHE_HOME/csscgen``). What is in none of them is built from the pinned Go module
in ``tools/<name>/`` by :mod:`infra.local.tools.builds`. Nothing is downloaded ready-made, and nothing is written to the
checkout.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from workloads.errors import ToolError, UsageError

MODULES = Path(__file__).resolve().parents[3] / "tools"


@dataclass(frozen=True)
class Tool:
    """One Go module under ``tools/`` and the binaries that it yields."""

    name: str
    packages: dict[str, str]
    """Name of a binary → the Go package that it is built from."""
    module: str | None = None
    """The module whose version is the tool's; None for our own code."""
    version_args: tuple[str, ...] = ("--version",)
    """What makes a binary print its version; empty if it cannot, which rules out PATH."""
    fits: int = 2
    """How many leading numbers of a version on PATH must equal the pin's (2: major and minor)."""
    build_args: tuple[str, ...] = ()
    ldflags: str = ""
    assets: str | None = None
    """A folder of the module that is needed beside the binary (Gatekeeper's CRDs)."""
    change: tuple[str, str, str] | None = None
    """A file of the module, text in it and what replaces it: the one thing that a component has no flag for. Nothing
    else of it is changed."""
    target: str | None = None
    """Where the binaries run, as GOOS/GOARCH; None for this machine."""
    optional: bool = False
    """True if a run of the default stacks does without it."""


def _on_loopback(file: str) -> tuple[str, str, str]:
    """Metrics are served to this machine, and not to the whole network."""
    return file, '":%v"', '"127.0.0.1:%v"'


_KUBERNETES = "k8s.io/kubernetes/cmd/"
_KUBERNETES_VERSION = "k8s.io/component-base/version."

TOOLS: dict[str, Tool] = {
    tool.name: tool
    for tool in (
        Tool("etcd", {"etcd": "go.etcd.io/etcd/server/v3"}, "go.etcd.io/etcd/server/v3"),
        Tool(
            "kubernetes",
            {name: _KUBERNETES + name for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler")},
            "k8s.io/kubernetes",
            # Without these the server calls itself v0.0.0-master and clients refuse the version skew.
            ldflags=" ".join(
                f"-X {_KUBERNETES_VERSION}{key}={{{value}}}"
                for key, value in (
                    ("gitVersion", "version"),
                    ("gitMajor", "major"),
                    ("gitMinor", "minor"),
                )
            ),
        ),
        Tool(
            "kwok",
            {"kwok": "sigs.k8s.io/kwok/cmd/kwok"},
            "sigs.k8s.io/kwok",
            # It begins each of its watches at 0, so that one that the API server ends is told of every pod again. With
            # thousands of pods that takes longer than until the next end, and the nodes are busy with nothing else.
            change=(
                "pkg/utils/informer/event.go",
                "if !o.EnableListPager || o.EnableStreamWatch {",
                'if opts.ResourceVersion == "" && (!o.EnableListPager || o.EnableStreamWatch) {',
            ),
        ),
        Tool(
            "gatekeeper",
            {"gatekeeper": "github.com/open-policy-agent/gatekeeper/v3"},
            "github.com/open-policy-agent/gatekeeper/v3",
            version_args=(),
            assets="charts/gatekeeper/crds",
            change=_on_loopback("pkg/metrics/exporters/prometheus/prometheus_exporter.go"),
        ),
        Tool(
            "ratify",
            {"ratify": "github.com/ratify-project/ratify/cmd/ratify"},
            "github.com/ratify-project/ratify",
            version_args=(),
            change=_on_loopback("pkg/metrics/prometheus_exporter.go"),
        ),
        # It runs on nodes, not here: those of AKS, unless somebody names a waiter of their own for others.
        Tool("waiter", {"waiter": "ratify-perf/tools/waiter"}, version_args=(), target="linux/amd64"),
        # Only scripts/bench runs these: what an API server and a registry take at most, and a well-known client.
        Tool("apiload", {"apiload": "ratify-perf/tools/apiload"}, version_args=(), optional=True),
        Tool("pusher", {"pusher": "ratify-perf/tools/pusher"}, version_args=(), optional=True),
        Tool("regpusher", {"regpusher": "ratify-perf/tools/regpusher"}, version_args=(), optional=True),
        Tool(
            "distribution",
            {"registry": "github.com/distribution/distribution/v3/cmd/registry"},
            "github.com/distribution/distribution/v3",
            optional=True,
        ),
        Tool(
            "conformance",
            {"conformance": "github.com/opencontainers/distribution-spec/conformance"},
            "github.com/opencontainers/distribution-spec/conformance",
            version_args=(),
            optional=True,
        ),
        # Judges signatures in tests, beside Ratify.
        Tool("notation", {"notation": "ratify-perf/tools/notation"}, version_args=(), optional=True),
        Tool(
            "helm",
            {"helm": "helm.sh/helm/v3/cmd/helm"},
            "helm.sh/helm/v3",
            version_args=("version", "--short"),
            fits=1,
            ldflags="-X helm.sh/helm/v3/internal/version.version={version}",
            optional=True,
        ),
        Tool(
            "prometheus",
            {"prometheus": "github.com/prometheus/prometheus/cmd/prometheus"},
            "github.com/prometheus/prometheus",
            # Any 2.x or 3.x answers what is asked here, so Debian's does. Service discovery for clouds is left out:
            # it is most of the build.
            fits=0,
            build_args=("-tags", "remove_all_sd"),
            optional=True,
        ),
    )
}


@dataclass(frozen=True)
class Binary:
    """A binary that was found: ``source`` says where, ``version`` what it is (None if it does not say)."""

    name: str
    path: Path
    source: Literal["environment", "path", "cache"]
    version: str | None


def tool_of(binary: str) -> Tool:
    """The tool that yields ``binary``."""
    return next(tool for tool in TOOLS.values() if binary in tool.packages)


def select(names: Iterable[str]) -> list[Tool]:
    """The tools of these names; the ones that the default stacks need if there are no names.

    Raises UsageError for an unknown name.
    """
    chosen = list(names)
    if unknown := [name for name in chosen if name not in TOOLS]:
        raise UsageError(f"There is no tool {unknown[0]!r}. The tools are {', '.join(TOOLS)}.")
    return [TOOLS[name] for name in chosen] or [t for t in TOOLS.values() if not t.optional]


def pinned_version(tool: Tool) -> str | None:
    """The version in the tool's go.mod, ``v1.36.3``; None for our own code."""
    if tool.module is None:
        return None
    text = (MODULES / tool.name / "go.mod").read_text()
    match = re.search(rf"^\s*(?:require )?{re.escape(tool.module)} (v\S+)", text, re.MULTILINE)
    if match is None:
        raise ToolError(f"tools/{tool.name}/go.mod does not require {tool.module}: the checkout is damaged.")
    return match[1]


def cache_root() -> Path:
    """Where built binaries are kept: ``$XDG_CACHE_HOME/csscgen``, outside the checkout."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "csscgen"


def cache_folder(tool: Tool) -> Path:
    """The tool's folder in the cache. Its name changes with the pins, the flags and our own sources."""
    made_of = (tool.packages, tool.build_args, tool.ldflags, tool.assets, tool.change)
    digest = hashlib.sha256(repr((*made_of, tool.target) if tool.target else made_of).encode())
    for file in sorted((MODULES / tool.name).iterdir()):
        digest.update(file.read_bytes())
    return cache_root() / f"{tool.name}-{pinned_version(tool) or 'own'}-{digest.hexdigest()[:12]}"


def environment_variable(binary: str) -> str:
    """The variable that names a binary of the user's own: ``CSSCGEN_KUBE_APISERVER``."""
    return f"CSSCGEN_{binary.upper().replace('-', '_')}"


def find(binary: str) -> Binary | None:
    """The binary that a stack would start now, or None if it has to be built first.

    Raises ToolError if the environment variable for it names something that cannot be started.
    """
    tool = tool_of(binary)
    variable = environment_variable(binary)
    if value := os.environ.get(variable):
        own = Path(value).absolute()  # a process is started in another folder
        if not own.is_file() or not os.access(own, os.X_OK):
            raise ToolError(f"{variable} names {value}, which is not an executable file.")
        return Binary(binary, own, "environment", _version(tool, str(own)))
    if tool.version_args and (on_path := shutil.which(binary)):
        version = _version(tool, on_path)
        if version and _fits(tool, version):
            return Binary(binary, Path(on_path).absolute(), "path", version)
    cached = cache_folder(tool) / binary
    if cached.exists():
        return Binary(binary, cached, "cache", pinned_version(tool))
    return None


def path(binary: str) -> Path:
    """Where ``binary`` is, or will be once it is built: a stack can be previewed before anything is."""
    found = find(binary)
    return found.path if found else cache_folder(tool_of(binary)) / binary


def assets(tool: Tool) -> Path | None:
    """The folder of the tool's assets, whether it is there yet or not; None for a tool that has none."""
    return cache_folder(tool) / "assets" if tool.assets else None


def missing(tools: Iterable[Tool]) -> list[Tool]:
    """Those of ``tools`` that lack a binary or their assets and have to be built."""
    return [
        tool
        for tool in tools
        if any(find(binary) is None for binary in tool.packages)
        or ((folder := assets(tool)) is not None and not folder.exists())
    ]


def _version(tool: Tool, executable: str) -> str | None:
    if not tool.version_args:
        return None
    try:
        done = subprocess.run(
            [executable, *tool.version_args],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r"v?(\d+\.\d+\.\d+)", done.stdout + done.stderr)
    return f"v{match[1]}" if match else None


def _fits(tool: Tool, version: str) -> bool:
    """Whether a version from PATH may stand in for the pin: the same major and minor, as ``fits`` says."""
    pinned = pinned_version(tool)
    return pinned is not None and version.split(".")[: tool.fits] == pinned.split(".")[: tool.fits]

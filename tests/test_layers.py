"""The layers of the design: which package may import which, here and there, at the top of a module or inside it."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
OURS = ("analysis", "csscgen", "infra", "workloads")
MAY_IMPORT = {
    "workloads": ("workloads",),
    "analysis": ("analysis", "workloads"),
    "infra": ("infra", "workloads"),
    "csscgen": (
        "csscgen",
        "analysis",
        "workloads",
        "infra.settings",
        "infra.faults",
        "infra.engine",
        "infra.local.tools",
        "infra.local.certificates",  # keys are made by the same rules with a stack and without
        "infra.local.sockets",
        "infra.local.running",
        "infra.local.probes",
        "infra.policy.resources",
        "infra.policy.rules",
    ),
}
LATE = {"pulumi", "pulumi_kubernetes", "aiohttp", "azure", "kubernetes", "pyarrow", "rich"}


def sources(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imported(source: str, package: str) -> Iterator[str]:
    """The dotted name of everything that a module imports; of ``from a.b import c`` it is ``a.b.c``."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            stem = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{stem}.{alias.name}" for alias in node.names)


def imports_of(file: Path) -> list[str]:
    return list(imported(file.read_text(), ".".join(file.relative_to(ROOT).parent.parts)))


def within(name: str, allowed: tuple[str, ...]) -> bool:
    return any(name == one or name.startswith(f"{one}.") for one in allowed)


def test_imports_are_found_wherever_they_are():
    source = "import a.b\nfrom c import d, e\nfrom . import f\nfrom ..g import h\ndef x():\n    from i import j\n"
    assert list(imported(source, "p.q")) == ["a.b", "c.d", "c.e", "p.q.f", "p.g.h", "i.j"]


@pytest.mark.parametrize("package", OURS)
def test_a_package_imports_only_the_layers_below_it(package):
    files = sources(package)
    assert files
    wrong = [
        f"{file.relative_to(ROOT)} imports {name}"
        for file in files
        for name in imports_of(file)
        if name.split(".")[0] in OURS and not within(name, MAY_IMPORT[package])
    ]
    assert not wrong


@pytest.mark.parametrize("package", ["analysis", "csscgen", "workloads"])
def test_only_infra_imports_pulumi(package):
    wrong = [
        f"{file.relative_to(ROOT)} imports {name}"
        for file in sources(package)
        for name in imports_of(file)
        if name.split(".")[0].startswith("pulumi")
    ]
    assert not wrong


@pytest.mark.parametrize("module", [name for name in MAY_IMPORT["csscgen"] if name.startswith("infra.")])
def test_what_the_command_line_takes_from_infra_does_without_pulumi(module):
    assert "pulumi" not in loaded_by(module)


def test_the_command_line_answers_without_its_heavy_libraries():
    assert not LATE & loaded_by("csscgen.cli")


def loaded_by(module: str) -> set[str]:
    """The top-level modules that a new interpreter has loaded after importing ``module``."""
    code = f"import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())

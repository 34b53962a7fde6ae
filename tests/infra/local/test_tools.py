from __future__ import annotations

import os
from pathlib import Path

import pytest

from infra.local import tools
from infra.local.tools import TOOLS, Tool, cache_folder, find, missing, pinned_version, select
from workloads.errors import ToolError, UsageError


def script(file: Path, says: str) -> Path:
    """An executable that prints one line."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\necho '{says}'\n")
    file.chmod(0o755)
    return file


@pytest.fixture
def places(tmp_path, monkeypatch):
    """An empty PATH folder and an empty cache, and no variable that names a binary."""
    for name in [key for key in os.environ if key.startswith("CSSCGEN_")]:
        monkeypatch.delenv(name)
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def cached(binary: str) -> Path:
    return script(cache_folder(tools.tool_of(binary)) / binary, "cached")


def on_path(places: Path, binary: str, version: str) -> Path:
    return script(places / "bin" / binary, f"{binary} Version: {version}")


def test_a_binary_that_is_nowhere_is_not_found_and_its_path_is_where_it_will_be(places):
    assert find("etcd") is None
    assert tools.path("etcd") == cache_folder(TOOLS["etcd"]) / "etcd"
    assert tools.path("etcd").is_relative_to(places / "cache" / "csscgen")


def test_the_cache_has_what_was_built_from_the_pin(places):
    file = cached("etcd")
    found = find("etcd")
    assert found == tools.Binary("etcd", file, "cache", pinned_version(TOOLS["etcd"]))


def test_path_goes_before_the_cache_at_a_version_that_fits(places):
    cached("etcd")
    major, minor, _ = str(pinned_version(TOOLS["etcd"])).split(".")
    file = on_path(places, "etcd", f"{major.lstrip('v')}.{minor}.99")
    assert find("etcd") == tools.Binary("etcd", file, "path", f"{major}.{minor}.99")


@pytest.mark.parametrize("version", ["3.5.21", "4.0.0", "of no number"])
def test_path_is_passed_over_at_a_version_that_does_not_fit(places, version):
    on_path(places, "etcd", version)
    assert find("etcd") is None
    file = cached("etcd")
    found = find("etcd")
    assert found is not None
    assert (found.source, found.path) == ("cache", file)


def test_a_binary_that_cannot_tell_its_version_is_not_taken_from_path(places):
    on_path(places, "gatekeeper", "3.23.1")
    on_path(places, "ratify", "1.4.6")
    assert find("gatekeeper") is None
    assert find("ratify") is None


def test_any_prometheus_on_path_will_do(places):
    on_path(places, "prometheus", "2.42.0+ds")
    found = find("prometheus")
    assert found is not None
    assert (found.source, found.version) == ("path", "v2.42.0")


def test_the_environment_variable_goes_before_everything_at_any_version(places, monkeypatch):
    cached("kube-apiserver")
    on_path(places, "kube-apiserver", str(pinned_version(TOOLS["kubernetes"])))
    own = script(places / "own" / "server", "Kubernetes v1.20.0")
    monkeypatch.setenv("CSSCGEN_KUBE_APISERVER", str(own))
    assert find("kube-apiserver") == tools.Binary("kube-apiserver", own, "environment", "v1.20.0")


def test_a_relative_path_is_made_absolute_because_processes_start_elsewhere(places, monkeypatch):
    script(places / "own" / "etcd", "etcd Version: 3.6.5")
    monkeypatch.chdir(places)
    monkeypatch.setenv("CSSCGEN_ETCD", "own/etcd")
    assert tools.path("etcd") == places / "own" / "etcd"


@pytest.mark.parametrize("kind", ["missing", "not executable", "folder"])
def test_a_variable_that_names_no_executable_file_is_told(places, monkeypatch, kind):
    target = places / "target"
    if kind == "folder":
        target.mkdir()
    elif kind == "not executable":
        target.write_text("text")
    monkeypatch.setenv("CSSCGEN_ETCD", str(target))
    with pytest.raises(ToolError, match=f"CSSCGEN_ETCD names {target}, which is not an executable file."):
        find("etcd")


def test_a_binary_that_hangs_or_cannot_run_has_no_version(places, monkeypatch):
    file = places / "bin" / "etcd"
    file.write_bytes(b"\x7fELF, not really")
    file.chmod(0o755)
    assert find("etcd") is None


def test_an_unknown_tool_is_told_with_the_known_ones():
    with pytest.raises(UsageError, match="There is no tool 'etdc'. The tools are etcd, kubernetes, kwok"):
        select(["etcd", "etdc"])


def test_no_names_mean_what_the_default_stacks_need():
    assert [tool.name for tool in select([])] == ["etcd", "kubernetes", "kwok", "gatekeeper", "ratify", "waiter"]
    assert [tool.name for tool in select(["prometheus", "etcd"])] == ["prometheus", "etcd"]


def test_what_lacks_one_of_its_binaries_or_its_assets_is_missing(places):
    assert missing(select([])) == select([])
    for binary in ("kube-apiserver", "kube-controller-manager"):
        cached(binary)
    assert missing([TOOLS["kubernetes"]])
    cached("kube-scheduler")
    assert not missing([TOOLS["kubernetes"]])
    cached("gatekeeper")
    assert missing([TOOLS["gatekeeper"]])
    (cache_folder(TOOLS["gatekeeper"]) / "assets").mkdir()
    assert not missing([TOOLS["gatekeeper"]])


def test_a_gatekeeper_of_the_user_s_own_still_needs_the_assets(places, monkeypatch):
    monkeypatch.setenv("CSSCGEN_GATEKEEPER", str(script(places / "own", "")))
    assert missing([TOOLS["gatekeeper"]])


@pytest.mark.parametrize("name", TOOLS)
def test_every_tool_has_a_module_with_its_pin_and_its_checksums(name):
    tool = TOOLS[name]
    version = pinned_version(tool)
    assert (version is None) == (tool.module is None)
    if version:
        assert (tools.MODULES / name / "go.sum").read_text().count(f"{tool.module} {version} ") == 1


@pytest.fixture
def modules(places, monkeypatch):
    """A folder of modules of the test's own, with the module of one tool."""
    monkeypatch.setattr(tools, "MODULES", places / "tools")
    (places / "tools" / "thing").mkdir(parents=True)
    (places / "tools" / "thing" / "go.mod").write_text("module ours\n\nrequire (\n\texample.test/thing v1.2.3\n)\n")
    return places / "tools"


THING = Tool("thing", {"thing": "example.test/thing/cmd"}, "example.test/thing")


def test_the_pin_is_read_from_the_module(modules):
    assert pinned_version(THING) == "v1.2.3"


def test_a_module_without_the_pin_is_told(modules):
    (modules / "thing" / "go.mod").write_text("module ours\n\nrequire example.test/thing/v2 v2.0.0\n")
    with pytest.raises(ToolError, match="tools/thing/go.mod does not require example.test/thing"):
        pinned_version(THING)


def test_the_cache_folder_changes_with_pin_flags_and_sources(modules):
    folders = [cache_folder(THING)]
    assert folders[0].name.startswith("thing-v1.2.3-")
    assert cache_folder(THING) == folders[0]
    folders.append(cache_folder(Tool("thing", THING.packages, THING.module, build_args=("-tags", "small"))))
    folders.append(cache_folder(Tool("thing", THING.packages, THING.module, change=("a.go", "x", "y"))))
    folders.append(cache_folder(Tool("thing", THING.packages, THING.module, target="linux/arm64")))
    file = modules / "thing" / "go.mod"
    file.write_text(file.read_text().replace("v1.2.3", "v1.2.4"))
    folders.append(cache_folder(THING))
    (modules / "thing" / "go.sum").write_text("a checksum")
    folders.append(cache_folder(THING))
    assert len(set(folders)) == 6

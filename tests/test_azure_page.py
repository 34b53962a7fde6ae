"""docs/azure.md: its table has every key that Azure's stacks heed, and resources that the snapshots have."""

from __future__ import annotations

import fnmatch
import json
import re
from dataclasses import dataclass, fields
from functools import cache

import pytest

from csscgen import stackfiles
from csscgen.cli import COMMANDS
from infra.settings import SUBJECTS, Settings
from tests import documents, snapshots

PAGE = (documents.ROOT / "docs/azure.md").read_text()
KEYS = {f"{name}.{field.name}" for name, subject in SUBJECTS.items() for field in fields(subject)} | {
    field.name for field in fields(Settings) if field.name not in SUBJECTS
}
NOT_AZURES = {
    "faults",
    "load.shards",
    "cluster.kubeconfig",
    "cluster.context",
    "cluster.nodeCpu",
    "cluster.nodeMemory",
    "cluster.apiServerPort",
    "gatekeeper.port",
    "ratify.port",
    "registry.credentials",
    "registry.port",
    "registry.storage",
    "registry.login",
    "registry.anonymousPull",
    "registry.tokenSeconds",
    "registry.referrersApi",
    "registry.referrersPage",
    "registry.latencyMs",
    "registry.bandwidthMbps",
    "registry.pushers",
    "signing.intermediate",
    "signing.keyFile",
    "signing.certificateFile",
}
"""Keys that only this machine, or a cluster that is there already, heeds."""
AZURES = [stack for stack in snapshots.STACKS if stackfiles.read(snapshots.ROOT, stack).settings.platform == "azure"]


@dataclass(frozen=True)
class Row:
    what: str
    keys: list[str]
    stacks: list[str]
    by: str

    @property
    def resources(self) -> list[str]:
        return [word for word in re.findall(r"`([^`]+)`", self.by) if "::" in word]

    @property
    def on(self) -> list[str]:
        """The stacks that the row is about."""
        return [stack for stack in AZURES if any(fnmatch.fnmatchcase(stack, each) for each in self.stacks)]


def rows(page: str) -> list[Row]:
    """The rows of all tables that begin with a row, keys and stacks."""
    found, within = [], False
    for line in page.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else []
        if cells[:3] == ["row", "keys", "stacks"]:
            within = True
        elif not cells:
            within = False
        elif within and not line.startswith("|---"):
            what, keys, stacks, by = cells
            found.append(Row(what, re.findall(r"`([^`]+)`", keys), re.findall(r"`([^`]+)`", stacks), by))
    return found


ROWS = rows(PAGE)


@cache
def declared(stack: str) -> frozenset[str]:
    """What a stack declares, as the page writes it: type and name."""
    content = json.loads(snapshots.file_of(stack).read_text(encoding="utf-8"))
    return frozenset(f"{each['type']}::{each['name']}" for each in content["resources"])


def test_the_page_begins_with_what_was_never_run():
    assert "Nothing on this page was ever run against Azure" in " ".join(PAGE.split()[:60])


def test_every_part_of_the_published_test_has_its_rows():
    parts = dict.fromkeys(("Prerequisites", "Each run", "Test dimensions", "Measurements"), 0)
    for title in parts:
        section = PAGE.partition(f"### {title}\n")[2].partition("\n### ")[0]
        parts[title] = len(rows(section))
    assert parts == {"Prerequisites": 9, "Each run": 36, "Test dimensions": 6, "Measurements": 5}
    assert sum(parts.values()) == len(ROWS)
    assert all(row.by for row in ROWS)


def test_every_key_of_the_table_is_one_of_the_settings():
    named = {key for row in ROWS for key in row.keys}
    assert named - KEYS == set()


def test_every_key_that_azure_heeds_is_in_the_table():
    named = {key for row in ROWS for key in row.keys}
    assert KEYS - named == NOT_AZURES


@pytest.mark.parametrize("row", [row for row in ROWS if row.stacks], ids=lambda row: row.what)
def test_the_resources_of_a_row_are_in_the_snapshots_of_its_stacks(row: Row):
    for pattern in row.stacks:
        assert fnmatch.filter(AZURES, pattern), pattern
    assert row.resources
    for stack in row.on:
        assert set(row.resources) - declared(stack) == set(), stack


def test_a_row_without_stacks_names_no_resource():
    assert [row.what for row in ROWS if row.resources and not row.stacks] == []


def test_every_kind_of_resource_of_azure_and_every_release_is_in_the_table():
    named = {resource.partition("::")[0] for row in ROWS for resource in row.resources}
    there = {each for stack in AZURES for each in declared(stack)}
    assert {each.partition("::")[0] for each in there if each.startswith("azure-native:")} - named == set()
    releases = {each for each in there if each.startswith("kubernetes:helm.sh/")}
    assert releases - {resource for row in ROWS for resource in row.resources} == set()
    assert len(releases) >= 4


def test_figures_are_those_of_the_page_of_results():
    results = (documents.ROOT / "docs/results.md").read_text()
    figures = [word for row in ROWS for word in re.findall(r"`ratify\.([a-z_]+)`", row.by)]
    assert len(figures) == 7
    for figure in figures:
        assert f"`{figure}" in results, figure


def test_commands_and_stacks_of_the_page_exist():
    commands = set(re.findall(r"(?:^ {4}|`)csscgen ([a-z]+)(?![a-z0-9])", PAGE, re.MULTILINE))
    assert {"plan", "up", "run", "collect", "destroy"} <= commands
    assert commands - set(COMMANDS) == set()
    named = set(re.findall(r"--stack ([A-Za-z-]+)|stack init ([A-Za-z-]+)", PAGE))
    assert {one or other for one, other in named} - set(snapshots.STACKS) == set()


def test_the_policies_of_the_page_are_those_that_there_are():
    assert documents.marked(PAGE, documents.POLICIES) == documents.policies_text(), "run scripts/docs"

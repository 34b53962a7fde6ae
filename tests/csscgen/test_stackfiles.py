from __future__ import annotations

from pathlib import Path

import pytest

from csscgen.stackfiles import merged, parse_changes, read, stack_names
from workloads.errors import SettingsError, UsageError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a shared stack and one that refers to it."""
    stacks = tmp_path / "stacks"
    stacks.mkdir()
    (stacks / "Pulumi.common.yaml").write_text("config:\n  ratify-perf:registry: {kind: emulator}\n")
    (stacks / "Pulumi.small.yaml").write_text(
        "config:\n  kubernetes:namespace: x\n  ratify-perf:sharedStack: common\n"
        "  ratify-perf:scenario: {size: S, replicas: 5}\n"
    )
    return tmp_path


def write(project: Path, name: str, text: str) -> None:
    (project / "stacks" / f"Pulumi.{name}.yaml").write_text(text)


def test_every_stack_of_the_project_can_be_read():
    assert {"local-S", "local-S-jobs", "local-shared", "local-smoke"} <= set(stack_names(ROOT))
    for name in stack_names(ROOT):
        read(ROOT, name)


def test_a_stack_is_read_with_the_shared_one_it_refers_to(project: Path):
    stack = read(project, "small")
    assert stack.settings.replicas == 5
    assert stack.shared is not None and stack.shared.name == "common"
    assert stack.shared.shared is None


def test_keys_of_other_namespaces_are_kept_and_not_checked(project: Path):
    assert read(project, "small").config["kubernetes:namespace"] == "x"


def test_an_unknown_stack_names_the_nearest(project: Path):
    with pytest.raises(UsageError, match=r"There is no stack smal: .* Did you mean small\?"):
        read(project, "smal")


def test_an_unknown_stack_without_a_near_one_names_all(project: Path):
    with pytest.raises(UsageError, match="The stacks are common, small"):
        read(project, "zzz")


def test_changes_reach_the_settings(project: Path):
    stack = read(project, "small", parse_changes(["scenario.replicas=7", "ratify.cache=off"]))
    assert (stack.settings.replicas, stack.settings.scenario.size) == (7, "S")
    assert stack.settings.ratify.cache is False


def test_an_unknown_key_names_the_nearest(project: Path):
    with pytest.raises(SettingsError, match=r"scenario\.replica: .*did you mean scenario\.replicas\?"):
        read(project, "small", parse_changes(["scenario.replica=7"]))


def test_the_shared_stack_is_given_the_registry_and_nothing_else(project: Path):
    changes = parse_changes(["registry.kind=distribution", "signing.algorithm=PS256", "scenario.replicas=7"])
    shared = read(project, "small", changes).shared
    assert shared is not None
    assert (shared.settings.registry.kind, shared.settings.signing.algorithm) == ("distribution", "PS256")
    assert "scenario" not in shared.config


def test_a_registry_size_that_the_shared_stack_has_not(project: Path):
    changes = parse_changes(["registry.regions=[{name: here, size: XS}]", "registry.size=M"])
    with pytest.raises(SettingsError, match=r"registry\.size: common has no registry of size M, only \['XS'\]"):
        read(project, "small", changes)


def test_a_region_set_for_one_run_is_made_by_the_shared_stack(project: Path):
    changes = parse_changes(["registry.regions=[{name: here, size: XS}]", "registry.size=XS"])
    shared = read(project, "small", changes).shared
    assert shared is not None
    assert [region.name for region in shared.settings.registry.regions] == ["here"]


@pytest.mark.parametrize(
    "text",
    ["config: [1", "config: [1, 2]", "- a\n- b", "just text", "config:\n  1: x", "\tx: y", "config:\n  a: 2026-13-45"],
)
def test_a_broken_file_is_named(project: Path, text: str):
    write(project, "broken", text)
    with pytest.raises(SettingsError, match=r"Pulumi\.broken\.yaml is not a stack file"):
        read(project, "broken")


def test_a_file_that_is_not_text_is_named(project: Path):
    (project / "stacks" / "Pulumi.broken.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="is not a stack file"):
        read(project, "broken")


def test_an_empty_file_is_a_stack_of_defaults(project: Path):
    write(project, "empty", "")
    assert read(project, "empty").shared is None


@pytest.mark.parametrize("shared", ["small", "other"])
def test_a_stack_cannot_share_one_that_shares(project: Path, shared: str):
    write(project, "other", "config:\n  ratify-perf:sharedStack: common\n")
    with pytest.raises(SettingsError, match=f"sharedStack: {shared} refers to a shared stack itself"):
        read(project, "small", {"sharedStack": shared})


@pytest.mark.parametrize("word", ["size", "=S", ".size=S", "scenario.=S", ""])
def test_a_change_that_is_none_is_refused(word: str):
    with pytest.raises(UsageError, match="--set takes subject.key=value"):
        parse_changes([word])


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("s.k=5", 5),
        ("s.k=off", False),
        ("s.k=", None),
        ("s.k=a=b", "a=b"),
        ("s.k='5'", "5"),
        ("s.k=@", "@"),
        ("s.k=2026-13-45", "2026-13-45"),
        ("s.k=[1, 2]", [1, 2]),
    ],
)
def test_a_value_is_read_as_yaml_or_as_it_stands(word: str, value: object):
    assert parse_changes([word]) == {"s": {"k": value}}


@pytest.mark.parametrize("words", [["s=1", "s.k=2"], ["s.k=2", "s={}"]])
def test_a_subject_is_not_set_as_a_whole_and_by_key(words: list[str]):
    with pytest.raises(UsageError, match="twice"):
        parse_changes(words)


def test_the_last_of_two_values_counts():
    assert parse_changes(["s.k=1", "s.j=3", "s.k=2"]) == {"s": {"k": 2, "j": 3}}


def test_merging_keeps_the_other_keys_and_changes_neither_argument():
    before = {"a": {"x": 1, "y": 2}, "b": "text"}
    assert merged(before, {"a": {"y": 3}, "c": {"z": 4}}) == {"a": {"x": 1, "y": 3}, "b": "text", "c": {"z": 4}}
    assert before == {"a": {"x": 1, "y": 2}, "b": "text"}


def test_merging_into_json_text_as_the_pulumi_cli_writes_it():
    assert merged({"a": '{"x": 1, "y": 2}'}, {"a": {"y": 3}}) == {"a": {"x": 1, "y": 3}}

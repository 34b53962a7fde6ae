from __future__ import annotations

from dataclasses import fields

import pytest
import yaml

from csscgen import stackfiles
from infra import schema
from infra.settings import SUBJECTS, Settings
from tests import documents

STACKS = stackfiles.stack_names(documents.ROOT)


def test_the_project_file_is_the_one_that_the_settings_make():
    assert (documents.ROOT / "Pulumi.yaml").read_text() == schema.project_file(), "run scripts/docs"


def test_the_tables_of_the_settings_page_are_those_that_the_settings_make():
    page = (documents.ROOT / "docs/settings.md").read_text()
    assert documents.marked(page, documents.SETTINGS) == schema.settings_tables().strip("\n"), "run scripts/docs"


def test_there_are_the_stacks_that_the_documents_name():
    assert {"local-S", "local-S-jobs", "local-shared", "local-smoke"} <= set(STACKS)


@pytest.mark.parametrize("name", STACKS)
def test_every_stack_file_is_read_without_problems(name):
    stack = stackfiles.read(documents.ROOT, name)
    assert stack.settings.platform in ("azure", "local", "kubeconfig")
    assert stack.settings.thresholds or not stack.settings.sharedStack


def test_every_default_of_the_project_file_is_a_valid_setting():
    config = yaml.safe_load(schema.project_file())["config"]
    assert Settings.read({key: entry["default"] for key, entry in config.items()}, "the defaults") == Settings()


def test_the_project_file_has_only_types_that_pulumi_knows_and_describes_every_key():
    config = yaml.safe_load(schema.project_file())["config"]
    assert set(config) == {field.name for field in fields(Settings)}
    for key, entry in config.items():
        assert entry["type"] in ("string", "integer", "boolean", "array", "object"), key
        assert entry["description"].endswith("."), key


def test_every_key_is_documented_with_its_unit():
    tables = schema.settings_tables()
    for name, subject in SUBJECTS.items():
        for field in fields(subject):
            assert f"| `{name}.{field.name}` |" in tables
            assert field.metadata["doc"].endswith("."), field.name
            if field.name.endswith(("Seconds", "Interval", "Ms", "Mb")):
                assert field.metadata["unit"], field.name


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("scenario.size", "`S`, `M`, `L`, `XL`"),
        ("scenario.replicas", "integer or null"),
        ("scenario.uniqueImages", "on/off"),
        ("registry.regions", "list"),
        ("load.rate", "number"),
        ("sharedStack", "text or null"),
        ("thresholds", "object"),
    ],
)
def test_types_are_told_in_words(key, words):
    assert f"| `{key}` | {words} |" in schema.settings_tables()

from __future__ import annotations

import json

import pytest

from infra.local.registry.identities import read
from workloads.errors import UsageError

GOOD = {"password": "hunter2", "actions": ["pull"]}


def test_an_identity_has_defaults(tmp_path):
    (tmp_path / "file").write_text(json.dumps({"one": GOOD, "two": {**GOOD, "repositories": "a/*", "aadToken": "t"}}))
    known = read(tmp_path / "file")
    assert (known["one"].repositories, known["one"].aad_token) == ("*", "")
    assert known["two"].may("repository", "a/b", "pull") and not known["two"].may("repository", "b", "pull")


@pytest.mark.parametrize(
    "content",
    [
        "",
        "hunter2",
        "[]",
        "{}",
        '{"one": "hunter2"}',
        json.dumps({"one": {"password": "hunter2"}}),
        json.dumps({"one": {"actions": ["pull"]}}),
        json.dumps({"one": {**GOOD, "password": 5}}),
        json.dumps({"one": {**GOOD, "actions": []}}),
        json.dumps({"one": {**GOOD, "actions": "pull"}}),
        json.dumps({"one": {**GOOD, "actions": ["fly"]}}),
        json.dumps({"one": {**GOOD, "actions": [["pull"]]}}),
        json.dumps({"one": {**GOOD, "hunter2": "x"}}),
        json.dumps({"one": {**GOOD, "repositories": None}}),
        json.dumps({"a:b": GOOD}),
        json.dumps({"": GOOD}),
        json.dumps({"anonymous": GOOD}),
    ],
)
def test_what_is_no_identities_file_is_told_without_its_secrets(tmp_path, content):
    (tmp_path / "file").write_text(content)
    with pytest.raises(UsageError) as raised:
        read(tmp_path / "file")
    assert str(tmp_path / "file") in str(raised.value) and str(raised.value).endswith(".")
    assert "hunter2" not in str(raised.value)


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(UsageError, match="cannot be read: No such file or directory"):
        read(tmp_path / "none")

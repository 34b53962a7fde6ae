"""state.json, and the key of its secrets, after a full disk, a crash, an editor or another version had them."""

from __future__ import annotations

import base64
import codecs
import json
from pathlib import Path
from typing import Any

import pytest

from tests.hostile.cases import MB_10, Case, Csscgen, assert_refused
from tests.hostile.conftest import Project

SECRET = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270"}
ADVICE = ("The state file ", "state.json cannot be read", "Restore it; or run `csscgen destroy --stack local-smoke`")
RESOURCE = {"urn": "urn:pulumi:x::p::t::n", "type": "t", "name": "n", "custom": True, "id": "1"}


def state(**changes: Any) -> str:
    """A state file, with entries replaced; one that is `...` is left out."""
    whole = {"version": 1, "salt": None, "resources": [], "pending": {}, "outputs": {"url": "x"}, **changes}
    return json.dumps({key: value for key, value in whole.items() if value is not ...})


def failing(given: str | bytes, *words: str) -> Case:
    return Case(given, (*ADVICE, *words), 1)


FILES: dict[str, Case] = {
    "empty, as a full disk leaves it": failing(""),
    "cut off": failing(state(resources=[RESOURCE])[:-40]),
    "zeros, as a file system leaves them": failing(b"\0" * 4096),
    "binary": failing(bytes(range(256))),
    "UTF-16": failing(state().encode("utf-16")),
    "UTF-8 with BOM": failing(codecs.BOM_UTF8 + state().encode()),
    "null": failing("null"),
    "a list": failing("[]"),
    "a number": failing("1"),
    "two documents": failing(state() * 2),
    "nested 100,000 deep": failing("[" * 100_000, "nested too deep"),
    "of a later version": failing(state(version=2), "its version is 2, this program writes 1"),
    "of no version": failing(state(version=...)),
    "a version of 10 MB": failing(state(version="x" * MB_10)),
    "of Pulumi itself": failing(json.dumps({"version": 3, "deployment": {"resources": []}}), "its version is 3"),
    "no resources": failing(state(resources=...)),
    "resources that are an object": failing(state(resources={"a": 1})),
    "resources that are null": failing(state(resources=None)),
    "a resource that is text": failing(state(resources=["x"])),
    "a resource without a name": failing(state(resources=[{"urn": "x"}])),
    "a resource twice": failing(state(resources=[RESOURCE, RESOURCE]), "twice"),
    "dependencies that are a number": failing(state(resources=[{**RESOURCE, "dependencies": 5}])),
    "inputs that are text": failing(state(resources=[{**RESOURCE, "inputs": "x"}])),
    "a count that is text": failing(state(resources=[{**RESOURCE, "kept": "many"}])),
    "pending that is a list": failing(state(pending=[1])),
    "pending without an operation": failing(state(pending={"x": {"resource": RESOURCE}})),
    "outputs that are a list": failing(state(outputs=[1])),
    "outputs that are null": failing(state(outputs=None)),
    "a salt that is a number": failing(state(salt=5, outputs={"x": {**SECRET, "ciphertext": "AAAA"}})),
    "a secret without its text": failing(state(outputs={"x": SECRET})),
    "a secret of another key": Case(
        state(outputs={"x": {**SECRET, "ciphertext": base64.b64encode(b"x" * 64).decode()}}),
        ("secrets that the present key does not open", "Bring back the key file"),
    ),
    "a secret that is no base64": failing(state(outputs={"x": {**SECRET, "ciphertext": "~" * 5}})),
    "a secret that is too short": failing(state(outputs={"x": {**SECRET, "ciphertext": "AAAA"}})),
    "a salt of somebody's passphrase": Case(
        state(salt="AAAA", outputs={"x": {**SECRET, "ciphertext": base64.b64encode(b"x" * 64).decode()}}),
        ("is encrypted with a passphrase", "Set PULUMI_CONFIG_PASSPHRASE"),
    ),
}


def put(project: Project, case: Case) -> Path:
    """The state file of a case, and a key beside it."""
    file = project.state / "local-smoke" / "state.json"
    file.parent.mkdir(parents=True)
    file.write_bytes(case.given if isinstance(case.given, bytes) else case.given.encode())
    (project.state / "key").write_bytes(base64.b64encode(b"k" * 32))
    return file


@pytest.mark.parametrize("name", FILES)
def test_a_state_file(project: Project, csscgen: Csscgen, name: str) -> None:
    file = put(project, FILES[name])
    content = file.read_bytes()

    assert_refused(csscgen("outputs", "--stack", "local-smoke"), FILES[name])

    assert file.read_bytes() == content
    assert sorted(each.name for each in file.parent.iterdir()) == ["state.json"]
    assert (project.state / "key").read_bytes() == base64.b64encode(b"k" * 32)


@pytest.mark.parametrize("name", FILES)
def test_a_state_file_is_kept_by_a_destroy(project: Project, csscgen: Csscgen, name: str) -> None:
    case = FILES[name]
    file = put(project, case)
    content = file.read_bytes()

    said = csscgen("destroy", "--stack", "local-smoke")

    if case.code == 1:  # it is none, and what the stack made is found without it
        assert said.code == 0
        assert "the state file that could not be read is kept as" in said.err
    else:  # it is one, and has to be opened
        assert_refused(said, case)
    (kept,) = file.parent.iterdir()
    assert kept.name.startswith("state.json.unreadable-" if case.code == 1 else "state.json")
    assert kept.read_bytes() == content
    assert (project.state / "key").read_bytes() == base64.b64encode(b"k" * 32)


KEYS: dict[str, Case] = {
    "empty": Case("", ("key", "it is not a key")),
    "cut off": Case(base64.b64encode(b"k" * 20), ("key", "it is not a key")),
    "binary": Case(bytes(range(256)), ("key", "it is not a key")),
    "of another state": Case(base64.b64encode(b"o" * 32), ("the present key does not open", "Bring back the key file")),
}


@pytest.mark.parametrize("name", KEYS)
def test_the_key_of_a_state_s_secrets(project: Project, csscgen: Csscgen, name: str) -> None:
    given = KEYS[name].given
    content = given if isinstance(given, bytes) else given.encode()
    file = project.state / "local-smoke" / "state.json"
    file.parent.mkdir(parents=True)
    text = state(outputs={"x": {**SECRET, "ciphertext": base64.b64encode(b"x" * 64).decode()}})
    file.write_text(text)
    (project.state / "key").write_bytes(content)

    assert_refused(csscgen("outputs", "--stack", "local-smoke"), KEYS[name])

    assert file.read_text() == text
    assert (project.state / "key").read_bytes() == content


def test_the_key_of_a_state_s_secrets_is_gone(project: Project, csscgen: Csscgen) -> None:
    file = project.state / "local-smoke" / "state.json"
    file.parent.mkdir(parents=True)
    file.write_text(state(outputs={"x": {**SECRET, "ciphertext": base64.b64encode(b"x" * 64).decode()}}))
    assert_refused(
        csscgen("outputs", "--stack", "local-smoke"), Case("", ("cannot be read from", "Bring the file back"))
    )
    assert not (project.state / "key").exists()


@pytest.mark.parametrize("name", ["state.json", "lock"])
def test_a_folder_where_a_file_of_the_state_is_due(project: Project, csscgen: Csscgen, name: str) -> None:
    (project.state / "local-smoke" / name / "mine").mkdir(parents=True)
    assert_refused(csscgen("destroy", "--stack", "local-smoke"), Case("", (name, "Is a directory"), 1))
    assert (project.state / "local-smoke" / name / "mine").is_dir()


def test_a_file_where_the_folder_of_a_stack_is_due(project: Project, csscgen: Csscgen) -> None:
    project.state.mkdir()
    (project.state / "local-smoke").write_text("mine")
    assert_refused(csscgen("destroy", "--stack", "local-smoke"), Case("", ("local-smoke", "File exists"), 1))
    assert (project.state / "local-smoke").read_text() == "mine"


def test_the_state_of_one_stack_does_not_spoil_another_s(project: Project, csscgen: Csscgen) -> None:
    for name, text in {"local-smoke": "[", "local-S": state()}.items():
        (project.state / name).mkdir(parents=True)
        (project.state / name / "state.json").write_text(text)
    assert json.loads(csscgen("outputs", "--stack", "local-S").out) == {"url": "x"}
    assert_refused(csscgen("outputs", "--stack", "local-smoke"), failing(""))

from __future__ import annotations

from pathlib import Path

import pytest

from infra.engine.places import instance_of, state_folder, state_folders
from workloads.errors import UsageError


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CSSCGEN_STATE", str(tmp_path))
    monkeypatch.delenv("CSSCGEN_INSTANCE", raising=False)


def test_an_instance_has_a_folder_of_its_own_that_no_stack_can_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert state_folder(tmp_path) == tmp_path
    assert state_folder(tmp_path, "a") == tmp_path / "@a"
    monkeypatch.setenv("CSSCGEN_INSTANCE", "b")
    assert state_folder(tmp_path) == tmp_path / "@b"
    assert state_folder(tmp_path, "") == tmp_path
    assert (instance_of(tmp_path / "@b"), instance_of(tmp_path)) == ("b", None)


@pytest.mark.parametrize("name", ["a/b", "..", ".a", "-a", "a b", "@a", "x" * 41, "é"])
def test_what_cannot_be_a_name_is_refused(tmp_path: Path, name: str):
    with pytest.raises(UsageError, match="cannot be the name of an instance"):
        state_folder(tmp_path, name)


def test_all_folders_with_states(tmp_path: Path):
    (tmp_path / "@b").mkdir()
    (tmp_path / "@a").mkdir()
    (tmp_path / "@file").touch()
    (tmp_path / "local-S").mkdir()
    assert state_folders(tmp_path) == [tmp_path, tmp_path / "@a", tmp_path / "@b"]

from __future__ import annotations

import os
import stat

import pytest

from infra.local.files import write

FILE = """
    import pulumi
    from infra.local.files import LocalFile
    config = pulumi.Config()
    LocalFile("file", config.require("path"), config.require("text"))
"""
FOLDER = """
    import pulumi
    from pathlib import Path
    from infra.local.files import LocalFolder
    LocalFolder("folder", Path(pulumi.Config().require("path")))
"""


def mode(path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_is_readable_by_its_owner_only_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        write(tmp_path / "deep" / "er" / "file", "text")
    finally:
        os.umask(before)
    assert (tmp_path / "deep" / "er" / "file").read_text() == "text"
    assert mode(tmp_path / "deep" / "er" / "file") == 0o600


def test_a_file_is_replaced_as_a_whole_and_never_changed_in_place(tmp_path):
    file = tmp_path / "file"
    write(file, "old and long")
    with file.open() as reader:
        write(file, "new")
        assert reader.read() == "old and long"
    assert file.read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_write_that_fails_leaves_the_file_as_it_was(tmp_path):
    file = tmp_path / "file"
    write(file, "old")
    with pytest.raises(UnicodeEncodeError):
        write(file, "new \udc80")
    assert file.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_file_is_made_updated_moved_and_removed_with_its_stack(project, tmp_path):
    first, second = tmp_path / "a" / "file", tmp_path / "b" / "file"
    project.write(FILE).up(path=str(first), text="one")
    assert (first.read_text(), mode(first)) == ("one", 0o600)
    assert project.up(path=str(first), text="one").changes.get("update") is None
    assert project.up(path=str(first), text="two").changes["update"] == 1
    assert first.read_text() == "two"
    project.up(path=str(second), text="two")
    assert (first.exists(), second.read_text()) == (False, "two")
    project.destroy()
    assert not second.exists()


def test_a_file_that_somebody_removed_is_no_obstacle_to_destroy(project, tmp_path):
    project.write(FILE).up(path=str(tmp_path / "file"), text="one")
    (tmp_path / "file").unlink()
    project.destroy()


def test_a_folder_is_its_owner_s_and_goes_with_all_that_is_in_it(project, tmp_path):
    folder = tmp_path / "deep" / "folder"
    project.write(FOLDER).up(path=str(folder))
    assert mode(folder) == 0o700
    (folder / "left").write_text("by a process")
    project.destroy()
    assert not folder.exists()
    assert project.destroy().changes == {}

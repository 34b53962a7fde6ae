"""csscgen compare, with the page of the comparison."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from analysis.results import analyse
from tests.analysis.runs import known_run, pod, write_lines
from tests.csscgen.commands import csscgen


@pytest.fixture
def two(tmp_path: Path) -> tuple[str, str]:
    """Two runs: a pod more was denied in the second one."""
    folders = [known_run(tmp_path / name) for name in ("one", "two")]
    more = [pod("a", 1000.5, 1002.5, "ready"), *(pod(None, None, None, "denied", "no") for _ in range(3))]
    write_lines(folders[1] / "pods.jsonl", more)
    for folder in folders:
        analyse(folder)
    return str(folders[0]), str(folders[1])


def test_the_page_is_written_whole_even_if_something_is_worse(
    two: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "new folder" / "page.html"
    code, out, err = csscgen(capsys, "compare", *two, "--html", str(file), "--json")
    assert code == 3
    assert json.loads(out)["rows"]
    assert f"The page is {file}." in err
    assert "pods denied (from 1 to 3)" in file.read_text().lower()
    assert [each.name for each in file.parent.iterdir()] == ["page.html"]
    file.write_text("old")
    assert csscgen(capsys, "compare", *two, "--html", str(file))[0] == 3
    assert file.read_text().startswith("<!doctype html>")


@pytest.mark.parametrize("place", ["", "one/run.json/page.html"])
def test_what_is_no_file_is_not_replaced(
    two: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str], place: str
) -> None:
    code, out, err = csscgen(capsys, "compare", *two, "--html", str(tmp_path / place))
    assert code in (1, 2)
    assert out == ""
    assert err.startswith(("Error: ", "Usage: ")) and "Traceback" not in err
    assert (tmp_path / "one" / "run.json").is_file()

"""Builds with a stand-in for ``go`` where what is tested is what happens around it, and with the real one where not."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from infra.local import tools
from infra.local.tools import Tool, builds, cache_folder, find, missing
from workloads.errors import ToolError

PACKAGE = "ratify-perf/tools/tiny"
TINY = Tool("tiny", {"tiny": PACKAGE}, version_args=())
ROOT = Path(__file__).resolve().parents[3]

FAKE_GO = """\
#!/bin/sh
# Stands for: go -C MODULE list ... | go -C MODULE build -v ... -o TARGET/ PACKAGE
echo "$3" >> "$CALLS"
[ "$3" = list ] && { echo one; echo two; exit 0; }
while [ "$1" != -o ]; do shift; done
"""
SUCCEEDS = 'echo one >&2; echo two >&2; sleep 0.2; mkdir -p "$2"; echo "#!/bin/sh" > "$2/tiny"; chmod +x "$2/tiny"'
FAILS = 'for n in $(seq 40); do echo "tiny.go:$n: undefined: x" >&2; done; mkdir -p "$2"; touch "$2/tiny"; exit 1'
HANGS = 'mkdir -p "$2"; touch "$2/tiny"; echo compiling >&2; exec sleep 600'


@pytest.fixture
def workshop(tmp_path, monkeypatch):
    """A cache and a module of the test's own, nothing cached."""
    (tmp_path / "tools" / "tiny").mkdir(parents=True)
    (tmp_path / "tools" / "tiny" / "go.mod").write_text(f"module {PACKAGE}\n\ngo 1.21\n")
    monkeypatch.setattr(tools, "MODULES", tmp_path / "tools")
    monkeypatch.setattr(builds, "MODULES", tmp_path / "tools")
    monkeypatch.setitem(tools.TOOLS, "tiny", TINY)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    monkeypatch.delenv("CSSCGEN_TINY", raising=False)
    return tmp_path


def use_go(workshop: Path, monkeypatch: pytest.MonkeyPatch, build: str) -> None:
    """Puts a ``go`` on PATH that builds as told."""
    go = workshop / "bin" / "go"
    go.parent.mkdir(exist_ok=True)
    go.write_text(FAKE_GO + build + "\n")
    go.chmod(0o755)
    monkeypatch.setenv("PATH", f"{go.parent}:/usr/bin:/bin")


def built(workshop: Path) -> int:
    """How many builds were begun."""
    calls = workshop / "calls"
    return calls.read_text().split().count("build") if calls.exists() else 0


def left(workshop: Path) -> list[str]:
    """What the cache has beside locks."""
    folder = workshop / "cache" / "csscgen"
    return sorted(file.name for file in folder.iterdir() if file.suffix != ".lock") if folder.exists() else []


def test_what_is_missing_is_built_once(workshop, monkeypatch):
    use_go(workshop, monkeypatch, SUCCEEDS)
    assert builds.install([TINY]) == [TINY]
    assert builds.install([TINY]) == []
    assert built(workshop) == 1
    assert left(workshop) == [cache_folder(TINY).name]
    found = find("tiny")
    assert found is not None
    assert os.access(found.path, os.X_OK)


def test_progress_is_told_as_packages_of_packages(workshop, monkeypatch):
    use_go(workshop, monkeypatch, SUCCEEDS)
    said: list[tuple] = []
    builds.install([TINY], lambda tool, what, done, total: said.append((tool.name, what, done, total)))
    assert said[-2:] == [("tiny", "one", 1, 2), ("tiny", "two", 2, 2)]


def test_a_failed_build_shows_the_last_lines_and_what_to_do_and_leaves_nothing(workshop, monkeypatch):
    use_go(workshop, monkeypatch, FAILS)
    with pytest.raises(ToolError) as told:
        builds.install([TINY])
    text = str(told.value)
    assert "Building tiny from tools/tiny failed" in text
    assert "  tiny.go:40: undefined: x\n" in text
    assert "tiny.go:25:" not in text
    assert "csscgen tools install" in text
    assert "CSSCGEN_TINY" in text
    assert left(workshop) == []
    assert missing([TINY]) == [TINY]
    use_go(workshop, monkeypatch, SUCCEEDS)
    assert builds.install([TINY]) == [TINY]


def test_three_invocations_at_once_build_once(workshop, monkeypatch):
    use_go(workshop, monkeypatch, SUCCEEDS)
    together = threading.Barrier(3)
    results: list[list[Tool]] = []

    def install():
        together.wait(20)
        results.append(builds.install([TINY]))

    threads = [threading.Thread(target=install) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert built(workshop) == 1
    assert sorted(map(len, results)) == [0, 0, 1]


def test_a_build_that_is_killed_leaves_nothing_that_looks_finished(workshop, monkeypatch):
    use_go(workshop, monkeypatch, HANGS)
    code = f"""
        from pathlib import Path
        from infra.local import tools
        from infra.local.tools import Tool, builds
        tools.MODULES = builds.MODULES = Path({str(workshop / "tools")!r})
        tools.TOOLS["tiny"] = tiny = Tool("tiny", {{"tiny": {PACKAGE!r}}}, version_args=())
        builds.install([tiny], lambda *said: print(said[1], flush=True))
    """
    argv = [sys.executable, "-c", textwrap.dedent(code)]
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdout is not None
        while process.stdout.readline() != "compiling\n":
            assert process.poll() is None
        assert left(workshop) != []
        os.killpg(process.pid, signal.SIGKILL)
    assert find("tiny") is None
    assert missing([TINY]) == [TINY]
    use_go(workshop, monkeypatch, SUCCEEDS)
    assert builds.install([TINY]) == [TINY]
    assert left(workshop) == [cache_folder(TINY).name]


def test_ctrl_c_ends_the_compiler_and_leaves_nothing(workshop, monkeypatch):
    use_go(workshop, monkeypatch, HANGS)

    def progress(_tool, what, _done, _total):
        if what == "compiling":
            raise KeyboardInterrupt

    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        builds.install([TINY], progress)
    assert time.monotonic() - begun < 60
    assert left(workshop) == []


def test_a_cached_folder_that_lost_its_binary_is_built_anew(workshop, monkeypatch):
    use_go(workshop, monkeypatch, SUCCEEDS)
    builds.install([TINY])
    (cache_folder(TINY) / "tiny").unlink()
    assert missing([TINY]) == [TINY]
    assert builds.install([TINY]) == [TINY]
    assert missing([TINY]) == []


@pytest.mark.parametrize(
    ("package", "name"),
    [
        ("example.test/thing/cmd/server", "server"),
        ("example.test/thing/v3", "thing"),
        ("example.test/thing/v3/cmd/v2ray", "v2ray"),
    ],
)
def test_go_names_a_binary_after_its_package(package, name):
    assert builds._default_name(package) == name


MAIN = """
package main

import "fmt"

func main() { fmt.Println("tiny v1.2.3") }
"""


@pytest.mark.parametrize(("target", "said"), [(None, "GOOS= GOARCH="), ("linux/amd64", "GOOS=linux GOARCH=amd64")])
def test_a_tool_is_built_for_the_machine_where_it_runs(workshop, monkeypatch, target, said):
    monkeypatch.delenv("GOOS", raising=False)
    monkeypatch.delenv("GOARCH", raising=False)
    use_go(workshop, monkeypatch, f'echo "GOOS=$GOOS GOARCH=$GOARCH" > "$CALLS.target"; {SUCCEEDS}')
    tool = replace(TINY, target=target)
    monkeypatch.setitem(tools.TOOLS, "tiny", tool)
    builds.install([tool])
    assert (workshop / "calls.target").read_text().strip() == said


@pytest.mark.real
def test_the_real_compiler_builds_a_module_and_tells_what_is_wrong_with_one(workshop, monkeypatch):
    if shutil.which("go") is None:
        pytest.skip("there is no go on PATH")
    source = workshop / "tools" / "tiny" / "main.go"
    source.write_text(MAIN.replace("fmt.Println", "fmt.Prontln"))
    with pytest.raises(ToolError, match=r"main.go:6:\d+: undefined: fmt.Prontln"):
        builds.install([TINY])
    assert left(workshop) == []
    source.write_text(MAIN)
    assert builds.install([TINY]) == [TINY]
    said = subprocess.run([tools.path("tiny")], capture_output=True, text=True, check=True).stdout
    assert said == "tiny v1.2.3\n"

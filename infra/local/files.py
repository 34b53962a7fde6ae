"""Folders and files of a local stack as Pulumi resources."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, Resource, ResourceProvider, UpdateResult


def write(path: Path, text: str, mode: int = 0o600) -> None:
    """Writes a file atomically, never readable by others on the way."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.new")
    try:
        with open(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w") as handle:
            handle.write(text)
        os.replace(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)


def digest(text: str) -> str:
    """What tells one content of a file from another."""
    return hashlib.sha256(text.encode()).hexdigest()


class Replaced(ResourceProvider):
    """A resource that is made anew when an input changes."""

    inputs: tuple[str, ...] = ()

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        replaces = [key for key in self.inputs if olds.get(key) != news.get(key)]
        return DiffResult(changes=bool(replaces), replaces=replaces, delete_before_replace=True)

    def recover(self, props: dict[str, Any]) -> None:
        """Removes what a create that was cut off may have left."""
        self.delete("", props)


class ReplacedFolder(Replaced):
    """One whose files are all in a folder of its own, ``folder``, and go with it."""

    def delete(self, _id: str, props: dict[str, Any]) -> None:
        shutil.rmtree(props["folder"], ignore_errors=True)


class _FolderProvider(Replaced):
    inputs = ("path",)

    def create(self, props: dict[str, Any]) -> CreateResult:
        Path(props["path"]).mkdir(parents=True, exist_ok=True, mode=0o700)
        return CreateResult(props["path"], props)

    def delete(self, _id: str, props: dict[str, Any]) -> None:
        shutil.rmtree(props["path"], ignore_errors=True)


class LocalFolder(Resource, module="local", name="Folder"):
    """A folder that only its owner may enter; destroy removes it with all that is in it."""

    path: pulumi.Output[str]

    def __init__(self, resource_name: str, path: Path, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(_FolderProvider(), resource_name, {"path": str(path)}, opts)


class _FileProvider(Replaced):
    inputs = ("path",)

    def create(self, props: dict[str, Any]) -> CreateResult:
        write(Path(props["path"]), props["text"])
        return CreateResult(props["path"], props)

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        result = super().diff(_id, olds, news)
        result.changes = result.changes or olds["text"] != news["text"]
        return result

    def update(self, _id: str, _olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        write(Path(news["path"]), news["text"])
        return UpdateResult(news)

    def delete(self, _id: str, props: dict[str, Any]) -> None:
        Path(props["path"]).unlink(missing_ok=True)


class LocalFile(Resource, module="local", name="File"):
    """A text file of mode 0600. It holds no secret: its text is in the state."""

    path: pulumi.Output[str]
    text: pulumi.Output[str]

    def __init__(
        self,
        resource_name: str,
        path: pulumi.Input[str],
        text: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(_FileProvider(), resource_name, {"path": path, "text": text}, opts)

"""Where a registry's contents are kept beside memory: nowhere, or in a file that outlasts the process.

Everything is read from memory. A push or delete is written here before it is done there and before it is answered, so
a registry that is killed and started again has all that it ever confirmed. An upload that is not finished is not kept:
its client begins anew, as the specification has it.

The file is SQLite in WAL mode without fsync: what the kernel has taken survives the death of the process, not of the
machine. It is locked by the one process that has it open.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from infra.local.registry.protocol import Refusal
from workloads.errors import UsageError

VERSION = 1
_SCHEMA = f"""
CREATE TABLE contents (digest TEXT PRIMARY KEY, content BLOB NOT NULL);
CREATE TABLE repositories (name TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE blobs (repository TEXT, digest TEXT, PRIMARY KEY (repository, digest)) WITHOUT ROWID;
CREATE TABLE manifests (repository TEXT, digest TEXT, media_type TEXT, content BLOB, PRIMARY KEY (repository, digest));
CREATE TABLE tags (repository TEXT, tag TEXT, digest TEXT, PRIMARY KEY (repository, tag)) WITHOUT ROWID;
PRAGMA user_version = {VERSION};
"""

Statement = tuple[str, Sequence[str | bytes]]


class Memory:
    """Keeps nothing: the contents end with the process."""

    def put_repository(self, name: str) -> None: ...

    def put_blob(self, repository: str, digest: str, content: bytes) -> None: ...

    def delete_blob(self, repository: str, digest: str) -> None: ...

    def put_manifest(self, repository: str, digest: str, media_type: str, content: bytes, tag: str | None) -> None: ...

    def delete_manifest(self, repository: str, digest: str) -> None: ...

    def delete_tag(self, repository: str, tag: str) -> None: ...

    def repositories(self) -> Iterator[str]:
        return iter(())

    def blobs(self) -> Iterator[tuple[str, str, bytes]]:
        """Repository, digest, content."""
        return iter(())

    def manifests(self) -> Iterator[tuple[str, str, str, bytes]]:
        """Repository, digest, media type, content."""
        return iter(())

    def tags(self) -> Iterator[tuple[str, str, str]]:
        """Repository, tag, digest."""
        return iter(())


class Disk(Memory):
    """Keeps everything in a file. A write that fails raises Refusal (503), and changes nothing.

    Raises UsageError if the file cannot be opened, or is not a registry's.
    """

    def __init__(self, file: Path) -> None:
        try:
            self._database = sqlite3.connect(file, isolation_level=None, timeout=1)
            self._database.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = OFF")
            tables = self._database.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
            if not tables:
                self._database.executescript(f"BEGIN; {_SCHEMA} COMMIT")
            (version,) = self._database.execute("PRAGMA user_version").fetchone()
        except sqlite3.Error as error:
            raise UsageError(f"The registry's contents in {file} cannot be read: {error}. Name another file.") from None
        if version != VERSION:
            raise UsageError(f"{file} is not the contents of a registry of this version. Name another file.")

    def put_repository(self, name: str) -> None:
        self._write(("INSERT OR IGNORE INTO repositories VALUES (?)", (name,)))

    def put_blob(self, repository: str, digest: str, content: bytes) -> None:
        self._write(
            ("INSERT OR IGNORE INTO contents VALUES (?, ?)", (digest, content)),
            ("INSERT OR IGNORE INTO blobs VALUES (?, ?)", (repository, digest)),
        )

    def delete_blob(self, repository: str, digest: str) -> None:
        """Takes the blob from the repository, and its content away with the last one that had it."""
        self._write(
            ("DELETE FROM blobs WHERE repository = ? AND digest = ?", (repository, digest)),
            (
                "DELETE FROM contents WHERE digest = ? AND NOT EXISTS (SELECT 1 FROM blobs WHERE digest = ?)",
                (digest, digest),
            ),
        )

    def put_manifest(self, repository: str, digest: str, media_type: str, content: bytes, tag: str | None) -> None:
        statements: list[Statement] = [
            ("INSERT OR REPLACE INTO manifests VALUES (?, ?, ?, ?)", (repository, digest, media_type, content))
        ]
        if tag is not None:
            statements.append(("INSERT OR REPLACE INTO tags VALUES (?, ?, ?)", (repository, tag, digest)))
        self._write(*statements)

    def delete_manifest(self, repository: str, digest: str) -> None:
        key = repository, digest
        self._write(
            ("DELETE FROM manifests WHERE repository = ? AND digest = ?", key),
            ("DELETE FROM tags WHERE repository = ? AND digest = ?", key),
        )

    def delete_tag(self, repository: str, tag: str) -> None:
        self._write(("DELETE FROM tags WHERE repository = ? AND tag = ?", (repository, tag)))

    def repositories(self) -> Iterator[str]:
        return (name for (name,) in self._database.execute("SELECT name FROM repositories"))

    def blobs(self) -> Iterator[tuple[str, str, bytes]]:
        query = "SELECT repository, digest, content FROM blobs JOIN contents USING (digest)"
        return iter(self._database.execute(query))

    def manifests(self) -> Iterator[tuple[str, str, str, bytes]]:
        return iter(self._database.execute("SELECT repository, digest, media_type, content FROM manifests"))

    def tags(self) -> Iterator[tuple[str, str, str]]:
        return iter(self._database.execute("SELECT repository, tag, digest FROM tags"))

    def _write(self, *statements: Statement) -> None:
        try:
            with self._transaction():
                for statement in statements:
                    self._database.execute(*statement)
        except sqlite3.Error as error:
            raise Refusal("UNAVAILABLE", f"the registry cannot write to its disk: {error}") from None

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN")
        try:
            yield
            self._database.execute("COMMIT")
        except BaseException:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise

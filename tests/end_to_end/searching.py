"""Searches for secrets: every spelling of a key, a password or a token, in files, in what processes show, in output.

A secret is a string of bytes that nobody may show. It is looked for as it is, in hexadecimal, and in base64 at every
alignment (so that it is found inside of something longer that was encoded), with and without the line breaks and
escapes between.
"""

from __future__ import annotations

import json
import os
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

SHORTEST = 12
"""Bytes of a secret below which a search would find what is none."""
PRIVATE_KEY = b"PRIVATE KEY-----"
PATTERNS = {
    "a private key": re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "a bearer token": re.compile(rb"(?i)\bbearer [\w.~+/-]{16,}"),
    "a signed token": re.compile(rb"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}"),
    "basic credentials": re.compile(rb"(?i)\bbasic [A-Za-z0-9+/]{16,}={0,2}"),
    "a password": re.compile(
        rb'(?i)"(?:password|aadToken|auth|identitytoken|access_token|refresh_token|client-key-data)"\s*:\s*"[^"\s]{8,}"'
    ),
}
"""What a secret that nobody knows looks like."""
_BREAKS = re.compile(rb"\s|\\[rn]")


@dataclass(frozen=True)
class Secret:
    """Something that nobody may show, and what it is called when it was shown."""

    name: str
    value: bytes = field(repr=False)

    @property
    def spellings(self) -> set[bytes]:
        """All forms in which it could be shown."""
        assert len(self.value) >= SHORTEST, self.name
        found = {self.value, self.value.hex().encode(), self.value.hex().upper().encode()}
        for before in range(3):
            encoded = b64encode(bytes(before) + self.value)
            # Without the letters that hold bits of what is before or behind it.
            inner = encoded[-(-before * 8 // 6) : (before + len(self.value)) * 8 // 6]
            found |= {inner, inner.replace(b"+", b"-").replace(b"/", b"_")}
        return found


def searched(where: str, content: bytes, secrets: Iterable[Secret]) -> Iterator[str]:
    """A sentence for every secret that is in the content."""
    joined = _BREAKS.sub(b"", content)
    for secret in secrets:
        if any(spelling in text for spelling in secret.spellings for text in (content, joined)):
            yield f"{where} shows {secret.name}."
    for what, pattern in PATTERNS.items():
        if pattern.search(content):
            yield f"{where} shows {what}."


def secrets_in(folder: Path) -> tuple[list[Secret], list[Path]]:
    """The secrets that the files below a folder are there to hold, and these files."""
    secrets: list[Secret] = []
    holders = []
    for file in sorted(each for each in folder.rglob("*") if each.is_file()):
        name = str(file.relative_to(folder))
        found = list(_held(name, file))
        if found:
            secrets += found
            holders.append(file)
    return secrets, holders


def _held(name: str, file: Path) -> Iterator[Secret]:
    if file.name == "key" or file.suffix == ".key":
        content = file.read_bytes()
        if PRIVATE_KEY in content:
            yield from private_key(name, content)
        else:
            yield Secret(f"the key {name}", b64decode(content))
    elif file.parent.name == "registry-credentials" and file.name == "identities.json":
        for who, identity in json.loads(file.read_text()).items():
            for what in ("password", "aadToken"):
                yield Secret(f"the {what} of {who}", identity[what].encode())
    elif file.name == "config.json" and file.parent.parent.name == "registry-credentials":
        for login in json.loads(file.read_text())["auths"].values():
            yield Secret(f"a login of {name}", b64decode(login["auth"]))


def private_key(name: str, pem: bytes) -> list[Secret]:
    """What is secret of a key: its numbers, however they are wrapped, and the body of its file."""
    key: Any = serialization.load_pem_private_key(pem, password=None)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        numbers = [key.private_numbers().private_value]
    else:
        assert isinstance(key, rsa.RSAPrivateKey)
        private = key.private_numbers()
        numbers = [private.d, private.p, private.q]
    secrets = [
        Secret(f"the private key {name}", number.to_bytes((number.bit_length() + 7) // 8, "big")) for number in numbers
    ]
    lines = pem.strip().splitlines()
    return [*secrets, Secret(f"the file of the private key {name}", b"\n".join(lines[1:3]))]


def exposed_modes(holders: Iterable[Path], top: Path) -> Iterator[str]:
    """A sentence for every file that is there to hold secrets and that others than its owner may get at."""
    for file in holders:
        if file.stat().st_mode & 0o077:
            yield f"{file} has mode {file.stat().st_mode & 0o777:o}."
        folders = [each for each in file.parents if each == top or top in each.parents]
        if not any(folder.stat().st_mode & 0o077 == 0 for folder in folders):
            yield f"{file} is in a folder that others may enter."


def contents(folder: Path, holders: Iterable[Path]) -> Iterator[tuple[str, bytes]]:
    """Every file below a folder but the holders, and the words of compressed tables."""
    kept = set(holders)
    for place, _, names in os.walk(folder):
        for file in (Path(place, name) for name in names):
            if file in kept or not file.is_file():
                continue
            yield str(file), file.read_bytes()
            if file.suffix == ".parquet":
                yield str(file), _words(file)


def _words(file: Path) -> bytes:
    import pyarrow.parquet as pq

    table = pq.read_table(file, columns=["target", "metric", "labels"])
    return "\n".join(str(word) for column in table.columns for word in column.unique().to_pylist()).encode()

"""The search for secrets finds what is planted, in every spelling, and nothing else."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from base64 import b64decode, b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from infra.local.certificates import authority, signing_certificate
from tests.end_to_end.conftest import Place
from tests.end_to_end.exposing import Shown
from tests.end_to_end.searching import Secret, contents, exposed_modes, private_key, searched, secrets_in

PASSWORD = Secret("the password", b"correct horse/battery+staple")
ELSEWHERE = b"level=info msg=started at=127.0.0.1:20001\n"

SPELLINGS: dict[str, Callable[[bytes], bytes]] = {
    "as it is": lambda value: value,
    "in a line": lambda value: b'level=debug auth="' + value + b'"\n',
    "in hexadecimal": lambda value: value.hex().encode(),
    "in base64": b64encode,
    "in base64 for URLs": urlsafe_b64encode,
    "behind a user's name, in base64": lambda value: b64encode(b"push:" + value),
    "behind two letters, in base64": lambda value: b64encode(b"ab" + value),
    "inside, in base64": lambda value: b64encode(b'{"p":"' + value + b'"}'),
    "in base64 with line breaks": lambda value: b64encode(value)[:20] + b"\n" + b64encode(value)[20:],
    "in base64 with escaped line breaks": lambda value: b64encode(value)[:20] + b"\\n" + b64encode(value)[20:],
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_a_planted_secret_is_found(tmp_path: Path, name: str) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "etcd.log").write_bytes(ELSEWHERE + SPELLINGS[name](PASSWORD.value) + ELSEWHERE)
    (tmp_path / "logs" / "kwok.log").write_bytes(ELSEWHERE)
    found = [line for where, content in contents(tmp_path, []) for line in searched(where, content, [PASSWORD])]
    assert found == [f"{tmp_path}/logs/etcd.log shows the password."]


@pytest.mark.parametrize("kind", ["ES256", "PS256"])
@pytest.mark.parametrize("form", ["file", "one line", "JSON", "base64 of the file", "DER"])
def test_a_planted_private_key_is_found(kind: str, form: str) -> None:
    pem = signing_certificate(kind, "a test")[0]
    body = "".join(pem.strip().splitlines()[1:-1])
    planted = {
        "file": pem.encode(),
        "one line": body.encode(),
        "JSON": json.dumps({"key": pem}).encode(),
        "base64 of the file": b64encode(pem.encode()),
        "DER": b64decode(body),
    }[form]
    assert list(searched("x", planted, private_key("k", pem.encode())))


def test_a_certificate_is_no_secret() -> None:
    ca = authority("a test")
    key, certificate = ca.issue("somebody")
    assert list(searched("x", certificate.encode(), private_key("k", key.encode()))) == []


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer abcdefghijklmnopqrstuvwx",
        "token=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl",
        '{"password": "hunter2hunter2"}',
        '"auth":"cHVzaDpodW50ZXIyaHVudGVyMg=="',
        "-----BEGIN EC PRIVATE KEY-----",
        "Authorization: Basic cHVzaDpodW50ZXIyaHVudGVyMg==",
    ],
)
def test_what_looks_like_a_secret_is_found(text: str) -> None:
    assert list(searched("x", text.encode(), []))


def test_what_holds_secrets_is_read_and_its_modes_are_looked_at(tmp_path: Path) -> None:
    folder = tmp_path / "registry-credentials"
    folder.mkdir(mode=0o700)
    (folder / "identities.json").write_text(json.dumps({"push": {"password": "p" * 20, "aadToken": "t" * 20}}))
    (tmp_path / "signing.key").write_text(signing_certificate("ES256", "a test")[0])
    secrets, holders = secrets_in(tmp_path)
    assert [file.name for file in holders] == ["identities.json", "signing.key"]
    assert {secret.value for secret in secrets} >= {b"p" * 20, b"t" * 20}

    tmp_path.chmod(0o755)
    for file, mode in zip(holders, (0o600, 0o640), strict=True):
        file.chmod(mode)
    assert list(exposed_modes(holders, tmp_path)) == [
        f"{tmp_path}/signing.key has mode 640.",
        f"{tmp_path}/signing.key is in a folder that others may enter.",
    ]


@pytest.mark.parametrize(
    ("kind", "address", "status", "told"),
    [
        (socket.SOCK_STREAM, "127.0.0.1", psutil.CONN_LISTEN, []),
        (socket.SOCK_STREAM, "::1", psutil.CONN_LISTEN, []),
        (socket.SOCK_STREAM, "10.0.0.1", psutil.CONN_ESTABLISHED, []),
        (socket.SOCK_STREAM, "0.0.0.0", psutil.CONN_LISTEN, ["0.0.0.0:80 (TCP)"]),
        (socket.SOCK_STREAM, "::", psutil.CONN_LISTEN, [":::80 (TCP)"]),
        (socket.SOCK_DGRAM, "10.0.0.1", psutil.CONN_NONE, ["10.0.0.1:80 (UDP)"]),
    ],
)
def test_a_socket_that_others_can_reach_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Any, address: str, status: str, told: list[str]
) -> None:
    one = SimpleNamespace(type=kind, laddr=SimpleNamespace(ip=address, port=80), raddr=(), status=status)
    monkeypatch.setattr(psutil.Process, "net_connections", lambda self, _kind: [one])
    with process(tmp_path) as pid:
        shown = Shown()
        shown.look(Place(tmp_path), pid)
    assert [line.partition(" listens on ")[2] for line in shown.elsewhere] == [f"{each}." for each in told]


def test_command_lines_and_environments_are_read(tmp_path: Path) -> None:
    with process(tmp_path) as pid:
        shown = Shown()
        shown.look(Place(tmp_path), pid)
    words = b"".join(text for texts in shown.words.values() for text in texts)
    assert b"an argument" in words and b"A_VARIABLE=set" in words


@contextmanager
def process(place: Path) -> Iterator[int]:
    """A process of a stack in ``place``."""
    command = [sys.executable, "-c", "import time; print(flush=True); time.sleep(60)", "an argument"]
    environment = {"CSSCGEN_PROCESS": f"{place}/state/x/files:etcd", "A_VARIABLE": "set"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as started:
        assert started.stdout is not None
        started.stdout.readline()
        yield started.pid
        started.kill()

"""local-smoke with every real component, and login to the registry: nothing listens but on loopback, and no secret is
shown, neither while it runs nor by what it leaves."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address

import psutil
import pytest

from tests.end_to_end.conftest import Place
from tests.end_to_end.searching import Secret, contents, exposed_modes, searched, secrets_in

pytestmark = pytest.mark.real

STACK = ("--stack", "local-smoke")
PASSPHRASE = "correct horse battery staple"


@dataclass
class Shown:
    """What processes showed to everybody while they were watched."""

    listening: dict[str, set[str]] = field(default_factory=dict)
    """Name of a process → the addresses on which it listened."""
    elsewhere: set[str] = field(default_factory=set)
    """Sentences about sockets that are open to other machines."""
    words: dict[str, set[bytes]] = field(default_factory=dict)
    """Where → command lines and environments."""

    def look(self, place: Place, harness: int) -> None:
        """Takes down what the processes of the place, and the harness with its children, show now."""
        for process, ours in _processes(place, harness):
            try:
                name = process.name()
                connections = process.net_connections("inet")
                with open(f"/proc/{process.pid}/cmdline", "rb") as file:
                    self.words.setdefault(f"the command line of {name}", set()).add(file.read())
                if not ours:  # the harness has the environment of whoever starts it
                    with open(f"/proc/{process.pid}/environ", "rb") as file:
                        self.words.setdefault(f"the environment of {name}", set()).add(file.read())
            except (psutil.Error, OSError):
                continue
            for one in connections:
                udp = one.type == socket.SOCK_DGRAM and not one.raddr
                if one.status == psutil.CONN_LISTEN or udp:
                    self.listening.setdefault(name, set()).add(f"{one.laddr.ip}:{one.laddr.port}")
                    if not ip_address(one.laddr.ip).is_loopback:
                        kind = "UDP" if udp else "TCP"
                        self.elsewhere.add(f"{name} listens on {one.laddr.ip}:{one.laddr.port} ({kind}).")


def _processes(place: Place, harness: int) -> Iterator[tuple[psutil.Process, bool]]:
    for process in psutil.process_iter():
        try:
            if process.environ().get("CSSCGEN_PROCESS", "").startswith(str(place.folder)):
                yield process, False
        except (psutil.Error, OSError):
            continue
    try:
        top = psutil.Process(harness)
        for process in (top, *top.children(recursive=True)):
            if not process.environ().get("CSSCGEN_PROCESS"):
                yield process, True
    except psutil.Error:
        return


@contextmanager
def watching(place: Place, harness: int) -> Iterator[Shown]:
    """Looks three times a second, and once more at the end."""
    shown, stopping = Shown(), threading.Event()

    def watch() -> None:
        while not stopping.wait(0.3):
            shown.look(place, harness)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield shown
    finally:
        stopping.set()
        thread.join()
        shown.look(place, harness)


@pytest.mark.parametrize("key", ["file", "passphrase"])
def test_nothing_is_shown_to_anybody(place: Place, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    if key == "passphrase":
        monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", PASSPHRASE)
    run = place.start("run", *STACK, "--keep", "--set", "ratify.logLevel=debug", "--set", "gatekeeper.logLevel=DEBUG")
    with watching(place, run.pid) as shown:
        output, _ = run.communicate(timeout=240)
    assert run.returncode == 0, output
    assert {"etcd", "kube-apiserver", "gatekeeper", "ratify"} <= set(shown.listening), "they were not looked at"

    assert sorted(shown.elsewhere) == []

    secrets, holders = secrets_in(place.folder / "state")
    if key == "passphrase":
        secrets.append(Secret("the passphrase", PASSPHRASE.encode()))
    names = " ".join(secret.name for secret in secrets)
    for expected in ("signing.key", "service-account", "kube-apiserver", "ratify", "password of push", "login of"):
        assert expected in names, f"{expected} was not looked for"
    found = list(exposed_modes(holders, place.folder / "state"))
    for state in (place.folder / "state").rglob("state.json"):
        if state.stat().st_mode & 0o077:
            found.append(f"{state} has mode {state.stat().st_mode & 0o777:o}.")
    outputs = place.csscgen("outputs", *STACK)
    shown.words["the output of csscgen"] = {output.encode(), outputs.stdout.encode(), outputs.stderr.encode()}
    looked = 0
    for where, texts in shown.words.items():
        for text in texts:
            found += searched(where, text, secrets)
    for where, content in contents(place.folder, holders):
        looked += 1
        found += searched(where, content, secrets)
    assert looked > 30, "there are more files than these"
    assert found == []

    destroyed = place.csscgen("destroy", *STACK, "--shared")
    assert destroyed.returncode == 0, destroyed.stderr
    assert place.leftovers() == []

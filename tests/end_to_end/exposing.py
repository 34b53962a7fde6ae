"""What processes show to everybody while they run: sockets, command lines, environments."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address

import psutil

from tests.end_to_end.conftest import Place


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

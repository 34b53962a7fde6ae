"""A stack that is up, so far as the command line knows: its outputs are in a state, its peers are small servers."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from csscgen import arming, cluster
from infra.local.certificates import signing_certificate
from tests.csscgen.worlds import kept, stand_in_tools
from tests.hostile.conftest import Project

STACK, SHARED = "local-smoke", "local-shared"


def bring_up(project: Project, outputs: Mapping[str, Any], **common: Any) -> None:
    """Makes the stack look as if it were up, with these outputs; ``common`` are more of its shared stack."""
    key, certificate = signing_certificate("ES256", "a test")
    key_file = project.root / "signing.key"
    kept(key_file, key)
    shared: dict[str, Any] = {
        "signingKeyFile": str(key_file),
        "signingCertificate": certificate,
        "targets": {},
        "refusedSigners": {},
    }
    if "registry" in outputs:
        shared["registries"] = [{"region": "here", "size": "L", "host": outputs["registry"]}]
    for name, known in {STACK: outputs, SHARED: {**shared, **common}}.items():
        state: dict[str, Any] = {"version": 1, "salt": None, "resources": [], "pending": {}, "outputs": known}
        (project.state / name).mkdir(parents=True)
        (project.state / name / "state.json").write_text(json.dumps(state))
    stand_in_tools()


def impatient(patch: pytest.MonkeyPatch) -> None:
    """Watches that are given up as they would be, sooner."""
    patch.setattr(cluster, "PAUSE_SECONDS", 0.001)
    patch.setattr(cluster, "MAX_FAILURES", 6)
    patch.setitem(arming.DEADLINE_SECONDS, "local", 5.0)


@contextmanager
def raw_server(answer: bytes, *, hold: float = 0.0) -> Iterator[str]:
    """``host:port`` of a server that reads a request, sends these bytes, whatever they are, and hangs up."""
    listener = socket.create_server(("127.0.0.1", 0))
    stopping = threading.Event()

    def serve() -> None:
        while not stopping.is_set():
            with suppress(OSError):
                connection, _ = listener.accept()
                with connection:
                    connection.settimeout(1)
                    connection.recv(65536)
                    connection.sendall(answer)
                    stopping.wait(hold)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        stopping.set()
        with suppress(OSError):
            socket.create_connection(listener.getsockname(), 1).close()
        listener.close()
        thread.join(5)


def load_words(*words: str) -> list[str]:
    """A load of five pods that is created by the harness, which needs no engine."""
    changes = ("load.mode=created", "load.rate=100", "load.quietSeconds=1", "monitoring.scrapeSeconds=0.2", *words)
    return ["load", "--stack", STACK, "--quiet", *(word for change in changes for word in ("--set", change))]

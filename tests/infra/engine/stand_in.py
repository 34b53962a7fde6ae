"""The stand-in for the Pulumi CLI as a test sees it: what it is to do, and what it was asked."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

FAKE = Path(__file__).with_name("fake_pulumi.py")
OLD, NEW = "v3.205.0", "v3.272.0"
"""Versions that send events by a file, and by gRPC."""


class StandIn:
    """A ``pulumi`` that is first on PATH. Change its ``scenario`` inside ``changing()``."""

    def __init__(self, folder: Path, version: str = NEW) -> None:
        self.folder = folder
        self._write(
            {
                "version": version,
                "passphrase": False,
                "stacks": {},
                "programs": {},
                "outputs": {},
                "events": {},
                "says": {},
                "breaks": {},
                "hook": None,
            }
        )

    @property
    def scenario(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.folder / "scenario.json").read_text())
        return content

    @contextmanager
    def changing(self) -> Iterator[dict[str, Any]]:
        """The scenario, written when the block ends."""
        content = self.scenario
        yield content
        self._write(content)

    def _write(self, content: dict[str, Any]) -> None:
        (self.folder / "scenario.json").write_text(json.dumps(content))

    def calls(self, *words: str) -> list[dict[str, Any]]:
        """The calls so far; only those with these words in them."""
        file = self.folder / "calls.jsonl"
        found = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
        return [call for call in found if set(words) <= set(call["argv"])]

    def resources(self, stack: str) -> list[str]:
        """The names of what the stack has, components and itself left out."""
        found = self.scenario["stacks"].get(stack, {"resources": []})["resources"]
        return [each["urn"].split("::")[-1] for each in found if each.get("custom")]


def put_on_path(folder: Path, environment: pytest.MonkeyPatch, version: str = NEW) -> StandIn:
    """A stand-in in ``folder``, with no other pulumi, and no passphrase, in the environment."""
    folder.mkdir()
    script = folder / "pulumi"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} {FAKE} "$@"\n')
    script.chmod(0o755)
    environment.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    environment.setenv("FAKE_PULUMI", str(folder))
    for name in ("PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"):
        environment.delenv(name, raising=False)
    return StandIn(folder, version)


@contextmanager
def hooked(pulumi: StandIn, hook: Callable[[dict[str, Any]], dict[str, Any] | None]) -> Iterator[None]:
    """``hook`` is called, in a thread, when the stand-in begins an operation, which waits until it returns.

    What it returns are the outputs of the stack, each with whether it is secret; None for those of the scenario.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            outputs = hook(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(outputs).encode())

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            with pulumi.changing() as scenario:
                scenario["hook"] = f"http://127.0.0.1:{server.server_port}/"
            yield
        finally:
            server.shutdown()
            thread.join()

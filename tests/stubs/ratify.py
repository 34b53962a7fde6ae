"""A stub of Ratify's executable: it serves what `ratify serve` serves, and answers as a script says.

Gatekeeper's external data protocol over HTTPS with client certificates (Ratify 1.4, httpserver/handlers.go), and the
metrics page. ``python -m tests.stubs.ratify FOLDER serve --config=… --http=… …`` follows ``FOLDER/script.json``. A
thread per connection that sleeps until an answer is due: what it was late by is in the ledger.
"""

from __future__ import annotations

import argparse
import json
import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle
from pathlib import Path
from typing import Any

from tests.stubs.ledger import TIMED_OUT, Ledger, Line
from tests.stubs.registries import Repository
from tests.stubs.script import Outcome, Script, Step

PREFIX = "/ratify/gatekeeper/v1/"
UNSIGNED_PROBE = "/csscgen-probe/"
"""In the image that csscgen asks about before the load, and that nobody signed (csscgen/arming.py)."""
NO_SIGNATURE = "No verification results for the artifact {}. Ensure verifiers are properly configured"
UNRESOLVED = "could not resolve descriptor for a subject from any stores"


class Stub:
    """What is done with a request."""

    def __init__(self, folder: Path, config: dict[str, Any]) -> None:
        script = Script.read(folder / "script.json")
        self.ledger = Ledger(folder / "ledger.jsonl", script.spelling)
        self._config = config
        self._steps = {"verify": cycle(script.verify), "mutate": cycle(script.mutate)}
        self._lock = threading.Lock()

    def answer(self, endpoint: str, keys: list[str], began: float) -> tuple[int, dict[str, Any]]:
        """Status and body of the answer, once it is due. ``began`` is of the monotonic clock."""
        if any(UNSIGNED_PROBE in key for key in keys):
            step = Step(0, "unsigned")
        else:
            with self._lock:
                step = next(self._steps[endpoint])
        asked: list[tuple[str, str]] = []
        if endpoint == "verify":
            items = [_verdict(key, step.outcome) for key in keys]
            if step.lists:
                asked = self._listed(keys[0], step.lists)
        else:
            items = [{"key": key, "value": self._resolved(key, asked)} for key in keys]
        error = self._too_late() if step.outcome == "timeout" else ""
        time.sleep(max(0.0, began + step.milliseconds / 1000 - time.monotonic()))
        self.ledger.write(
            Line(
                at=time.time(),
                endpoint=endpoint,
                images=len(keys),
                planned=step.milliseconds,
                took=1000 * (time.monotonic() - began),
                outcome=step.outcome,
                error=error,
                asked=asked,
                hits=step.hits,
                misses=step.misses,
            )
        )
        said = {"systemError": error} if error else {"idempotent": endpoint == "mutate", "items": items}
        body = {"apiVersion": "externaldata.gatekeeper.sh/v1alpha1", "kind": "ProviderResponse", "response": said}
        return 500 if error else 200, body

    def _listed(self, image: str, times: int) -> list[tuple[str, str]]:
        with Repository(image, self._config) as repository:
            for _ in range(times):
                repository.list_referrers()
            return repository.asked

    def _resolved(self, image: str, asked: list[tuple[str, str]]) -> str:
        """The image by its digest; one that has it is as it was."""
        if "@" in image:
            return image
        with Repository(image, self._config) as repository:
            digest = repository.resolve()
            asked += repository.asked
        return f"{image.rpartition(':')[0]}@{digest}"

    def _too_late(self) -> str:
        return TIMED_OUT.format(self._config["executor"]["verificationRequestTimeout"] / 1000)


def _verdict(image: str, outcome: Outcome) -> dict[str, Any]:
    if outcome == "unresolved":
        return {"key": image, "error": UNRESOLVED}
    reports = [] if outcome == "success" else [{"isSuccess": False, "errorReason": NO_SIGNATURE.format(image)}]
    return {"key": image, "value": {"isSuccess": outcome == "success", "verifierReports": reports}}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body in one packet
    timeout = 600

    def log_message(self, *_: Any) -> None:
        """The ledger has it."""

    def _send(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, stub: Stub, handler: type[_Handler], context: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", port), handler)
        self.stub = stub
        if context:  # shaken in the connection's own thread, so that nobody waits for another's handshake
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def handle_error(self, *_: Any) -> None:
        """Probes hang up after the handshake, which is no error."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(*_)


class _Provider(_Handler):
    server: _Server

    def do_POST(self) -> None:
        began = time.monotonic()
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status, body = self.server.stub.answer(self.path.removeprefix(PREFIX), request["request"]["keys"], began)
        self._send(status, "application/json", json.dumps(body).encode())


class _Metrics(_Handler):
    server: _Server

    def do_GET(self) -> None:
        self._send(200, "text/plain; version=0.0.4", self.server.stub.ledger.page())


def main() -> None:
    """Serves until it is ended."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("command", choices=["serve"])
    for flag in ("--config", "--http", "--cert-dir", "--ca-cert-file", "--metrics-port"):
        parser.add_argument(flag, required=True)
    said, _ = parser.parse_known_args()
    stub = Stub(said.folder, json.loads(Path(said.config).read_text()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(f"{said.cert_dir}/tls.crt", f"{said.cert_dir}/tls.key")
    context.load_verify_locations(said.ca_cert_file)
    context.verify_mode = ssl.CERT_REQUIRED
    metrics = _Server(int(said.metrics_port), stub, _Metrics)
    threading.Thread(target=metrics.serve_forever, daemon=True).start()
    _Server(int(said.http.rpartition(":")[2]), stub, _Provider, context).serve_forever()


if __name__ == "__main__":
    main()

"""What one request costs the emulated registry, and the CNCF distribution registry beside it.

    scripts/bench registry

They hold one image in memory and are asked the same over kept-alive connections, in turns; the emulator a second time
with logins, where the two requests that a login adds are measured as well. Prints JSON: requests per second, a lower
bound because the load is made on the same processors, and the server's processor time per request.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import socket
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import uvloop

from infra.local import tools
from infra.local.tools import builds
from tests.infra.local.registry.helpers import IMAGE, digest, image

REQUESTS, CONNECTIONS = 20_000, 16
LAYER = b"x" * 1800
MANIFEST = image(LAYER)
LOG = "log: {level: error, accesslog: {disabled: true}}"  # as quiet as ours
CONFIG = f"{{version: 0.1, {LOG}, storage: {{inmemory: {{}}}}, http: {{addr: '127.0.0.1:%d'}}}}"
FIELDS = {"Accept": IMAGE, "Content-Type": IMAGE}
CASES = {
    "manifest_head": ("HEAD", "/v2/a/b/manifests/v1", b""),
    "manifest_get": ("GET", f"/v2/a/b/manifests/{digest(MANIFEST)}", b""),
    "blob_get": ("GET", f"/v2/a/b/blobs/{digest(LAYER)}", b""),
    "manifest_put": ("PUT", "/v2/a/b/manifests/v1", MANIFEST),
}


LOGIN = "Basic " + b64encode(b"me:a-password").decode()
IDENTITIES = {"me": {"password": "a-password", "actions": ["pull", "push"]}}
LOGIN_CASES = {
    "challenge": CASES["manifest_get"],
    "token": ("GET", "/oauth2/token?service=127.0.0.1:%d&scope=repository:a/b:pull,push", b""),
}


@dataclass
class Server:
    """A registry that runs, and the header fields that it is asked with."""

    process: psutil.Popen
    port: int
    fields: dict[str, str] = field(default_factory=lambda: dict(FIELDS))

    def ask(self, method: str, path: str, body: bytes = b"", **fields: str) -> tuple[http.client.HTTPResponse, bytes]:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port)) as connection:
            connection.request(method, path, body, self.fields | fields)
            answer = connection.getresponse()
            assert answer.status < 300, (method, path, answer.status)
            return answer, answer.read()


@contextlib.contextmanager
def started(distribution: str | None = None, *, login: bool = False) -> Iterator[Server]:
    """The distribution registry, or ours where there is no path, with the image in it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        config, identities = Path(folder, "config.yml"), Path(folder, "identities.json")
        config.write_text(CONFIG % port)
        identities.write_text(json.dumps(IDENTITIES))
        argv = [sys.executable, "-m", "infra.local.registry", f"--port={port}", "--size=L", "--region=local"]
        if distribution:
            argv = [distribution, "serve", str(config)]
        elif login:
            argv.append(f"--identities={identities}")
        process = psutil.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            time.sleep(1)  # longer than either takes to start
            server = Server(process, port)
            if login:
                method, path, _ = LOGIN_CASES["token"]
                token = json.loads(server.ask(method, path % port, Authorization=LOGIN)[1])["access_token"]
                server.fields["Authorization"] = f"Bearer {token}"
            for blob in (b"{}", LAYER):
                location = server.ask("POST", "/v2/a/b/blobs/uploads/")[0].headers["Location"]
                upload = location.removeprefix(f"http://127.0.0.1:{port}")
                server.ask("PUT", f"{upload}{'&' if '?' in upload else '?'}digest={digest(blob)}", blob)
            server.ask(*CASES["manifest_put"])
            yield server
        finally:
            process.terminate()
            process.wait()


async def load(port: int, method: str, path: str, body: bytes, fields: dict[str, str]) -> None:
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    request = (
        f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{lines}Content-Length: {len(body)}\r\n\r\n".encode() + body
    )

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(REQUESTS // CONNECTIONS):
            writer.write(request)
            answer = (await reader.readuntil(b"\r\n\r\n")).lower()
            assert answer.startswith((b"http/1.1 20", b"http/1.1 401")), answer
            if method != "HEAD":
                await reader.readexactly(int(answer.partition(b"content-length: ")[2].partition(b"\r")[0]))
        writer.close()

    await asyncio.gather(*(client() for _ in range(CONNECTIONS)))


def measure(server: Server, case: tuple[str, str, bytes], fields: dict[str, str]) -> dict[str, float]:
    before, start = sum(server.process.cpu_times()[:2]), time.perf_counter()
    uvloop.run(load(server.port, *case, fields))
    seconds, cpu = time.perf_counter() - start, sum(server.process.cpu_times()[:2]) - before
    return {"requests_per_s": round(REQUESTS / seconds), "cpu_us_per_request": round(cpu / REQUESTS * 1e6, 1)}


def measure_login(server: Server) -> dict[str, dict[str, float]]:
    """What a login adds to an operation: the refusal, and the token."""
    method, path, body = LOGIN_CASES["token"]
    return {
        "challenge": measure(server, LOGIN_CASES["challenge"], FIELDS),
        "token": measure(server, (method, path % server.port, body), FIELDS | {"Authorization": LOGIN}),
    }


if __name__ == "__main__":
    builds.install([tools.TOOLS["distribution"]])
    with started() as ours, started(login=True) as with_login, started(str(tools.path("registry"))) as distribution:
        servers = {"emulator": ours, "emulator_with_login": with_login, "distribution": distribution}
        figures = {
            case: {name: measure(server, asked, server.fields) for name, server in servers.items()}
            for case, asked in CASES.items()
        }
        for case, figure in measure_login(with_login).items():
            figures[case] = {"emulator_with_login": figure}
    print(json.dumps(figures, indent=2))

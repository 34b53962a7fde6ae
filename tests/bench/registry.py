"""What one request costs the emulated registry, and the CNCF distribution registry beside it.

    scripts/bench registry

Both hold one image in memory and are asked the same over kept-alive connections, in turns. Prints JSON: requests per
second, a lower bound because the load is made on the same processors, and the server's processor time per request.
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
from collections.abc import Iterator

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


@contextlib.contextmanager
def started(distribution: str | None) -> Iterator[tuple[psutil.Process, int]]:
    """The distribution registry, or ours where there is no path, with the image in it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
        file.write(CONFIG % port)
        file.flush()
        ours = [sys.executable, "-m", "infra.local.registry", "--port", str(port), "--size", "L", "--region", "local"]
        argv = [distribution, "serve", file.name] if distribution else ours
        process = psutil.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            time.sleep(1)  # longer than either takes to start
            for blob in (b"{}", LAYER):
                upload = ask(port, "POST", "/v2/a/b/blobs/uploads/").removeprefix(f"http://127.0.0.1:{port}")
                ask(port, "PUT", f"{upload}{'&' if '?' in upload else '?'}digest={digest(blob)}", blob)
            ask(port, *CASES["manifest_put"])
            yield process, port
        finally:
            process.terminate()
            process.wait()


def ask(port: int, method: str, path: str, body: bytes = b"") -> str:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port)) as connection:
        connection.request(method, path, body, FIELDS)
        answer = connection.getresponse()
        assert answer.status < 300, (method, path, answer.status)
        return answer.headers.get("Location", "")


async def load(port: int, method: str, path: str, body: bytes) -> None:
    fields = f"Host: 127.0.0.1\r\nAccept: {IMAGE}\r\nContent-Type: {IMAGE}\r\nContent-Length: {len(body)}"
    request = f"{method} {path} HTTP/1.1\r\n{fields}\r\n\r\n".encode() + body

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(REQUESTS // CONNECTIONS):
            writer.write(request)
            answer = (await reader.readuntil(b"\r\n\r\n")).lower()
            assert answer.startswith(b"http/1.1 20"), answer
            if method != "HEAD":
                await reader.readexactly(int(answer.partition(b"content-length: ")[2].partition(b"\r")[0]))
        writer.close()

    await asyncio.gather(*(client() for _ in range(CONNECTIONS)))


def measure(process: psutil.Process, port: int, case: str) -> dict[str, float]:
    before, start = sum(process.cpu_times()[:2]), time.perf_counter()
    uvloop.run(load(port, *CASES[case]))
    seconds, cpu = time.perf_counter() - start, sum(process.cpu_times()[:2]) - before
    return {"requests_per_s": round(REQUESTS / seconds), "cpu_us_per_request": round(cpu / REQUESTS * 1e6, 1)}


if __name__ == "__main__":
    builds.install([tools.TOOLS["distribution"]])
    with started(None) as ours, started(str(tools.path("registry"))) as distribution:
        servers = {"emulator": ours, "distribution": distribution}
        figures = {case: {name: measure(*server, case) for name, server in servers.items()} for case in CASES}
    print(json.dumps(figures, indent=2))

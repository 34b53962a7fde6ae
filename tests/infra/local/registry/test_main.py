"""The command, started for real."""

from __future__ import annotations

import contextlib
import http.client
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import oras.client  # type: ignore[import-untyped]
import psutil
import pytest

import infra
from infra.local.registry.server import OUTAGE_SECONDS
from tests.infra.local.registry.helpers import digest
from workloads.registries import sizes

ROOT = Path(infra.__file__).parent.parent
COMMAND = [sys.executable, "-m", "infra.local.registry"]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextlib.contextmanager
def started(size: str = "L", *more: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    port = free_port()
    arguments = ["--port", str(port), "--size", size, "--region", "eastus2", *more]
    process = subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=ROOT)
    with process:
        try:
            deadline = time.monotonic() + 20
            while not listens(port):
                assert process.poll() is None and time.monotonic() < deadline
                time.sleep(0.005)
            yield process, port
        finally:
            process.kill()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def ask(port: int, method: str, path: str, body: bytes = b"") -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    with contextlib.closing(connection):
        connection.request(method, path, body)
        response = connection.getresponse()
        return response, response.read()


def test_it_serves_on_loopback_only_and_ends_cleanly_when_asked():
    with started() as (process, port):
        response, _ = ask(port, "POST", f"/v2/app/blobs/uploads/?digest={digest(b'abc')}", b"abc")
        assert response.status == 201
        response, body = ask(port, "GET", f"/v2/app/blobs/{digest(b'abc')}")
        assert (response.status, body) == (200, b"abc")
        listening = [c for c in psutil.Process(process.pid).net_connections() if c.status == "LISTEN"]
        assert [tuple(c.laddr) for c in listening] == [("127.0.0.1", port)]
        with socket.create_connection(("127.0.0.1", port)):  # an idle client does not hold it up
            process.send_signal(signal.SIGTERM)
            output, _ = process.communicate(timeout=5)
        assert (process.returncode, output) == (0, b"")
    assert not listens(port)


def test_a_stop_while_it_starts_is_a_clean_end_too():
    with started() as (process, _):  # the port takes connections a moment before they are served
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=5)
    assert (process.returncode, output) == (0, b"")


def test_a_small_size_throttles_on_the_wire():
    with started("XS") as (_, port):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        limit = sizes()["XS"].limits["list_referrers"].registry
        with contextlib.closing(connection):
            statuses: list[int] = []
            while len(statuses) < 2 * limit and 429 not in statuses:
                connection.request("GET", f"/v2/app/referrers/{digest(b'abc')}")
                response = connection.getresponse()
                body = response.read()
                statuses.append(response.status)
        assert statuses[:limit] == [200] * limit
        assert statuses[-1] == 429
        assert b'"TOOMANYREQUESTS"' in body
        assert int(response.headers["Retry-After"]) >= 1
        assert b'registry_requests_total{category="list_referrers",status="429"} 1\n' in ask(port, "GET", "/metrics")[1]


def test_another_projects_client_can_push_and_pull(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data.txt").write_text("content")
    with started() as (_, port):
        client = oras.client.OrasClient(hostname=f"127.0.0.1:{port}", insecure=True)
        target = f"127.0.0.1:{port}/team/artifact:v1"
        assert client.push(target, files=["data.txt"]).status_code == 201
        assert client.get_tags(target) == ["v1"]
        (pulled,) = client.pull(target, outdir=str(tmp_path / "pulled"))
    with open(pulled, encoding="utf-8") as file:
        assert file.read() == "content"


def test_what_was_confirmed_survives_a_kill_at_any_moment(tmp_path):
    """A registry on disk is killed while a client pushes to it, several times, and has all that it ever confirmed."""
    confirmed: list[bytes] = []
    for life in range(3):
        with started("L", f"--storage={tmp_path / 'contents'}") as (process, port):
            for n in range(200):
                content = b"%d/%d" % (life, n) * 100
                if n == 60 * (life + 1):
                    threading.Timer(0.01, process.kill).start()
                try:
                    response, _ = ask(port, "POST", f"/v2/app/blobs/uploads/?digest={digest(content)}", content)
                except (OSError, http.client.HTTPException):
                    break
                assert response.status == 201
                confirmed.append(content)
            process.wait(10)
    with started("L", f"--storage={tmp_path / 'contents'}") as (_, port):
        for content in confirmed:
            response, body = ask(port, "GET", f"/v2/app/blobs/{digest(content)}")
            assert (response.status, body) == (200, content)
    assert len(confirmed) > 180


def test_signals_begin_and_end_an_outage_of_both_addresses():
    data = free_port()
    with started("L", f"--data-port={data}") as (process, port):
        content = b"abc"
        ask(port, "POST", f"/v2/app/blobs/uploads/?digest={digest(content)}", content)
        response, _ = ask(port, "GET", f"/v2/app/blobs/{digest(content)}")
        assert response.status == 307
        path = response.headers["Location"].removeprefix(f"http://127.0.0.1:{data}")
        assert ask(data, "GET", path)[1] == content
        for number, statuses in ((signal.SIGUSR1, (503, 503, 200)), (signal.SIGUSR2, (200, 200, 200))):
            process.send_signal(number)
            deadline = time.monotonic() + 5
            asked = ((port, "/v2/"), (data, path), (port, "/metrics"))
            while (found := tuple(ask(p, "GET", u)[0].status for p, u in asked)) != statuses:
                assert time.monotonic() < deadline, found


def test_an_outage_that_nobody_prolongs_ends_by_itself():
    with started("L") as (process, port):
        process.send_signal(signal.SIGUSR1)
        begun = time.monotonic()
        time.sleep(OUTAGE_SECONDS / 2)
        assert ask(port, "GET", "/v2/")[0].status == 503
        process.send_signal(signal.SIGUSR1)
        time.sleep(OUTAGE_SECONDS * 0.7)
        assert ask(port, "GET", "/v2/")[0].status == 503
        while ask(port, "GET", "/v2/")[0].status == 503:
            assert time.monotonic() - begun < 3 * OUTAGE_SECONDS
            time.sleep(0.1)


def test_a_login_takes_an_identity_and_leaves_no_secret_in_the_process_list(tmp_path):
    secret = "a-password-of-a-test"
    (tmp_path / "identities.json").write_text(json.dumps({"me": {"password": secret, "actions": ["pull"]}}))
    with started("L", f"--identities={tmp_path / 'identities.json'}") as (process, port):
        response, _ = ask(port, "GET", "/v2/")
        assert response.headers["WWW-Authenticate"].startswith(f'Bearer realm="http://127.0.0.1:{port}/oauth2/token"')
        assert secret not in " ".join(psutil.Process(process.pid).cmdline())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--port", "5000", "--size", "L", "--region", "x", "--latency-ms", "-1"], "'-1' is not a number"),
        (["--port", "5000", "--size", "L", "--region", "x", "--referrers-page", "x"], "'x' is not a whole number"),
        (["--port", "5000", "--size", "L", "--region", "x", "--identities", "/none"], "/none cannot be read"),
        (["--port", "5000", "--size", "L", "--region", "x", "--storage", "/none/x"], "/none/x cannot be read"),
        ([], "--port, --size, --region"),
        (["--port", "0", "--size", "L", "--region", "eastus2"], "'0' is not a port"),
        (["--port", "x", "--size", "L", "--region", "eastus2"], "'x' is not a port"),
        (["--port", "5000", "--size", "XXL", "--region", "eastus2"], "'XXL'"),
        (["--port", "5000", "--size", "L", "--region", "East US"], "'East US' is not a region"),
        (["--port", "5000", "--size", "L", "--region", "eastus2", "--host", "0.0.0.0"], "--host"),
    ],
)
def test_wrong_arguments_are_told_in_a_sentence(arguments, said):
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=20, cwd=ROOT)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1 and done.stderr.endswith(".\n")


def test_a_busy_port_is_told_in_a_sentence():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        arguments = ["--port", str(port), "--size", "L", "--region", "eastus2"]
        done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=20, cwd=ROOT)
    assert done.returncode == 2
    assert done.stderr == (
        f"The registry cannot listen on 127.0.0.1:{port}: Address already in use. Choose another port.\n"
    )

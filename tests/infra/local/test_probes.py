from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from infra.local import probes
from infra.local.certificates import CertificateAuthority, authority
from infra.local.sockets import free_ports


@contextmanager
def serving(status: int = 200, context: ssl.SSLContext | None = None) -> Iterator[int]:
    """An HTTP server on loopback that gives one answer; its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_):
            """Silence."""

    class Server(HTTPServer):
        def handle_error(self, *_):
            """A client that the server does not trust is no news."""

    with Server(("127.0.0.1", 0), Handler) as server:
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(("status", "ready"), [(200, True), (503, False), (404, False), (204, False)])
def test_an_http_probe_wants_200(status, ready):
    with serving(status) as port:
        assert probes.succeeds({"http": f"http://127.0.0.1:{port}/healthz"}) is ready


def test_a_tcp_probe_wants_a_listener():
    with socket.create_server(("127.0.0.1", 0)) as server:
        probe = {"tcp": float(server.getsockname()[1])}  # the CLI hands numbers on as floats
        assert probes.succeeds(probe)
    assert not probes.succeeds(probe)
    assert probes.describe(probe) == f"nothing listens on 127.0.0.1:{int(probe['tcp'])}"


def test_nothing_there_is_not_ready():
    (port,) = free_ports(1)
    probe = {"http": f"http://127.0.0.1:{port}/"}
    assert not probes.succeeds(probe)
    assert probes.describe(probe) == f"http://127.0.0.1:{port}/ does not answer 200"


def test_a_server_that_speaks_no_http_is_not_ready():
    def answer() -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(1024)
            connection.sendall(b"SSH-2.0-something\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=answer)
        thread.start()
        assert not probes.succeeds({"http": f"http://127.0.0.1:{server.getsockname()[1]}/"})
        thread.join()


def test_a_proxy_of_the_environment_is_not_asked(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    with serving() as port:
        assert probes.succeeds({"http": f"http://127.0.0.1:{port}/"})


def issue(folder: Path, root: CertificateAuthority) -> ssl.SSLContext:
    """Writes the certificates of a server and a client; the server's context, which asks for the client's."""
    key, cert = root.issue("somebody")
    for name, text in (("ca.crt", root.cert_pem), ("tls.crt", cert), ("tls.key", key)):
        (folder / name).write_text(text)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    context.load_verify_locations(folder / "ca.crt")
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def test_a_server_with_tls_is_asked_with_the_client_s_certificate(tmp_path):
    files = {"ca": str(tmp_path / "ca.crt"), "cert": str(tmp_path / "tls.crt"), "key": str(tmp_path / "tls.key")}
    with serving(context=issue(tmp_path, authority("one"))) as port:
        probe = {"http": f"https://127.0.0.1:{port}/readyz"}
        assert probes.succeeds({**probe, **files})
        assert not probes.succeeds({**probe, "ca": files["ca"]})
        assert not probes.succeeds(probe)
    # The same paths with other certificates, as after the stack was made anew by the same process.
    with serving(context=issue(tmp_path, authority("two"))) as port:
        assert probes.succeeds({"http": f"https://127.0.0.1:{port}/readyz", **files})


def test_a_handshake_probe_wants_a_certificate_that_is_valid_now(tmp_path):
    files = {"ca": str(tmp_path / "ca.crt"), "cert": str(tmp_path / "tls.crt"), "key": str(tmp_path / "tls.key")}
    root = authority("one")
    context = issue(tmp_path, root)
    key = (tmp_path / "tls.key").read_text()
    with serving(context=context) as port:
        probe = {"tls": port, **files}
        assert probes.succeeds(probe)
        assert probes.place(probe) == f"127.0.0.1:{port}"
        (tmp_path / "later.crt").write_text(root.issue("somebody", key_pem=key, after=timedelta(days=1))[1])
        context.load_cert_chain(tmp_path / "later.crt", tmp_path / "tls.key")
        assert not probes.succeeds(probe)
        context.load_cert_chain(tmp_path / "tls.crt", tmp_path / "tls.key")
        assert probes.succeeds(probe)
    assert not probes.succeeds(probe)


def test_a_server_that_is_stopped_accepts_connections_and_shakes_no_hands(monkeypatch, tmp_path):
    monkeypatch.setattr(probes, "TIMEOUT_SECONDS", 0.2)
    issue(tmp_path, authority("one"))
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert probes.succeeds({"tcp": port})
        assert not probes.succeeds({"tls": port, "ca": str(tmp_path / "ca.crt")})


def test_of_several_probes_all_have_to_succeed():
    (nowhere,) = free_ports(1)
    with serving() as port, serving(status=503) as unwell:
        assert probes.succeeds({"tcp": port, "http": f"http://127.0.0.1:{port}/"})
        assert not probes.succeeds({"tcp": nowhere, "http": f"http://127.0.0.1:{port}/"})
        assert not probes.succeeds({"tcp": port, "http": f"http://127.0.0.1:{unwell}/"})


def test_certificates_that_are_not_there_yet_are_not_ready(tmp_path):
    with serving() as port:
        assert not probes.succeeds({"http": f"https://127.0.0.1:{port}/", "ca": str(tmp_path / "ca.crt")})

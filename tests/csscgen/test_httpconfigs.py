"""The login to a Prometheus: by promtool's file or a variable, never in the clear, never to another address."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import web

from csscgen.httpconfigs import TOKEN_VARIABLE, HttpConfig, read
from csscgen.prometheus import Prometheus
from tests.csscgen.prometheuses import FakePrometheus
from tests.csscgen.servers import ApiServer, in_background
from workloads.errors import CollectError, UsageError

HTTPS = "https://prometheus.example"
SECRET = "s3cret-token"


@pytest.fixture
def api() -> Iterator[ApiServer]:
    with in_background(ApiServer()) as server:
        yield server


def config(folder: Path, text: str) -> Path:
    file = folder / "http.yaml"
    file.write_text(text)
    return file


def header(folder: Path, text: str) -> str:
    found = read(HTTPS, config(folder, text), {})
    assert found is not None
    return found.authorization


def test_a_token_and_a_password_come_from_files_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    assert header(tmp_path, "authorization: {credentials_file: secret}") == f"Bearer {SECRET}"
    basic = header(tmp_path, "basic_auth: {username: me, password_file: secret}")
    assert basic == "Basic bWU6czNjcmV0LXRva2Vu"


def test_a_token_comes_from_the_environment_where_no_file_has_a_login(tmp_path: Path) -> None:
    assert read(HTTPS, None, {TOKEN_VARIABLE: SECRET}) == HttpConfig(f"Bearer {SECRET}")
    file = config(tmp_path, "authorization: {credentials: other}")
    assert read(HTTPS, file, {TOKEN_VARIABLE: SECRET}) == HttpConfig("Bearer other")
    assert read(None, None, {TOKEN_VARIABLE: SECRET}) is None


def test_the_secret_is_not_shown() -> None:
    assert SECRET not in repr(HttpConfig(f"Bearer {SECRET}"))


def test_the_login_is_sent_and_a_netrc_is_not_taken(api: ApiServer, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("NETRC", str(config(tmp_path, "machine 127.0.0.1 login a password b")))
    api.pages["/api/v1/query"] = FakePrometheus().answer
    Prometheus(api.url, read(api.url, None, {TOKEN_VARIABLE: SECRET})).instant("x", 1)
    assert api.headers[-1]["Authorization"] == f"Bearer {SECRET}"
    Prometheus(api.url).instant("x", 1)
    assert "Authorization" not in api.headers[-1]


@pytest.mark.parametrize("host", ["prometheus.example", "10.0.0.1", "127.0.0.1.example"])
def test_a_login_in_the_clear_to_another_machine_is_refused(host: str) -> None:
    with pytest.raises(UsageError, match="in the clear") as caught:
        read(f"http://{host}:9090", None, {TOKEN_VARIABLE: SECRET})
    assert SECRET not in str(caught.value)
    assert read(f"http://{host}:9090", None, {}) == HttpConfig()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_on_this_machine_it_may_be_in_the_clear(host: str) -> None:
    assert read(f"http://{host}:9090", None, {TOKEN_VARIABLE: SECRET}) == HttpConfig(f"Bearer {SECRET}")


def test_no_redirect_to_another_address_is_followed(api: ApiServer) -> None:
    with in_background(ApiServer()) as other:

        async def away(_: web.Request) -> web.StreamResponse:
            raise web.HTTPFound(f"{other.url}/api/v1/query")

        api.pages["/api/v1/query"] = away
        with pytest.raises(CollectError, match="sends on to 127.0.0.1:[0-9]+, which is not followed"):
            Prometheus(api.url, HttpConfig(f"Bearer {SECRET}")).instant("x", 1)
        assert other.headers == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[]", "has to be an object"),
        ("a: [", "is not YAML"),
        ("oauth2: {}", "has a key that is not taken"),
        (f"authorization: {SECRET}", "has authorization in a form that cannot be used"),
        (f"authorization: {{credentials: {SECRET}, credentials_file: x}}", "needs credentials or credentials_file"),
        ("authorization: {}", "needs credentials or credentials_file"),
        ("authorization: {credentials_file: nowhere}", "cannot be read"),
        ("authorization: {credentials: ' '}", "holds no token or password"),
        (f"{{authorization: {{credentials: {SECRET}}}, basic_auth: {{username: a, password: b}}}}", "leave one"),
        ("tls_config: {insecure_skip_verify: true}", "TLS is always verified"),
        ("tls_config: {ca_file: nowhere}", "certificates that cannot be used"),
        ("tls_config: {ca_file: http.yaml}", "certificates that cannot be used"),
        ("tls_config: {cert_file: http.yaml}", "set both"),
    ],
)
def test_what_cannot_be_used_is_refused_and_shows_no_secret(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(HTTPS, config(tmp_path, text), {})
    assert told in str(caught.value)
    assert SECRET not in str(caught.value)

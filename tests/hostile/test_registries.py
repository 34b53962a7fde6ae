"""Answers of a registry that is none, is broken, or is somebody else's: seeding outlasts it or ends with a sentence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from aiohttp import web

from csscgen.artifacts import client, seeder, transport
from csscgen.artifacts.signing import SIGNATURE_TYPE
from tests.csscgen.artifacts.conftest import FakeRegistry
from tests.csscgen.servers import in_background
from tests.hostile.cases import MB_10, Case, Csscgen, assert_refused, message
from tests.hostile.conftest import Project
from tests.hostile.stacks import STACK, bring_up, raw_server

SEED = ["artifacts", "seed", "--stack", STACK, "--quiet", "--set", "scenario.replicas=1"]
FAILED = ("The registry 127.0.0.1:", "failed at ")
NOT_HELD = ("The registry 127.0.0.1:", "does not hold what was seeded")


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Repetitions as they would be, sooner, and not for five minutes."""
    monkeypatch.setattr(transport, "BACKOFF", (0.001, 0.01))
    budgets: Any = client.RegistryClient.__init__.__kwdefaults__
    monkeypatch.setitem(budgets, "budget", 0.1)
    defaults: Any = seeder.seed.__kwdefaults__
    monkeypatch.setitem(defaults, "patience", 1.0)


class Odd(NamedTuple):
    """What is answered to some kinds of request, and what is said of it; nothing is if that is outlasted."""

    kind: str
    answer: Callable[[], web.Response]
    says: tuple[str, ...] = ()


def html(status: int = 200, **headers: str) -> Callable[[], web.Response]:
    return lambda: web.Response(
        status=status,
        text="<html>Sign in</html>",
        content_type="text/html",
        headers={key.replace("_", "-"): value for key, value in headers.items()},
    )


def text(body: str, **headers: str) -> Callable[[], web.Response]:
    return lambda: web.Response(text=body, headers={key.replace("_", "-"): value for key, value in headers.items()})


def referrer(**changes: Any) -> Callable[[], web.Response]:
    entry = {"mediaType": "m", "digest": f"sha256:{'0' * 64}", "size": 5, "artifactType": SIGNATURE_TYPE, **changes}
    return lambda: web.json_response({"manifests": [{k: v for k, v in entry.items() if v is not ...}]})


THROTTLED = "answers 429 and would keep this request waiting"
ANSWERS: dict[str, Odd] = {
    "HTML for the tags": Odd("GET tags", html(), ("is not a JSON object", "or is no registry")),
    "HTML for an upload": Odd("POST blobs", html(), (*FAILED, "it answered 200")),
    "HTML for a manifest": Odd("HEAD manifests, GET manifests", html(), (*NOT_HELD, "the image is sha256:")),
    "HTML for referrers": Odd("GET referrers", html(), ("is not a JSON object", "or is no registry")),
    "no digest for a HEAD": Odd("HEAD manifests", lambda: web.Response(status=200)),
    "a digest that is none": Odd("HEAD manifests", text("", Docker_Content_Digest="many")),
    "another image's bytes": Odd("HEAD manifests, GET manifests", text("{}"), (*NOT_HELD, "the image is sha256:")),
    "an upload that goes nowhere": Odd("POST blobs", lambda: web.Response(status=202), ("(no Location)",)),
    "an upload that goes to another host": Odd(
        "POST blobs", html(202, Location="http://example.com/v2/x"), ("on to the host 'example.com'", "own registry")
    ),
    "an upload that goes to a file": Odd("POST blobs", html(202, Location="file:///etc/passwd"), ("on to the host",)),
    "an upload that goes to what is no address": Odd(
        "POST blobs", html(202, Location="http://[::1"), ("The registry 127.0.0.1:", "'http://[::1", "is no address")
    ),
    "an upload that goes to a port that is none": Odd(
        "POST blobs", html(202, Location="http://127.0.0.1:99999/x"), ("is no address",)
    ),
    "an upload that is sent on": Odd("POST blobs", html(307, Location="/v2/x"), (*FAILED, "it answered 307")),
    "a manifest that is sent on for ever": Odd("HEAD manifests", html(302, Location="/v2/x"), ("it answered 302",)),
    "200 for a manifest that was put": Odd("PUT manifests", html(200), (*FAILED, "it answered 200")),
    "401 without a challenge": Odd("GET tags", html(401), (*FAILED, "it answered 401")),
    "401 with a challenge of another host": Odd(
        "GET tags", html(401, WWW_Authenticate='Bearer realm="http://example.com/token"'), ("it answered 401",)
    ),
    "403 with words": Odd(
        "PUT manifests",
        lambda: web.json_response({"errors": [{"code": "DENIED", "message": "not yours"}]}, status=403),
        ("it answered 403 (DENIED: not yours)",),
    ),
    "403 with escapes of a terminal": Odd(
        "PUT manifests",
        lambda: web.json_response({"errors": [{"code": "\x1b[2J", "message": "\x1b[2J\n\n"}]}, status=403),
        ("it answered 403",),
    ),
    "403 with 10 MB": Odd(
        "PUT manifests",
        lambda: web.json_response({"errors": [{"code": "C" * MB_10, "message": "m" * MB_10}]}, status=403),
        ("it answered 403",),
    ),
    "403 with errors that are none": Odd(
        "PUT manifests", lambda: web.json_response({"errors": {"code": 5}}, status=403), ("it answered 403",)
    ),
    "418": Odd("GET tags", html(418), (*FAILED, "it answered 418")),
    "500 for ever": Odd("PUT manifests", html(500), ("attempts it answered 500",)),
    "429 for ever": Odd("PUT manifests", html(429), (THROTTLED,)),
    "429 for an hour": Odd("PUT manifests", html(429, Retry_After="3600"), (THROTTLED,)),
    "429 for 10^12 s": Odd("PUT manifests", html(429, Retry_After=str(10**12)), (THROTTLED,)),
    "429 for 10^400 s": Odd("PUT manifests", html(429, Retry_After="9" * 400), (THROTTLED,)),
    "429 for less than nothing": Odd("PUT manifests", html(429, Retry_After="-5"), (THROTTLED,)),
    "429 for a while": Odd("PUT manifests", html(429, Retry_After="a while"), (THROTTLED,)),
    "429 until a date that is past": Odd(
        "PUT manifests", html(429, Retry_After="Wed, 21 Oct 2015 07:28:00 GMT"), (THROTTLED,)
    ),
    "429 until a date that is none": Odd(
        "PUT manifests", html(429, Retry_After="Wed, 99 Oct 2015 07:28:00 GMT"), (THROTTLED,)
    ),
    "429 until a date of no zone": Odd(
        "PUT manifests", html(429, Retry_After="Fri, 31 Dec 9999 23:59:59 +9999999"), (THROTTLED,)
    ),
    "429 with nothing": Odd("PUT manifests", html(429, Retry_After=""), (THROTTLED,)),
    "referrers that are a list": Odd("GET referrers", text("[]"), ("is not a JSON object",)),
    "referrers that are cut off": Odd("GET referrers", text('{"manifests": ['), ("is not a JSON object",)),
    "referrers that are text": Odd("GET referrers", text('{"manifests": "x"}'), ("manifests is 'x'",)),
    "referrers that are numbers": Odd("GET referrers", text('{"manifests": [1]}'), ("manifests is 1",)),
    "referrers that are null": Odd("GET referrers", text('{"manifests": null}'), NOT_HELD),
    "a referrer without a digest": Odd("GET referrers", referrer(digest=...), ("digest is not there",)),
    "a referrer whose digest is a number": Odd("GET referrers", referrer(digest=5), ("digest is 5",)),
    "a referrer whose digest is a path": Odd(
        "GET referrers", referrer(digest="../../../etc"), ("digest is '../../../etc'",)
    ),
    "a referrer that is not there": Odd("GET referrers", referrer(), (*NOT_HELD, "has 1 signatures instead of 2")),
    "referrers whose next page is the same": Odd(
        "GET referrers", text('{"manifests": []}', Link='</v2/x/referrers/y>; rel="next"'), ("the same page",)
    ),
    "referrers whose next page is at another host": Odd(
        "GET referrers", text('{"manifests": []}', Link='<http://example.com/>; rel="next"'), ("example.com",)
    ),
    "referrers whose next page is no address": Odd(
        "GET referrers", text('{"manifests": []}', Link='<http://[::1>; rel="next"'), ("is no address",)
    ),
    "a link that is none": Odd("GET referrers", text('{"manifests": []}', Link="<<<;;;"), NOT_HELD),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer(project: Project, csscgen: Csscgen, name: str) -> None:
    odd = ANSWERS[name]

    async def fault(request: web.Request) -> web.Response | None:
        kind = "referrers" if "/referrers" in request.path else request.path.split("/")[3]
        return odd.answer() if f"{request.method} {kind}" in odd.kind.split(", ") else None

    with in_background(FakeRegistry(fault=fault)) as registry:
        bring_up(project, {"registry": registry.host})
        said = csscgen(*SEED)
    if odd.says:
        assert_refused(said, Case("", odd.says, 1))
    else:
        assert said.code == 0, said.err


LOGIN = '{"auths": {"%s": {"auth": "cHVzaDpodW50ZXIyaHVudGVyMg=="}}}'
CONFIGS: dict[str, Case] = {
    "empty": Case("", ("has no login to",)),
    "cut off": Case(LOGIN[:-9], ("has no login to",)),
    "a list": Case("[]", ("has no login to",)),
    "null": Case("null", ("has no login to",)),
    "of another host": Case(LOGIN % "other.example", ("has no login to",)),
    "a login that is text": Case('{"auths": {"%s": "x"}}', ("has no login to",)),
    "a login that is no base64": Case('{"auths": {"%s": {"auth": "~~~~"}}}', ("has no login to",)),
    "a login that is no UTF-8": Case('{"auths": {"%s": {"auth": "//79"}}}', ("has no login to",)),
    "a login without a password": Case('{"auths": {"%s": {"auth": "cHVzaA=="}}}', ("has no login to",)),
    "a helper of docker's": Case(
        '{"credsStore": "desktop", "auths": {"%s": {}}}', ("docker-credential-desktop, which",)
    ),
    "binary": Case(bytes(range(256)), ("has no login to",)),
    "nested 100,000 deep": Case("[" * 100_000, ("has no login to",)),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_a_file_with_logins(project: Project, csscgen: Csscgen, name: str) -> None:
    given = CONFIGS[name].given
    file = project.root / "config.json"
    file.write_bytes(given if isinstance(given, bytes) else given.replace("%s", "127.0.0.1:1").encode())
    bring_up(project, {"registry": "127.0.0.1:1"}, credentials={"push": str(file), "pull": str(file)})
    said = csscgen(*SEED)
    assert_refused(said, CONFIGS[name])
    assert "hunter2" not in said.err and "cHVzaD" not in said.err


def test_a_file_with_logins_that_is_gone(project: Project, csscgen: Csscgen) -> None:
    bring_up(project, {"registry": "127.0.0.1:1"}, credentials={"push": "/nonexistent/config.json"})
    assert "The registry logins in /nonexistent/config.json cannot be read" in message(csscgen(*SEED))


NO_TOKEN = ("answered a login with something that is no token",)
CHALLENGE = 'Bearer realm="http://%s/v2/oauth2/token/",service="x",scope="y"'


class Tokens(NamedTuple):
    """A challenge, what the token endpoint answers, and what is said of it."""

    challenge: str
    answer: Callable[[], web.Response]
    says: tuple[str, ...]


TOKENS: dict[str, Tokens] = {
    "HTML": Tokens(CHALLENGE, html(), NO_TOKEN),
    "nothing": Tokens(CHALLENGE, text(""), NO_TOKEN),
    "a list": Tokens(CHALLENGE, text("[]"), NO_TOKEN),
    "null": Tokens(CHALLENGE, text("null"), NO_TOKEN),
    "an object without a token": Tokens(CHALLENGE, text("{}"), NO_TOKEN),
    "a token that is a number": Tokens(CHALLENGE, text('{"token": 5}'), NO_TOKEN),
    "a token with a line break": Tokens(CHALLENGE, text('{"token": "a\\r\\nX-Evil: 1"}'), NO_TOKEN),
    "a token that is no ASCII": Tokens(CHALLENGE, text('{"token": "\u2028"}'), NO_TOKEN),
    "a life that is text": Tokens(CHALLENGE, text('{"token": "t", "expires_in": "soon"}'), NO_TOKEN),
    "a life that is a list": Tokens(CHALLENGE, text('{"token": "t", "expires_in": [1]}'), NO_TOKEN),
    "a life below nothing": Tokens(CHALLENGE, text('{"token": "t", "expires_in": -5}'), ("it answered 401",)),
    "a token that is refused": Tokens(CHALLENGE, text('{"token": "t"}'), (*FAILED, "it answered 401")),
    "401": Tokens(CHALLENGE, html(401), ("it answered 401",)),
    "500": Tokens(CHALLENGE, html(500), ("attempts it answered 500",)),
    "429 for an hour": Tokens(CHALLENGE, html(429, Retry_After="3600"), (THROTTLED,)),
    "sent on to another host": Tokens(CHALLENGE, html(302, Location="http://example.com/"), ("it answered 302",)),
    "a realm at another host": Tokens('Bearer realm="http://example.com/token"', html(), ("example.com", "Passwords")),
    "a realm by another scheme": Tokens('Bearer realm="file:///etc/passwd"', html(), ("it answered 401",)),
    "a realm without a host": Tokens('Bearer realm="token"', html(), ("it answered 401",)),
    "a realm that is no address": Tokens('Bearer realm="http://[::1"', html(), ("it answered 401",)),
    "no realm": Tokens('Bearer service="x"', html(), ("it answered 401",)),
    "no challenge": Tokens("", html(), ("it answered 401",)),
    "a challenge of another kind": Tokens('Negotiate realm="http://%s/"', html(), ("it answered 401",)),
    "a challenge that is none": Tokens('Bearer ,,,"""', html(), ("it answered 401",)),
}


@pytest.mark.parametrize("name", TOKENS)
def test_a_login(project: Project, csscgen: Csscgen, name: str) -> None:
    tokens = TOKENS[name]

    async def fault(request: web.Request) -> web.Response:
        if request.path.startswith("/v2/oauth2"):
            return tokens.answer()
        assert request.headers.get("Authorization", "Bearer ").startswith("Bearer "), "the password went astray"
        challenge = tokens.challenge.replace("%s", request.host)
        return web.Response(status=401, headers={"WWW-Authenticate": challenge} if challenge else {})

    with in_background(FakeRegistry(fault=fault)) as registry:
        file = project.root / "config.json"
        file.write_text(LOGIN % registry.host)
        bring_up(project, {"registry": registry.host}, credentials={"push": str(file), "pull": str(file)})
        said = csscgen(*SEED)
    assert_refused(said, Case("", tokens.says, 1))
    assert "hunter2" not in said.err and "cHVzaD" not in said.err and "X-Evil" not in said.err


SERVERS: dict[str, bytes] = {
    "hangs up": b"",
    "speaks no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n",
    "speaks TLS": b"\x15\x03\x01\x00\x02\x02\x16",
    "says less than it promised": b"HTTP/1.1 201 Created\r\nContent-Length: 500\r\n\r\n{}",
    "has a length that is none": b"HTTP/1.1 201 Created\r\nContent-Length: many\r\n\r\n{}",
    "sends chunks that are none": b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "sends a header of 1 MB": b"HTTP/1.1 201 Created\r\nX: " + b"x" * 1_000_000 + b"\r\n\r\n",
    "has a status that is none": b"HTTP/1.1 many Created\r\n\r\n",
}


@pytest.mark.parametrize("name", SERVERS)
def test_a_server(project: Project, csscgen: Csscgen, name: str) -> None:
    with raw_server(SERVERS[name]) as host:
        bring_up(project, {"registry": host})
        said = csscgen(*SEED)
    assert_refused(said, Case("", (f"The registry {host} failed at ", "attempts the connection failed"), 1))


HOSTS: dict[str, Case] = {
    "a public registry": Case("ghcr.io", ("is one that everybody shares", "no place for load")),
    "a URL": Case("http://127.0.0.1:5000", ("is not the address of a registry",)),
    "a port that is none": Case("127.0.0.1:99999", ("is not the address of a registry",)),
    "nothing": Case("", ("is not the address of a registry",)),
    "a password": Case("user:hunter2@127.0.0.1", ("is not the address of a registry",)),
    "10,000 letters": Case("h" * 10_000, ("is not the address of a registry",)),
    "escapes of a terminal": Case("\x1b[2J", ("is not the address of a registry",)),
    "a host that does not listen": Case("127.0.0.1:1", ("attempts the connection failed",), 1),
}


@pytest.mark.parametrize("name", HOSTS)
def test_a_registry_s_address(project: Project, csscgen: Csscgen, name: str) -> None:
    bring_up(project, {"registry": HOSTS[name].given})
    said = csscgen(*SEED)
    assert_refused(said, HOSTS[name])
    assert "hunter2" not in said.err


KEYS: dict[str, Case] = {
    "empty": Case("", ("The signing key cannot be read",)),
    "cut off": Case("-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqG", ("The signing key cannot be read",)),
    "a certificate": Case("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", ("The signing key",)),
    "binary": Case(bytes(range(256)), ("The signing key cannot be read",)),
}


@pytest.mark.parametrize("name", KEYS)
def test_the_signing_key(project: Project, csscgen: Csscgen, name: str) -> None:
    bring_up(project, {"registry": "127.0.0.1:1"})
    given = KEYS[name].given
    (project.root / "signing.key").write_bytes(given if isinstance(given, bytes) else given.encode())
    said = csscgen(*SEED)
    assert_refused(said, KEYS[name])
    assert "MIGHAgEAMBMGByqGSM49AgEGCCqG" not in said.err


def test_the_signing_key_is_gone(project: Project, csscgen: Csscgen) -> None:
    bring_up(project, {"registry": "127.0.0.1:1"})
    (project.root / "signing.key").unlink()
    assert "signing.key cannot be read: No such file" in message(csscgen(*SEED))


def test_the_signing_key_is_another_certificate_s(project: Project, csscgen: Csscgen) -> None:
    from infra.local.certificates import signing_certificate

    bring_up(project, {"registry": "127.0.0.1:1"})
    (project.root / "signing.key").write_text(signing_certificate("ES256", "another")[0])
    assert "does not belong to the first certificate" in message(csscgen(*SEED))

"""The kubeconfig of a stack, as an output that was edited, truncated or made by something else."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.csscgen.servers import kubeconfig
from tests.hostile.cases import Case, Csscgen, assert_refused
from tests.hostile.conftest import Project
from tests.hostile.stacks import bring_up, impatient, load_words, raw_server

SERVER = "https://127.0.0.1:1"
UNUSABLE = ("The stack's kubeconfig cannot be used",)
CERTIFICATES = ("The certificates in the stack's kubeconfig cannot be used",)
NO_ANSWER = ("The API server at ", "did not answer")


def of(cluster: Any = None, user: Any = None, **top: Any) -> str:
    """A kubeconfig in which entries are replaced."""
    config = json.loads(kubeconfig(SERVER))
    config["clusters"][0]["cluster"].update(cluster or {})
    config["users"][0]["user"].update(user or {})
    return json.dumps({**config, **top})


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


CERTIFICATE = encoded("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")

TEXTS: dict[str, Case] = {
    "empty": Case("", UNUSABLE, 1),
    "cut off": Case(kubeconfig(SERVER)[:-30], UNUSABLE, 1),
    "YAML": Case("apiVersion: v1\nkind: Config\n", UNUSABLE, 1),
    "null": Case("null", UNUSABLE, 1),
    "a list": Case("[]", UNUSABLE, 1),
    "a number": Case("5", UNUSABLE, 1),
    "an object without anything": Case("{}", UNUSABLE, 1),
    "nested 100,000 deep": Case("[" * 100_000, UNUSABLE, 1),
    "clusters that are null": Case(of(clusters=None), UNUSABLE, 1),
    "clusters that are text": Case(of(clusters="c"), UNUSABLE, 1),
    "a context that nobody has": Case(of(**{"current-context": "y"}), UNUSABLE, 1),
    "a context of a cluster that nobody has": Case(
        of(contexts=[{"name": "x", "context": {"cluster": "z", "user": "u"}}]), UNUSABLE, 1
    ),
    "no server": Case(of({"server": None}), UNUSABLE, 1),
    "a server that is a number": Case(of({"server": 5}), UNUSABLE, 1),
    "a server without a scheme": Case(of({"server": "127.0.0.1:6443"}), UNUSABLE, 1),
    "a server that is a file": Case(of({"server": "file:///etc/passwd"}), UNUSABLE, 1),
    "a server with a port that is none": Case(of({"server": "https://127.0.0.1:99999"}), UNUSABLE, 1),
    "a server with spaces in it": Case(of({"server": "https://a b"}), UNUSABLE, 1),
    "a server that does not listen": Case(of(), NO_ANSWER, 1),
    "an authority that is no base64": Case(of({"certificate-authority-data": "~~~"}), CERTIFICATES, 1),
    "an authority that is no certificate": Case(of({"certificate-authority-data": encoded("x")}), CERTIFICATES, 1),
    "an authority that is broken": Case(of({"certificate-authority-data": CERTIFICATE}), CERTIFICATES, 1),
    "an authority's file that is gone": Case(of({"certificate-authority": "/nonexistent/ca"}), UNUSABLE, 1),
    "a client certificate without its key": Case(of(user={"client-certificate-data": CERTIFICATE}), CERTIFICATES, 1),
    "a client key that is gone": Case(of(user={"client-key": "/nonexistent/key"}), UNUSABLE, 1),
    "a token with a line break": Case(of(user={"token": "a\r\nX-Evil: 1"}), UNUSABLE, 1),
    "a token that is no ASCII": Case(of(user={"token": "schlüssel\u2028"}), UNUSABLE, 1),
    "a program that is not there": Case(
        of(user={"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "/nonexistent/login"}}),
        UNUSABLE,
        1,
    ),
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_kubeconfig(project: Project, csscgen: Csscgen, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    impatient(monkeypatch)
    bring_up(project, {"kubeconfig": TEXTS[name].given, "registry": "127.0.0.1:1", "targets": {}})
    state = (project.state / "local-smoke" / "state.json").read_bytes()

    said = csscgen(*load_words())

    assert_refused(said, TEXTS[name])
    assert "schlüssel" not in said.err and "X-Evil" not in said.err, "a token is shown"
    assert (project.state / "local-smoke" / "state.json").read_bytes() == state
    (folder,) = project.runs.iterdir()
    assert json.loads((folder / "run.json").read_text())["error"]["phase"] == "arm"


@pytest.mark.parametrize("lacking", ["kubeconfig", "registry"])
def test_a_stack_that_was_made_by_another_version(project: Project, csscgen: Csscgen, lacking: str) -> None:
    outputs = {"kubeconfig": of(), "registry": "127.0.0.1:1", "targets": {}}
    del outputs[lacking]
    bring_up(project, outputs)
    said = csscgen(*load_words())
    assert_refused(said, Case("", (f"has no output {lacking}", "`csscgen up`", "destroy it")))


OUTPUTS: dict[str, tuple[dict[str, Any], str]] = {
    "a kubeconfig that is an object": ({"kubeconfig": {}}, "its kubeconfig is {}"),
    "a registry that is null": ({"registry": None}, "its registry is None"),
    "targets that are a list": ({"targets": [1]}, "its targets is [1]"),
    "a target that is text": ({"targets": {"etcd": "x"}}, "its targets.etcd is 'x'"),
    "a pid that is text": ({"targets": {"etcd": {"pid": "x"}}}, "its targets.etcd.pid is 'x'"),
    "a page that is a number": ({"targets": {"etcd": {"metrics": 5}}}, "its targets.etcd.metrics is 5"),
    "a client without a certificate": ({"metricsClient": {"ca": "x"}}, "its metricsClient.certificate is not there"),
}


@pytest.mark.parametrize("name", OUTPUTS)
def test_outputs_that_are_none_of_this_program_s(project: Project, csscgen: Csscgen, name: str) -> None:
    changes, says = OUTPUTS[name]
    bring_up(project, {"kubeconfig": of(), "registry": "127.0.0.1:1", "targets": {}, **changes})
    assert_refused(csscgen(*load_words()), Case("", ("Stack local-smoke is up with outputs", says, "Destroy it")))


SERVERS: dict[str, Case] = {
    "hangs up": Case(b"", NO_ANSWER, 1),
    "speaks no HTTP": Case(b"SSH-2.0-OpenSSH_9.2\r\n", NO_ANSWER, 1),
    "speaks TLS": Case(b"\x15\x03\x01\x00\x02\x02\x16", NO_ANSWER, 1),
    "answers HTML": Case(
        b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>", ("with what is no JSON object", "<html>"), 1
    ),
    "answers less than it says": Case(b"HTTP/1.1 200 OK\r\nContent-Length: 600\r\n\r\n{}", NO_ANSWER, 1),
    "answers chunks that are none": Case(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nnothing\r\n", NO_ANSWER, 1
    ),
    "answers with compressed noise": Case(
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\xff\xff\xff\xff", NO_ANSWER, 1
    ),
    "answers a header of 1 MB": Case(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1_000_000 + b"\r\n\r\n", NO_ANSWER, 1),
    "sends on to another host": Case(
        b"HTTP/1.1 302 Found\r\nLocation: http://example.com/\r\nContent-Length: 5\r\n\r\nthere",
        ("admission is still not as the policy has it", "it said: there"),
        4,
    ),
}


@pytest.mark.parametrize("name", SERVERS)
def test_an_api_server(project: Project, csscgen: Csscgen, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    impatient(monkeypatch)
    answer = SERVERS[name].given
    assert isinstance(answer, bytes)
    with raw_server(answer) as host:
        bring_up(project, {"kubeconfig": kubeconfig(f"http://{host}"), "registry": "127.0.0.1:1", "targets": {}})
        assert_refused(csscgen(*load_words()), SERVERS[name])

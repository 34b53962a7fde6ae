from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from csscgen.cluster import Cluster
from csscgen.kubeconfigs import Login
from tests.csscgen.artifacts.asynchronous import asynchronous
from tests.csscgen.servers import PODS, ApiServer, in_background, kubeconfig, text

EXEC = "client.authentication.k8s.io/v1"


def with_program(tmp_path: Path, server: str, expires: str) -> str:
    """A kubeconfig whose login program gives another token each time, which expires at a moment."""
    program = tmp_path / "login"
    status = f'{{\\"token\\": \\"token-$n\\", \\"expirationTimestamp\\": \\"{expires}\\"}}'
    answer = f'{{\\"apiVersion\\": \\"{EXEC}\\", \\"kind\\": \\"ExecCredential\\", \\"status\\": {status}}}'
    program.write_text(f'#!/bin/sh\necho x >> "$0.count"\nn=$(grep -c x "$0.count")\necho "{answer}"\n')
    program.chmod(0o700)
    config = json.loads(kubeconfig(server))
    config["users"][0]["user"] = {
        "exec": {"apiVersion": EXEC, "command": str(program), "interactiveMode": "Never", "provideClusterInfo": False}
    }
    return json.dumps(config)


def test_a_kubeconfig_may_be_yaml():
    written = yaml.safe_dump(json.loads(kubeconfig("http://127.0.0.1:1234", "secret-token")))
    login = Login(written)
    assert login.server == "http://127.0.0.1:1234"
    assert login.headers() == {"Authorization": "Bearer secret-token"}


def test_a_token_that_has_expired_is_had_anew_and_one_that_has_not_is_kept(tmp_path: Path):
    login = Login(with_program(tmp_path, "http://127.0.0.1:1", "2020-01-01T00:00:00Z"))
    first, second = login.headers(), login.headers()
    assert first != second
    kept = Login(with_program(tmp_path, "http://127.0.0.1:1", "2100-01-01T00:00:00Z"))
    assert kept.headers() == kept.headers()


@asynchronous
async def test_an_api_server_behind_a_path_is_asked_there():
    async with ApiServer() as api:
        api.pages[f"/k8s/clusters/c-1{PODS}"] = text('{"items": [], "metadata": {"resourceVersion": "5"}}')
        async with Cluster(kubeconfig(f"{api.url}/k8s/clusters/c-1")) as cluster:
            assert await cluster.list(PODS, {}) == ([], "5")


def test_what_uses_requests_logs_in_the_same_way(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nonexistent")  # another's, which does not count here
    with in_background(ApiServer()) as api:
        api.pages["/x"] = text("there")
        with Login(kubeconfig(api.url, "secret-token")).requests_session() as session:
            assert session.get(f"{api.url}/x", timeout=10).text == "there"
        assert api.headers[-1]["Authorization"] == "Bearer secret-token"

"""Small programs for the engine, and a real Kubernetes API server for the tests marked ``real``."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import textwrap
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from infra.engine.embedded import EmbeddedEngine
from infra.engine.types import StepEvent
from infra.local import tools

TOKEN = "token-of-the-tests"


class Project:
    """A program in a folder, and the embedded engine that runs it."""

    def __init__(self, folder: Path, providers=None) -> None:
        self.root = folder / "root"
        self.state = folder / "state"
        self.root.mkdir(parents=True)
        (self.root / "Pulumi.yaml").write_text("name: ratify-perf\nruntime: python\n")
        self.engine = EmbeddedEngine(self.root, self.state, providers)
        self.events: list[StepEvent] = []

    def write(self, source: str) -> Project:
        (self.root / "__main__.py").write_text(textwrap.dedent(source))
        return self

    def up(self, stack: str = "dev", **config):
        return self.engine.up(stack, config, self.events.append)

    def preview(self, stack: str = "dev", **config):
        return self.engine.preview(stack, config, self.events.append)

    def destroy(self, stack: str = "dev"):
        return self.engine.destroy(stack, {}, self.events.append)

    def state_text(self, stack: str = "dev") -> str:
        return (self.state / stack / "state.json").read_text()

    def resources(self, stack: str = "dev") -> dict[str, dict]:
        """The resources in the state file by name, live ones only."""
        items = json.loads(self.state_text(stack))["resources"]
        return {item["name"]: item for item in items if not item.get("delete")}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.fixture(scope="session")
def kubeconfig(tmp_path_factory: pytest.TempPathFactory):
    """The kubeconfig of a real kube-apiserver with etcd and the namespace controller, all on loopback."""
    found = {name: tools.find(name) for name in ("etcd", "kube-apiserver", "kube-controller-manager")}
    binaries = {name: str(binary.path) for name, binary in found.items() if binary is not None}
    if missing := sorted({*found} - {*binaries}):
        pytest.skip(f"{', '.join(missing)} not built; scripts/test builds what is missing")
    folder = tmp_path_factory.mktemp("cluster")
    with ExitStack() as stack:
        yield _start_cluster(binaries, folder, stack)


def _start_cluster(binaries: dict[str, str], folder: Path, stack: ExitStack) -> str:
    client, peer, api = _free_ports(3)
    key = folder / "sa.key"
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    key.write_bytes(private.private_bytes(*pem))
    (folder / "tokens.csv").write_text(f"{TOKEN},admin,admin,system:masters\n")
    etcd = f"http://127.0.0.1:{client}"
    kubeconfig = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
        "users": [{"name": "admin", "user": {"token": TOKEN}}],
        "clusters": [
            {"name": "test", "cluster": {"server": f"https://127.0.0.1:{api}", "insecure-skip-tls-verify": True}}
        ],
    }
    (folder / "kubeconfig").write_text(json.dumps(kubeconfig))
    commands = {
        "etcd": [
            f"--data-dir={folder}/etcd",
            "--unsafe-no-fsync",
            f"--listen-client-urls={etcd}",
            f"--advertise-client-urls={etcd}",
            f"--listen-peer-urls=http://127.0.0.1:{peer}",
        ],
        "kube-apiserver": [
            f"--etcd-servers={etcd}",
            "--bind-address=127.0.0.1",
            f"--secure-port={api}",
            f"--cert-dir={folder}/certs",
            f"--token-auth-file={folder}/tokens.csv",
            "--authorization-mode=RBAC",
            "--service-account-issuer=https://test",
            f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}",
            "--disable-admission-plugins=ServiceAccount",
        ],
        "kube-controller-manager": [
            f"--kubeconfig={folder}/kubeconfig",
            "--leader-elect=false",
            "--controllers=namespace-controller",
            "--secure-port=0",
            f"--cert-dir={folder}/certs-of-controllers",
        ],
    }
    for name, flags in commands.items():
        log = stack.enter_context((folder / f"{name}.log").open("wb"))
        process = subprocess.Popen([binaries[name], *flags], stdout=log, stderr=log)
        stack.callback(_stop, process)
        if name == "kube-apiserver":
            _await_ready(f"https://127.0.0.1:{api}/readyz", process, folder)
    return json.dumps(kubeconfig)


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for free in sockets:
            free.bind(("127.0.0.1", 0))
        return [free.getsockname()[1] for free in sockets]


def _stop(process: subprocess.Popen) -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _await_ready(url: str, process: subprocess.Popen, folder: Path) -> None:
    context = ssl._create_unverified_context()
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {TOKEN}"})
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, f"kube-apiserver ended: see {folder}/kube-apiserver.log"
        try:
            with urllib.request.urlopen(request, context=context, timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"kube-apiserver did not become ready: see {folder}/kube-apiserver.log")

"""Pods and Services of straw whose addresses are this machine's, for the proxy of a real API server to go to."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import psutil

from csscgen.cluster import Cluster

PODS = "/api/v1/namespaces/gatekeeper-system/pods"
PORT = 8888
"""Of Ratify's and Gatekeeper's metrics in a pod."""
LABELS = {"app.kubernetes.io/name": "ratify"}


def addresses() -> list[str]:
    """This machine's own addresses to which the API server's proxy goes: no loopback, no link-local ones."""
    found = []
    for about in psutil.net_if_addrs().values():
        for one in about:
            if one.family in (socket.AF_INET, socket.AF_INET6):
                address = ipaddress.ip_address(one.address.partition("%")[0])
                if not (address.is_loopback or address.is_link_local or address.is_multicast):
                    found.append(str(address))
    return sorted(found)


class Relays:
    """Answers on port 8888 of each address as ``base``, a URL without a path, does; use it as a context manager."""

    def __init__(self, hosts: list[str], base: str) -> None:
        """Raises OSError if the port is taken."""
        self.asked_of: set[str] = set()
        self._servers: list[ThreadingHTTPServer] = []
        self._threads: list[threading.Thread] = []
        try:
            for host in hosts:
                self._servers.append(_server(host, base, self.asked_of))
        except OSError:
            self.__exit__()
            raise

    def __enter__(self) -> Self:
        self._threads = [threading.Thread(target=server.serve_forever) for server in self._servers]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for server, thread in zip(self._servers, self._threads, strict=False):
            server.shutdown()
            thread.join()
        for server in self._servers:
            server.server_close()


def _server(host: str, base: str, asked_of: set[str]) -> ThreadingHTTPServer:
    class Server(ThreadingHTTPServer):
        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        daemon_threads = True

    class Relay(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked_of.add(host)
            with urllib.request.urlopen(f"{base}{self.path}", timeout=5) as page:
                body = page.read()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    return Server((host, PORT), Relay)


@contextmanager
def stand_in_pods(kubeconfig: str, hosts: list[str], node: str | None = None) -> Iterator[None]:
    """A pod of Ratify's per address, running as far as its status says; no scheduler and no kubelet takes it."""
    asyncio.run(_make(kubeconfig, hosts, node))
    yield
    asyncio.run(_remove(kubeconfig, len(hosts)))


async def _make(kubeconfig: str, hosts: list[str], node: str | None) -> None:
    async with Cluster(kubeconfig) as cluster:
        for number, host in enumerate(hosts):
            metadata = {"name": f"ratify-{number}", "labels": LABELS}
            image = "ghcr.io/notaryproject/ratify:v1.4.6"
            spec = {
                "containers": [{"name": "ratify", "image": image}],
                "schedulerName": "nobody",
                "automountServiceAccountToken": False,
                **({"nodeName": node} if node else {}),
            }
            made = await cluster.request(
                "POST", PODS, {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
            )
            began = made["metadata"]["creationTimestamp"]
            container = {
                "name": "ratify",
                "image": image,
                "imageID": "",
                "ready": True,
                "restartCount": 0,
                "state": {"running": {"startedAt": began}},
            }
            made["status"] = {
                "phase": "Running",
                "podIP": host,
                "podIPs": [{"ip": host}],
                "conditions": [{"type": "Ready", "status": "True"}],
                "containerStatuses": [container],
            }
            await cluster.request("PUT", f"{PODS}/ratify-{number}/status", made)


async def _remove(kubeconfig: str, count: int) -> None:
    async with Cluster(kubeconfig) as cluster:
        for number in range(count):
            await cluster.request("DELETE", f"{PODS}/ratify-{number}", params={"gracePeriodSeconds": "0"})


@contextmanager
def stand_in_service(kubeconfig: str, name: str, host: str) -> Iterator[dict[str, Any]]:
    """A Service whose one pod is a stand-in at this address; what a stack's outputs would say of it."""
    path = "/api/v1/namespaces/gatekeeper-system/services"
    spec = {"selector": LABELS, "ports": [{"name": "web", "port": PORT}]}
    with stand_in_pods(kubeconfig, [host], node="elsewhere"):  # an endpoint has to be on a node, be it none
        asyncio.run(_request(kubeconfig, "POST", path, {"metadata": {"name": name}, "spec": spec}))
        yield {"namespace": "gatekeeper-system", "name": name, "port": PORT}
        asyncio.run(_request(kubeconfig, "DELETE", f"{path}/{name}", None))


async def _request(kubeconfig: str, method: str, path: str, body: Any) -> None:
    async with Cluster(kubeconfig) as cluster:
        await cluster.request(method, path, body)

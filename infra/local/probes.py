"""Probes that tell whether a local process is ready, as data: what is asked is in the resource's inputs.

{"http": "https://127.0.0.1:6443/readyz", "ca": FILE, "cert": FILE, "key": FILE}    answers 200
{"tls": 6001, "ca": FILE, "cert": FILE, "key": FILE}                                shakes hands, validly
{"tcp": 6001}                                                                       accepts a connection

A probe that has several of them succeeds if all do. A connection says little: the kernel accepts it for a process that
is stopped. A handshake is the process's own work.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import urllib.request
from collections.abc import Mapping
from typing import Any

HOST = "127.0.0.1"
TIMEOUT_SECONDS = 2.0


def succeeds(probe: Mapping[str, Any]) -> bool:
    """Whether the process answers now."""
    try:
        context = _context(probe["ca"], probe.get("cert"), probe.get("key")) if "ca" in probe else None
        for kind in ("tcp", "tls"):
            if kind in probe:
                with socket.create_connection((HOST, int(probe[kind])), TIMEOUT_SECONDS) as connection:
                    if kind == "tls" and context:
                        context.wrap_socket(connection, server_hostname=HOST).close()
        if "http" not in probe:
            return True
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}),  # loopback is never behind a proxy
            *([urllib.request.HTTPSHandler(context=context)] if context else []),
        )
        with opener.open(probe["http"], timeout=TIMEOUT_SECONDS) as response:
            return bool(response.status == 200)
    except (OSError, http.client.HTTPException):
        return False


def describe(probe: Mapping[str, Any]) -> str:
    """The probe in words, for an error message."""
    if "http" in probe:
        return f"{place(probe)} does not answer 200"
    return f"nothing {'shakes hands' if 'tls' in probe else 'listens'} on {place(probe)}"


def place(probe: Mapping[str, Any]) -> str:
    """Where the probe asks."""
    return str(probe["http"]) if "http" in probe else f"{HOST}:{int(probe['tls' if 'tls' in probe else 'tcp'])}"


def _context(ca: str, cert: str | None, key: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca)
    if cert:
        context.load_cert_chain(cert, key)
    return context

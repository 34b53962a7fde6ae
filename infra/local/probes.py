"""Probes that tell whether a local process is ready, as data: what is asked is in the resource's inputs.

{"http": "https://127.0.0.1:6443/readyz", "ca": FILE, "cert": FILE, "key": FILE}    answered with 200
{"tcp": 6001}                                                                       accepts a connection
"""

from __future__ import annotations

import http.client
import socket
import ssl
import urllib.request
from collections.abc import Mapping
from typing import Any

TIMEOUT_SECONDS = 2.0


def succeeds(probe: Mapping[str, Any]) -> bool:
    """Whether the process answers now."""
    try:
        if "tcp" in probe:
            with socket.create_connection(("127.0.0.1", int(probe["tcp"])), TIMEOUT_SECONDS):
                return True
        context = _context(probe["ca"], probe.get("cert"), probe.get("key")) if "ca" in probe else None
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
    return f"nothing listens on {place(probe)}" if "tcp" in probe else f"{place(probe)} does not answer 200"


def place(probe: Mapping[str, Any]) -> str:
    """Where the probe asks."""
    return f"127.0.0.1:{int(probe['tcp'])}" if "tcp" in probe else str(probe["http"])


def _context(ca: str, cert: str | None, key: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca)
    if cert:
        context.load_cert_chain(cert, key)
    return context

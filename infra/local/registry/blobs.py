"""How a blob is sent: whole, in part, or from somewhere else.

ACR answers a GET of a blob with 307 to where its storage is (``NAME.REGION.data.azurecr.io`` with dedicated data
endpoints), with a short-lived signature in the query in place of a login. Here that is another port of the registry's
own process.
"""

from __future__ import annotations

import hmac
import os
import re
import time
from collections.abc import Callable
from urllib.parse import quote

from infra.local.registry.protocol import Answer, Headers, Refusal, Request
from infra.local.registry.storage import Storage

LIFE_SECONDS = 300
"""How long a signed address is good for. Azure's are good for some minutes."""

_RANGE = re.compile(rb"bytes=(\d{0,18})-(\d{0,18})")
_SEVERAL = re.compile(rb"bytes=[0-9,\s-]*,[0-9,\s-]*")


def blob(request: Request, content: bytes, digest: str) -> Answer:
    """A blob, or the one range of it that is asked for (RFC 9110, 14). Several ranges at once get the whole blob."""
    headers: Headers = [
        (b"content-type", b"application/octet-stream"),
        (b"docker-content-digest", digest.encode()),
        (b"accept-ranges", b"bytes"),
    ]
    wanted = request.header(b"range")
    if wanted is None or request.method != "GET" or not wanted.startswith(b"bytes=") or _SEVERAL.fullmatch(wanted):
        return Answer(200, headers, content)
    size = len(content)
    match = _RANGE.fullmatch(wanted)
    first, last = match.groups() if match else (b"", b"")
    if first:
        start, end = int(first), min(int(last), size - 1) if last else size - 1
        possible = start < size and (not last or start <= int(last))
    else:
        start, end = max(0, size - int(last or 0)), size - 1
        possible = bool(last) and start < size
    if not possible:
        unsatisfied = (b"content-range", b"bytes */%d" % size)
        raise Refusal("RANGE_INVALID", f"{size} bytes, asked for {wanted!r}", headers=[unsatisfied])
    headers.append((b"content-range", b"bytes %d-%d/%d" % (start, end, size)))
    return Answer(206, headers, content[start : end + 1])


class DataEndpoint:
    """The other address of a registry's blobs. ``host`` is its host and port, ``clock`` wall time in seconds."""

    def __init__(self, host: str, storage: Storage, clock: Callable[[], float] = time.time) -> None:
        self.requests: dict[int, int] = {}
        """Answers by status."""
        self.sent = 0
        """Bytes of the bodies that were sent."""
        self.down = False
        """Whether it answers 503 to everything."""
        self._host = host
        self._storage = storage
        self._clock = clock
        self._key = os.urandom(32)

    def redirect(self, name: str, digest: str) -> Answer:
        """307 to the blob of a repository, which is there."""
        path = f"/{name}/blobs/{digest}"
        end = int(self._clock()) + LIFE_SECONDS
        location = f"http://{self._host}{quote(path, safe='/:')}?se={end}&sig={self._signature(path, end)}"
        return Answer(307, [(b"location", location.encode()), (b"docker-content-digest", digest.encode())])

    def answer(self, request: Request) -> Answer:
        """The answer to a request at this address: a blob, for whoever has a signature that is still good."""
        try:
            answer = self._answer(request)
        except Refusal as refusal:
            answer = refusal.answer()
        self.requests[answer.status] = self.requests.get(answer.status, 0) + 1
        if request.method != "HEAD":
            self.sent += len(answer.body)
        return answer

    def _answer(self, request: Request) -> Answer:
        if self.down:
            raise Refusal("UNAVAILABLE", "an outage is being simulated")
        if request.method not in ("GET", "HEAD"):
            raise Refusal("UNSUPPORTED", request.method, headers=[(b"allow", b"GET, HEAD")])
        parameters = request.parameters()
        end = parameters.get("se", "")
        good = re.fullmatch("[0-9]{1,12}", end) and hmac.compare_digest(
            self._signature(request.path, int(end)).encode(), parameters.get("sig", "").encode("utf-8", "replace")
        )
        if not good or int(end) < self._clock():
            raise Refusal("DENIED", "the address has no valid signature, or has expired; ask the registry again")
        name, _, digest = request.path[1:].partition("/blobs/")
        return blob(request, self._storage.repository(name).blob(digest), digest)

    def _signature(self, path: str, end: int) -> str:
        return hmac.digest(self._key, f"{path}?{end}".encode("utf-8", "replace"), "sha256").hex()

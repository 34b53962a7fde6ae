"""The manifests that name one subject, kept as they come and go, so that a list is never a walk over the repository.

They are in the order of their digests: a page can begin after any digest, whether or not that one is still there, and
a registry that was started again gives the same pages.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from infra.local.registry.manifests import Referrer


class Referrers:
    """The referrers of one subject."""

    __slots__ = ("_digests", "_entries")

    def __init__(self) -> None:
        self._digests: list[str] = []
        self._entries: list[Referrer] = []

    def __len__(self) -> int:
        return len(self._digests)

    def put(self, digest: str, referrer: Referrer) -> None:
        i = bisect_left(self._digests, digest)
        if i < len(self._digests) and self._digests[i] == digest:
            self._entries[i] = referrer
        else:
            self._digests.insert(i, digest)
            self._entries.insert(i, referrer)

    def remove(self, digest: str) -> None:
        i = bisect_left(self._digests, digest)
        if i < len(self._digests) and self._digests[i] == digest:
            del self._digests[i], self._entries[i]

    def page(self, artifact_type: str | None, after: str, count: int) -> tuple[list[bytes], str | None]:
        """At most ``count`` descriptors (JSON) after a digest, all or those of one type; and the digest that the next
        page begins after, None where there is nothing more."""
        found: list[bytes] = []
        last = after
        for i in range(bisect_right(self._digests, after), len(self._digests)):
            entry = self._entries[i]
            if artifact_type is None or entry.artifact_type == artifact_type:
                if len(found) == count:
                    return found, last
                found.append(entry.descriptor)
                last = self._digests[i]
        return found, None

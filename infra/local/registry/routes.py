"""What a path of the API points to, and what a request for it is: its throttling category, and the right it takes."""

from __future__ import annotations

from typing import NamedTuple

from workloads.registries import Category


class Target(NamedTuple):
    """What a path points to: the kind of thing, the repository, and the rest of the path."""

    kind: str
    name: str
    reference: str


_BASE = Target("base", "", "")
_CATALOG = Target("catalog", "", "")
_OAUTH = Target("oauth", "", "")
_NONE = Target("", "", "")


def parse(path: str) -> Target:
    """What a decoded path points to; kind "" is a path that the API does not have. Names may hold slashes."""
    parts = path[4:].rsplit("/", 2)
    if len(parts) == 3 and path.startswith("/v2/"):
        name, kind, reference = parts
        if kind == "uploads":
            if name.endswith("/blobs"):
                return Target(kind, name[:-6], reference)
        elif kind in ("manifests", "blobs", "referrers") or (kind == "tags" and reference == "list"):
            return Target(kind, name, reference)
    elif path in ("/v2/", "/v2"):
        return _BASE
    elif path == "/v2/_catalog":
        return _CATALOG
    elif path.startswith("/oauth2/"):
        return _OAUTH
    return _NONE


def category(method: str, target: Target) -> Category:
    if target.kind == "oauth":
        return "oauth"
    if method in ("GET", "HEAD"):
        return "list_referrers" if target.kind == "referrers" else "read"
    return "delete" if method == "DELETE" else "write"


def right(method: str, target: Target) -> str | None:
    """The action that a request takes; None where any valid token will do.

    The actions are ACR's: pull, push, delete and metadata_read on a repository, * on the catalog.
    """
    kind = target.kind
    if kind == "catalog":
        return "*"
    if kind == "tags":
        return "metadata_read"
    if not target.name:
        return None
    if kind == "uploads":
        return "push"
    if method in ("GET", "HEAD"):
        return "pull"
    return "delete" if method == "DELETE" else "push"

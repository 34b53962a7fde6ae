"""How a plan says its figures."""

from __future__ import annotations

from csscgen.planning.serving import Bucket

CATEGORIES = {
    "read": "reads",
    "write": "writes",
    "delete": "deletions",
    "list_referrers": "lists of referrers",
    "oauth": "tokens",
}
OWNERS = {"Ratify": "Ratify's identity", "kubelets": "the kubelets' identity", "seeding": "who pushes"}


def amount(number: float) -> str:
    """A whole number with separators; of millions three digits are enough."""
    if number >= 10_000_000:
        return f"{number / 1e6:,.1f} million"
    return f"{round(number):,}"


def size(count: int) -> str:
    """Bytes in the largest unit of which there is one."""
    for unit, name in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if count >= unit:
            return f"{count / unit:.3g} {name}"
    return f"{count} bytes"


def duration(seconds: float) -> str:
    """Seconds below two minutes, minutes below three hours, hours."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{round(seconds)} s"
    if seconds < 3 * 3600:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"


def named_bucket(bucket: Bucket) -> str:
    """A bucket in words: what it is for, and whose."""
    whose = "" if bucket.who == "all" else f" of {OWNERS[bucket.who]}"
    return f"the bucket for {CATEGORIES[bucket.category]}{whose}"


def money(usd: float | None) -> str:
    return "unknown" if usd is None else f"{usd:,.2f} USD"

"""What the shards of a load say of themselves, and their sum: counts are added, histograms merged."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

from analysis.figures import Missing, Record
from analysis.loglinear import ERROR, RECORD, LogLinear
from analysis.shapes import entries, maybe, number, text
from workloads.errors import CollectError

SHARDS = "shards.jsonl"
SHARD = entries(
    {
        **dict.fromkeys(("shard", "shards", "begin", "objects", "requests", "failed"), number),
        **dict.fromkeys(("first_due", "first_sent"), maybe(number)),
        **dict.fromkeys(("lag", "answer"), RECORD),
    },
    {"run_id": text, **dict.fromkeys(("cpu_seconds", "window_cpu_seconds", "peak_rss_bytes"), number)},
)
"""The sum of a shard: the last line that it writes (csscgen/sharding/sending.py)."""
PERCENTS = {"p50": 50, "p99": 99, "max": 100}
UNPACED = "It sent nothing that was due at a time: a closed loop has no lag."
UNSENT = "It sent nothing."


def rows(shards: Iterable[Record], path: str, missing: Missing) -> list[Record]:
    """A row for each shard, in their order: what it sent, how late it began, its lag. ``path`` is the list's own."""
    found = []
    for place, one in enumerate(sorted(shards, key=lambda each: each["shard"])):
        below = f"{path}.{place}"
        found.append(
            {
                "shard": one["shard"],
                "objects": one["objects"],
                "failed": one["failed"],
                "begin_skew_seconds": missing.figure(f"{below}.begin_skew_seconds", partial(_skew, one)),
                "lag_seconds": _percentiles(f"{below}.lag_seconds", [one], "lag", UNPACED, missing),
            }
        )
    return found


def merged(shards: Sequence[Record]) -> Record:
    """The sum of all shards of one load. Raises CollectError if they are not all of one load, or one is lacking."""
    if not shards:
        raise CollectError("There is no sum of a shard: a shard writes it as its last line.")
    loads = {(one.get("run_id"), one["begin"], one["shards"]) for one in shards}
    if len(loads) > 1:
        raise CollectError("The shards are not of one load: their runs, begins or numbers differ.")
    count, there = int(shards[0]["shards"]), sorted(one["shard"] for one in shards)
    if lacking := sorted({*range(count)} - {*there}):
        raise CollectError(f"Of {count} shards these are lacking: {', '.join(map(str, lacking))}.")
    if len(there) > count:
        raise CollectError(f"There are {len(there)} sums of {count} shards: one is there twice.")
    missing = Missing()
    return {
        **{key: sum(one[key] for one in shards) for key in ("objects", "requests", "failed")},
        "lag_seconds": _percentiles("lag_seconds", shards, "lag", UNPACED, missing),
        "answer_seconds": _percentiles("answer_seconds", shards, "answer", UNSENT, missing),
        "relative_error": ERROR,
        "shards": rows(shards, "shards", missing),
        "missing": dict(missing),
    }


def _percentiles(path: str, shards: Iterable[Record], key: str, reason: str, missing: Missing) -> Record:
    def read() -> Record:
        total = LogLinear()
        for one in shards:
            total.add(LogLinear.read(one[key]))
        if not total.count:
            raise CollectError(reason)
        return {name: total.percentile(percent) for name, percent in PERCENTS.items()}

    return missing.group(path, PERCENTS, read)


def _skew(shard: Record) -> float:
    """How long after it was due a shard sent its first object."""
    if shard["first_sent"] is None or shard["first_due"] is None:
        raise CollectError(UNSENT)
    return float(shard["first_sent"] - shard["first_due"])


def table(figures: Record) -> str:
    """What :func:`merged` found, as lines for the terminal."""

    def times(group: Record) -> str:
        return ", ".join(f"{name} {'-' if at is None else f'{at * 1000:.1f} ms'}" for name, at in group.items())

    lines = [
        f"{figures['objects']:,} objects in {figures['requests']:,} requests, {figures['failed']:,} failed",
        f"lag      {times(figures['lag_seconds'])}",
        f"answers  {times(figures['answer_seconds'])}",
    ]
    for row in figures["shards"]:
        skew = row["begin_skew_seconds"]
        began = "sent nothing" if skew is None else f"began {skew * 1000:.1f} ms late"
        lines.append(f"shard {row['shard']}: {row['objects']:,} objects, {began}, lag {times(row['lag_seconds'])}")
    return "\n".join(lines)

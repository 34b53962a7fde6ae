"""A plan as JSON for scripts: the fields of its types, and what is derived from them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from csscgen.planning.plans import Planned
from csscgen.planning.serving import Bucket, Serving


def as_document(planned: Planned) -> dict[str, Any]:
    """Plain data. Units are in the names; what there is not (a shared stack's load, a local stack's cost) is null."""
    document = asdict(planned)
    document["verdict"] = planned.verdict
    document["registries"] = [{"region": region, "size": size} for region, size in planned.registries]
    document["served"] = [_serving(each) for each in planned.served]
    document["seeded"] = [_serving(each) for each in planned.seeded]
    del document["seeding_seconds"], document["signing_seconds"]
    if planned.seeding:
        document["seeding"] |= {
            "requests": asdict(planned.seeding.requests),
            "unhindered_seconds": round(planned.seeding_seconds, 1),
            "signing_seconds": round(planned.signing_seconds, 1),
        }
    document["thresholds"] = [{**asdict(row), "exceeded": row.exceeded} for row in planned.thresholds]
    document["expected_seconds"] = round(planned.expected_seconds, 1)
    return document


def _serving(serving: Serving) -> dict[str, Any]:
    return {
        "limits": serving.limits,
        "bottleneck": _bucket(serving.bottleneck) if serving.bottleneck else None,
        "least_seconds": round(serving.least_seconds, 1),
        "expected_seconds": round(serving.expected_seconds, 1),
        "expected_429s": serving.expected_429s,
        "buckets": [_bucket(each) for each in serving.buckets],
    }


def _bucket(bucket: Bucket) -> dict[str, Any]:
    seconds = {"least_seconds": round(bucket.least_seconds, 1), "expected_seconds": round(bucket.expected_seconds, 1)}
    return {**asdict(bucket), **seconds, "minutes_of_the_bucket": round(bucket.share, 3)}

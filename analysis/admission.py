"""The figures of Ratify and of Gatekeeper, from their pages and, on a cluster, from their pods."""

from __future__ import annotations

from analysis import replicas
from analysis.accounting import admitted
from analysis.components import Component, component
from analysis.figures import Missing, by_status, cpu, memory, quantiles, whole
from analysis.records import Record, Records
from workloads.errors import CollectError
from workloads.ratify import metrics


def ratify(records: Records, missing: Missing) -> Record:
    """``ratify``: its answers, times, errors, caches and resources, of all replicas and by replica."""
    pages = component(records, metrics.RATIFY)
    verifications = missing.figure(
        "ratify.verification_requests", lambda: whole(pages.histogram(metrics.RATIFY_VERIFICATION).count)
    )
    errors: dict[str, float] | None = missing.figure(
        "ratify.system_errors", lambda: pages.counter(metrics.RATIFY_SYSTEM_ERRORS, "error")
    )
    if errors is None:
        missing["ratify.timeouts"] = missing["ratify.system_errors"]
    else:
        errors = {error: count for error, count in errors.items() if count}
    hits = missing.group("ratify", ("cache_hits", "cache_misses"), lambda: _cache(pages))
    return {
        "verification_requests": verifications,
        "verification_seconds": quantiles("ratify.verification_seconds", pages, metrics.RATIFY_VERIFICATION, missing),
        "admissions_per_verification": missing.figure(
            "ratify.admissions_per_verification", lambda: _per_verification(records, verifications)
        ),
        "mutation_requests": missing.figure(
            "ratify.mutation_requests", lambda: whole(pages.histogram(metrics.RATIFY_MUTATION).count)
        ),
        "mutation_seconds": quantiles("ratify.mutation_seconds", pages, metrics.RATIFY_MUTATION, missing),
        "memory_bytes": memory("ratify.memory_bytes", pages, missing),
        "cpu_cores": cpu("ratify.cpu_cores", pages, missing),
        "registry_requests": missing.figure(
            "ratify.registry_requests",
            lambda: by_status(pages.counter(metrics.RATIFY_REGISTRY_REQUESTS, "status_code")),
        ),
        "timeouts": None if errors is None else whole(sum(n for e, n in errors.items() if metrics.TIMED_OUT in e)),
        "system_errors": None
        if errors is None
        else [{"error": e, "count": whole(n)} for e, n in sorted(errors.items(), key=lambda one: -one[1])],
        **hits,
        **_ends(records, pages, missing),
        "by_replica": missing.figure("ratify.by_replica", lambda: _by_replica(records, pages, missing)),
    }


def _ends(records: Records, ratify: Component, missing: Missing) -> Record:
    """Restarts, by the pods' status or else by the processes' pages, and on a cluster what ended for lack of memory."""
    pods = replicas.of(records.replicas, metrics.RATIFY)
    if not pods:
        return {"restarts": missing.figure("ratify.restarts", ratify.restarts)}
    if records.run.get("collected_afterwards"):
        return {
            "restarts": missing.figure("ratify.restarts", ratify.restarts),
            "oom": missing.figure("ratify.oom", lambda: replicas.oom_since(pods, records.window)),
        }
    return {"restarts": replicas.restarts(pods), "oom": missing.figure("ratify.oom", lambda: replicas.oom(pods))}


def _by_replica(records: Records, ratify: Component, missing: Missing) -> Record:
    """How the work was spread: a connection stays with the replica that it was given."""
    return {
        name: {
            "verification_requests": whole(observed.count),
            "memory_bytes": memory(f"ratify.by_replica.{name}.memory_bytes", component(records, name), missing),
        }
        for name, observed in ratify.by_replica(metrics.RATIFY_VERIFICATION).items()
    }


def _per_verification(records: Records, verifications: int | None) -> float:
    if records.pods is None:
        raise CollectError(records.problems["pods.jsonl"])
    if verifications is None:
        raise CollectError("The number of verification requests is not known.")
    if verifications == 0:
        raise CollectError("Ratify answered no verification request in the window.")
    return admitted(records.pods) / verifications


def _cache(ratify: Component) -> Record:
    counts = ratify.counter(metrics.RATIFY_BLOB_CACHE, "hit")
    return {"cache_hits": whole(counts.get("true", 0)), "cache_misses": whole(counts.get("false", 0))}


def gatekeeper(records: Records, missing: Missing) -> Record:
    """``gatekeeper``: its answers, times, resources and audits."""
    pages = component(records, metrics.GATEKEEPER)
    statuses = ("allow", "deny", "error")

    def validations() -> Record:
        counts = pages.counter(metrics.GATEKEEPER_VALIDATIONS, "admission_status")
        return {**dict.fromkeys(statuses, 0), **{status: whole(count) for status, count in counts.items()}}

    return {
        "validation_requests": missing.group("gatekeeper.validation_requests", statuses, validations),
        "validation_seconds": quantiles("gatekeeper.validation_seconds", pages, metrics.GATEKEEPER_VALIDATION, missing),
        "memory_bytes": memory("gatekeeper.memory_bytes", pages, missing),
        "cpu_cores": cpu("gatekeeper.cpu_cores", pages, missing),
        "audit_seconds": missing.figure("gatekeeper.audit_seconds", lambda: pages.mean(metrics.GATEKEEPER_AUDIT)),
    }

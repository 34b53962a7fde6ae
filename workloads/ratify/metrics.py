"""The metrics of Ratify, Gatekeeper, the API server, etcd and the registry, as data.

Names differ by release. Ratify 1.4.0 calls its histogram ``ratify_verification_request``; its exporter in 1.4.1 and
later appends the unit and makes it ``ratify_verification_request_millisecond``. OpenTelemetry counters end in
``_total`` on the wire, which the documentation of both projects leaves out. Whoever reads a page looks for every
spelling; nothing outside this module names a metric of these components.

A labelled counter is not on the page before it first counted something. ``witnesses`` tell that apart from a release
that has no such counter: where the page has one of them, absence means zero; where it has none, the figure is unknown.
"""

from __future__ import annotations

from dataclasses import dataclass

RATIFY = "ratify"
GATEKEEPER = "gatekeeper"
APISERVER = "kube-apiserver"
REGISTRY = "registry"


@dataclass(frozen=True)
class Metric:
    """One quantity: its spellings on the wire, what turns the wire's unit into ours, and what vouches for its absence.

    ``names`` of a histogram are without ``_bucket``, ``_sum`` and ``_count``. ``scale`` times the value on the wire is
    seconds, bytes or a count.
    """

    names: tuple[str, ...]
    scale: float = 1.0
    witnesses: tuple[str, ...] = ()


def _counter(name: str, *witnesses: str) -> Metric:
    return Metric((f"{name}_total", name), witnesses=witnesses)


def _milliseconds(name: str) -> Metric:
    return Metric((name, f"{name}_millisecond"), scale=0.001)


_RATIFY_1 = (
    "ratify_registry_request_count_total",
    "ratify_registry_request_count",
    "ratify_verifier_duration_count",
    "ratify_verifier_duration_millisecond_count",
    "ratify_system_error_count_total",
    "ratify_system_error_count",
)  # Ratify 2 has the verification histogram, and none of these

RATIFY_VERIFICATION = _milliseconds("ratify_verification_request")
RATIFY_MUTATION = _milliseconds("ratify_mutation_request")
RATIFY_REGISTRY_REQUESTS = _counter("ratify_registry_request_count", *_RATIFY_1)
"""Label ``status_code``. Per HTTP attempt, challenges and tokens too; the last of six attempts is not counted."""
RATIFY_SYSTEM_ERRORS = _counter("ratify_system_error_count", *_RATIFY_1)
"""Label ``error`` has the message. A timeout shows up here and nowhere else; a refused image does not."""
RATIFY_BLOB_CACHE = _counter("ratify_blob_cache_count", *_RATIFY_1)
"""Label ``hit``. The cache of manifests and blobs on disk, not the cache of verification results."""
TIMED_OUT = "timed out"
"""What the message of a system error says when Ratify gave up for lack of time."""

GATEKEEPER_VALIDATIONS = _counter("gatekeeper_validation_request_count")
"""Label ``admission_status``: allow, deny, error."""
GATEKEEPER_VALIDATION = Metric(("gatekeeper_validation_request_duration_seconds",))
GATEKEEPER_AUDIT = Metric(("gatekeeper_audit_duration_seconds",))

_WEBHOOK_CALLS = (
    "apiserver_admission_webhook_request_total",
    "apiserver_admission_webhook_admission_duration_seconds_count",
)

APISERVER_REQUEST = Metric(("apiserver_request_duration_seconds",))
"""Labels ``verb``, ``subresource``. Includes the time that admission webhooks take."""
APISERVER_REQUEST_SECONDS = Metric(("apiserver_request_duration_seconds_sum",))
"""Seconds of all its requests together."""
APISERVER_WEBHOOK_SECONDS = Metric(
    ("apiserver_admission_webhook_admission_duration_seconds_sum",), witnesses=("apiserver_request_total",)
)
"""Labels ``name``, ``operation``, ``type``. Seconds of all calls together; there is none before the first call."""
APISERVER_FAIL_OPEN = Metric(("apiserver_admission_webhook_fail_open_count",), witnesses=_WEBHOOK_CALLS)
APISERVER_REJECTIONS = Metric(("apiserver_admission_webhook_rejection_count",), witnesses=_WEBHOOK_CALLS)
STREAMING_VERBS = frozenset({"WATCH", "WATCHLIST", "CONNECT", "PROXY"})
STREAMING_SUBRESOURCES = frozenset({"log", "exec", "portforward", "attach", "proxy"})
"""Requests that last as long as their client likes; sig-scalability leaves them out of the API latency as well."""

REGISTRY_REQUESTS = Metric(("registry_requests_total",))
"""Labels ``category``, ``status``. The emulator's own count."""
THROTTLED = "429"
REGISTRY_REFUSALS = Metric(("registry_refusals_total",))
"""Labels ``bucket`` (``registry``, or an identity) and ``category``. A request can be refused by several buckets."""
REGISTRY_TOKENS = Metric(("registry_bucket_tokens",))
REGISTRY_IDENTITY_TOKENS = Metric(("registry_identity_bucket_tokens",))
"""Gauges, label ``category``, of an identity's buckets ``identity`` too: requests that would be admitted at once."""

CPU_SECONDS = ("csscgen_process_cpu_seconds_total", "process_cpu_seconds_total")
RESIDENT_BYTES = ("csscgen_process_resident_memory_bytes", "process_resident_memory_bytes")
"""The harness's own samples first: they are there for components without a page, and while a page does not answer."""
START_TIME = "process_start_time_seconds"
UP = "up"
CAME, LEFT = "csscgen_came", "csscgen_left"
"""Marks of the harness: the target came, or left for good, while the others were being read, as pods do."""

_PROCESS = ("process_cpu_seconds_total", "process_resident_memory_bytes", START_TIME)

KEPT_FAMILIES: dict[str, tuple[str, ...]] = {
    APISERVER: (
        *_PROCESS,
        "apiserver_request_duration_seconds",
        "apiserver_request_total",
        "apiserver_current_inflight_requests",
        "apiserver_admission_webhook_fail_open_count",
        "apiserver_admission_webhook_rejection_count",
        *_WEBHOOK_CALLS,
        "apiserver_admission_webhook_admission_duration_seconds",
    ),
    "etcd": (
        *_PROCESS,
        "etcd_disk_wal_fsync_duration_seconds",
        "etcd_disk_backend_commit_duration_seconds",
        "etcd_mvcc_db_total_size_in_bytes",
        "etcd_server_slow_apply_total",
    ),
}
"""Prefixes of the families that are kept of a target's page; a target that is not here is kept whole. The pages of
kube-apiserver and etcd are megabytes, and most of them is never looked at."""

QUERIED: dict[str, tuple[str, ...]] = {
    RATIFY: (
        *_PROCESS,
        "ratify_(verification|mutation)_request(_millisecond)?_(bucket|count|sum)",
        "ratify_(registry_request|system_error|blob_cache)_count(_total)?",
    ),
    GATEKEEPER: (
        *_PROCESS,
        "gatekeeper_validation_request_count(_total)?",
        "gatekeeper_(validation_request|audit)_duration_seconds_(bucket|count|sum)",
    ),
    APISERVER: (
        *_PROCESS,
        "apiserver_admission_webhook_(fail_open|rejection)_count",
        "apiserver_admission_webhook_request_total",
    ),
    REGISTRY: (*_PROCESS, "registry_(requests|refusals)_total", "registry_(identity_)?bucket_tokens"),
}
"""Names, as regular expressions, of the series that a summary asks for, by component: what is had of a Prometheus."""
BULKY: dict[str, tuple[str, ...]] = {
    APISERVER: (
        "apiserver_request_duration_seconds_(bucket|count|sum)",
        "apiserver_admission_webhook_admission_duration_seconds_(count|sum)",
    )
}
"""Those of which there are thousands of series: they are had for the two ends of the window."""

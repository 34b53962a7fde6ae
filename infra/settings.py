"""The settings of a stack: read once, checked whole, typed from here on.

One class per subject of the stack's config. A field's metadata holds its documentation and its unit; Pulumi.yaml and
docs/settings.md are made from it (infra/schema.py). Reading collects every problem and raises one error that names each
bad key, with the nearest known one where a name is misspelt. Nothing here imports pulumi, so that the command line can
check a stack before anything is touched.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, Self

from infra.faults import Fault, schedule_problems
from infra.values import read_fields, unknown_key
from workloads.errors import SettingsError, named
from workloads.negatives import MOST_SHARDS, REFUSED_SIGNERS
from workloads.negatives import problems as negatives_problems
from workloads.ratify.objects import Plan
from workloads.registries import SizeName as RegistrySizeName
from workloads.sizes import SIZES, SizeName
from workloads.thresholds import problem as threshold_problem

MOST_REGIONS = 32
"""Each is a process and a port of its own."""

Platform = Literal["azure", "local", "kubeconfig"]

Form = tuple[str, str]
"""A regular expression that text has to match as a whole, and the same in words."""

LABEL: Form = (
    r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?",
    "1 to 63 letters, digits, dots, hyphens and underscores, the ends letters or digits",
)
NAME: Form = (r"[a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?", "a name of lower-case letters, digits and hyphens")
QUANTITY: Form = (r"[0-9]+(\.[0-9]+)?(m|k|[MGTPE]|[KMGTPE]i)?", "a quantity such as 64, 500m or 256Gi")
COMMON_NAME: Form = (r"[ -~]{1,64}", "1 to 64 printable ASCII characters")


def setting(
    default: Any,
    doc: str,
    *,
    unit: str = "",
    minimum: float | None = None,
    maximum: float | None = None,
    form: Form | None = None,
) -> Any:
    """A field with its documentation: unit, the least and the greatest value that it takes, the form of its text."""
    metadata = {"doc": doc, "unit": unit, "minimum": minimum, "maximum": maximum, "form": form}
    if callable(default):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Scenario:
    """What is admitted: the workloads, their images and signatures."""

    size: SizeName = setting("S", "Names the replicas and nodes that are not set: S, M, L or XL of the published test.")
    workload: Literal["deployment", "job"] = setting("deployment", "Kind of the workloads; Jobs are Indexed ones.")
    shards: int = setting(1, "Workloads that share the replicas evenly.", minimum=1, maximum=MOST_SHARDS)
    replicas: int | None = setting(
        None, "Pods of all workloads together; null for the size's.", unit="pods", minimum=1, maximum=200_000
    )
    containers: int = setting(10, "Containers per pod, each with an image of its own.", minimum=1, maximum=100)
    signatures: int = setting(
        5, "Signatures per image; 0 leaves the images unsigned, so that every pod is denied.", minimum=0, maximum=50
    )
    namespaces: int = setting(1, "Namespaces that the workloads are spread over.", minimum=1, maximum=1000)
    uniqueImages: bool = setting(False, "Whether every workload has images of its own instead of shared ones.")
    jobSeconds: int = setting(10, "How long a Job's containers run.", unit="s", minimum=0, maximum=86_400)
    negatives: Mapping[str, float] = setting(
        dict,
        "Images that Ratify must refuse: the kind and its share of the workloads, such as `{unsigned: 0.1}`. The kinds "
        "are in [scenarios.md](scenarios.md).",
    )
    seed: int = setting(0, "Says which of the workloads run negative images.", minimum=0, maximum=2**31 - 1)
    restored: bool = setting(
        False, "Whether negative images have genuine signatures as well, so that they have to pass."
    )


@dataclass(frozen=True)
class Region:
    """One registry of the shared stack."""

    name: str = field(metadata={"form": NAME})
    size: RegistrySizeName = field()


@dataclass(frozen=True)
class Registry:
    """The registries: what serves the images and how many requests it admits."""

    kind: Literal["emulator", "distribution"] = setting(
        "emulator",
        "What serves the images here: the emulator of ACR, or the CNCF distribution registry (no throttling).",
    )
    size: RegistrySizeName = setting("L", "Which of the shared stack's registries the run uses: the one of this size.")
    regions: tuple[Region, ...] = setting(
        (
            Region("eastus2", "L"),
            Region("centralus", "M"),
            Region("eastus2az", "S"),
            Region("eastus2euap", "XS"),
        ),
        "The registries of the shared stack: a list of {name, size}.",
    )
    port: int = setting(
        0, "Port of the first region's registry, the others follow; 0 for free ones.", minimum=0, maximum=65_000
    )
    storage: Literal["memory", "disk"] = setting(
        "memory", "Where the emulator keeps contents: disk for ones that outlast its process."
    )
    login: bool = setting(
        True,
        "Whether the emulator asks for logins, as ACR does: each operation costs Ratify a 401 and a token as well.",
    )
    anonymousPull: bool = setting(False, "Whether the emulator gives tokens to pull to those without a login.")
    tokenSeconds: int = setting(
        3600, "How long an access token of the emulator is good for.", unit="s", minimum=1, maximum=86_400
    )
    referrersApi: bool = setting(True, "Whether the emulator has the referrers API; off for the tags in its place.")
    referrersPage: int = setting(100, "Referrers that a page of the emulator's lists has.", minimum=1, maximum=10_000)
    dataEndpoint: bool = setting(
        True, "Whether the emulator sends GETs of blobs on to a data endpoint (307), as ACR does."
    )
    latencyMs: float = setting(0, "How long the emulator holds each answer back.", unit="ms", minimum=0, maximum=60_000)
    bandwidthMbps: float | None = setting(
        None, "Link that all answers of an emulated registry share; null for no limit.", unit="Mbit/s", minimum=0.001
    )


@dataclass(frozen=True)
class Signing:
    """The signing certificate, which the shared stack keeps."""

    algorithm: Literal["ES256", "PS256"] = setting("ES256", "Signature algorithm: EC P-256 or RSA-2048 key.")
    commonName: str = setting("ratify-perf", "Common name of the certificate's subject.", form=COMMON_NAME)


@dataclass(frozen=True)
class Cluster:
    """The control plane and its nodes."""

    nodes: int | None = setting(None, "Nodes; null for the size's.", unit="nodes", minimum=1, maximum=5_000)
    maxPods: int = setting(40, "Pods that a node takes.", unit="pods", minimum=1, maximum=250)
    nodeCpu: str = setting("64", "Allocatable CPU of a simulated node.", unit="cores", form=QUANTITY)
    nodeMemory: str = setting("256Gi", "Allocatable memory of a simulated node.", unit="quantity", form=QUANTITY)
    apiServerPort: int = setting(0, "Port of the local kube-apiserver; 0 for a free one.", minimum=0, maximum=65_535)


@dataclass(frozen=True)
class Gatekeeper:
    """Gatekeeper, the admission webhook."""

    auditInterval: int = setting(0, "Seconds between audits; 0 turns audit off.", unit="s", minimum=0)
    auditFromCache: bool = setting(False, "Whether audit reads Gatekeeper's cache instead of the API server.")
    auditChunkSize: int = setting(500, "Objects that audit lists at a time; 0 for all.", minimum=0)
    emitAdmissionEvents: bool = setting(False, "Whether denials are emitted as Kubernetes events.")
    emitAuditEvents: bool = setting(False, "Whether audit's violations are emitted as Kubernetes events.")
    externalData: bool = setting(True, "Whether external data providers are asked, without which nothing is verified.")
    responseCacheSeconds: int = setting(
        180, "How long an answer of Ratify is reused for the same image; 0 asks every time.", unit="s", minimum=0
    )
    validationTimeoutSeconds: int = setting(
        5, "Deadline of the validating webhook and of Ratify's provider.", unit="s", minimum=1, maximum=30
    )
    mutationTimeoutSeconds: int = setting(
        2, "Deadline of the mutating webhook and of Ratify's mutation provider.", unit="s", minimum=1, maximum=30
    )
    mutation: bool = setting(True, "Whether tags are resolved to digests at admission.")
    maxServingThreads: int = setting(-1, "Validations that run at once; -1 for as many as there are cores.", minimum=-1)
    logDenies: bool = setting(False, "Whether every denial is logged.")
    logLevel: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = setting("INFO", "Level of Gatekeeper's log.")
    excludedNamespaces: tuple[str, ...] = setting(
        ("kube-*", "gatekeeper-*", "cluster-loader", "monitoring"), "Namespaces that Gatekeeper leaves alone."
    )
    port: int = setting(0, "Port of the local webhook; 0 for a free one.", minimum=0, maximum=65_535)


@dataclass(frozen=True)
class Ratify:
    """Ratify, the verifier behind Gatekeeper."""

    mode: Literal["regular", "ha-without-dapr"] = setting(
        "regular", "How Ratify is deployed: regular, one replica; ha-without-dapr, several behind one address."
    )
    replicas: int = setting(
        1, "Processes or pods of Ratify: 1 in mode regular, 2 to 20 in ha-without-dapr.", minimum=1, maximum=20
    )
    cache: bool = setting(
        True,
        "Ratify's caches of results; off turns off Gatekeeper's response cache too: every verification asks anew.",
        unit="on|off",
    )
    cacheTtlSeconds: int = setting(10, "How long a verification result or referrers list is kept.", unit="s", minimum=1)
    cacheSizeMb: int = setting(256, "Size of the result cache.", unit="MB", minimum=1)
    verificationTimeoutMs: int = setting(4_900, "Deadline of a verification request.", unit="ms", minimum=1)
    mutationTimeoutMs: int = setting(1_950, "Deadline of a mutation request.", unit="ms", minimum=1)
    logLevel: Literal["debug", "info", "warn", "error"] = setting("info", "Level of Ratify's log.")
    port: int = setting(0, "Port of the local Ratify; 0 for a free one.", minimum=0, maximum=65_535)


@dataclass(frozen=True)
class Policy:
    """What the constraint covers, and what happens when it cannot be evaluated."""

    match: Literal["pods", "workloads"] = setting(
        "pods", "Kinds that the constraint matches: pods (stock), or pods and the workloads that make them."
    )
    failurePolicy: Literal["Ignore", "Fail"] = setting(
        "Ignore", "Webhooks' failure policy: Ignore (stock) lets a pod in unverified when the webhook times out."
    )


@dataclass(frozen=True)
class Monitoring:
    """How metrics are had."""

    prometheus: Literal["auto", "on", "off"] = setting(
        "auto", "A Prometheus beside the harness's own scraper: auto where the binary is already there."
    )
    scrapeSeconds: float = setting(2, "Interval of scrapes.", unit="s", minimum=0.1, maximum=600)


@dataclass(frozen=True)
class Load:
    """How the workloads are created, and how long is waited for them."""

    mode: Literal["declared", "created"] = setting(
        "declared", "declared: the Pulumi program declares the workloads; created: csscgen creates them at a rate."
    )
    start: bool = setting(
        True, "Whether the workloads are declared at once; csscgen run declares them after seeding and arming."
    )
    rate: float = setting(1.0, "Workloads per second in mode created.", unit="1/s", minimum=0.001, maximum=10_000)
    deadlineSeconds: int = setting(
        900, "How long is waited, once the load is sent, until every pod's outcome is known.", unit="s", minimum=1
    )
    quietSeconds: float = setting(
        15,
        "Pods whose images are refused are given up when nothing has changed for this long.",
        unit="s",
        minimum=1,
        maximum=86_400,
    )
    retrySeconds: float = setting(
        90,
        "Pods that a later attempt may bring in (after a 429, a timeout, a webhook that was away) are given up when "
        "nothing has changed for this long.",
        unit="s",
        minimum=1,
        maximum=86_400,
    )


SUBJECTS: dict[str, type] = {
    "scenario": Scenario,
    "registry": Registry,
    "signing": Signing,
    "cluster": Cluster,
    "gatekeeper": Gatekeeper,
    "ratify": Ratify,
    "policy": Policy,
    "monitoring": Monitoring,
    "load": Load,
}


@dataclass(frozen=True)
class Settings:
    """All settings of one stack."""

    platform: Platform = setting("local", "Where the stack runs: azure, local, or a cluster named by a kubeconfig.")
    sharedStack: str | None = setting(
        None, "The stack with the registries and the certificate; null for that one itself."
    )
    runId: str = setting("manual", "Label of every object of the run; csscgen run sets it.", form=LABEL)
    scenario: Scenario = field(default_factory=Scenario)
    registry: Registry = field(default_factory=Registry)
    signing: Signing = field(default_factory=Signing)
    cluster: Cluster = field(default_factory=Cluster)
    gatekeeper: Gatekeeper = field(default_factory=Gatekeeper)
    ratify: Ratify = field(default_factory=Ratify)
    policy: Policy = field(default_factory=Policy)
    monitoring: Monitoring = field(default_factory=Monitoring)
    load: Load = field(default_factory=Load)
    faults: tuple[Fault, ...] = setting(
        (), "What goes wrong during the load: a list of {target, action, at, seconds, share}, see local-platform.md."
    )
    thresholds: Mapping[str, str] = setting(
        dict, "Figures of summary.json and their limits, such as pods.missing: <= 0; a broken one fails the run."
    )

    @classmethod
    def read(cls, config: Mapping[str, object], where: str) -> Self:
        """The settings in ``config`` (top-level keys without namespace), with defaults for what is not there.

        ``where`` names the source in the error. Raises SettingsError that names every bad key.
        """
        problems: list[str] = []
        values: dict[str, Any] = {}
        known = {f.name for f in fields(cls)}
        for key, value in config.items():
            if key not in known:
                problems.append(unknown_key(key, known))
            elif subject := SUBJECTS.get(key):
                values[key] = read_fields(subject, value, key, problems)
        simple = {key: value for key, value in config.items() if key in known and key not in SUBJECTS}
        values.update(read_fields(cls, simple, "", problems))
        if not problems:
            settings = cls(
                **{key: SUBJECTS[key](**value) if key in SUBJECTS else value for key, value in values.items()}
            )
            problems = settings._contradictions()
            if not problems:
                return settings
        raise SettingsError(where, problems)

    @property
    def replicas(self) -> int:
        """Pods of all workloads together."""
        return self.scenario.replicas or SIZES[self.scenario.size].replicas

    @property
    def nodes(self) -> int:
        """Nodes of the cluster."""
        return self.cluster.nodes or SIZES[self.scenario.size].nodes

    @property
    def response_cache_seconds(self) -> int:
        """Gatekeeper's response cache as it is used: ``ratify.cache: off`` turns it off too."""
        return self.gatekeeper.responseCacheSeconds if self.ratify.cache else 0

    @property
    def shared_part(self) -> dict[str, Any]:
        """What a shared stack makes of its settings, to be compared: a run cannot change it for once."""
        registry = {key: value for key, value in asdict(self.registry).items() if key not in ("size", "port")}
        regions = [asdict(region) for region in self.registry.regions]
        signing = {**asdict(self.signing), "refused": sorted(REFUSED_SIGNERS)}
        return {"registry": {**registry, "regions": regions}, "signing": signing}

    @property
    def plan(self) -> Plan:
        """What the scenario asks of the cluster."""
        scenario = self.scenario
        return Plan(
            kind=scenario.workload,
            shards=scenario.shards,
            replicas=self.replicas,
            containers=scenario.containers,
            signatures=scenario.signatures,
            namespaces=scenario.namespaces,
            unique_images=scenario.uniqueImages,
            job_seconds=scenario.jobSeconds,
            run_id=self.runId,
            negatives=scenario.negatives,
            seed=scenario.seed,
            restored=scenario.restored,
        )

    def _contradictions(self) -> list[str]:
        """What no single key shows: sentences about keys that do not go together."""
        problems = [
            f"thresholds.{named(metric)}: {problem}"
            for metric, limit in self.thresholds.items()
            if (problem := threshold_problem(limit))
        ]
        room = self.nodes * self.cluster.maxPods
        if self.sharedStack and self.replicas > room:
            problems.append(
                f"scenario.replicas: {self.replicas} pods do not fit on {self.nodes} nodes with {self.cluster.maxPods} "
                f"pods each ({room} in all); lower it, or raise cluster.nodes or cluster.maxPods."
            )
        problems += self._mode_problems()
        problems += schedule_problems(self.faults, self.ratify.replicas)
        if self.scenario.shards > self.replicas:
            problems.append(
                f"scenario.shards: {self.scenario.shards} workloads cannot share {self.replicas} replicas; "
                "each needs at least one."
            )
        problems += [
            f"scenario.negatives: {problem}"
            for problem in negatives_problems(self.scenario.negatives, self.scenario.shards)
        ]
        if self.scenario.negatives and not self.scenario.signatures:
            problems.append(
                "scenario.negatives: with scenario.signatures 0 every image is unsigned as it is; set one or the other."
            )
        for ours, theirs in (("verification", "validation"), ("mutation", "mutation")):
            milliseconds = getattr(self.ratify, f"{ours}TimeoutMs")
            seconds = getattr(self.gatekeeper, f"{theirs}TimeoutSeconds")
            if milliseconds >= seconds * 1000:
                problems.append(
                    f"ratify.{ours}TimeoutMs: {milliseconds} ms is not below gatekeeper.{theirs}TimeoutSeconds "
                    f"({seconds} s), so Gatekeeper would give up first and hide Ratify's error."
                )
        taken: dict[int, str] = {}
        for key, port in (
            ("cluster.apiServerPort", self.cluster.apiServerPort),
            ("gatekeeper.port", self.gatekeeper.port),
            ("ratify.port", self.ratify.port),
        ):
            if port and (other := taken.setdefault(port, key)) != key:
                problems.append(f"{key}: {port} is the port of {other}; set another, or 0 for a free one.")
        sizes = [region.size for region in self.registry.regions]
        if not sizes:
            problems.append("registry.regions: there has to be at least one.")
        elif len(sizes) > MOST_REGIONS:
            problems.append(f"registry.regions: there can be at most {MOST_REGIONS}, got {len(sizes)}.")
        elif len({region.name for region in self.registry.regions}) < len(sizes):
            problems.append("registry.regions: two regions have the same name.")
        return problems

    def _mode_problems(self) -> list[str]:
        mode, replicas = self.ratify.mode, self.ratify.replicas
        if mode == "regular" and replicas > 1:
            return [
                f"ratify.replicas: mode regular has 1 replica, not {replicas}; set ratify.mode to ha-without-dapr for "
                "several."
            ]
        if mode != "regular" and replicas < 2:
            return [f"ratify.replicas: mode {mode} needs 2 to 20 replicas, got {replicas}."]
        return []

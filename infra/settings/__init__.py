"""The settings of a stack: read once, checked whole, typed from here on.

One class per subject of the stack's config, in a module of this package. A field's metadata holds its documentation and
its unit; Pulumi.yaml and docs/settings.md are made from it (infra/schema.py). Reading collects every problem and raises
one error that names each bad key, with the nearest known one where a name is misspelt. Nothing here imports pulumi, so
that the command line can check a stack before anything is touched.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, Self

from infra.faults import Fault
from infra.settings.azure import Azure
from infra.settings.components import Cluster, Gatekeeper, Monitoring, Ratify
from infra.settings.contradictions import KINDS, contradictions
from infra.settings.declaring import LABEL, setting
from infra.settings.registries import Region, Registry, Signing
from infra.settings.scenarios import Load, Policy, Scenario
from infra.values import read_fields, unknown_key
from workloads.errors import SettingsError
from workloads.negatives import REFUSED_SIGNERS
from workloads.ratify.objects import PULL_SECRET, Plan
from workloads.sizes import SIZES, nodes_needed

__all__ = [
    "SUBJECTS",
    "Azure",
    "Cluster",
    "Gatekeeper",
    "Load",
    "Monitoring",
    "Platform",
    "Policy",
    "Ratify",
    "Region",
    "Registry",
    "Scenario",
    "Settings",
    "Signing",
]

Platform = Literal["azure", "local", "kubeconfig"]

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
    "azure": Azure,
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
    azure: Azure = field(default_factory=Azure)
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
        bad = {problem.partition(": ")[0] for problem in problems}
        settings = cls(**{key: SUBJECTS[key](**value) if key in SUBJECTS else value for key, value in values.items()})
        problems += [
            sentence
            for keys, sentence in contradictions(settings)
            if not any(key in bad or key.partition(".")[0] in bad for key in keys)
        ]
        if problems:
            raise SettingsError(where, problems)
        return settings

    @property
    def replicas(self) -> int:
        """Pods of all workloads together."""
        return self.scenario.replicas or SIZES[self.scenario.size].replicas

    @property
    def needed_nodes(self) -> int | None:
        """Nodes that the scenario needs, those of the system too; None if none would do."""
        cluster = self.cluster
        return nodes_needed(self.replicas, self.scenario.containers, cluster.maxPods, cluster.systemNodes)

    @property
    def nodes(self) -> int:
        """Nodes of the cluster, those of the system too."""
        return self.cluster.nodes or self.needed_nodes or 1

    @property
    def response_cache_seconds(self) -> int:
        """Gatekeeper's response cache as it is used: ``ratify.cache: off`` turns it off too."""
        return self.gatekeeper.responseCacheSeconds if self.ratify.cache else 0

    @property
    def registry_kind(self) -> str:
        """What serves the images of a shared stack."""
        return self.registry.kind or KINDS[self.platform][0]

    @property
    def shared_part(self) -> dict[str, Any]:
        """What a shared stack makes of its settings, to be compared: a run cannot change it for once."""
        registry = {key: value for key, value in asdict(self.registry).items() if key not in ("size", "port")}
        regions = [asdict(region) for region in self.registry.regions]
        signing = {**asdict(self.signing), "refused": sorted(REFUSED_SIGNERS)}
        return {"registry": {**registry, "kind": self.registry_kind, "regions": regions}, "signing": signing}

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
            referrers=tuple(each.extra for each in scenario.referrers),
            pull_secret=PULL_SECRET if self.platform == "kubeconfig" else None,
        )

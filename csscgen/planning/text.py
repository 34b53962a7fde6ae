"""A plan for the terminal: the verdict first, then the figures by subject, in lines of at most 100 columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from textwrap import wrap

from csscgen.planning.azure import REGIONAL, Cost, Quota
from csscgen.planning.data import limits
from csscgen.planning.plans import PUBLISHED, Finding, Planned
from csscgen.planning.requests import Requests
from csscgen.planning.serving import Serving
from csscgen.planning.words import amount, duration, money, named_bucket, size

WIDTH = 100
INDENT = 18
_GLUE = "\N{NO-BREAK SPACE}"
_DOT = "\N{MIDDLE DOT}"


def render(planned: Planned) -> str:
    """All of it; ends without a line feed."""
    lines = [f"{planned.stack} on {planned.platform}: {_headline(planned)}", ""]
    lines += _findings("Problem", planned.problems)
    lines += _findings("Warning", planned.warnings)
    if planned.problems or planned.warnings:
        lines.append("")
    for part in (_cluster, _registry, _seeding, _azure, _control_plane, _memory, _cost):
        if told := part(planned):
            lines += [*told, ""]
    lines += wrap(f"Limits as of {limits().as_of}. What is published, measured, guessed: docs/planning.md.", WIDTH)
    return "\n".join(lines)


def _headline(planned: Planned) -> str:
    if planned.objects is None:
        return "a shared stack, which has no load of its own."
    if planned.problems:
        return "the plan cannot work."
    return "the plan works, with warnings." if planned.warnings else "the plan works."


def _findings(word: str, findings: Iterable[Finding]) -> Iterator[str]:
    for each in findings:
        yield from wrap(f"{word}: {each.key}: {each.sentence}", WIDTH, subsequent_indent="  ", break_on_hyphens=False)


def _row(title: str, figures: Iterable[str]) -> list[str]:
    """Figures beside a title, with dots between them; a line breaks after a dot, never inside a figure."""
    text = f" {_DOT} ".join(figures).replace(" ", _GLUE).replace(f"{_DOT}{_GLUE}", f"{_DOT} ")
    first = f"{title:<{INDENT}}"
    lines = wrap(text, WIDTH, initial_indent=first, subsequent_indent=" " * INDENT, break_on_hyphens=False)
    return [line.replace(_GLUE, " ").rstrip() for line in lines]


def _cluster(planned: Planned) -> list[str]:
    objects, nodes = planned.objects, planned.nodes
    if objects is None or nodes is None:
        return []
    made = [
        f"namespaces {amount(objects.namespaces)}",
        f"workloads {amount(objects.workloads)}",
        f"replica sets {amount(objects.replica_sets)}",
        f"pods {amount(objects.pods)}",
        f"containers {amount(objects.containers)}",
        f"events {amount(objects.events)}",
    ]
    placed = [
        f"{amount(nodes.total)}{' simulated' if nodes.simulated else ''}",
        *([f"system {amount(nodes.system)}"] if nodes.system else []),
        *([f"load {amount(nodes.load)}"] if nodes.system else []),
        *([f"load pools of {', '.join(map(amount, nodes.load_pools))}"] if nodes.system else []),
        f"pods on the fullest {amount(nodes.most_pods_per_node)}",
    ]
    images = [
        f"images {amount(objects.images)}",
        f"attachments {amount(objects.attachments)}",
        f"repositories {amount(objects.repositories)}",
    ]
    return [*_row("Objects", made), *_row("Artifacts", images), *_row("Nodes", placed)]


def _registry(planned: Planned) -> list[str]:
    lines = _row("Registries", [f"{region} ({size})" for region, size in planned.registries])
    asked = planned.asked
    if asked is None:
        return lines
    found = asked.verifications
    verified = [
        f"admissions {amount(found.admissions)}",
        f"images asked of the registry {amount(found.at_registry)}",
        f"downloaded {amount(found.downloads)}",
        f"tags resolved {amount(found.resolved_tags)}",
        f"at once {amount(asked.demand.concurrency)}",
        f"unhindered {duration(asked.demand.unhindered_seconds)}",
    ]
    lines += [*_row("Verification", verified), *_row("Ratify asks", _requests(asked.run))]
    if asked.pulls is not None:
        lines += _row("Kubelets ask", [f"pulls {amount(asked.pulls.pulls)}", *_requests(asked.pulls.requests)])
    for serving in planned.served:
        lines += _serving("Registry", serving)
    return lines


def _requests(requests: Requests) -> list[str]:
    challenges = requests.read_challenges + requests.list_challenges
    shown = {
        "reads": requests.read,
        "lists of referrers": requests.list_referrers,
        "tokens": requests.oauth,
        "answered 401": challenges,
        "writes": requests.write,
        "deletions": requests.delete,
    }
    return [f"{name} {amount(count)}" for name, count in shown.items() if count] or ["nothing"]


def _serving(title: str, serving: Serving) -> list[str]:
    by = "as published" if serving.limits == PUBLISHED else "model of the size"
    figures = [f"{by}: at least {duration(serving.least_seconds)}", f"expected {duration(serving.expected_seconds)}"]
    figures.append(f"429s about {amount(serving.expected_429s)}" if serving.expected_429s else "no 429s")
    worst = serving.bottleneck or max(serving.buckets, key=lambda bucket: bucket.share, default=None)
    lines = _row(title, figures)
    if worst is not None:
        role = "bottleneck" if serving.bottleneck else "fullest"
        asked = f"{amount(worst.requests)} of {amount(worst.per_minute)} a minute"
        lines += _row("", [f"{role}: {named_bucket(worst)}", asked])
    return lines


def _seeding(planned: Planned) -> list[str]:
    if planned.seeding is None:
        return []
    made = [f"manifests {amount(planned.seeding.manifests)}", size(planned.seeding.bytes)]
    lines = _row("Seeding asks", [*made, *_requests(planned.seeding.requests)])
    if planned.signing_seconds:
        lines += _row("", [f"signing by Key Vault takes {duration(planned.signing_seconds)} at least"])
    for serving in planned.seeded:
        lines += _serving("Seeding", serving)
    return lines


def _azure(planned: Planned) -> list[str]:
    lines = [line for quota in planned.quotas for line in _quota(quota)]
    throttles = planned.throttles
    if throttles is not None:
        lines += _row(
            "AKS and ARM",
            [
                f"clusters and pools made {throttles.pool_puts}",
                f"each takes a burst of {throttles.pool_put_burst} PUTs and {throttles.pool_puts_per_minute} a minute",
                f"ARM writes about {throttles.arm_writes} of a burst of {throttles.arm_write_burst} "
                f"and {throttles.arm_writes_per_second} a second",
                f"steps advised {throttles.scale_steps}",
                f"addresses of the subnet {amount(throttles.addresses)}",
                *([f"pod CIDR /{throttles.pod_cidr_prefix} or larger"] if throttles.pod_cidr_prefix else []),
            ],
        )
    return lines


def _quota(quota: Quota) -> list[str]:
    cores = "unknown cores" if quota.cores is None else f"{amount(quota.cores)} cores"
    name = "Total Regional vCPUs" if quota.name == REGIONAL else quota.name
    return [*_row("Quota", [f"{name} {cores}", f"nodes {amount(quota.nodes)}"]), f"  {quota.command}"]


def _control_plane(planned: Planned) -> list[str]:
    if not planned.thresholds:
        return []
    shown = [f"{row.name} {amount(row.value)} of {amount(row.tested)}" for row in planned.thresholds]
    lines = _row("SIG Scalability", shown)
    if planned.api is not None:
        pace = f"pods created {planned.api.pods_per_second:.3g} a second"
        tested = f"of {limits().kubernetes.churn_per_second} for which its SLOs hold"
        lines += _row("API server", [f"{pace} {tested}", f"writes about {amount(planned.api.writes)}"])
    if planned.etcd_bytes is not None:
        kept = f"about {amount(planned.etcd_bytes / 1e6)} MB of pods and events between two compactions"
        lines += _row("etcd", [kept, f"{limits().etcd_bytes / 1e9:.0f} GB at most"])
    return lines


def _memory(planned: Planned) -> list[str]:
    found = planned.memory
    if found is None:
        return []
    largest = sorted(found.by_process.items(), key=lambda each: -each[1])[:4]
    figures = [
        f"about {size(found.needed)} of {size(found.total)}",
        f"{size(found.available)} free now",
        *(f"{name} {size(count)}" for name, count in largest),
        *([f"a guess: {', '.join(found.guessed)}"] if found.guessed else []),
    ]
    return _row("Memory here", figures)


def _cost(planned: Planned) -> list[str]:
    lines = []
    if planned.shared_usd_per_day is not None:
        lines += _row(
            "Cost, shared", [f"{len(planned.registries)} registries {money(planned.shared_usd_per_day)} a day"]
        )
    cost = planned.cost
    if cost is not None:
        lines += [
            *_row("Cost, run", _of_run(cost)),
            *_row("", [f"list prices of {cost.region}, {cost.as_of}", "an estimate"]),
        ]
    return lines


def _of_run(cost: Cost) -> list[str]:
    return [
        f"{money(cost.usd_per_hour)} an hour",
        f"nodes {money(cost.nodes_usd_per_hour)}",
        f"signing by Key Vault {money(cost.signing_usd)}",
        f"{cost.hours:.1f} h with making and removing",
        f"in all {money(cost.run_usd)}",
    ]

"""csscgen genk8s"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from csscgen.commands import options
from csscgen.generating.scenarios import FromScenario
from csscgen.generating.words import DNS_LABEL, LABEL, QUANTITY, pairs, tolerations
from csscgen.generating.words import label as label_of

if TYPE_CHECKING:
    from workloads.ratify.generated import Mix

MOST_CONTAINERS = 100
"""Of a pod: more make an object that etcd is not meant for, and a pod that no node runs."""
MOST_REFERRERS = 50
MOST_OBJECTS = 1_000_000
TEMPLATE_NAME, TEMPLATE_GROUP = "{{.Name}}", "{{.Group}}"
DEFAULT_NAME = "ratify"


@click.command(cls=FromScenario)
@click.option(
    "--stack",
    "-s",
    metavar="NAME",
    help="Defaults from the scenario of stacks/Pulumi.NAME.yaml, which need not be up.",
)
@options.changes
@click.option(
    "--resource-type",
    "-t",
    type=click.Choice(["deployment", "job", "pod"]),
    default="deployment",
    show_default=True,
    help="Kind of the objects; Jobs are Indexed ones.",
)
@click.option("--registry-host", required=True, metavar="HOST", help="Registry of the images, such as name.azurecr.io.")
@click.option(
    "--num-containers",
    "-c",
    type=click.IntRange(1, MOST_CONTAINERS),
    default=1,
    show_default=True,
    help="Containers of a pod, each with an image of its own.",
)
@click.option(
    "--num-replicas",
    type=click.IntRange(1, MOST_OBJECTS),
    default=1,
    show_default=True,
    help="Pods of all objects together; with -t pod that many objects.",
)
@click.option(
    "--num-referrers",
    type=click.IntRange(0, MOST_REFERRERS),
    default=1,
    show_default=True,
    help="Signatures per image: a part of the repository's name.",
)
@click.option("--namespace", "-n", default="", callback=label_of(DNS_LABEL), help="Namespace of the objects.")
@click.option(
    "--output-file",
    "-f",
    type=click.Path(path_type=Path),
    help="File, or folder for clusterloader2 and kube-burner; without, standard output.",
)
@click.option(
    "--name", callback=label_of(DNS_LABEL, TEMPLATE_NAME), help="Name; with several objects, what it begins with."
)
@click.option("--group", callback=label_of(LABEL, TEMPLATE_GROUP), help="Value of the label `group`.")
@click.option(
    "--shards",
    type=click.IntRange(1, MOST_OBJECTS),
    default=1,
    show_default=True,
    help="Deployments or Jobs that share the pods.",
)
@click.option(
    "--namespaces",
    type=click.IntRange(1, 10_000),
    default=1,
    show_default=True,
    help="Spread the objects over so many namespaces, <NAMESPACE>-0 and on.",
)
@click.option("--unique-images", is_flag=True, help="Images of its own for each object: <repository>-<index>.")
@click.option("--job-seconds", type=click.IntRange(0, 86_400), help="How long the containers run (csscgen's images).")
@click.option("--requests", multiple=True, callback=pairs(QUANTITY), metavar="KEY=AMOUNT", help="cpu=10m, memory=16Mi.")
@click.option("--limits", multiple=True, callback=pairs(QUANTITY), metavar="KEY=AMOUNT", help="The same for limits.")
@click.option("--toleration", multiple=True, callback=tolerations, metavar="KEY[=VALUE][:EFFECT]", help="Repeatable.")
@click.option("--node-selector", multiple=True, callback=pairs(LABEL), metavar="KEY=VALUE", help="Repeatable.")
@click.option("--label", multiple=True, callback=pairs(LABEL), metavar="KEY=VALUE", help="Of objects and pods.")
@click.option("--pull-secret", callback=label_of(DNS_LABEL), help="Secret that the images are pulled with.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["yaml", "jsonl", "clusterloader2", "kube-burner"]),
    default="yaml",
    show_default=True,
    help="Documents, a JSON object per line, or a template with the other tool's test.",
)
@click.option(
    "--qps",
    type=click.FloatRange(0, 10_000, min_open=True),
    default=10,
    show_default=True,
    help="Objects per second (clusterloader2, kube-burner).",
)
@click.option("--burst", type=click.IntRange(1, 10_000), default=1, show_default=True, help="Of those, at once.")
def command(
    resource_type: Any,
    registry_host: str,
    num_containers: int,
    num_replicas: int,
    num_referrers: int,
    namespace: str,
    output_file: Path | None,
    name: str | None,
    group: str | None,
    shards: int,
    namespaces: int,
    unique_images: bool,
    job_seconds: int | None,
    requests: dict[str, str],
    limits: dict[str, str],
    toleration: list[dict[str, str]],
    node_selector: dict[str, str],
    label: dict[str, str],
    pull_secret: str | None,
    form: Any,
    qps: float,
    burst: int,
    mix: Mix | None = None,
) -> None:
    """Print workloads with the images that csscgen seeds.

    The flags, their defaults and the objects are those of the Go tool of this name; what is new comes only when it is
    asked for (docs/genk8s.md). One object without --name has ClusterLoader2's placeholders in its place, as there.
    Registries that everybody shares, docker.io among them, are refused: the objects are made to be admitted by the
    thousand.

    \b
    Example:
      csscgen genk8s --registry-host name.azurecr.io -c 10 --num-replicas 200 --num-referrers 5 -f load.yaml
      csscgen genk8s -t pod --registry-host 127.0.0.1:5000 --num-replicas 20000 --name load --format jsonl
      csscgen genk8s --stack perf-S --registry-host name.azurecr.io --format clusterloader2 -f test
      csscgen genk8s -t job --registry-host name.azurecr.io --shards 5 --num-replicas 200 --format kube-burner -f burn
    """
    from csscgen.artifacts.addresses import own_registry
    from csscgen.generating.documents import documents
    from csscgen.generating.generators import GENERATORS, Pace
    from csscgen.generating.refusing import refuse
    from csscgen.generating.writing import write_files, write_text
    from workloads.errors import UsageError
    from workloads.ratify.generated import Generation, Mix

    own_registry(registry_host, [registry_host])
    asked = Generation(
        type=resource_type,
        host=registry_host,
        containers=num_containers,
        referrers=num_referrers,
        replicas=num_replicas,
        shards=shards,
        unique_images=unique_images,
        job_seconds=job_seconds,
        requests=requests,
        limits=limits,
        tolerations=toleration,
        node_selector=node_selector,
        labels=label,
        pull_secret=pull_secret,
        mix=mix or Mix(),
    )
    refuse(asked, name, namespace, namespaces, form)
    if form in GENERATORS:
        if output_file is None:
            raise UsageError(f"The format {form} is several files. Name a folder for them with -f.")
        if namespace and click.get_current_context().get_parameter_source("namespace") is not ParameterSource.DEFAULT:
            raise UsageError(
                f"With the format {form} the namespaces are the other tool's to make. Leave --namespace out."
            )
        files = GENERATORS[form](
            asked, name=name or DEFAULT_NAME, group=group or DEFAULT_NAME, namespaces=namespaces, pace=Pace(qps, burst)
        )
        write_files(files, output_file)
        return
    several = asked.objects > 1
    if namespaces > 1 and not namespace:
        raise UsageError("--namespaces needs --namespace, which says how their names begin.")
    spread = (
        [f"{namespace}-{number}" for number in range(namespaces)] if namespaces > 1 else [namespace][: bool(namespace)]
    )
    write_text(
        documents(
            asked,
            form,
            name=name or (DEFAULT_NAME if several else TEMPLATE_NAME),
            group=group or (DEFAULT_NAME if several else TEMPLATE_GROUP),
            namespaces=spread,
            numbered=several,
        ),
        output_file,
    )

"""What is refused before anything is touched, and what is not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from csscgen import pipeline
from csscgen.checking import check
from infra.engine.types import Known
from tests.csscgen.worlds import RUN, SHARED, World, world
from workloads.errors import EngineError, UsageError

CLUSTER = ("platform=kubeconfig", "gatekeeper.install=off", "ratify.install=off")


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with world(tmp_path, monkeypatch) as made:
        yield made


CHARTS = {
    "gatekeeper": ("gatekeeper.install=on", "gatekeeper.install=false"),
    "ratify": ("ratify.install=on", "ratify.install=false"),
    "monitoring": ("monitoring.prometheus=on", "monitoring.prometheus=off"),
}


@pytest.mark.parametrize("chart", CHARTS)
def test_a_chart_needs_the_cli_and_the_word_that_turns_it_off_is_told(there: World, chart: str):
    on, off = CHARTS[chart]
    words = (*CLUSTER, on)
    with pytest.raises(UsageError) as raised:
        pipeline.run(there.context(*words))
    assert f"Stack {RUN} installs {chart} with Helm" in str(raised.value) and "Pulumi CLI" in str(raised.value)
    assert str(raised.value).endswith(f"what the cluster has already: --set {off}.")
    assert there.engine.calls == []
    there.engine.name = "cli"
    check(there.context(*words))


def test_a_prometheus_that_is_there_needs_no_chart(there: World):
    check(there.context(*CLUSTER, "monitoring.prometheus=on", "monitoring.prometheusUrl=http://127.0.0.1:9090"))


def test_a_run_on_a_cluster_that_is_there_builds_only_what_seeding_needs(there: World):
    summary = pipeline.run(there.context(*CLUSTER))
    assert (summary["pods"]["ready"], summary["platform"]) == (5, "kubeconfig")
    assert there.engine.calls == [("up", SHARED), ("up", RUN), ("load", RUN), ("destroy", RUN), ("destroy", SHARED)]
    versions = json.loads((there.folder / "run.json").read_text())["versions"]
    assert "waiter" in versions and "etcd" not in versions


def test_what_is_left_on_a_cluster_is_told_with_the_command_that_removes_it(there: World, monkeypatch):
    labels = {"metadata": {"labels": {"ratify-perf/run-id": "the-run"}}}
    left = Known("urn", "kubernetes:core/v1:Namespace", "ns", "ratify-perf-0", labels)
    monkeypatch.setattr(there.engine, "resources", lambda _: (left,), raising=False)

    def broken() -> None:
        raise EngineError("the namespace has a finalizer")

    there.engine.hooks["destroy", RUN] = broken
    with pytest.raises(EngineError) as raised:
        pipeline.run(there.context(*CLUSTER, "cluster.context=mine"))
    assert str(raised.value) == (
        "the namespace has a finalizer\n"
        f"The state of stack {RUN} still has:\n"
        "  - 1 object in the cluster\n"
        f"`csscgen destroy --stack {RUN}` goes on with it.\n"
        "If it fails again, `kubectl --context mine delete namespaces --selector ratify-perf/run-id=the-run` removes "
        f"its workloads; `csscgen destroy --stack {RUN}` then clears the state."
    )


def declared(there: World) -> dict[str, Any]:
    part = there.context().stack.shared
    assert part is not None
    found: dict[str, Any] = json.loads(json.dumps(part.settings.shared_part))
    return found


@pytest.mark.parametrize(
    ("engine", "advice"), [("embedded", "--instance NAME"), ("cli", f"csscgen up --stack {SHARED}")]
)
def test_a_shared_stack_of_another_make_is_not_taken(there: World, engine: Any, advice: str):
    there.engine.name = engine
    other = declared(there)
    other["signing"]["algorithm"] = "another"
    there.engine.there[SHARED] = {"declared": other}
    with pytest.raises(UsageError, match=f"Stack {SHARED} is up already, made with .*{advice}"):
        check(there.context())


def test_what_is_null_may_be_left_out_of_the_outputs(there: World):
    whole = declared(there)
    assert None in whole["registry"]["regions"][0].values()
    regions = [{k: v for k, v in region.items() if v is not None} for region in whole["registry"]["regions"]]
    there.engine.there[SHARED] = {"declared": {**whole, "registry": {**whole["registry"], "regions": regions}}}
    check(there.context())


@pytest.mark.parametrize(("total", "refused"), [(10**9, True), (10**12, False)])
def test_a_run_that_needs_more_memory_than_there_is_is_refused_and_one_that_may_is_told_of(
    there: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], total: int, refused: bool
):
    machine = SimpleNamespace(total=total, available=10**9)
    monkeypatch.setattr("csscgen.planning.memory.psutil.virtual_memory", lambda: machine)
    context = there.context("scenario.size=XL")
    if refused:
        with pytest.raises(UsageError, match="too large for this machine: scenario.replicas: the run takes about"):
            check(context)
    else:
        check(context)
        assert "Warning: scenario.replicas: the run takes about" in capsys.readouterr().err
    assert there.engine.calls == []

"""The dashboards against a live Prometheus: each expression is PromQL, and each name is on a page."""

from __future__ import annotations

import json
import re
from typing import Any

import pyarrow.parquet as parquet
import pytest
import requests

from infra.local import tools
from tests.dashboards.expressions import DASHBOARDS, expressions, known, read
from tests.end_to_end.conftest import Place

pytestmark = pytest.mark.real


def ask(url: str, path: str, **parameters: Any) -> Any:
    answer = requests.get(f"{url}/api/v1/{path}", params=parameters, timeout=30).json()
    assert answer["status"] == "success", (parameters, answer)
    return answer["data"]


def scraped(place: Place, prefix: str) -> set[str]:
    """The names on the pages that the harness read of the targets with this prefix."""
    table = parquet.read_table(place.run_folder() / "metrics.parquet", columns=["target", "metric"])
    pairs = zip(*(table[name].to_pylist() for name in ("target", "metric")), strict=True)
    return {metric for target, metric in pairs if target.startswith(prefix)}


def test_the_metrics_of_the_dashboards_are_those_of_the_components(place: Place) -> None:
    if lacking := tools.missing(tools.select(["prometheus"])):
        pytest.skip(f"{lacking[0].name} is not built; scripts/test builds it")

    done = place.csscgen("run", "--stack", "local-smoke", "--keep", "--set", "monitoring.prometheus=on")

    try:
        assert done.returncode == 0, done.stderr
        url = json.loads((place.run_folder() / "run.json").read_text())["prometheus"]["url"]
        there: dict[str, set[str]] = {}
        for job in ask(url, "label/job/values"):
            component = re.sub(r"^(ratify|registry)-.*", r"\1", job)
            there.setdefault(component, set()).update(
                ask(url, "label/__name__/values", **{"match[]": f'{{job="{job}"}}'})
            )
        there["registry"] = scraped(place, "registry-")  # the stack's Prometheus does not scrape registries
        absent = {component: set(names) - there.get(component, set()) for component, names in known()["seen"].items()}
        assert {component: names for component, names in absent.items() if names} == {}
        spelled = {name for names in there.values() for name in names} & set(known()["unseen"])
        assert {name for name in spelled if not name.startswith("apiserver_") and not name.endswith("_total")} == set()
        for file in DASHBOARDS:
            for _, text in expressions(read(file)):
                ask(url, "query", query=text.replace("$__rate_interval", "1m"))
    finally:
        assert place.csscgen("destroy", "--stack", "local-smoke", "--shared").returncode == 0
    assert place.leftovers() == []

"""A Prometheus that remembers what it is given, and answers the few forms of queries that the harness asks."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.csscgen.servers import status

QUERY = re.compile(r"(?P<sum>sum\()?(?P<name>\w+)?(?:\{(?P<labels>.*?)\})?(?:\[(?P<range>\d+)ms\])?\)?")
MATCHER = re.compile(r"(\w+)(=~?)[\"'](.*?)[\"'](?:,|$)")
Points = Sequence[tuple[float, float]]


@dataclass
class FakePrometheus:
    """Series by name and labels; `answer` is for `/api/v1/query`, wherever it is served."""

    series: list[tuple[dict[str, str], list[tuple[float, float]]]] = field(default_factory=list)
    queries: list[str] = field(default_factory=list)

    def knows(self, name: str, points: Points, **labels: str) -> None:
        self.series.append(({"__name__": name, **labels}, list(points)))

    async def answer(self, request: web.Request) -> web.StreamResponse:
        query, moment = request.query["query"], float(request.query["time"])
        self.queries.append(query)
        match = QUERY.fullmatch(query)
        if match is None:
            return status(400, f"this is no query: {query}")
        matchers = [("__name__", "=", match["name"])] if match["name"] else []
        matchers += [(name, how, value) for name, how, value in MATCHER.findall(match["labels"] or "")]
        result: list[dict[str, Any]] = []
        for labels, points in self.series:
            if not all(_fits(labels, *matcher) for matcher in matchers):
                continue
            if match["range"]:
                begin = moment - int(match["range"]) / 1000
                values = [[time, f"{value:g}"] for time, value in points if begin < time <= moment]
                result += [{"metric": labels, "values": values}] if values else []
            elif known := [value for time, value in points if moment - 300 < time <= moment]:
                result.append({"metric": labels, "value": [moment, f"{known[-1]:g}"]})
        if match["sum"] and result:
            total = sum(float(one["value"][1]) for one in result)
            result = [{"metric": {}, "value": [moment, f"{total:g}"]}]
        return web.json_response({"status": "success", "data": {"result": result}})


def _fits(labels: Mapping[str, str], name: str, how: str, value: str) -> bool:
    own = labels.get(name, "")
    return own == value if how == "=" else re.fullmatch(value, own) is not None

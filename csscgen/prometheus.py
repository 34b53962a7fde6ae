"""Asks a Prometheus: one that has a URL, or one inside the cluster, through the API server's service proxy.

The service proxy takes the kubeconfig's login, so that nothing has to be forwarded to a port of this machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isfinite
from typing import Any, NamedTuple

from csscgen.kubeconfigs import Login
from workloads.errors import CollectError, brief

SECONDS = 60
LONGEST_STRETCH = 600.0
"""Seconds of raw samples that are asked for at once."""


class Series(NamedTuple):
    """Raw samples of one series, as they were scraped."""

    metric: str
    labels: dict[str, str]
    points: list[tuple[float, float]]
    """(epoch seconds, value), in order of time."""


class Prometheus:
    """One Prometheus."""

    def __init__(self, url: str, login: Login | None = None) -> None:
        """``login`` is for one behind the API server. Raises CollectError if the address is none."""
        from prometheus_api_client import PrometheusConnect

        self.url = url
        try:
            self._client = PrometheusConnect(
                url=url, session=login.requests_session() if login else None, timeout=SECONDS
            )
        except (ValueError, TypeError) as error:
            raise CollectError(f"{url} is no address of a Prometheus: {brief(error)}.") from error

    @classmethod
    def of(cls, outputs: Mapping[str, Any]) -> Prometheus | None:
        """The Prometheus that a stack's outputs name; None without one. Raises ClusterError for a bad kubeconfig."""
        if url := outputs.get("prometheus"):
            return cls(str(url).rstrip("/"))
        if not (service := outputs.get("prometheusService")):
            return None
        login = Login(outputs["kubeconfig"])
        path = f"/api/v1/namespaces/{service['namespace']}/services/{service['name']}:{int(service['port'])}/proxy"
        return cls(f"{login.server}{path}", login)

    def total(self, selector: str, moment: float) -> float | None:
        """The sum of a selector's series at a moment; None if it has none. Raises CollectError if it is no number."""
        found = self._query(f"sum({selector})", moment)
        if not found:
            return None
        if not isfinite(value := found[0].points[-1][1]):
            raise CollectError(f"Prometheus at {self.url} answered what is no result of a query: it counted {value}.")
        return value

    def raw(self, selector: str, start: float, end: float) -> Iterator[Series]:
        """The samples of a selector's series after ``start`` and until ``end``, at the instants of their scrapes.

        A series comes in pieces if the time is long. A range is asked for, and not steps of one: what lies between
        steps would be lost, and what is old be repeated.
        """
        while start < end:
            stop = min(start + LONGEST_STRETCH, end)
            for one in self._query(f"{selector}[{max(1, round((stop - start) * 1000))}ms]", stop):
                if points := [point for point in one.points if point[0] > start]:
                    yield one._replace(points=points)
            start = stop

    def _query(self, query: str, moment: float) -> list[Series]:
        """The result of an instant query. Raises CollectError if there is none, or what is none."""
        from prometheus_api_client.exceptions import PrometheusApiClientException
        from requests import RequestException

        try:
            return [_series(one) for one in self._client.custom_query(query, params={"time": f"{moment:.3f}"})]
        except (PrometheusApiClientException, RequestException) as error:
            raise CollectError(f"Prometheus at {self.url} did not answer: {brief(error)}.") from error
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise CollectError(
                f"Prometheus at {self.url} answered what is no result of a query: {brief(error)}."
            ) from error


def _series(one: Mapping[str, Any]) -> Series:
    """One series of an answer. Raises ValueError, LookupError, TypeError or AttributeError for what is none."""
    labels = {str(name): str(value) for name, value in one["metric"].items()}
    points = one["values"] if "values" in one else [one["value"]]
    return Series(labels.pop("__name__", ""), labels, [(float(time), float(value)) for time, value in points])

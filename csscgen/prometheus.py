"""Asks a Prometheus: one that has a URL, or one inside the cluster, through the API server's service proxy.

The service proxy takes the kubeconfig's login, so that nothing has to be forwarded to a port of this machine. A URL may
have a login of its own (csscgen/httpconfigs.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from math import isfinite
from typing import TYPE_CHECKING, Any, NamedTuple

from csscgen.httpconfigs import HttpConfig
from csscgen.kubeconfigs import Login
from workloads.errors import CollectError, brief

if TYPE_CHECKING:
    from requests import Response

SECONDS = 60
LONGEST_STRETCH = 600.0
"""Seconds of raw samples that are asked for at once."""


class Series(NamedTuple):
    """Raw samples of one series, as they were scraped."""

    metric: str
    labels: dict[str, str]
    points: list[tuple[float, float]]
    """(epoch seconds, value), in order of time."""


class UnreachableError(CollectError):
    """It did not answer at all, so that it need not be asked anything else."""


class Prometheus:
    """One Prometheus."""

    def __init__(self, url: str, login: Login | HttpConfig | None = None) -> None:
        """``login`` is the kubeconfig's for one behind the API server. Raises CollectError if the address is none."""
        from prometheus_api_client import PrometheusConnect

        self.url = url
        self.warnings: list[str] = []
        """What it said of its last answer: that it is a part only, for instance."""
        session = (login or HttpConfig()).requests_session()
        session.hooks["response"].append(self._hear)
        try:
            self._client = PrometheusConnect(url=url, session=session, timeout=SECONDS)
        except (ValueError, TypeError) as error:
            raise CollectError(f"{url} is no address of a Prometheus: {brief(error)}.") from error

    @classmethod
    def of(cls, outputs: Mapping[str, Any], config: HttpConfig | None = None) -> Prometheus | None:
        """The Prometheus that a stack's outputs name; None without one. Raises ClusterError for a bad kubeconfig.

        ``config`` is how one that has a URL is logged in to.
        """
        if url := outputs.get("prometheus"):
            return cls(str(url).rstrip("/"), config)
        if not (service := outputs.get("prometheusService")):
            return None
        login = Login(outputs["kubeconfig"])
        path = f"/api/v1/namespaces/{service['namespace']}/services/{service['name']}:{int(service['port'])}/proxy"
        return cls(f"{login.server}{path}", login)

    def total(self, selector: str, moment: float) -> float | None:
        """The sum of a selector's series at a moment; None if it has none. Raises CollectError if it is no number."""
        found = self.instant(f"sum({selector})", moment)
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
            for one in self.instant(f"{selector}[{max(1, round((stop - start) * 1000))}ms]", stop):
                if points := [point for point in one.points if point[0] > start]:
                    yield one._replace(points=points)
            start = stop

    def instant(self, query: str, moment: float) -> list[Series]:
        """The series that a query has at a moment. Raises UnreachableError or CollectError if there is no answer."""
        return self._ask(lambda: self._client.custom_query(query, params={"time": f"{moment:.3f}"}))

    def over(self, query: str, start: float, end: float, step: float) -> list[Series]:
        """The series that a query has at ``start`` and every ``step`` seconds until ``end``. Raises like `instant`."""
        # The client takes moments to the second; what is in the parameters comes after that.
        times = {"start": f"{start:.3f}", "end": f"{end:.3f}"}
        whole = [datetime.fromtimestamp(moment, UTC) for moment in (start, end)]
        return self._ask(lambda: self._client.custom_query_range(query, *whole, f"{step:.3f}", params=times))

    def _ask(self, send: Callable[[], list[Mapping[str, Any]]]) -> list[Series]:
        from prometheus_api_client.exceptions import PrometheusApiClientException
        from requests import JSONDecodeError, RequestException

        self.warnings = []
        try:
            return [_series(one) for one in send()]
        except JSONDecodeError as error:
            raise CollectError(f"Prometheus at {self.url} answered what is no result of a query, nor JSON.") from error
        except RequestException as error:
            raise UnreachableError(f"Prometheus at {self.url} did not answer: {brief(error)}.") from error
        except PrometheusApiClientException as error:
            raise CollectError(f"Prometheus at {self.url} did not answer: {brief(error)}.") from error
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise CollectError(
                f"Prometheus at {self.url} answered what is no result of a query: {brief(error)}."
            ) from error

    def _hear(self, response: Response, *_: object, **__: object) -> None:
        """Keeps an answer's warnings, which the client does not hand on."""
        if b'"warnings"' in response.content:
            try:
                self.warnings = [brief(warning) for warning in response.json().get("warnings") or ()]
            except (ValueError, TypeError, AttributeError):
                return  # whoever reads the answer says what is wrong with it


def _series(one: Mapping[str, Any]) -> Series:
    """One series of an answer. Raises ValueError, LookupError, TypeError or AttributeError for what is none."""
    labels = {str(name): str(value) for name, value in one["metric"].items()}
    points = one["values"] if "values" in one else [one["value"]]
    return Series(labels.pop("__name__", ""), labels, [(float(time), float(value)) for time, value in points])

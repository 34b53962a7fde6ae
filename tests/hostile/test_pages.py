"""Metrics pages as broken components serve them: one load reads them all, and what is sound is read none the less."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from analysis.samples import Samples
from csscgen.cli import main
from tests.analysis.runs import known_run
from tests.csscgen.servers import ApiServer, in_background
from tests.hostile.cases import MB_10, Csscgen, message
from tests.hostile.conftest import Project, make_project
from tests.hostile.stacks import bring_up, impatient, load_words, raw_server
from tests.hostile.test_watches import outputs, ready_later

SOUND = b"# TYPE x_total counter\nx_total 5\n"


class Page(NamedTuple):
    """What a component answers, and whether that is a page."""

    answer: bytes
    up: bool = False


def http(body: bytes, head: str = "HTTP/1.1 200 OK", **headers: str) -> bytes:
    lines = [head, *(f"{key.replace('_', '-')}: {value}" for key, value in headers.items())]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "Connection: close", "", ""]).encode() + body


def line(text: str, *, up: bool = False) -> Page:
    """A page with a sound line, and this one."""
    return Page(http(SOUND + text.encode() + b"\n"), up)


PAGES: dict[str, Page] = {
    "sound": Page(http(SOUND), up=True),
    "empty": Page(http(b""), up=True),
    "only comments": Page(http(b"# HELP x y\n# TYPE x gauge\n# EOF\n"), up=True),
    "CRLF": Page(http(SOUND.replace(b"\n", b"\r\n")), up=True),
    "no end of line": Page(http(SOUND.rstrip()), up=True),
    "not a number": line("y NaN", up=True),
    "infinite": line("y -Inf", up=True),
    "a number of 400 digits": line(f"y {'9' * 400}", up=True),
    "an exponent of 400": line("y 1e400", up=True),
    "timestamps that go back": line("y 1 1700000000000\ny 2 1600000000000", up=True),
    "an exemplar": line('y_bucket{le="1"} 5 # {trace_id="a"} 0.5 1700000000.0', up=True),
    "a series twice": line("x_total 6", up=True),
    "a sound page, compressed": Page(http(gzip.compress(SOUND), Content_Encoding="gzip"), up=True),
    "a page of 10 MB": Page(http(SOUND + (b"# " + b"c" * 97 + b"\n") * (MB_10 // 100)), up=True),
    "HTML": Page(http(b"<!DOCTYPE html><html>no</html>")),
    "JSON": Page(http(b'{"x": 1}')),
    "binary": Page(http(bytes(range(256)))),
    "protocol buffers": Page(http(b"\x0a\x07x_total\x12\x03\x18\x00\x22")),
    "UTF-16": Page(http(SOUND.decode().encode("utf-16"))),
    "UTF-8 with BOM": Page(http(b"\xef\xbb\xbfx_total 5\n")),
    "zeros": Page(http(b"\0" * 100)),
    "a value that is text": line("y many"),
    "a value that is missing": line("y"),
    "a value with a comma": line("y 1,5"),
    "a hexadecimal value": line("y 0x10"),
    "a name that is none": line("9y 5"),
    "labels that do not end": line('y{a="b" 5'),
    "a label's value that does not end": line('y{a="b} 5'),
    "a label without quotes": line("y{a=b} 5"),
    "a label twice": line('y{a="1",a="2"} 5'),
    "a label that is no UTF-8": Page(http(SOUND + b'y{a="\xff\xfe"} 5\n')),
    "a line of 10 MB": line("y" * MB_10),
    "a label of 10 MB that does not end": line('y{a="' + "x" * MB_10),
    "500": Page(http(SOUND, "HTTP/1.1 500 Internal Server Error")),
    "404": Page(http(b"404 page not found", "HTTP/1.1 404 Not Found")),
    "401": Page(http(b"", "HTTP/1.1 401 Unauthorized")),
    "204": Page(b"HTTP/1.1 204 No Content\r\n\r\n"),
    "sent on to another host": Page(http(b"", "HTTP/1.1 302 Found", Location="http://example.com/metrics")),
    "sent on for ever": Page(http(b"", "HTTP/1.1 302 Found", Location="/metrics")),
    "no HTTP": Page(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "nothing": Page(b""),
    "less than it says": Page(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n" + SOUND),
    "a length that is none": Page(b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n" + SOUND),
    "a length below nothing": Page(b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n" + SOUND),
    "chunks that are none": Page(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" + SOUND),
    "chunks cut off": Page(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n500\r\n" + SOUND),
    "compressed noise": Page(http(b"\xff" * 50, Content_Encoding="gzip")),
    "compressed in a way that nobody knows": Page(http(b"PK" + SOUND, Content_Encoding="zip")),
    "a status that is none": Page(http(SOUND, "HTTP/1.1 many OK")),
    "a header of 1 MB": Page(http(SOUND, X="x" * 1_000_000)),
}
URLS = {
    "no server": "http://127.0.0.1:1/metrics",
    "no URL": "many",
    "a URL of a file": "file:///etc/passwd",
    "a port that is none": "http://127.0.0.1:99999/metrics",
    "nothing at all": "",
}


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a load during which every one of the pages was read."""
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        project: Project = make_project(tmp_path_factory.mktemp("pages"), patch)
        impatient(patch)
        api = stack.enter_context(in_background(ApiServer()))
        api.on_create = ready_later(api)
        targets: dict[str, Any] = {}
        for name, page in PAGES.items():
            host = stack.enter_context(raw_server(page.answer))
            targets[name] = {"metrics": f"http://{host}/metrics", "log": "/nonexistent"}
        for name, url in URLS.items():
            targets[name] = {"metrics": url, "log": "/nonexistent"}
        bring_up(project, {**outputs(api), "targets": targets})
        main(load_words("monitoring.scrapeSeconds=2"))
        (folder,) = project.runs.iterdir()
        yield folder


@pytest.mark.parametrize("name", [*PAGES, *URLS])
def test_a_page(loaded: Path, name: str) -> None:
    samples = Samples.read(loaded / "metrics.parquet")
    ups = [value for one in samples.series("up", name) for value in one.values]
    good = name in PAGES and PAGES[name].up
    assert len(ups) >= 2
    assert set(ups) == {1.0 if good else 0.0}
    assert bool(samples.present(["x_total"], name)) == (good and name not in ("empty", "only comments"))


def test_a_page_is_read_from_its_own_component_only(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    impatient(monkeypatch)
    with ExitStack() as stack:
        api = stack.enter_context(in_background(ApiServer()))
        other = stack.enter_context(in_background(ApiServer()))
        api.on_create = ready_later(api)
        host = stack.enter_context(raw_server(http(b"", "HTTP/1.1 302 Found", Location=f"{other.url}/metrics")))
        targets = {"ratify-0": {"metrics": f"http://{host}/metrics", "log": "/nonexistent"}}
        bring_up(project, {**outputs(api), "targets": targets})
        main(load_words())
        assert other.headers == []


def test_no_page_costs_a_pod(loaded: Path) -> None:
    assert [json.loads(line)["end"] for line in (loaded / "pods.jsonl").read_text().splitlines()] == ["ready"] * 5


def said_by_prometheus(result: Any, status: str = "success") -> bytes:
    return http(json.dumps({"status": status, "data": {"resultType": "vector", "result": result}}).encode())


ANSWERS: dict[str, bytes] = {
    "HTML": http(b"<html>no</html>"),
    "nothing": b"",
    "a list": http(b"[]"),
    "null": http(b"null"),
    "no data": http(b'{"status": "success"}'),
    "an error": http(b'{"status": "error", "error": "query timed out"}', "HTTP/1.1 503 Service Unavailable"),
    "a result that is text": said_by_prometheus("x"),
    "a sample without a value": said_by_prometheus([{"metric": {}}]),
    "a value that is text": said_by_prometheus([{"metric": {}, "value": [1.0, "many"]}]),
    "a value that is not a number": said_by_prometheus([{"metric": {}, "value": [1.0, "NaN"]}]),
    "a value that is infinite": said_by_prometheus([{"metric": {}, "value": [1.0, "+Inf"]}]),
    "a value too few": said_by_prometheus([{"metric": {}, "value": [1.0]}]),
    "sent on for ever": http(b"", "HTTP/1.1 302 Found", Location="/"),
    "cut off": b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{",
}


@pytest.mark.parametrize("name", ANSWERS)
def test_a_prometheus(project: Project, csscgen: Csscgen, name: str) -> None:
    with raw_server(ANSWERS[name]) as host:
        bring_up(project, {"targets": {}, "registry": "127.0.0.1:1", "prometheus": f"http://{host}"})
        folder = known_run(project.runs / "local-smoke-20260102-101500-aaaa", stack="local-smoke")
        said = csscgen("collect", "--stack", "local-smoke")
    text = message(said)
    assert said.code == 1, text
    assert f"Prometheus at http://{host}" in text, text
    assert json.loads((folder / "run.json").read_text())["error"]["phase"] == "collect"
    assert (folder / "pods.jsonl").exists()

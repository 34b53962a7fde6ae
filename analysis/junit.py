"""junit.xml: a case for the run, one per phase of it and one per threshold, for whatever shows test results in CI.

The suite and the cases of steps are named as ClusterLoader2 names its own, which Azure/telescope reads: it counts
failures alone, and takes what went wrong from a failure's text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree as xml

from analysis.formats import figure_text, printable

SUITE = "ClusterLoaderV2"


def render(summary: Mapping[str, Any], run: Mapping[str, Any]) -> bytes:
    """The document, as UTF-8."""
    suite = xml.Element("testsuite", name=SUITE)
    properties = xml.SubElement(suite, "properties")
    for name, value in _properties(summary, run).items():
        xml.SubElement(properties, "property", name=name, value=str(value))
    rows = summary["thresholds"]
    broken = sum(1 for row in rows if not row["ok"])
    problems = summary["verdict_reasons"][: len(summary["verdict_reasons"]) - broken]
    phases = [phase for phase in run.get("phases") or () if phase["finished"] is not None]
    took = sum(phase["finished"] - phase["started"] for phase in phases)
    _case(suite, f"{summary['stack']} overall", took, " ".join(problems))
    error = summary["error"] or {}
    for number, phase in enumerate(phases, 1):
        failed = None if phase["ok"] else error.get("message") or "The phase failed."
        _case(
            suite,
            f"{summary['stack']}: [step: {number:02}] {phase['name']}",
            phase["finished"] - phase["started"],
            failed,
        )
    for row in rows:
        message = row["reason"] or f"{row['metric']} is {figure_text(row['metric'], row['value'])}."
        _case(suite, f"{row['metric']} {row['limit']}", 0.0, None if row["ok"] else message)
    suite.set("tests", str(len(suite.findall("testcase"))))
    suite.set("failures", str(len(suite.findall("testcase/failure"))))
    suite.set("errors", "0")
    suite.set("time", f"{took:.3f}")
    xml.indent(suite)
    document: bytes = xml.tostring(suite, encoding="utf-8", xml_declaration=True)
    return document


def _case(suite: xml.Element, name: str, seconds: float, failed: str | None) -> None:
    case = xml.SubElement(suite, "testcase", classname=SUITE, name=printable(name), time=f"{seconds:.3f}")
    if failed:
        failure = xml.SubElement(case, "failure", type="Failure", message=printable(failed))
        failure.text = printable(failed)


def _properties(summary: Mapping[str, Any], run: Mapping[str, Any]) -> dict[str, Any]:
    properties = {key: summary[key] for key in ("run_id", "stack", "platform", "started_at", "finished_at")}
    properties["engine"] = (summary["engine"] or {}).get("name")
    properties.update({f"scenario.{key}": value for key, value in summary["scenario"].items()})
    properties.update({f"version.{key}": value for key, value in sorted((run.get("versions") or {}).items())})
    return {key: printable(str(value)) for key, value in properties.items() if value is not None}

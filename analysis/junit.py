"""junit.xml: a case per threshold and one for the run itself, for whatever shows test results in CI."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree as xml

from analysis.formats import figure_text, printable


def render(summary: Mapping[str, Any], run: Mapping[str, Any]) -> bytes:
    """The document, as UTF-8."""
    suite = xml.Element("testsuite", name=f"ratify-perf {summary['stack']}")
    properties = xml.SubElement(suite, "properties")
    for name, value in _properties(summary, run).items():
        xml.SubElement(properties, "property", name=name, value=str(value))
    rows = summary["thresholds"]
    broken = sum(1 for row in rows if not row["ok"])
    whole = xml.SubElement(suite, "testcase", classname=str(summary["stack"]), name="run")
    problems = summary["verdict_reasons"][: len(summary["verdict_reasons"]) - broken]
    if problems:
        xml.SubElement(whole, "error", message=printable(" ".join(problems)))
    for row in rows:
        case = xml.SubElement(
            suite, "testcase", classname=str(summary["stack"]), name=printable(f"{row['metric']} {row['limit']}")
        )
        if not row["ok"]:
            message = row["reason"] or f"{row['metric']} is {figure_text(row['metric'], row['value'])}."
            xml.SubElement(case, "failure", message=printable(message))
    suite.set("tests", str(len(rows) + 1))
    suite.set("failures", str(broken))
    suite.set("errors", str(1 if problems else 0))
    xml.indent(suite)
    document: bytes = xml.tostring(suite, encoding="utf-8", xml_declaration=True)
    return document


def _properties(summary: Mapping[str, Any], run: Mapping[str, Any]) -> dict[str, Any]:
    properties = {key: summary[key] for key in ("run_id", "stack", "platform", "started_at", "finished_at")}
    properties["engine"] = (summary["engine"] or {}).get("name")
    properties.update({f"scenario.{key}": value for key, value in summary["scenario"].items()})
    properties.update({f"version.{key}": value for key, value in sorted((run.get("versions") or {}).items())})
    return {key: printable(str(value)) for key, value in properties.items() if value is not None}

"""From a run's records to its results: summary.json, junit.xml, perfdata/ and report.html, in the run's own folder.

A run that broke is analysed like any other: what it left is measured, what it did not leave is named, the verdict is
fail. Each file is written whole; analysing a folder again replaces them.
"""

from __future__ import annotations

from pathlib import Path

import orjson

from analysis import junit, perfdata, report
from analysis.files import write_atomically
from analysis.records import read
from analysis.summary import Summary, figures

SUMMARY = "summary.json"
JUNIT = "junit.xml"
PERFDATA = "perfdata"


def analyse(folder: Path) -> Summary:
    """Write the results of the run in a folder, and return its summary. Raises CollectError if it is not a run's."""
    records = read(folder)
    summary = figures(records)
    write_atomically(folder / SUMMARY, orjson.dumps(summary, option=orjson.OPT_INDENT_2) + b"\n")
    write_atomically(folder / JUNIT, junit.render(summary, records.run) + b"\n")
    for name, document in perfdata.documents(records, summary):
        write_atomically(folder / PERFDATA / name, orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n")
    write_atomically(folder / report.REPORT, report.render(records, summary).encode())
    return summary

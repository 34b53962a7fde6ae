"""The regions of Azure that stacks can be in, and which of them have availability zones: data, in locations.yaml."""

from __future__ import annotations

import difflib
from functools import cache
from pathlib import Path

import yaml

from workloads.errors import named

FILE = Path(__file__).with_suffix(".yaml")


@cache
def known() -> dict[str, bool]:
    """Region → whether it has availability zones."""
    content = yaml.safe_load(FILE.read_text())
    return dict.fromkeys(content["with_zones"], True) | dict.fromkeys(content["without_zones"], False)


def problem(location: str, zones: bool) -> str | None:
    """What is wrong with a region, as the end of a sentence; None if nothing is."""
    if location not in known():
        near = difflib.get_close_matches(location, known(), n=1, cutoff=0.6)
        advice = f"did you mean {near[0]}?" if near else "`az account list-locations` lists them."
        return f"{named(location)} is no region of Azure; {advice}"
    if zones and not known()[location]:
        return f"{location} has no availability zones; take a region that has, or none."
    return None

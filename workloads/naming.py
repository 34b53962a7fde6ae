"""The names of images and workloads. Seeder, workload generator and report all take them from here and nowhere else.

The scheme is csscgen's: the repository is ``<containers>-containers-<signatures>-referrers``, the tags are 1 to
``containers``, so that whoever has images from that tool can point a run at them. With unique images every workload
has a set of its own, ``<containers>-containers-<signatures>-referrers-<shard>``. Negative images have their kind at the
end: ``10-containers-5-referrers-expired``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class ImageSet:
    """The images of one workload: one repository with a tag per container, each signed ``signatures`` times."""

    containers: int
    signatures: int
    shard: int | None = None
    """Index of the workload that owns the set; None where workloads share it."""
    variant: str | None = None
    """The kind of negative image (workloads/negatives.py); None for genuine ones."""
    restored: bool = False
    """Whether negative images have genuine signatures as well, so that they have to pass."""

    @property
    def repository(self) -> str:
        own = "" if self.shard is None else f"-{self.shard}"
        kind = "" if self.variant is None else f"-{self.variant}"
        return f"{self.containers}-containers-{self.signatures}-referrers{own}{kind}"

    @property
    def tags(self) -> list[str]:
        return [str(number) for number in range(1, self.containers + 1)]

    def references(self, host: str) -> Iterator[str]:
        """The image references, ``host/repository:tag``, in the order of the containers."""
        return (f"{host}/{self.repository}:{tag}" for tag in self.tags)

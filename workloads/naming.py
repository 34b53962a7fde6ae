"""The names of images and workloads. Seeder, workload generator and report all take them from here and nowhere else.

The scheme is csscgen's: the repository is ``<containers>-containers-<signatures>-referrers``, the tags are 1 to
``containers``, so that whoever has images from that tool can point a run at them. With ``unique_images`` every workload
has a set of its own, ``<containers>-containers-<signatures>-referrers-<shard>``.
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
    """Index of the workload that owns the set; None where all workloads share it."""

    @property
    def repository(self) -> str:
        suffix = "" if self.shard is None else f"-{self.shard}"
        return f"{self.containers}-containers-{self.signatures}-referrers{suffix}"

    @property
    def tags(self) -> list[str]:
        return [str(number) for number in range(1, self.containers + 1)]

    def references(self, host: str) -> Iterator[str]:
        """The image references, ``host/repository:tag``, in the order of the containers."""
        return (f"{host}/{self.repository}:{tag}" for tag in self.tags)


def image_sets(containers: int, signatures: int, shards: int, *, unique: bool) -> list[ImageSet]:
    """The sets that a scenario needs: one for all its workloads, or one for each of them."""
    if unique:
        return [ImageSet(containers, signatures, shard) for shard in range(shards)]
    return [ImageSet(containers, signatures)]


def image_set(sets: list[ImageSet], shard: int) -> ImageSet:
    """The set that workload ``shard`` runs: its own, or the shared one."""
    return sets[shard % len(sets)]

"""The clients that a benchmark of seeding compares, each a process of its own that prints what it measured as JSON.

    python -m tests.bench.peers seeder '{"registry": "127.0.0.1:5000", "images": 100, "signatures": 5, "pid": 4711}'
    python -m tests.bench.peers oras '{"registry": "127.0.0.1:5000", "images": 10, "signatures": 5, "pid": 4711}'

``pid`` is the registry's process, whose processor time is taken at the same instants as the client's own.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import sys
import tempfile
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from csscgen.artifacts.descriptors import Attachment
from csscgen.artifacts.images import base, image
from csscgen.artifacts.signing import LocalSigner
from csscgen.scraping import peak_bytes
from infra.local.certificates import signing_certificate
from tests.csscgen.artifacts.conftest import ELF
from workloads.naming import ImageSet

PER_REPOSITORY = 100
"""Images of a repository."""


def sets(images: int, signatures: int) -> list[ImageSet]:
    """Image sets of ``images`` images in all, in repositories of ``PER_REPOSITORY``."""
    full, rest = divmod(images, PER_REPOSITORY)
    sizes = [PER_REPOSITORY] * full + [rest] * bool(rest)
    return [ImageSet(size, signatures, shard) for shard, size in enumerate(sizes)]


def example(waiter: Path) -> tuple[int, int, int]:
    """The sizes of what is pushed, in bytes: manifest of an image, blob and manifest of a signature."""
    manifest = image(base(waiter), ImageSet(PER_REPOSITORY, 5, 0), "10")
    made: Attachment = signer().sign(manifest.descriptor, datetime.now(UTC))
    return manifest.descriptor.size, made.blob.descriptor.size, made.manifest.descriptor.size


def signer() -> LocalSigner:
    return LocalSigner(*signing_certificate("ES256", "bench"))


def waiter_in(folder: Path) -> Path:
    """A stand-in of the binary of the images: its size is no matter of manifests."""
    file = folder / "waiter"
    file.write_bytes(ELF)
    return file


@dataclass
class Clock:
    """Wall-clock and processor time of this process and of the registry, since it was made."""

    registry: psutil.Process
    _start: tuple[float, float, float] = field(init=False)

    def __post_init__(self) -> None:
        self._start = self._now()

    def figures(self, manifests: int) -> dict[str, float]:
        seconds, own, registry = (now - then for now, then in zip(self._now(), self._start, strict=True))
        return {
            "manifests": manifests,
            "manifests_per_s": manifests / seconds,
            "seconds": seconds,
            "cpu_seconds": own,
            "registry_cpu_seconds": registry,
        }

    def _now(self) -> tuple[float, float, float]:
        used = self.registry.cpu_times()
        return time.perf_counter(), time.process_time(), used.user + used.system


def seeder(registry: str, images: int, signatures: int, process: psutil.Process) -> dict[str, Any]:
    """This project's seeder, with a journal, as ``csscgen artifacts seed`` runs it."""
    import uvloop

    from csscgen.artifacts.seeder import SeedProgress, SeedReport, seed
    from csscgen.artifacts.targets import Target

    pushed: dict[str, Any] = {}
    checked: list[Clock] = []

    def tell(progress: SeedProgress) -> None:
        if progress.stage == "push" and progress.done == images:
            pushed.update(clock.figures(progress.pushed), peak_bytes_pushing=peak_bytes())
            checked.append(Clock(process))

    with tempfile.TemporaryDirectory(prefix="csscgen-bench-") as scratch:
        folder = Path(scratch)
        own, waiter = signer(), waiter_in(folder)
        target = Target(registry, journal=folder / "journal")
        clock = Clock(process)
        report: SeedReport = uvloop.run(
            seed(sets(images, signatures), target, signer=own, waiter=waiter, on_progress=tell)
        )
        checking = checked[0].figures(images)
        whole = clock.figures(pushed["manifests"])
    return {
        **pushed,
        "checked_images_per_s": checking["manifests_per_s"],
        "whole_seconds": whole["seconds"],
        "whole_cpu_seconds": whole["cpu_seconds"],
        "peak_bytes": peak_bytes(),
        "requests": report.requests,
        "errors": report.retries + report.throttled,
    }


def oras(registry: str, images: int, signatures: int, process: psutil.Process) -> dict[str, Any]:
    """oras-py, pushing the same with its ``push``: one file, the layer of the image or the envelope of a signature."""
    import oras.oci  # type: ignore[import-untyped]
    import oras.provider  # type: ignore[import-untyped]

    logging.disable(logging.CRITICAL)
    own = signer()
    with tempfile.TemporaryDirectory(prefix="csscgen-bench-") as scratch:
        folder = Path(scratch)
        shared = base(waiter_in(folder))
        layer = folder / "layer"
        layer.write_bytes(shared.layer.data)
        work = []
        for images_of in sets(images, signatures):
            for tag in images_of.tags:
                descriptor = image(shared, images_of, tag).descriptor
                subject = oras.oci.Subject(descriptor.media_type, descriptor.digest, descriptor.size)
                name = f"{registry}/{images_of.repository}:{tag}"
                work.append((name, layer, None))
                for number in range(signatures):
                    envelope = folder / f"{images_of.shard}-{tag}-{number}"
                    envelope.write_bytes(own.sign(descriptor, datetime.now(UTC)).blob.data)
                    work.append((f"{name}-{number}", envelope, subject))
        client = oras.provider.Registry(insecure=True)
        clock = Clock(process)
        with contextlib.redirect_stdout(io.StringIO()):
            for name, file, subject in work:
                client.push(name, files=[str(file)], subject=subject, disable_path_validation=True)
        return {**clock.figures(len(work)), "peak_bytes": peak_bytes(), "errors": 0}


if __name__ == "__main__":
    _, which, words = sys.argv
    wanted = json.loads(words)
    client = {"seeder": seeder, "oras": oras}[which]
    figures = client(wanted["registry"], wanted["images"], wanted["signatures"], psutil.Process(wanted["pid"]))
    json.dump(figures, sys.stdout)

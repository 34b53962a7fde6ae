"""The images that a load runs: one shared layer, one config, and a manifest of its own for each.

A load test needs thousands of images that are different to a verifier and alike to a node, so that
each has a digest, and signatures, of its own while nothing but a manifest is pushed for it or pulled
by it. The digests follow from the image set, the tag and the binary, not from the time or the user, so
that a second seeding can see that everything is there. (They also follow from zlib's compression; an
image made with another zlib replaces its tag and is signed anew.)
"""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from dataclasses import dataclass
from pathlib import Path

from csscgen.artifacts.descriptors import IMAGE_CONFIG, IMAGE_LAYER, IMAGE_MANIFEST, Content
from workloads.errors import UsageError
from workloads.naming import ImageSet

ENTRYPOINT = "/waiter"
TITLE = "org.opencontainers.image.title"
ARCHITECTURES = {62: "amd64", 183: "arm64"}
"""The machine in the header of an ELF file (elf.h, e_machine), and how an image config names it (Go's GOARCH)."""


@dataclass(frozen=True)
class Base:
    """What all images share."""

    config: Content
    layer: Content


def base(waiter: Path) -> Base:
    """The layer and config of images that run the static Linux binary ``waiter``, on the machines that it is for.

    What csscgen builds is for linux/amd64, on whatever machine: the images run on the nodes of a cluster. For nodes of
    another kind CSSCGEN_WAITER names one that is built for them. Raises UsageError if the binary cannot be read, or is
    for no machine that is known here.
    """
    try:
        binary = waiter.read_bytes()
    except OSError as error:
        raise UsageError(
            f"The binary of the images, {waiter}, cannot be read: {error.strerror}. "
            "Build it with csscgen tools install."
        ) from error
    architecture = _architecture(binary)
    if architecture is None:
        raise UsageError(
            f"The binary of the images, {waiter}, is no program for Linux on {' or '.join(ARCHITECTURES.values())}. "
            "Build it with GOOS=linux, or let csscgen build its own: unset CSSCGEN_WAITER."
        )
    archive = _tar(binary)
    config = {
        "created": "1970-01-01T00:00:00Z",
        "architecture": architecture,
        "os": "linux",
        # A user that is not root, so that clusters which enforce the restricted profile run it.
        "config": {"User": "65532:65532", "Entrypoint": [ENTRYPOINT]},
        "rootfs": {
            "type": "layers",
            "diff_ids": [f"sha256:{hashlib.sha256(archive).hexdigest()}"],
        },
    }
    return Base(config=Content.of_json(IMAGE_CONFIG, config), layer=Content.of(IMAGE_LAYER, _gzip(archive)))


def image(shared: Base, images: ImageSet, tag: str) -> Content:
    """The manifest of one image of a set; its title sets it apart from every other."""
    manifest = {
        "schemaVersion": 2,
        "mediaType": IMAGE_MANIFEST,
        "config": shared.config.descriptor.as_json(),
        "layers": [shared.layer.descriptor.as_json()],
        "annotations": {TITLE: f"{images.repository}:{tag}"},
    }
    return Content.of_json(IMAGE_MANIFEST, manifest)


def _architecture(binary: bytes) -> str | None:
    """The architecture that a program is for; None for anything but an ELF file of a known one, little-endian."""
    if binary[:4] != b"\x7fELF":
        return None
    return ARCHITECTURES.get(int.from_bytes(binary[18:20], "little"))


def _tar(binary: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        entry = tarfile.TarInfo(ENTRYPOINT.lstrip("/"))  # owned by 0:0, of time 0, by default
        entry.size = len(binary)
        entry.mode = 0o755
        archive.addfile(entry, io.BytesIO(binary))
    return buffer.getvalue()


def _gzip(data: bytes) -> bytes:
    """Not gzip.compress: from one version of Python to the next it changes a byte of the header."""
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=buffer, mtime=0, compresslevel=6) as stream:
        stream.write(data)
    return buffer.getvalue()

"""What the file of an emulated registry holds, byte by byte, against what was to be seeded: no client is involved."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from workloads.naming import ImageSet


@dataclass(frozen=True)
class Stored:
    """What there is, and what is wrong with it."""

    images: int
    attachments: int
    contents: int
    """Manifests and blobs whose bytes were hashed."""
    lost: int
    """Images that are not there, and attachments that are too few."""
    doubled: int
    """Attachments that are too many, and manifests that belong to no image."""
    wrong: list[str]
    """Contents that do not have their digest, or refer to something that is not there."""


def audit(file: Path, sets: Iterable[ImageSet]) -> Stored:
    """Read the whole file of a registry that has stopped."""
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        contents = dict(database.execute("SELECT digest, content FROM contents"))
        blobs = set(database.execute("SELECT repository, digest FROM blobs"))
        tags = {(name, tag): digest for name, tag, digest in database.execute("SELECT * FROM tags")}
        query = "SELECT repository, digest, content FROM manifests"
        manifests = {(name, digest): content for name, digest, content in database.execute(query)}
    hashed = [*contents.items(), *((digest, content) for (_, digest), content in manifests.items())]
    wrong = [digest for digest, content in hashed if digest != f"sha256:{hashlib.sha256(content).hexdigest()}"]
    documents = {key: json.loads(content) for key, content in manifests.items()}
    for (name, digest), document in documents.items():
        parts = [document["config"], *document["layers"]]
        wrong += [f"{name}@{digest} lacks {p['digest']}" for p in parts if (name, p["digest"]) not in blobs]
    attached = Counter(
        (name, document["subject"]["digest"]) for (name, _), document in documents.items() if "subject" in document
    )
    planned = {(each.repository, tag): each.signatures for each in sets for tag in each.tags}
    images = {key: (key[0], tags[key]) for key in planned if key in tags and (key[0], tags[key]) in manifests}
    found = {key: attached.pop(image) for key, image in images.items() if image in attached}
    wanted = sum(1 + count for count in planned.values())
    kept = sum(1 + min(found.get(key, 0), planned[key]) for key in images)
    return Stored(len(images), sum(found.values()), len(hashed), wanted - kept, len(manifests) - kept, wrong)

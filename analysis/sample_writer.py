"""Writes metrics.parquet, every sample of a run, while it goes on.

Rows are ``time`` (epoch seconds), ``target``, ``metric``, ``labels`` (canonical text) and ``value``, one per sample per
scrape. analysis/samples.py asks them afterwards.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

TEXT = pa.dictionary(pa.int32(), pa.string())
SCHEMA = pa.schema(
    [
        ("time", pa.float64()),
        ("target", TEXT),
        ("metric", TEXT),
        ("labels", TEXT),
        ("value", pa.float64()),
    ]
)
BATCH_ROWS = 1 << 16


class SampleWriter:
    """Writes samples in batches to a temporary file; `close` makes it ``path``.

    As a context manager it also closes after an error: samples of a run that failed are what explains it.
    ``time`` is the instant of the scrape, the same for every sample of a page and for its ``up``.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._temporary = path.with_name(f".{path.name}.tmp")
        self._writer = pq.ParquetWriter(self._temporary, SCHEMA, compression="zstd")
        self._columns: tuple[list[Any], ...] = ([], [], [], [], [])

    def write(self, time: float, target: str, samples: Iterable[tuple[str, str, float]]) -> None:
        """Add one scrape of one target: (metric, canonical labels, value) for each sample.

        ``time`` is the instant of the scrape, and the same for every sample of a page and for the target's ``up``.
        """
        times, targets, metrics, labels, values = self._columns
        before = len(values)
        for metric, label, value in samples:
            metrics.append(metric)
            labels.append(label)
            values.append(value)
        added = len(values) - before
        times.extend([time] * added)
        targets.extend([target] * added)
        if len(values) >= BATCH_ROWS:
            self._flush()

    def close(self) -> None:
        """Write what is left and publish the file. A second call does nothing."""
        if not self._writer.is_open:
            return
        self._flush()
        self._writer.close()
        os.replace(self._temporary, self._path)

    def __enter__(self) -> SampleWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _flush(self) -> None:
        if not self._columns[0]:
            return
        arrays = [
            pa.array(column, type=pa.string()).dictionary_encode()
            if pa.types.is_dictionary(kind.type)
            else pa.array(column, type=kind.type)
            for column, kind in zip(self._columns, SCHEMA, strict=True)
        ]
        self._writer.write_batch(pa.record_batch(arrays, schema=SCHEMA))
        for column in self._columns:
            column.clear()

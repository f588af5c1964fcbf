"""The rows of a dataset while it is built: in a file, read again in the order of their ids."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import DatasetError
from ..generation import RECORD_KEYS
from .features import ACTION_UNITS, EMOTIONS
from .scratch import Scratch, explained

ROWS_PER_GROUP = 10_000
"""Rows per Parquet row group, so that a reader who streams need not fetch the whole file."""
_LISTS = EMOTIONS | {ACTION_UNITS}
_NUMBERS = {
    "seed": pa.int64(),
    "strength": pa.float64(),
    "human_strength": pa.float64(),
    "model_strength": pa.float64(),
}
_SCHEMA = pa.schema(
    [
        (key, pa.list_(pa.string()) if key in _LISTS else _NUMBERS.get(key, pa.string()))
        for key in RECORD_KEYS
    ]
)


class SpooledRows:
    """Annotation records in a scratch file, which vanishes with the object.

    Raises:
        DatasetError: The file cannot be written.
    """

    def __init__(self) -> None:
        self._scratch = Scratch("rows")
        self._path = self._scratch.folder / "rows.parquet"
        self._held: list[Mapping[str, Any]] = []
        self._count = 0
        with explained():
            self._writer: pq.ParquetWriter | None = pq.ParquetWriter(
                self._path, _SCHEMA, compression="zstd", write_statistics=False
            )

    def __len__(self) -> int:
        return self._count

    def add(self, row: Mapping[str, Any]) -> None:
        """Put a record at the end."""
        self._held.append(row)
        self._count += 1
        if len(self._held) == ROWS_PER_GROUP:
            self._flush()

    def close(self) -> None:
        """Call this when all records are in, before any is read."""
        if self._held:
            self._flush()
        if self._writer is not None:
            with explained():
                self._writer.close()
            self._writer = None
        self._file = pq.ParquetFile(self._path, memory_map=False)

    def _flush(self) -> None:
        try:
            table = pa.Table.from_pylist(self._held, schema=_SCHEMA)
        except UnicodeEncodeError:
            name = next(row["id"] for row in self._held if not _is_text(row))
            raise DatasetError(
                f"record {name}: half of a surrogate pair stands in it, which no file can hold; "
                "take the transcript out of the corpus"
            ) from None
        with explained():
            if self._writer is not None:
                self._writer.write_table(table, row_group_size=ROWS_PER_GROUP)
        self._held = []

    def __getitem__(self, number: int) -> dict[str, Any]:
        """One record; for a few."""
        group, place = divmod(number, ROWS_PER_GROUP)
        row: dict[str, Any] = self._file.read_row_group(group).slice(place, 1).to_pylist()[0]
        return row

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for group in range(self._file.num_row_groups):
            yield from self._file.read_row_group(group).to_pylist()

    def column(self, name: str) -> Iterator[Any]:
        """The values of one column, in order."""
        for group in range(self._file.num_row_groups):
            yield from self._file.read_row_group(group, columns=[name]).column(0).to_pylist()

    def tables(self, chosen: np.ndarray, size: int) -> Iterator[tuple[np.ndarray, pa.Table]]:
        """The chosen rows, some at a time.

        Args:
            chosen: int64, ascending numbers of rows.
            size: Rows of each table but the last.

        Yields:
            The numbers of the rows, and their table.
        """
        for start in range(0, len(chosen), size):
            numbers = chosen[start : start + size]
            first, last = numbers[0] // ROWS_PER_GROUP, numbers[-1] // ROWS_PER_GROUP
            pieces = []
            for group in range(first, last + 1):
                here = numbers[numbers // ROWS_PER_GROUP == group] - group * ROWS_PER_GROUP
                if len(here):
                    pieces.append(self._file.read_row_group(group).take(pa.array(here)))
            yield numbers, pa.concat_tables(pieces)


def _is_text(row: Mapping[str, Any]) -> bool:
    try:
        for value in row.values():
            for text in value if isinstance(value, Sequence) else ():
                text.encode()
    except UnicodeEncodeError:
        return False
    return True

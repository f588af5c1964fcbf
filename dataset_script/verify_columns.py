"""What ``verify`` compares across the rows of a config: numbers in memory, texts in the files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ..generation import emotion_names
from .coded import CodeBook, Coded
from .items import DEFAULT, TEST
from .verify_files import DataFile
from .verify_report import Fault

_DIGITS = 16
_VALUES = np.full(256, 255, dtype=np.uint8)
_VALUES[np.frombuffer(b"0123456789abcdef", dtype=np.uint8)] = np.arange(16)


class Names:
    """Ids of rows: those of 16 hexadecimal digits as numbers, others, which are faulty, as text.

    Args:
        batches: Columns of strings, one after the other; null is the name "None".

    Attributes:
        numbers: uint64 (n_rows,), 0 for the others.
        others: The others by row.
    """

    def __init__(self, batches: Iterator[pa.Array]) -> None:
        parts, self.others, count = [np.zeros(0, dtype=np.uint64)], dict[int, str](), 0
        for batch in batches:
            numbers, others = hexadecimal(batch)
            parts.append(numbers)
            self.others.update({count + place: name for place, name in others.items()})
            count += len(numbers)
        self.numbers = np.concatenate(parts)

    def __getitem__(self, row: int) -> str:
        """The id of one row."""
        other = self.others.get(row)
        return f"{int(self.numbers[row]):016x}" if other is None else other


def hexadecimal(column: pa.Array) -> tuple[np.ndarray, dict[int, str]]:
    """Read ids as numbers.

    Returns:
        uint64 (n,), 0 where it is no id of 16 digits; and those by their place.
    """
    column = column.fill_null("None").cast(pa.large_string())
    fits = pc.fill_null(pc.equal(pc.binary_length(column), _DIGITS), False)
    places = np.flatnonzero(fits.to_numpy(zero_copy_only=False))
    values = np.zeros(len(column), dtype=np.uint64)
    if len(places):
        joined = b"".join(column.take(pa.array(places)).cast(pa.large_binary()).to_pylist())
        digits = _VALUES[np.frombuffer(joined, dtype=np.uint8).reshape(-1, _DIGITS)]
        sound = (digits < _DIGITS).all(axis=1)
        packed = (digits[:, 0::2] << 4 | digits[:, 1::2])[sound]
        values[places[sound]] = np.ascontiguousarray(packed).view(">u8").ravel()
        places = places[sound]
    other = np.ones(len(column), dtype=bool)
    other[places] = False
    return values, {place: column[place].as_py() for place in np.flatnonzero(other).tolist()}


class SplitColumns:
    """The rows of one config over all its files; texts and group names are read when asked for.

    Args:
        folder: The dataset.
        config: Its config.
        files: The readable Parquet files; those of other configs are passed over.

    Attributes:
        field: What the texts are: ``transcript`` or ``description``.
        in_test: bool (n_rows,).
        validation: int8 (n_rows,): 0, 1, or -1 for null.
        ids: The ids.
        tags: Emotion names, none in config ``cues``.
    """

    def __init__(self, folder: Path, config: str, files: Sequence[DataFile]) -> None:
        self._folder = folder
        self._config = config
        self._files = [file for file in files if file.config == config]
        self.field = _text_field(config)
        sizes = [pq.ParquetFile(folder / file.name).metadata.num_rows for file in self._files]
        self._starts = np.concatenate(([0], np.cumsum(sizes, dtype=np.int64)))
        sides = [file.split == TEST for file in self._files]
        self.in_test = np.repeat(np.array(sides, dtype=bool), sizes)
        self.validation = self._validation()
        self.ids = Names(self.batches("id"))
        self.tags = self._tags() if config == DEFAULT else Coded([], np.zeros(0, dtype=np.int32))

    def __len__(self) -> int:
        return len(self.in_test)

    def batches(self, name: str) -> Iterator[pa.Array]:
        """One column, a row group at a time, file after file."""
        for file in self._files:
            yield from column_batches(self._folder / file.name, name)

    def texts(self) -> Iterator[str]:
        """The texts, in the order of the rows."""
        return config_texts(self._folder, self._config, self._files)

    def place(self, row: int) -> tuple[str, int]:
        """File of a row, and its number there."""
        file = int(np.searchsorted(self._starts, row, side="right")) - 1
        return self._files[file].name, row - int(self._starts[file])

    def fault(self, row: int, field: str, message: str) -> Fault:
        """A fault of one of the rows."""
        file, number = self.place(row)
        return Fault(file, field, message, number, self.ids[row])

    def _validation(self) -> np.ndarray:
        parts = [np.zeros(0, dtype=np.int8)]
        for batch in self.batches("validation"):
            parts.append(pc.fill_null(batch.cast(pa.int8()), -1).to_numpy(zero_copy_only=False))
        return np.concatenate(parts)

    def _tags(self) -> Coded:
        labels, book = emotion_names(), CodeBook()
        for batch in self.batches("emotions"):
            for row in batch.to_pylist():
                known = (tag for tag in row or () if tag is not None and 0 <= tag < len(labels))
                book.add([labels[tag] for tag in known])
        return book.coded()


def column_batches(path: Path, name: str) -> Iterator[pa.Array]:
    """One column of a Parquet file, a row group at a time."""
    file = pq.ParquetFile(path)
    for group in range(file.num_row_groups):
        yield file.read_row_group(group, columns=[name]).column(0).combine_chunks()


def config_texts(folder: Path, config: str, files: Sequence[DataFile]) -> Iterator[str]:
    """The texts of a config's rows, transcripts or descriptions, in their order; null is empty."""
    for file in files:
        if file.config == config:
            for batch in column_batches(folder / file.name, _text_field(config)):
                yield from (value or "" for value in batch.to_pylist())


def _text_field(config: str) -> str:
    return "transcript" if config == DEFAULT else "description"

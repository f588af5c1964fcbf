"""Readers for any CSV, TSV, JSON lines, Parquet or plain text file, by column name.

A column ``id`` gives the ``source_id``; without one it is the row's number.
"""

from collections.abc import Iterator
from pathlib import Path

from .corpora_files import (
    Record,
    read_delimited,
    read_json_lines,
    read_parquet,
    read_tab_separated,
    read_text_lines,
    require_column,
)
from .corpora_rows import CorpusRow, clean_identifier, column_names, set_aside
from .transcripts import DropReason

ID_COLUMN = "id"
_DELIMITERS = ",;\t|"


def read_text(path: Path) -> Iterator[CorpusRow]:
    """Read a plain text file, one transcript per line; the id is the line's number."""
    for record in read_text_lines(path):
        yield CorpusRow(record.row, record.value, str(record.row), reason=record.reason)


def read_csv(path: Path, *, text_column: str) -> Iterator[CorpusRow]:
    """Read a CSV file with a header; the separator is the one of ``, ; tab |`` that finds it."""
    header, delimiter = _sniff_header(path, text_column)
    records = read_delimited(path, delimiter)
    next(records)
    yield from _column_rows(records, header, text_column)


def read_tsv(path: Path, *, text_column: str) -> Iterator[CorpusRow]:
    """Read a tab-separated file with a header; one line is one row."""
    records = read_tab_separated(path, quoted=True)
    header = column_names(path, next(records, None))
    require_column(path, header, text_column)
    renumbered = (Record(record.row - 1, record.value, record.reason) for record in records)
    yield from _column_rows(renumbered, header, text_column)


def read_jsonl(path: Path, *, text_column: str) -> Iterator[CorpusRow]:
    """Read a JSON lines file; an object without the text column is ``wrong_columns``.

    Raises:
        CorpusError: No object of the file has the text column.
    """
    first: list[str] | None = None
    found = False
    for record in read_json_lines(path):
        if record.reason is not None:
            yield CorpusRow(record.row, reason=record.reason)
            continue
        first = list(record.value) if first is None else first
        if text_column not in record.value:
            yield CorpusRow(record.row, reason=DropReason.WRONG_COLUMNS)
            continue
        found = True
        row_id = clean_identifier(record.value.get(ID_COLUMN), record.row)
        yield CorpusRow(record.row, record.value[text_column], row_id)
    if first is not None and not found:
        require_column(path, first, text_column)


def read_parquet_rows(path: Path, *, text_column: str) -> Iterator[CorpusRow]:
    """Read a Parquet file; a null text is ``not_text``."""
    for record in read_parquet(path, text_column, ID_COLUMN):
        if record.reason is not None:
            yield CorpusRow(record.row, reason=record.reason)
            continue
        text, identifier = record.value
        yield CorpusRow(record.row, text, clean_identifier(identifier, record.row))


def _column_rows(
    records: Iterator[Record], header: list[str], text_column: str
) -> Iterator[CorpusRow]:
    text_position = header.index(text_column)
    id_position = header.index(ID_COLUMN) if ID_COLUMN in header else None
    for record in records:
        refused = set_aside(record, len(header))
        if refused is not None:
            yield refused
            continue
        found = None if id_position is None else record.value[id_position]
        row_id = clean_identifier(found, record.row)
        yield CorpusRow(record.row, record.value[text_position], row_id)


def _sniff_header(path: Path, text_column: str) -> tuple[list[str], str]:
    candidates = []
    for delimiter in _DELIMITERS:
        header = column_names(path, next(read_delimited(path, delimiter), None))
        if text_column in header:
            return header, delimiter
        candidates.append(header)
    widest = max(candidates, key=len)
    require_column(path, widest, text_column)
    return widest, ","

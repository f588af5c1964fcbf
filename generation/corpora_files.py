"""Files of any size, record by record: bounded lines, CSV, TSV, JSON lines, Parquet.

A record that cannot be read comes out with the reason in the place of its value, so that one bad
row never ends a run. What makes the whole file useless (absent, packed, cut in half) raises
``CorpusError`` with the file's name.
"""

import csv
import json
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import CorpusError
from .transcripts import DropReason

if TYPE_CHECKING:
    import pyarrow as pa

MAX_LINE_BYTES = 1 << 20
# A quoted field that runs over more lines than this is a stray quote, not a field.
MAX_RECORD_LINES = 100

_PACKED = {
    b"\x1f\x8b": "gzip",
    b"PK\x03\x04": "zip (or a spreadsheet)",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PAR1": "Parquet",
    b"%PDF": "PDF",
    b"\xd0\xcf\x11\xe0": "an old Office file",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

Decoder = Callable[[bytes], str]


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a file: ``value``, or ``reason`` why it has none.

    Attributes:
        row: Number in the file from 1, a header not counted.
        value: What stood there; its type depends on the reader.
        reason: Why the record is unusable, or None.
    """

    row: int
    value: Any = None
    reason: DropReason | None = None


def decode_utf8(line: bytes) -> str:
    """Decode UTF-8; bytes that are none become unpaired surrogates, which cleaning refuses."""
    return line.decode("utf-8", errors="surrogateescape")


def decode_utf8_or_latin1(line: bytes) -> str:
    """Decode UTF-8, or Latin-1 where the line is not valid UTF-8."""
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("latin-1")


def decode_utf8_or_cp1252(line: bytes) -> str:
    """Decode UTF-8, or Windows-1252 (0x92 is an apostrophe) where the line is not valid UTF-8."""
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("cp1252", errors="surrogateescape")


@contextmanager
def reported_as_corpus_error(path: Path) -> Iterator[None]:
    """Turn what the operating system says about a file into a ``CorpusError`` that names it."""
    try:
        yield
    except OSError as error:
        detail = error.strerror or " ".join(str(error).split())
        raise CorpusError(f"{path}: cannot be read: {detail}") from error


def read_lines(path: Path) -> Iterator[bytes | None]:
    """Yield the lines of a text file with their line feed; None for one over ``MAX_LINE_BYTES``.

    Raises:
        CorpusError: The file cannot be opened, is packed or is not in a text format.
    """
    with reported_as_corpus_error(path), path.open("rb") as file:
        start = file.read(8)
        for magic, kind in _PACKED.items():
            if start.startswith(magic):
                raise CorpusError(f"{path}: expected UTF-8 text, found {kind}: convert it first")
        file.seek(len(_BYTE_ORDER_MARK) if start.startswith(_BYTE_ORDER_MARK) else 0)
        while line := file.readline(MAX_LINE_BYTES):
            if len(line) < MAX_LINE_BYTES or line.endswith(b"\n"):
                yield line
                continue
            while line and not line.endswith(b"\n"):
                line = file.readline(MAX_LINE_BYTES)
            yield None


def read_text_lines(path: Path) -> Iterator[Record]:
    """Yield every line as a record with its text, without the line break."""
    for row, line in enumerate(read_lines(path), 1):
        if line is None:
            yield Record(row, reason=DropReason.TOO_LONG)
        else:
            yield Record(row, decode_utf8(line).rstrip("\r\n"))


def read_tab_separated(path: Path, *, quoted: bool = False) -> Iterator[Record]:
    """Yield every line as a list of fields; one line is one record.

    Args:
        path: The file.
        quoted: Whether a field that stands in double quotes as a whole loses them, as spreadsheets
            write it. A quote that is not closed in the same field stays as it is.
    """
    for record in read_text_lines(path):
        if record.reason is not None:
            yield record
            continue
        fields = record.value.split("\t") if record.value.strip() else []
        yield Record(record.row, [unquoted(field) for field in fields] if quoted else fields)


def read_delimited(path: Path, delimiter: str, decode: Decoder = decode_utf8) -> Iterator[Record]:
    """Yield the records of a CSV file (RFC 4180, quoted fields may hold line breaks) as fields.

    The header is the first record, with row 0. Where quotes do not match up, only the line with
    the fault is ``malformed``; reading goes on with the line after it.
    """
    feed = _LineFeed(read_lines(path), decode)
    row = 0
    while True:
        feed.start_record()
        try:
            fields = next(csv.reader(feed, delimiter=delimiter, strict=True))
        except StopIteration:
            return
        except csv.Error:
            yield Record(row, reason=feed.skip_first_line())
        else:
            yield Record(row, fields)
        row += 1


def read_json_lines(path: Path) -> Iterator[Record]:
    """Yield the objects of a JSON lines file as dictionaries; anything else is ``malformed``."""
    for record in read_text_lines(path):
        if record.reason is not None:
            yield record
            continue
        if not record.value.strip():
            yield Record(record.row, reason=DropReason.EMPTY)
            continue
        try:
            value = json.loads(record.value)
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, dict):
            yield Record(record.row, value)
        else:
            yield Record(record.row, reason=DropReason.MALFORMED)


def read_parquet(path: Path, text_column: str, id_column: str) -> Iterator[Record]:
    """Yield ``(text, id)`` per row of a Parquet file; the id is None where there is no such column.

    Raises:
        CorpusError: The file is cut, no Parquet, or has no text column of strings.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    with reported_as_corpus_error(path):
        try:
            with pq.ParquetFile(path) as file:
                names = file.schema_arrow.names
                require_column(path, names, text_column)
                _require_strings(path, text_column, file.schema_arrow.field(text_column).type)
                columns = [text_column, id_column] if id_column in names else [text_column]
                row = 0
                for batch in file.iter_batches(batch_size=1024, columns=columns):
                    ids = batch.column(id_column) if id_column in names else [None] * len(batch)
                    for text, identifier in zip(batch.column(text_column), ids, strict=True):
                        row += 1
                        yield _parquet_record(row, text, identifier)
        except pa.ArrowException as error:
            detail = " ".join(str(error).split())
            raise CorpusError(f"{path}: not a whole Parquet file: {detail}") from error
        except UnicodeDecodeError as error:
            raise CorpusError(
                f"{path}: the name of a column is not UTF-8; write the file anew or give it as csv"
            ) from error


def require_column(path: Path, names: list[str], column: str) -> None:
    """Raise a ``CorpusError`` that lists the columns of the file when ``column`` is not there."""
    if column not in names:
        found = ", ".join(repr(name) for name in names[:30])
        raise CorpusError(
            f"{path}: no column {column!r}; found {found}: choose one with --text-column"
        )


class _LineFeed:
    """Lines for ``csv.reader`` that can be taken back when a record turns out to be broken."""

    def __init__(self, lines: Iterator[bytes | None], decode: Decoder) -> None:
        self._lines = lines
        self._decode = decode
        self._returned: deque[bytes | None] = deque()
        self._taken: list[bytes | None] = []

    def __iter__(self) -> "_LineFeed":
        return self

    def __next__(self) -> str:
        line = self._returned.popleft() if self._returned else next(self._lines)
        self._taken.append(line)
        if line is None:
            raise csv.Error("line too long")
        if len(self._taken) > MAX_RECORD_LINES:
            raise csv.Error("record too long")
        return self._decode(line)

    def start_record(self) -> None:
        """Forget the lines of the last record."""
        self._taken.clear()

    def skip_first_line(self) -> DropReason:
        """Give back all lines of the broken record but its first; return the reason for that."""
        first, *others = self._taken
        self._returned.extendleft(reversed(others))
        too_long = first is None or len(first) > csv.field_size_limit()
        return DropReason.TOO_LONG if too_long else DropReason.MALFORMED


def unquoted(field: str) -> str:
    """Return a field without the CSV quotes around it, if it is quoted as a whole."""
    if len(field) < 2 or not field.startswith('"') or not field.endswith('"'):
        return field
    inner = field[1:-1]
    return field if '"' in inner.replace('""', "") else inner.replace('""', '"')


def _parquet_record(row: int, text: "pa.Scalar", identifier: "pa.Scalar | None") -> Record:
    try:
        value = text.as_py()
    except UnicodeDecodeError:
        return Record(row, reason=DropReason.UNDECODABLE)
    try:
        return Record(row, (value, None if identifier is None else identifier.as_py()))
    except UnicodeDecodeError:  # an id that cannot be read is no reason to lose the text
        return Record(row, (value, None))


def _require_strings(path: Path, column: str, kind: "pa.DataType") -> None:
    import pyarrow as pa

    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    if not (
        pa.types.is_string(value)
        or pa.types.is_large_string(value)
        or pa.types.is_string_view(value)
    ):
        raise CorpusError(f"{path}: column {column!r} holds {kind}, expected string")

"""The row that every reader yields, and the checks that all of them make on a record."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import CorpusError
from .corpora_files import Record
from .transcripts import DropReason

_MAX_ID_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class CorpusRow:
    """One row as the corpus has it: a raw text with its tags, or the reason why it is unusable.

    Attributes:
        row: Number in its file from 1.
        text: Uncleaned text; None only with a reason.
        source_id: The corpus' id of the row, or the row's number.
        labels: Human tags as GoEmotions names.
        intensity: Human rating in [0, 1], or None.
        reason: Why the row was set aside, or None.
    """

    row: int
    text: object = None
    source_id: str = ""
    labels: tuple[str, ...] = ()
    intensity: float | None = None
    reason: DropReason | None = None


def set_aside(record: Record, *widths: int) -> CorpusRow | None:
    """Return the row as refused when it is unreadable, blank or not as wide as it should be."""
    if record.reason is not None:
        return CorpusRow(record.row, reason=record.reason)
    if not record.value:
        return CorpusRow(record.row, reason=DropReason.EMPTY)
    if len(record.value) not in widths:
        return CorpusRow(record.row, reason=DropReason.WRONG_COLUMNS)
    return None


def column_names(path: Path, header: Record | None) -> list[str]:
    """Return the names in a header.

    Raises:
        CorpusError: The file is empty or its first record is unreadable.
    """
    if header is None:
        raise CorpusError(f"{path}: the file is empty; expected a header with column names")
    if header.reason is not None:
        raise CorpusError(f"{path}: row 1 is no header with column names: {header.reason.value}")
    return [name.strip() for name in header.value]


def expect_header(path: Path, header: Record | None, columns: Sequence[str]) -> list[str]:
    """Return the names in a header that must hold ``columns``.

    Raises:
        CorpusError: A column is missing; the message lists those that there are.
    """
    names = column_names(path, header)
    missing = [column for column in columns if column not in names]
    if missing:
        found = ", ".join(repr(name[:40]) for name in names[:12])
        expected = ", ".join(repr(column) for column in columns)
        raise CorpusError(f"{path}: row 1: expected a header with {expected}; found {found}")
    return names


def clean_identifier(value: object, row: int) -> str:
    """Return the corpus' id as one clean word or line; the row's number where it has none."""
    text = " ".join(str(value).split()) if value is not None else ""
    usable = 0 < len(text) <= _MAX_ID_CHARACTERS and text.isprintable()
    return text if usable else str(row)

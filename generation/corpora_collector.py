"""Collect distinct transcripts from the rows of several corpora, and count what is dropped."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import blake2b
from pathlib import Path

import numpy as np

from ..errors import CorpusError
from .corpora_rows import CorpusRow
from .language_check import is_foreign
from .near_duplicates import NearDuplicates
from .transcripts import DropReason, LengthLimits, Transcript, normalise, prepare_text


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the transcripts of one collection come from.

    Attributes:
        source: Their ``source``.
        path: The file or folder, for messages.
    """

    source: str
    path: Path


@dataclass(slots=True)
class CorpusCounts:
    """What became of the rows of one source; ``read == kept + sum(dropped.values())``.

    Attributes:
        read: Rows that were read, blank ones included.
        kept: Distinct transcripts.
        dropped: Rows per drop reason, without zeros.
    """

    read: int = 0
    kept: int = 0
    dropped: Counter[str] = field(default_factory=Counter)

    def as_dict(self) -> dict[str, object]:
        """Return plain numbers for a manifest, reasons sorted by name."""
        return {"read": self.read, "kept": self.kept, "dropped": dict(sorted(self.dropped.items()))}


@dataclass(frozen=True, slots=True)
class DroppedRow:
    """Where a row was lost and why; handed to ``on_drop`` of ``read_corpora``.

    Attributes:
        source: The source that it belongs to.
        file: Its file.
        row: Number in the file from 1, a header not counted.
        reason: Why.
        text: Its cleaned text; empty where it went before it was clean.
        repeats: The kept text that it repeats; empty unless it is a duplicate or near-duplicate.
    """

    source: str
    file: Path
    row: int
    reason: DropReason
    text: str = ""
    repeats: str = ""


class Collector:
    """The kept transcripts per corpus, and what was dropped on the way."""

    def __init__(
        self,
        origins: Sequence[Origin],
        limits: LengthLimits,
        on_drop: Callable[[DroppedRow], None] | None,
    ) -> None:
        self.kept: list[list[Transcript]] = [[] for _ in origins]
        self._origins = origins
        self._counts = [CorpusCounts() for _ in origins]
        self._limits = limits
        self._on_drop = on_drop
        self._exact: dict[bytes, int] = {}
        self._near = NearDuplicates()
        self._places: list[tuple[int, int]] = []

    def fill(self, streams: Sequence[Iterator[tuple[Path, CorpusRow]]], target: int | None) -> None:
        """Read until there are ``target`` transcripts or all corpora end.

        The corpora take turns, one transcript each; one that ended is left out. So a larger target
        only goes on where a smaller one stopped, and each corpus gives the same number.
        """
        reading = list(range(len(streams)))
        while reading:
            for index in list(reading):
                if target is not None and len(self._places) >= target:
                    return
                if not self._keep_next(index, streams[index]):
                    reading.remove(index)

    def sample(self, size: int, rng: np.random.Generator) -> None:
        """Keep ``size`` transcripts drawn evenly from the corpora; the rest is not sampled."""
        shares = _shares(size, [len(kept) for kept in self.kept])
        for index, (kept, share) in enumerate(zip(self.kept, shares, strict=True)):
            chosen = np.sort(rng.choice(len(kept), size=share, replace=False))
            if len(kept) > share:
                dropped = len(kept) - share
                self._counts[index].dropped[DropReason.NOT_SAMPLED.value] += dropped
            self.kept[index] = [kept[position] for position in chosen]

    def finished_counts(self) -> dict[str, CorpusCounts]:
        """Return the counts per source, specs of one source added up."""
        total: dict[str, CorpusCounts] = {}
        for origin, counts, kept in zip(self._origins, self._counts, self.kept, strict=True):
            entry = total.setdefault(origin.source, CorpusCounts())
            entry.read += counts.read
            entry.kept += len(kept)
            entry.dropped.update(counts.dropped)
        return total

    def _keep_next(self, index: int, stream: Iterator[tuple[Path, CorpusRow]]) -> bool:
        """Read on in one corpus until it has one more transcript; False when it ends."""
        for file, row in stream:
            self._counts[index].read += 1
            dropped = self._take(index, file, row)
            if dropped is None:
                return True
            self._counts[index].dropped[dropped.reason.value] += 1
            if self._on_drop is not None:
                self._on_drop(dropped)
        self._check_not_barren(index)
        return False

    def _take(self, index: int, file: Path, row: CorpusRow) -> DroppedRow | None:
        """Keep the row as a transcript, or return it with the reason why it is dropped."""
        source = self._origins[index].source
        drop = partial(DroppedRow, source, file, row.row)
        if row.reason is not None:
            return drop(row.reason)
        text = prepare_text(row.text, self._limits)
        if isinstance(text, DropReason):
            return drop(text)
        key = blake2b(normalise(text).encode("utf-8"), digest_size=16).digest()
        number = self._exact.get(key)
        if number is not None:
            return drop(DropReason.DUPLICATE, text, self._unite(number, row))
        if is_foreign(text):
            return drop(DropReason.FOREIGN_LANGUAGE, text)
        number = self._near.find_or_add(text)
        if number is not None:
            self._exact[key] = number
            return drop(DropReason.NEAR_DUPLICATE, text, self._unite(number, row))
        self._exact[key] = len(self._places)
        self._places.append((index, len(self.kept[index])))
        part = as_utf8(file.stem)
        self.kept[index].append(
            Transcript(text, source, row.source_id, row.labels, row.intensity, part)
        )
        return None

    def _unite(self, number: int, row: CorpusRow) -> str:
        """Give a row's tags and intensity to the kept transcript; return its text."""
        corpus, place = self._places[number]
        first = self.kept[corpus][place] = _united(self.kept[corpus][place], row)
        return first.text

    def _check_not_barren(self, index: int) -> None:
        counts, origin = self._counts[index], self._origins[index]
        # Copies of another corpus are no fault of this one.
        copies = counts.dropped[DropReason.DUPLICATE] + counts.dropped[DropReason.NEAR_DUPLICATE]
        if self.kept[index] or copies:
            return
        lost = ", ".join(f"{reason} {number}" for reason, number in counts.dropped.most_common())
        raise CorpusError(
            f"corpus {origin.source!r}: {origin.path}: none of {counts.read} rows is usable "
            f"({lost}): check the column, the length limits and the encoding (UTF-8)"
        )


def as_utf8(name: str) -> str:
    """Return a file's name as text that can be hashed and written: it need not be UTF-8."""
    return name.encode("utf-8", "replace").decode("utf-8")


def _united(first: Transcript, row: CorpusRow) -> Transcript:
    labels = tuple(dict.fromkeys((*first.labels, *row.labels)))
    rated = [value for value in (first.intensity, row.intensity) if value is not None]
    return replace(first, labels=labels, intensity=max(rated, default=None))


def _shares(size: int, available: list[int]) -> list[int]:
    """Share ``size`` evenly among corpora that have ``available`` transcripts each."""
    shares = [0] * len(available)
    remaining = min(size, sum(available))
    while remaining:
        open_places = [i for i, number in enumerate(available) if shares[i] < number]
        for order, index in enumerate(open_places):
            even = remaining // (len(open_places) - order)
            granted = min(even or 1, available[index] - shares[index], remaining)
            shares[index] += granted
            remaining -= granted
    return shares

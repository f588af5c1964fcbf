"""Lists of labels as numbers: ten million items carry a few thousand different lists."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np

Labels = tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Coded(Sequence[Labels]):
    """A sequence of label lists, four bytes an item.

    Attributes:
        values: The different lists.
        codes: int32 (n_items,), the number of each item's list.
    """

    values: Sequence[Labels]
    codes: np.ndarray

    @classmethod
    def of(cls, items: Iterable[Sequence[str]]) -> Coded:
        """Code label lists, or return them if they are coded already."""
        if isinstance(items, Coded):
            return items
        book = CodeBook()
        for labels in items:
            book.add(labels)
        return book.coded()

    def __len__(self) -> int:
        return len(self.codes)

    @overload
    def __getitem__(self, place: int) -> Labels: ...
    @overload
    def __getitem__(self, place: slice) -> Coded: ...
    def __getitem__(self, place: int | slice) -> Labels | Coded:
        if isinstance(place, slice):
            return Coded(self.values, self.codes[place])
        return self.values[int(self.codes[place])]

    def take(self, places: np.ndarray) -> Coded:
        """The items at some places, by number or by mask."""
        return Coded(self.values, self.codes[places])

    def counts(self, places: np.ndarray | None = None) -> np.ndarray:
        """int64 (n_values,): how many of the items, or of those at ``places``, have each list."""
        codes = self.codes if places is None else self.codes[places]
        return np.bincount(codes, minlength=len(self.values))

    def label_counts(self, places: np.ndarray | None = None) -> Counter[str]:
        """How often each label stands in the items, or in those at ``places``."""
        found: Counter[str] = Counter()
        for labels, count in zip(self.values, self.counts(places).tolist(), strict=True):
            if count:
                for label in labels:
                    found[label] += count
        return found

    def used(self) -> list[Labels]:
        """The lists that some item has; a part of the items need not have all ``values``."""
        return [self.values[code] for code in np.flatnonzero(self.counts()).tolist()]

    def where(self, holds: Callable[[Labels], bool]) -> np.ndarray:
        """Bool (n_items,): whose list has a property."""
        known = np.fromiter((holds(labels) for labels in self.values), bool, len(self.values))
        chosen: np.ndarray = known[self.codes]
        return chosen


class CodeBook:
    """Codes label lists one after the other."""

    def __init__(self) -> None:
        self._number: dict[Labels, int] = {}
        self._codes = array("i")

    def add(self, labels: Sequence[str]) -> None:
        """Put the next item's list at the end."""
        self._codes.append(self._number.setdefault(tuple(labels), len(self._number)))

    def coded(self) -> Coded:
        """What was added so far."""
        return Coded(list(self._number), np.array(self._codes, dtype=np.int32))

"""Sets of ids and of text hashes that hold eight bytes an entry, not a hundred and more.

A run of ten million records has ten million finished ids. As Python strings in a set they take
1.2 GB; as sorted 64-bit numbers 80 MB.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, MutableSet, Set
from hashlib import blake2b

import numpy as np

ID_PATTERN = re.compile(r"[0-9a-f]{16}")
_LEAST_FRESH = 65_536


class NumberSet:
    """A growing set of 64-bit numbers: a sorted array, and a small set of what came since."""

    def __init__(self) -> None:
        self._sorted = np.empty(0, dtype=np.uint64)
        self._fresh: set[int] = set()

    def __len__(self) -> int:
        return len(self._sorted) + len(self._fresh)

    def __contains__(self, number: int) -> bool:
        if number in self._fresh:
            return True
        place = int(self._sorted.searchsorted(np.uint64(number)))
        return place < len(self._sorted) and int(self._sorted[place]) == number

    def __iter__(self) -> Iterator[int]:
        for start in range(0, len(self._sorted), _LEAST_FRESH):
            yield from self._sorted[start : start + _LEAST_FRESH].tolist()
        yield from self._fresh

    def add(self, number: int) -> None:
        """Put a number in, 0 to 2**64 - 1."""
        if number not in self:
            self._fresh.add(number)
            # An eighth: the array is copied a few times for each doubling, not at every addition.
            if len(self._fresh) > max(_LEAST_FRESH, len(self._sorted) // 8):
                self._settle()

    def discard(self, number: int) -> None:
        """Take a number out if it is there."""
        self._fresh.discard(number)
        place = int(self._sorted.searchsorted(np.uint64(number)))
        if place < len(self._sorted) and int(self._sorted[place]) == number:
            self._sorted = np.delete(self._sorted, place)

    def _settle(self) -> None:
        fresh = np.fromiter(self._fresh, dtype=np.uint64, count=len(self._fresh))
        merged = np.concatenate([self._sorted, fresh])
        merged.sort(kind="stable")
        self._sorted, self._fresh = merged, set()


class IdSet(MutableSet[str]):
    """A set of ids; those of 16 hexadecimal digits, as all of ours are, as numbers.

    It equals a plain set of the same ids.

    Args:
        ids: What is in it at first.
    """

    def __init__(self, ids: Iterable[str] = ()) -> None:
        self._numbers = NumberSet()
        self._others: set[str] = set()
        for name in ids:
            self.add(name)

    def __len__(self) -> int:
        return len(self._numbers) + len(self._others)

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, str):
            return False
        return (
            int(name, 16) in self._numbers if ID_PATTERN.fullmatch(name) else name in self._others
        )

    def __iter__(self) -> Iterator[str]:
        for number in self._numbers:
            yield f"{number:016x}"
        yield from self._others

    def __repr__(self) -> str:
        return f"IdSet of {len(self)} ids"

    def add(self, value: str) -> None:
        """Put an id in."""
        if ID_PATTERN.fullmatch(value):
            self._numbers.add(int(value, 16))
        else:
            self._others.add(value)

    def discard(self, value: str) -> None:
        """Take an id out if it is there."""
        if ID_PATTERN.fullmatch(value):
            self._numbers.discard(int(value, 16))
        else:
            self._others.discard(value)


class UnionOfIds(Set[str]):
    """Ids that are in one of two sets, looked up there and not copied."""

    def __init__(self, first: Set[str], second: Set[str]) -> None:
        self._first, self._second = first, second

    def __contains__(self, name: object) -> bool:
        return name in self._first or name in self._second

    def __iter__(self) -> Iterator[str]:
        yield from self._first
        yield from (name for name in self._second if name not in self._first)

    def __len__(self) -> int:
        return len(self._first) + sum(name not in self._first for name in self._second)


def text_number(text: str) -> int:
    """64 bits of a text's hash: among ten million texts two collide with a chance of 3e-6."""
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big")

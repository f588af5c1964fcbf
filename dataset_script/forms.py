"""What the search for near-duplicates keeps on disk: the forms of the texts, and their bands.

Memory holds numbers only: of ten million texts 80 MB for each array. Files are read by place, not
mapped, because the pages of a map count as the process's own.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np

from .scratch import explained, sorted_pairs

# Odd, random: multiplied and added, two halves of a band make one number.
_FACTORS = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F], dtype=np.uint64)


class SortedForms:
    """The distinct forms of texts in their alphabetical order, and which of them each text has.

    Args:
        forms: The form of each text; taken once.
        folder: A scratch folder.

    Attributes:
        form_of_text: int64 (n_texts,), the number of each text's form.

    Raises:
        DatasetError: The scratch files cannot be written.
    """

    def __init__(self, forms: Iterable[str], folder: Path) -> None:
        self._count = 0
        with explained():
            self._file = (folder / "forms").open("w+b", buffering=1 << 20)
        texts, numbers, ends = array("q"), array("q"), array("q", [0])
        last = None
        # UTF-8 keeps the order of the code points, which is that of Python's strings.
        for form, text in sorted_pairs(self._numbered(forms), folder):
            if form != last:
                with explained():
                    self._file.write(form)
                ends.append(ends[-1] + len(form))
                last = form
            texts.append(int(text))
            numbers.append(len(ends) - 2)
        with explained():
            self._file.flush()
        self._ends = np.array(ends, dtype=np.int64)
        self.form_of_text = np.empty(self._count, dtype=np.int64)
        self.form_of_text[np.frombuffer(texts, dtype=np.int64)] = np.frombuffer(
            numbers, dtype=np.int64
        )

    def _numbered(self, forms: Iterable[str]) -> Iterator[tuple[bytes, bytes]]:
        for form in forms:
            yield form.encode("utf-8", "surrogatepass"), b"%d" % self._count
            self._count += 1

    def __len__(self) -> int:
        return len(self._ends) - 1

    def read(self, number: int) -> str:
        """One form."""
        start, end = self._ends[number : number + 2].tolist()
        return os.pread(self._file.fileno(), end - start, start).decode("utf-8", "surrogatepass")

    def some(self, start: int, count: int) -> Iterator[str]:
        """A number of forms from ``start`` on, fewer at the end."""
        ends = self._ends[start : start + count + 1].tolist()
        content = os.pread(self._file.fileno(), ends[-1] - ends[0], ends[0])
        for begin, end in pairwise(ends):
            yield content[begin - ends[0] : end - ends[0]].decode("utf-8", "surrogatepass")

    def close(self) -> None:
        """Close the file; ``form_of_text`` stays."""
        self._file.close()


class BandFile:
    """The bands of all sketches as 64-bit numbers, one band after the other.

    Args:
        path: A file that does not exist yet.
        forms: How many sketches there will be.
        bands: Bands of each.
    """

    def __init__(self, path: Path, forms: int, bands: int) -> None:
        self._forms = forms
        self._bands = bands
        self._path = path
        with explained():
            self._file = path.open("wb", buffering=0)

    def write(self, start: int, sketches: np.ndarray) -> None:
        """Put in the sketches from number ``start`` on.

        Args:
            start: Number of the first.
            sketches: uint64 (n, n_bands * 4), MinHash values below 2**32.
        """
        halves = sketches.astype(np.uint64).reshape(len(sketches), self._bands, -1, 2)
        # Two different bands of four values get one number with a chance of 2**-64, and then their
        # forms are only compared for nothing.
        both = (halves[..., 0] << np.uint64(32)) | halves[..., 1]
        keys = np.ascontiguousarray((both * _FACTORS[: both.shape[2]]).sum(axis=2).T)
        with explained():
            for band in range(self._bands):
                place = 8 * (band * self._forms + start)
                os.pwrite(self._file.fileno(), keys[band].tobytes(), place)

    def buckets(self) -> Iterator[np.ndarray]:
        """Numbers of the sketches with an equal band, for each band that several share."""
        for band in range(self._bands):
            place = 8 * band * self._forms
            keys = np.fromfile(self._path, dtype=np.uint64, count=self._forms, offset=place)
            order = np.argsort(keys, kind="stable")
            keys = keys[order]
            inner = np.zeros(max(len(keys), 1) + 1, dtype=bool)  # equal to the one before
            inner[1 : len(keys)] = keys[1:] == keys[:-1]
            del keys
            edges = np.flatnonzero(inner[1:] != inner[:-1])  # of each run, its first and its last
            for start, last in edges.reshape(-1, 2).tolist():
                yield order[start : last + 1]

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class Joined:
    """Components, each with a label that all its members carry; the smaller takes the larger's.

    Args:
        count: Number of forms, each alone at first.

    Attributes:
        component: int64 (count,), the label of each.
    """

    def __init__(self, count: int) -> None:
        self.component = np.arange(count)
        self._size = np.ones(count, dtype=np.int32)
        self._next = np.arange(count)  # the members of a component, in a ring

    def join(self, one: int, other: int) -> None:
        """Make one component of two forms'."""
        large, small = int(self.component[one]), int(self.component[other])
        if large == small:
            return
        if self._size[large] < self._size[small]:
            large, small = small, large
        member = small
        while True:
            self.component[member] = large
            member = int(self._next[member])
            if member == small:
                break
        self._next[large], self._next[small] = self._next[small], self._next[large]
        self._size[large] += self._size[small]

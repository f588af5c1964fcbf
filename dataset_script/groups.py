"""Which items must stay on one side of a split: those whose texts are the same, or nearly.

Near-duplicates that the corpora readings found are gone already; their rule is narrow, because what
it merges is lost. Here nothing is lost, so the rule is wide: similar letters are enough. MinHash
(``datasketch``: kept, documented, its hash scheme named in its interface) proposes pairs, their
exact similarity decides, and groups are the connected components; pairs that are joined already are
not compared. Numbers are in ``split-v1``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from datasketch import MinHash
from scipy import sparse

from ..generation.tables_reading import read_table

SPLIT_TABLE = "split-v1"
# From so many comparisons on, a sparse product is faster than sets.
_MANY = 64
_UNSPOKEN = re.compile(r"@\w+|https?://\S+|\bhttp\b|\[\w+\]")
_APOSTROPHES = re.compile("(?<=\\w)['\u2018\u2019\u02bc`\u00b4](?=\\w)")
_WORD = re.compile(r"\w+")


def normalise(text: str) -> str:
    """Return the words of a text, in small letters, with one space between them.

    Punctuation, mentions, links and placeholders ("[NAME]") do not count; a text without any word
    stands for itself.
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    spoken = _APOSTROPHES.sub("", _UNSPOKEN.sub(" ", folded))
    return " ".join(_WORD.findall(spoken)) or " ".join(folded.split())


def duplicate_groups(transcripts: Sequence[str]) -> np.ndarray:
    """Number the groups of equal and nearly equal texts.

    Two texts are in one group when a chain of near-duplicates leads from one to the other. Neither
    the groups nor their numbers depend on the order of the texts.

    Args:
        transcripts: The texts.

    Returns:
        int64 (n_texts,), the group of each: 0 for that with the alphabetically first text, and on.
    """
    return _groups(transcripts, near=True)


def wording_groups(texts: Sequence[str]) -> np.ndarray:
    """Number the groups of texts with the very same words; otherwise as ``duplicate_groups``."""
    return _groups(texts, near=False)


def similarity(first: str, second: str) -> float:
    """Jaccard similarity of the runs of letters of two texts, in [0, 1]; 1 for the same words."""
    one, other = (_shingles(normalise(text)) for text in (first, second))
    return len(one & other) / len(one | other)


def _groups(texts: Sequence[str], *, near: bool) -> np.ndarray:
    if not len(texts):
        return np.zeros(0, dtype=np.int64)
    forms, form_of_text = np.unique(
        np.array([normalise(text) for text in texts], dtype=object), return_inverse=True
    )
    component = _components(list(forms)) if near else np.arange(len(forms))
    # The forms are sorted, so the first form of a component names it whatever scipy's numbering.
    _, first, of_form = np.unique(component, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    numbered: np.ndarray = rank[of_form][form_of_text]
    return numbered


def _components(forms: list[str]) -> np.ndarray:
    """int64 (n_forms,): a number for each component of the similar forms that share a band."""
    rule = _rule()
    near = _NearForms(forms)
    sketches = MinHash.generator(
        ([piece.encode() for piece in sorted(pieces)] for pieces in near.shingles),
        num_perm=rule["permutations"],
        seed=rule["seed"],
        scheme="affine32",
    )
    values = np.array([sketch.hashvalues for sketch in sketches])
    joined = _Joined(len(forms))
    for bucket in _buckets(values, rule["rows_per_band"]):
        _join_similar(bucket, near, joined)
    return joined.component


def _buckets(values: np.ndarray, rows: int) -> Iterator[np.ndarray]:
    """Sketches with an equal band; sorting, where datasketch's own index looks up."""
    for start in range(0, values.shape[1] - rows + 1, rows):
        band = np.ascontiguousarray(values[:, start : start + rows])
        keys = band.view(np.dtype((np.void, band.dtype.itemsize * rows))).ravel()
        order = np.argsort(keys, kind="stable")
        inner = np.flatnonzero(keys[order][1:] != keys[order][:-1]) + 1
        bounds = np.concatenate(([0], inner, [len(order)]))
        for number in np.flatnonzero(np.diff(bounds) > 1):
            yield order[bounds[number] : bounds[number + 1]]


def _join_similar(bucket: np.ndarray, near: _NearForms, joined: _Joined) -> None:
    """Join the components of a bucket that have a similar pair.

    Each component is grown to its end against the forms that are still outside, so two forms are
    compared unless they are joined already: one pass for a bucket of similar forms.
    """
    outside = bucket
    while len(outside):
        ours = joined.component[outside] == joined.component[outside[0]]
        grown, outside = outside[ours].tolist(), outside[~ours]
        for pivot in grown:  # grows meanwhile
            if not len(outside):
                return
            similar = near.similar(pivot, outside)
            if not len(similar):
                continue
            for other in similar.tolist():
                joined.join(pivot, other)
            # With a form come those that an earlier bucket joined to it.
            ours = joined.component[outside] == joined.component[pivot]
            grown += outside[ours].tolist()
            outside = outside[~ours]


class _Joined:
    """Components, each with a label that all its members carry; the smaller takes the larger's."""

    def __init__(self, count: int) -> None:
        self.component = np.arange(count)
        self._members = [[number] for number in range(count)]

    def join(self, one: int, other: int) -> None:
        large, small = int(self.component[one]), int(self.component[other])
        if large == small:
            return
        if len(self._members[large]) < len(self._members[small]):
            large, small = small, large
        self.component[self._members[small]] = large
        self._members[large] += self._members[small]
        self._members[small] = []


class _NearForms:
    """Says which forms are similar to one: in numpy where there are many."""

    def __init__(self, forms: list[str]) -> None:
        self.shingles = [_shingles(form) for form in forms]
        self._threshold = _rule()["threshold"]
        number_of: dict[str, int] = {}
        numbers = [
            number_of.setdefault(piece, len(number_of))
            for pieces in self.shingles
            for piece in sorted(pieces)
        ]
        self._sizes = np.array([len(pieces) for pieces in self.shingles])
        ends = np.concatenate(([0], np.cumsum(self._sizes)))
        self._table = sparse.csr_array(
            (np.ones(len(numbers), dtype=np.int32), np.array(numbers), ends),
            shape=(len(forms), len(number_of)),
        )
        self._of_pivot = np.zeros(len(number_of), dtype=np.int32)

    def similar(self, pivot: int, others: np.ndarray) -> np.ndarray:
        """Those of ``others`` whose similarity to ``pivot`` reaches the threshold."""
        if len(others) < _MANY:
            pieces = self.shingles[pivot]
            shared = np.array([len(pieces & self.shingles[other]) for other in others.tolist()])
        else:
            own = self._table.indices[slice(*self._table.indptr[pivot : pivot + 2])]
            self._of_pivot[own] = 1
            shared = self._table[others] @ self._of_pivot
            self._of_pivot[own] = 0
        of_both = self._sizes[pivot] + self._sizes[others] - shared
        near: np.ndarray = others[shared >= self._threshold * of_both]
        return near


@lru_cache(maxsize=1)
def _rule() -> Mapping[str, Any]:
    rule: Mapping[str, Any] = read_table(SPLIT_TABLE, "split")["duplicates"]
    return rule


def _shingles(form: str) -> frozenset[str]:
    letters = _rule()["shingle_letters"]
    padded = f" {form} "
    return frozenset(padded[at : at + letters] for at in range(max(1, len(padded) - letters + 1)))

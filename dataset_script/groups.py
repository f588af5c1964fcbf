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
from array import array
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from datasketch import MinHash
from datasketch.hashfunc import sha1_hash32
from scipy import sparse

from ..generation.tables_reading import read_table
from .forms import BandFile, Joined, SortedForms
from .scratch import Scratch

SPLIT_TABLE = "split-v1"
# From so many comparisons on, a sparse product is faster than sets.
_MANY = 64
_FORMS_PER_BATCH = 8192
_FORMS_KEPT = 4096
_PIECES_KEPT = 131_072
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


def duplicate_groups(transcripts: Iterable[str]) -> np.ndarray:
    """Number the groups of equal and nearly equal texts.

    Two texts are in one group when a chain of near-duplicates leads from one to the other. Neither
    the groups nor their numbers depend on the order of the texts.

    Texts and sketches lie in scratch files; memory holds a few numbers for each text.

    Args:
        transcripts: The texts; taken once.

    Returns:
        int64 (n_texts,), the group of each: 0 for that with the alphabetically first text, and on.

    Raises:
        DatasetError: The scratch files cannot be written.
    """
    return _groups(transcripts, near=True)


def wording_groups(texts: Iterable[str]) -> np.ndarray:
    """Number the groups of texts with the very same words; otherwise as ``duplicate_groups``."""
    return _groups(texts, near=False)


def similarity(first: str, second: str) -> float:
    """Jaccard similarity of the runs of letters of two texts, in [0, 1]; 1 for the same words."""
    one, other = (_shingles(normalise(text)) for text in (first, second))
    return len(one & other) / len(one | other)


def _groups(texts: Iterable[str], *, near: bool) -> np.ndarray:
    with Scratch("groups") as folder:
        forms = SortedForms((normalise(text) for text in texts), folder)
        try:
            if not near or not len(forms):
                return forms.form_of_text
            component = _components(forms, folder)
        finally:
            forms.close()
    # The forms are sorted, so a component is named by its first form, whatever its label.
    first = np.full(len(component), len(component), dtype=np.int64)
    np.minimum.at(first, component, np.arange(len(component)))
    first = first[component]
    rank = np.cumsum(first == np.arange(len(first))) - 1
    numbered: np.ndarray = rank[first][forms.form_of_text]
    return numbered


def _components(forms: SortedForms, folder: Path) -> np.ndarray:
    """int64 (n_forms,): a number for each component of the similar forms that share a band."""
    rule = _rule()
    bands = BandFile(folder / "bands", len(forms), rule["permutations"] // rule["rows_per_band"])
    batch = _FORMS_PER_BATCH
    for start in range(0, len(forms), batch):
        sketches = MinHash.generator(
            (
                [piece.encode() for piece in sorted(_shingles(form))]
                for form in forms.some(start, batch)
            ),
            num_perm=rule["permutations"],
            seed=rule["seed"],
            scheme="affine32",
            hashfunc=_piece_hash,
        )
        bands.write(start, np.array([sketch.hashvalues for sketch in sketches]))
    near, joined = _NearForms(forms), Joined(len(forms))
    for bucket in bands.buckets():
        near.open(bucket)
        _join_similar(bucket, near, joined)
    bands.close()
    return joined.component


def _join_similar(bucket: np.ndarray, near: _NearForms, joined: Joined) -> None:
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


class _NearForms:
    """Says which forms of a bucket are similar to one: in numpy where there are many."""

    def __init__(self, forms: SortedForms) -> None:
        self._threshold = _rule()["threshold"]
        self._forms = forms
        # Forms of one bucket often meet again in the next.
        self._shingles = lru_cache(maxsize=_FORMS_KEPT)(lambda form: _shingles(forms.read(form)))
        self.open(np.zeros(0, dtype=np.int64))

    def open(self, bucket: np.ndarray) -> None:
        """Turn to another bucket; nothing is read before it is asked for."""
        self._bucket = bucket
        self._table: sparse.csr_array | None = None

    def similar(self, pivot: int, others: np.ndarray) -> np.ndarray:
        """Those of ``others`` whose similarity to ``pivot`` reaches the threshold."""
        if len(others) < _MANY:
            pieces = self._shingles(pivot)
            theirs = [self._shingles(other) for other in others.tolist()]
            shared = np.array([len(pieces & found) for found in theirs])
            of_both = len(pieces) + np.array([len(found) for found in theirs]) - shared
        else:
            shared, of_both = self._compare_many(pivot, others)
        near: np.ndarray = others[shared >= self._threshold * of_both]
        return near

    def _compare_many(self, pivot: int, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if self._table is None:
            self._bucket = np.sort(self._bucket)
            self._table = self._make_table()
        own = self._table[[int(np.searchsorted(self._bucket, pivot))]]
        rows = self._table[np.searchsorted(self._bucket, others)]
        of_pivot = np.zeros(self._table.shape[1], dtype=np.int32)
        of_pivot[own.indices] = 1
        shared = rows @ of_pivot
        return shared, len(own.indices) + np.diff(rows.indptr) - shared

    def _make_table(self) -> sparse.csr_array:
        number_of: dict[str, int] = {}
        numbers, ends = array("i"), [0]
        for form in self._bucket.tolist():
            for piece in _shingles(self._forms.read(form)):
                numbers.append(number_of.setdefault(piece, len(number_of)))
            ends.append(len(numbers))
        ones = np.ones(len(numbers), dtype=np.int32)
        shape = (len(self._bucket), len(number_of))
        return sparse.csr_array((ones, np.array(numbers, dtype=np.int32), ends), shape=shape)


# Few runs of letters are frequent; looked up, one costs a tenth of its hash.
_piece_hash = lru_cache(maxsize=_PIECES_KEPT)(sha1_hash32)


@lru_cache(maxsize=1)
def _rule() -> Mapping[str, Any]:
    rule: Mapping[str, Any] = read_table(SPLIT_TABLE, "split")["duplicates"]
    return rule


def _shingles(form: str) -> frozenset[str]:
    letters = _rule()["shingle_letters"]
    padded = f" {form} "
    return frozenset(padded[at : at + letters] for at in range(max(1, len(padded) - letters + 1)))

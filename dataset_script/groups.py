"""Which items must stay on one side of a split: those whose texts are the same, or nearly.

Near-duplicates that the corpora readings found are gone already; their rule is narrow, because what
it merges is lost. Here nothing is lost, so the rule is wide: similar letters are enough. MinHash
(``datasketch``: kept, documented, its hash scheme named in its interface) proposes pairs, their
exact similarity decides, and groups are the connected components. Numbers are in ``split-v1``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import combinations
from typing import Any

import numpy as np
from datasketch import MinHash
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from ..generation.tables_reading import read_table

SPLIT_TABLE = "split-v1"
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
    pairs = np.array(list(_near_pairs(list(forms))) if near else [], dtype=np.int64).reshape(-1, 2)
    links = sparse.coo_array(
        (np.ones(len(pairs), dtype=np.int8), (pairs[:, 0], pairs[:, 1])),
        shape=(len(forms), len(forms)),
    )
    _, component = connected_components(links, directed=False)
    # The forms are sorted, so the first form of a component names it whatever scipy's numbering.
    _, first, of_form = np.unique(component, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    numbered: np.ndarray = rank[of_form][form_of_text]
    return numbered


def _near_pairs(forms: list[str]) -> Iterator[tuple[int, int]]:
    rule = _rule()
    shingles = [_shingles(form) for form in forms]
    sketches = MinHash.generator(
        ([piece.encode() for piece in sorted(pieces)] for pieces in shingles),
        num_perm=rule["permutations"],
        seed=rule["seed"],
        scheme="affine32",
    )
    values = np.array([sketch.hashvalues for sketch in sketches])
    for one, other in _sharing_a_band(values, rule["rows_per_band"]):
        shared = len(shingles[one] & shingles[other])
        of_both = len(shingles[one]) + len(shingles[other]) - shared
        if shared >= rule["threshold"] * of_both:
            yield one, other


def _sharing_a_band(values: np.ndarray, rows: int) -> set[tuple[int, int]]:
    """Pairs of sketches with an equal band; sorting, where datasketch's own index looks up."""
    pairs: set[tuple[int, int]] = set()
    for start in range(0, values.shape[1] - rows + 1, rows):
        band = np.ascontiguousarray(values[:, start : start + rows])
        keys = band.view(np.dtype((np.void, band.dtype.itemsize * rows))).ravel()
        order = np.argsort(keys, kind="stable")
        ends = np.flatnonzero(keys[order][1:] != keys[order][:-1]) + 1
        for bucket in np.split(order, ends):
            if len(bucket) > 1:
                pairs.update(combinations(bucket.tolist(), 2))
    return pairs


@lru_cache(maxsize=1)
def _rule() -> Mapping[str, Any]:
    rule: Mapping[str, Any] = read_table(SPLIT_TABLE, "split")["duplicates"]
    return rule


def _shingles(form: str) -> frozenset[str]:
    letters = _rule()["shingle_letters"]
    padded = f" {form} "
    return frozenset(padded[at : at + letters] for at in range(max(1, len(padded) - letters + 1)))

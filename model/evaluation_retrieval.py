"""Retrieval: is the right expression the nearest to a text, and the right text to an expression?

A gallery holds every distinct entry once. Where a query has several right answers (a text that
stands for several faces, a face that several texts describe), each is sought in turn with the other
right ones taken out. An entry as near as the answer (a collapsed model makes all of them so) may
stand before or after it: the figures are the expectation over both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

RECALLS = (1, 5, 10)
_TIE = 1e-6
_QUERIES_AT_ONCE = 512


def distinct_texts(texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First positions of the distinct texts, and for every text the number of its distinct one."""
    numbers: dict[str, int] = {}
    inverse = np.array([numbers.setdefault(text, len(numbers)) for text in texts], dtype=np.int64)
    return np.unique(inverse, return_index=True)[1], inverse


def distinct_faces(faces: NDArray[np.float32]) -> NDArray[np.int64]:
    """For every row of (n, size) the number of its distinct one."""
    return np.unique(faces, axis=0, return_inverse=True)[1].reshape(-1)


def retrieve_both_ways(
    text_points: NDArray[np.float32],
    expression_points: NDArray[np.float32],
    text_numbers: NDArray[np.int64],
    expression_numbers: NDArray[np.int64],
    *,
    cosine: bool,
) -> dict[str, dict[str, float]]:
    """Retrieval figures of one kind of text.

    Args:
        text_points: float32 (rows, k), where each row's text lies.
        expression_points: float32 (rows, k), where each row's face lies.
        text_numbers: int64 (rows,), equal for rows of equal text.
        expression_numbers: int64 (rows,), equal for rows of equal face.
        cosine: Compare by angle; by Euclidean distance otherwise.

    Returns:
        ``text_to_expression`` and ``expression_to_text``, each with ``recall_at_1``, ``_5`` and
        ``_10`` in [0, 1], ``median_rank`` (1 is best; the middle of a tie), ``queries`` and
        ``gallery`` (number of distinct entries: the rank by chance is about half of it).
    """
    both = {
        "text_to_expression": (text_points, expression_points, text_numbers, expression_numbers),
        "expression_to_text": (expression_points, text_points, expression_numbers, text_numbers),
    }
    return {name: _retrieve(*arrays, cosine=cosine) for name, arrays in both.items()}


def _retrieve(
    queries: NDArray[np.float32],
    entries: NDArray[np.float32],
    query_numbers: NDArray[np.int64],
    entry_numbers: NDArray[np.int64],
    *,
    cosine: bool,
) -> dict[str, float]:
    _, first = np.unique(entry_numbers, return_index=True)
    _, places = np.unique(entry_numbers, return_inverse=True)
    better, tied = ranks(
        queries, entries[first], places, _right_answers(query_numbers, places), cosine=cosine
    )
    figures = {
        f"recall_at_{k}": float(np.clip((k - better) / tied, 0.0, 1.0).mean()) for k in RECALLS
    }
    middle = better + (tied + 1) / 2
    return figures | {
        "median_rank": float(np.median(middle)),
        "queries": len(queries),
        "gallery": len(first),
    }


def _right_answers(
    query_numbers: NDArray[np.int64], places: NDArray[np.int64]
) -> list[NDArray[np.int64]]:
    """For every row the places of all right answers to its query."""
    order = np.lexsort((places, query_numbers))
    _, start = np.unique(query_numbers[order], return_index=True)
    groups = [np.unique(part) for part in np.split(places[order], start[1:])]
    _, group = np.unique(query_numbers, return_inverse=True)
    return [groups[number] for number in group]


def ranks(
    queries: NDArray[np.float32],
    gallery: NDArray[np.float32],
    answers: NDArray[np.int64],
    right: list[NDArray[np.int64]],
    *,
    cosine: bool,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How many entries are nearer to each query than its answer, and how many as near.

    Args:
        queries: float32 (n, k).
        gallery: float32 (m, k).
        answers: int64 (n,), the place of each query's answer in the gallery.
        right: For each query the places of all its right answers; the others do not count.
        cosine: Compare by angle; by Euclidean distance otherwise.

    Returns:
        int64 (n,) entries nearer, and int64 (n,) entries as near, the answer included.
    """
    better = np.empty(len(queries), dtype=np.int64)
    tied = np.empty(len(queries), dtype=np.int64)
    if cosine:
        queries, gallery = unit_rows(queries), unit_rows(gallery)
    lengths = np.square(gallery).sum(axis=1)
    for start in range(0, len(queries), _QUERIES_AT_ONCE):
        rows = np.arange(start, min(start + _QUERIES_AT_ONCE, len(queries)))
        nearness = 2 * queries[rows] @ gallery.T - lengths
        wanted = nearness[np.arange(len(rows)), answers[rows]][:, None]
        for number, row in enumerate(rows):
            nearness[number, right[row]] = -np.inf
        better[rows] = (nearness > wanted + _TIE).sum(axis=1)
        tied[rows] = (np.abs(nearness - wanted) <= _TIE).sum(axis=1) + 1
    return better, tied


def unit_rows(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows scaled to unit length; a row of zeros stays."""
    lengths = np.linalg.norm(points, axis=1, keepdims=True)
    return np.divide(points, lengths, out=np.zeros_like(points), where=lengths > 0)

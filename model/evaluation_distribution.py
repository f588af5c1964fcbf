"""Decoded faces as a whole against real ones: Fréchet distance and range."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ROUNDING = 1e-6


def frechet_distance(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Squared Fréchet distance between normal distributions fitted to two sets of vectors.

    |m1 - m2|² + tr(C1 + C2 - 2 (C1^½ C2 C1^½)^½), the form of the Fréchet inception distance, here
    over the blendshape weights themselves. It falls with the number of vectors, so compare only
    figures over equally many.

    Args:
        first: (n, size), n at least 2.
        second: (m, size), m at least 2.

    Returns:
        0 for equal mean and covariance, larger the further apart.
    """
    first, second = first.astype(np.float64), second.astype(np.float64)
    apart = np.square(first.mean(axis=0) - second.mean(axis=0)).sum()
    one, two = (np.atleast_2d(np.cov(rows, rowvar=False)) for rows in (first, second))
    root = _square_root(one)
    both = np.linalg.eigvalsh(root @ two @ root)
    joint = np.sqrt(np.clip(both, 0.0, None)).sum()
    return float(max(0.0, apart + np.trace(one) + np.trace(two) - 2.0 * joint))


def _square_root(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.sqrt(np.clip(values, 0.0, None))) @ vectors.T


def share_outside(faces: NDArray[np.float32], train: NDArray[np.float32]) -> float:
    """Share of values that lie outside what the same weight took in training.

    Args:
        faces: (n, size) decoded.
        train: (m, size), the faces of the train split, its cues' among them.

    Returns:
        In [0, 1]; a difference of rounding (1e-6) does not count.
    """
    low, high = train.min(axis=0), train.max(axis=0)
    return float(((faces < low - _ROUNDING) | (faces > high + _ROUNDING)).mean())

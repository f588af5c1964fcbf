"""Errors between expressions, with bootstrap intervals. Plain numbers in, plain numbers out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Estimate:
    """A figure and the range that it would likely keep to on other items of the same kind.

    Attributes:
        value: The figure over all items.
        low: Lower end of the 95 % percentile bootstrap interval over items.
        high: Upper end.
    """

    value: float
    low: float
    high: float


def bootstrap(
    statistic: Callable[[NDArray], NDArray],
    per_item: NDArray[np.float64],
    *,
    samples: int = 1000,
    seed: int = 0,
) -> Estimate:
    """Estimate a statistic of the mean over items, with its 95 % percentile interval.

    Args:
        statistic: Turns means of ``per_item`` over items, (..., columns), into figures (...).
        per_item: (items, columns).
        samples: Bootstrap resamples.
        seed: Seed of the resampling.

    Returns:
        The estimate.
    """
    count = len(per_item)
    rng = np.random.default_rng(seed)
    # A resample is fully told by how often each item is in it, so its mean is one product.
    often = rng.multinomial(count, np.full(count, 1.0 / count), size=samples)
    figures = statistic(often @ per_item / count)
    low, high = np.percentile(figures, [2.5, 97.5])
    return Estimate(float(statistic(per_item.mean(axis=0))), float(low), float(high))


def error_report(
    predicted: NDArray[np.float32],
    baseline: NDArray[np.float32],
    target: NDArray[np.float32],
    *,
    items: NDArray[np.int64] | None = None,
    samples: int = 1000,
    seed: int = 0,
) -> dict[str, dict[str, float]]:
    """Compare predicted expressions and a baseline with the targets.

    Args:
        predicted: (rows, size) in [0, 1].
        baseline: (size,) or (rows, size), what is predicted without looking at the row.
        target: (rows, size) in [0, 1].
        items: (rows,) the item that each row belongs to, where one item has several rows: its rows
            are averaged first, so that the intervals do not take them for independent. Each row is
            its own item when left out.
        samples: Bootstrap resamples.
        seed: Seed of the resampling; all figures share their resamples.

    Returns:
        For each of ``mae``, ``rmse`` (over all weights, each item alike), ``baseline_mae``,
        ``baseline_rmse`` and ``explained`` (1 - squared error / squared error of the baseline; 0 is
        no better than the baseline, 1 perfect) its ``value``, ``low`` and ``high``.
    """
    error = predicted.astype(np.float64) - target
    reference = np.broadcast_to(baseline.astype(np.float64), target.shape) - target
    columns = [np.abs(error), error**2, np.abs(reference), reference**2]
    per_item = np.stack([column.mean(axis=1) for column in columns], axis=1)
    if items is not None:
        _, position, counts = np.unique(items, return_inverse=True, return_counts=True)
        sums = np.zeros((len(counts), per_item.shape[1]))
        np.add.at(sums, position, per_item)
        per_item = sums / counts[:, None]

    def estimate(statistic: Callable[[NDArray], NDArray]) -> dict[str, float]:
        return asdict(bootstrap(statistic, per_item, samples=samples, seed=seed))

    return {
        "mae": estimate(lambda mean: mean[..., 0]),
        "rmse": estimate(lambda mean: np.sqrt(mean[..., 1])),
        "baseline_mae": estimate(lambda mean: mean[..., 2]),
        "baseline_rmse": estimate(lambda mean: np.sqrt(mean[..., 3])),
        "explained": estimate(_explained),
    }


def _explained(mean: NDArray) -> NDArray:
    ours, theirs = mean[..., 1], mean[..., 3]
    # Where the baseline is perfect too, nothing is left to explain.
    return np.where(theirs > 0, 1.0 - ours / np.where(theirs > 0, theirs, 1.0), 0.0)

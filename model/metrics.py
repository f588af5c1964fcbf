"""Errors between expressions, with bootstrap intervals. Plain numbers in, plain numbers out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NUMBERS_AT_ONCE = 4_000_000

Statistic = Callable[["NDArray[np.float64]"], "NDArray[np.float64]"]


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


def resampled_means(
    per_item: NDArray[np.float64], *, samples: int = 1000, seed: int = 0
) -> NDArray[np.float64]:
    """Means over items of bootstrap resamples; all columns share the resamples.

    Args:
        per_item: (items, columns), at least one item.
        samples: Bootstrap resamples.
        seed: Seed of the resampling.

    Returns:
        float64 (samples, columns).
    """
    count = len(per_item)
    rng = np.random.default_rng(seed)
    means = np.empty((samples, per_item.shape[1]))
    chunk = max(1, _NUMBERS_AT_ONCE // count)
    for start in range(0, samples, chunk):
        rows = min(chunk, samples - start)
        drawn = rng.integers(count, size=(rows, count)) + count * np.arange(rows)[:, None]
        # A resample is fully told by how often each item is in it, so its mean is one product.
        often = np.bincount(drawn.ravel(), minlength=rows * count).reshape(rows, count)
        means[start : start + rows] = often @ per_item / count
    return means


def estimate(
    statistic: Statistic, mean: NDArray[np.float64], resampled: NDArray[np.float64]
) -> Estimate:
    """A statistic of the mean over items, with its 95 % percentile interval.

    Args:
        statistic: Turns means over items, (..., columns), into figures (...).
        mean: (columns,) over all items.
        resampled: (samples, columns), from ``resampled_means``.
    """
    low, high = np.percentile(statistic(resampled), [2.5, 97.5])
    return Estimate(float(statistic(mean)), float(low), float(high))


def bootstrap(
    statistic: Statistic,
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
    resampled = resampled_means(per_item, samples=samples, seed=seed)
    return estimate(statistic, per_item.mean(axis=0), resampled)


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
    per_item = np.concatenate(
        [_errors(predicted, target), _errors(np.broadcast_to(baseline, target.shape), target)],
        axis=1,
    )
    per_item = mean_by_item(per_item, items)
    mean = per_item.mean(axis=0)
    resampled = resampled_means(per_item, samples=samples, seed=seed)
    figures: dict[str, Statistic] = {
        "mae": lambda means: means[..., 0],
        "rmse": lambda means: np.sqrt(means[..., 1]),
        "baseline_mae": lambda means: means[..., 2],
        "baseline_rmse": lambda means: np.sqrt(means[..., 3]),
        "explained": _explained,
    }
    return {name: asdict(estimate(figure, mean, resampled)) for name, figure in figures.items()}


def compare_errors(
    predictions: Mapping[str, NDArray[np.float32]],
    reference: NDArray[np.float32],
    target: NDArray[np.float32],
    *,
    items: NDArray[np.int64] | None = None,
    samples: int = 1000,
    seed: int = 0,
) -> dict[str, dict[str, dict[str, float]]]:
    """Errors of several methods on the same rows, and how far each is above a reference method.

    Args:
        predictions: For each method float32 (rows, size).
        reference: float32 (rows, size), of the method that the others are held against.
        target: float32 (rows, size).
        items: See ``error_report``.
        samples: Bootstrap resamples.
        seed: Seed of the resampling; all methods share their resamples, so that differences are
            paired.

    Returns:
        For each method ``mae``, ``rmse`` and ``mae_above`` (its MAE minus the reference's; above 0
        where the reference is better), each with ``value``, ``low`` and ``high``.
    """
    columns = [_errors(reference, target)]
    columns += [_errors(predicted, target) for predicted in predictions.values()]
    per_item = mean_by_item(np.concatenate(columns, axis=1), items)
    mean = per_item.mean(axis=0)
    resampled = resampled_means(per_item, samples=samples, seed=seed)

    def figures(column: int) -> dict[str, dict[str, float]]:
        statistics: dict[str, Statistic] = {
            "mae": lambda means: means[..., column],
            "rmse": lambda means: np.sqrt(means[..., column + 1]),
            "mae_above": lambda means: means[..., column] - means[..., 0],
        }
        return {name: asdict(estimate(s, mean, resampled)) for name, s in statistics.items()}

    return {name: figures(2 + 2 * number) for number, name in enumerate(predictions)}


def mean_by_item(
    per_row: NDArray[np.float64], items: NDArray[np.int64] | None
) -> NDArray[np.float64]:
    """Average the rows of each item, items in ascending order; (items, columns)."""
    if items is None:
        return per_row
    _, position, counts = np.unique(items, return_inverse=True, return_counts=True)
    sums = np.zeros((len(counts), per_row.shape[1]))
    np.add.at(sums, position, per_row)
    return sums / counts[:, None]


def _errors(predicted: NDArray[np.float32], target: NDArray[np.float32]) -> NDArray[np.float64]:
    """Mean absolute and mean squared error of each row; float64 (rows, 2)."""
    error = predicted.astype(np.float64) - target
    return np.stack([np.abs(error).mean(axis=1), np.square(error).mean(axis=1)], axis=1)


def _explained(mean: NDArray) -> NDArray:
    ours, theirs = mean[..., 1], mean[..., 3]
    # Where the baseline is perfect too, nothing is left to explain.
    return np.where(theirs > 0, 1.0 - ours / np.where(theirs > 0, theirs, 1.0), 0.0)

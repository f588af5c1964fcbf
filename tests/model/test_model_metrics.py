"""Metrics against naive versions."""

import numpy as np
import pytest

from countenance.model.metrics import bootstrap, error_report


def draw(seed=0, rows=40, size=7):
    rng = np.random.default_rng(seed)
    target = rng.random((rows, size), dtype=np.float32)
    predicted = np.clip(target + rng.normal(0, 0.1, target.shape), 0, 1).astype(np.float32)
    return predicted, target.mean(axis=0), target


def naive(predicted, target):
    absolute, squared, count = 0.0, 0.0, 0
    for row, truth in zip(predicted.tolist(), target.tolist(), strict=True):
        for a, b in zip(row, truth, strict=True):
            absolute, squared, count = absolute + abs(a - b), squared + (a - b) ** 2, count + 1
    return absolute / count, (squared / count) ** 0.5


def test_the_errors_are_the_plain_ones():
    predicted, mean, target = draw()
    report = error_report(predicted, mean, target, samples=50)
    mae, rmse = naive(predicted, target)
    base_mae, base_rmse = naive(np.tile(mean, (len(target), 1)), target)
    assert report["mae"]["value"] == pytest.approx(mae)
    assert report["rmse"]["value"] == pytest.approx(rmse)
    assert report["baseline_mae"]["value"] == pytest.approx(base_mae)
    assert report["baseline_rmse"]["value"] == pytest.approx(base_rmse)
    assert report["explained"]["value"] == pytest.approx(1 - rmse**2 / base_rmse**2)


def test_the_interval_is_that_of_a_naive_bootstrap():
    values = np.random.default_rng(1).gamma(2.0, size=(200, 1))
    estimate = bootstrap(lambda mean: mean[..., 0], values, samples=4000, seed=0)
    rng = np.random.default_rng(2)
    means = [rng.choice(values[:, 0], size=200).mean() for _ in range(4000)]
    assert estimate.value == pytest.approx(values.mean())
    assert estimate.low == pytest.approx(np.percentile(means, 2.5), abs=0.02)
    assert estimate.high == pytest.approx(np.percentile(means, 97.5), abs=0.02)


def test_the_interval_repeats_with_its_seed():
    predicted, mean, target = draw()
    first, second, other = (
        error_report(predicted, mean, target, samples=50, seed=seed) for seed in (0, 0, 1)
    )
    assert first == second != other


def test_rows_of_one_item_count_as_one():
    predicted, mean, target = draw(rows=20)
    twice = np.tile(np.arange(20), 2)
    doubled = error_report(
        np.tile(predicted, (2, 1)), mean, np.tile(target, (2, 1)), items=twice, samples=100
    )
    assert doubled == error_report(predicted, mean, target, samples=100)


def test_a_perfect_prediction_explains_everything_and_a_constant_target_nothing():
    predicted, mean, target = draw()
    assert error_report(target, mean, target, samples=20)["explained"]["value"] == 1.0
    same = np.zeros((5, 3), dtype=np.float32)
    assert error_report(same, same[0], same, samples=20)["explained"]["value"] == 0.0
    assert error_report(predicted, predicted, target, samples=20)["explained"]["value"] == 0.0

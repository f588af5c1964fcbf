"""The arithmetic of a calibration head's fit: scikit-learn's linear models over readings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import KFold

from .head_features import Examples
from .tables_reading import NEUTRAL

_ITERATIONS = 400
_FOLDS = 5
_FEWEST_POSITIVES = 2


@dataclass(frozen=True, slots=True)
class Penalties:
    """How strongly weights are held down, over standardised features; chosen on dev (LOG.md).

    Attributes:
        tag: Inverse penalty (scikit-learn's C) of the tags' logistic regressions.
        rated: The same for the softmax over the rated emotions.
        strength: Penalty (alpha) of the ridge regressions.
        prior: Share of a tag's log-odds among the training lines that is taken off its bias. A
            third of GoEmotions is neutral and one line in 600 is grief; read as they are, the
            probabilities call half of all lines neutral, and nearly all lines of other corpora.
    """

    tag: float = 0.003
    rated: float = 0.003
    strength: float = 1000.0
    prior: float = 0.5


def fit_tensors(
    tagged: Examples,
    rated: Examples,
    tags: Sequence[str],
    rated_names: Sequence[str],
    seed: int,
    step: Callable[[], None],
    penalties: Penalties | None = None,
) -> dict[str, np.ndarray]:
    """Fit all linear models of a head.

    Args:
        tagged: Rows with human tags.
        rated: Rows with one rated emotion (their first label) and a strength.
        tags: Names of the columns of the tag models.
        rated_names: Names of the columns of the strength models.
        seed: Seed of the folds.
        step: Called after each fitted model.
        penalties: Default: those that were chosen on dev.

    Returns:
        The tensors of ``CalibrationHead``, float32.
    """
    penalties = penalties or Penalties()
    means = tagged.features.mean(axis=0)
    deviations = np.maximum(tagged.features.std(axis=0), 1e-6)
    tagged_rows = (tagged.features - means) / deviations
    rated_rows = (rated.features - means) / deviations
    tag_weights, tag_biases = _fit_tags(tagged_rows, tagged.labels, tags, penalties.tag, step)
    tag_biases -= penalties.prior * _log_odds(tagged.labels, tags)
    emotions = np.array([rated_names.index(labels[0]) for labels in rated.labels])
    chooser = _fit_chooser(rated_rows, emotions, len(rated_names), penalties.rated)
    step()
    strength_weights, strength_biases = _fit_strengths(
        rated_rows, rated.strengths, emotions, len(rated_names), penalties.strength, seed
    )
    step()
    tensors = {
        "feature_means": means,
        "feature_deviations": deviations,
        "tag_weights": tag_weights,
        "tag_biases": tag_biases,
        "rated_weights": chooser[0],
        "rated_biases": chooser[1],
        "strength_weights": strength_weights,
        "strength_biases": strength_biases,
    }
    return {name: tensor.astype(np.float32) for name, tensor in tensors.items()}


def _fit_tags(
    rows: np.ndarray,
    labels: Sequence[tuple[str, ...]],
    tags: Sequence[str],
    inverse_penalty: float,
    step: Callable[[], None],
) -> tuple[np.ndarray, np.ndarray]:
    """One logistic regression a tag; a tag that nobody gave stays as improbable as it is."""
    weights = np.zeros((rows.shape[1], len(tags)))
    biases = np.full(len(tags), np.log(0.5 / len(rows)))
    for column, tag in enumerate(tags):
        given = np.array([tag in found for found in labels])
        if _FEWEST_POSITIVES <= given.sum() < len(given):
            model = LogisticRegression(C=inverse_penalty, max_iter=_ITERATIONS)
            model.fit(rows, given)
            weights[:, column], biases[column] = model.coef_[0], model.intercept_[0]
        step()
    return weights, biases


def _log_odds(labels: Sequence[tuple[str, ...]], tags: Sequence[str]) -> np.ndarray:
    """Log-odds of each tag among the lines, half a line added on both sides."""
    given = np.array([sum(tag in found for found in labels) for tag in tags])
    odds: np.ndarray = np.log((given + 0.5) / (len(labels) - given + 0.5))
    return odds


def _fit_chooser(
    rows: np.ndarray, emotions: np.ndarray, count: int, inverse_penalty: float
) -> tuple[np.ndarray, np.ndarray]:
    """A softmax over the rated emotions, as (n_features, n_rated) and (n_rated,)."""
    if count == 1:
        return np.zeros((rows.shape[1], 1)), np.zeros(1)
    model = LogisticRegression(C=inverse_penalty, max_iter=_ITERATIONS).fit(rows, emotions)
    if count == 2:  # scikit-learn keeps one column for two classes
        return (
            np.stack([-model.coef_[0] / 2, model.coef_[0] / 2], axis=1),
            np.array([-model.intercept_[0] / 2, model.intercept_[0] / 2]),
        )
    return model.coef_.T, model.intercept_


def _fit_strengths(
    rows: np.ndarray,
    strengths: np.ndarray,
    emotions: np.ndarray,
    count: int,
    penalty: float,
    seed: int,
) -> tuple[np.ndarray, np.ndarray]:
    """One ridge regression an emotion, stretched to the spread of the ratings.

    A penalised regression keeps to the middle; faces need the whole range. The factor is the spread
    of the ratings over that of predictions for rows that were left out of the fit.
    """
    weights, biases = np.zeros((rows.shape[1], count)), np.zeros(count)
    for column in range(count):
        mine, ratings = rows[emotions == column], strengths[emotions == column]
        model = Ridge(alpha=penalty).fit(mine, ratings)
        unseen = _cross_predicted(mine, ratings, penalty, seed)
        factor = ratings.std() / max(float(unseen.std()), 1e-6)
        weights[:, column] = model.coef_ * factor
        biases[column] = ratings.mean() + (model.intercept_ - ratings.mean()) * factor
    return weights, biases


def _cross_predicted(
    rows: np.ndarray, ratings: np.ndarray, penalty: float, seed: int
) -> np.ndarray:
    predicted = np.empty_like(ratings)
    for fitted, left_out in KFold(_FOLDS, shuffle=True, random_state=seed).split(rows):
        model = Ridge(alpha=penalty).fit(rows[fitted], ratings[fitted])
        predicted[left_out] = model.predict(rows[left_out])
    return predicted


def fit_second_tag(
    probabilities: np.ndarray, labels: Sequence[tuple[str, ...]], tags: Sequence[str], most: int
) -> dict[str, float]:
    """The probability from which a further tag joins the first: the best mean Jaccard index.

    Args:
        probabilities: float64 (n, n_tags) of rows that the tags were fitted on or not.
        labels: Human tags of these rows.
        tags: Names of the columns.
        most: Most tags of an item.

    Returns:
        ``second_tag``, ``jaccard`` reached with it, and ``tags_per_item`` beside ``human_tags``.
    """
    human = np.array([[tag in found for tag in tags] for found in labels])
    best = {"second_tag": 1.0, "jaccard": -1.0}
    for threshold in np.round(np.arange(0.05, 1.0, 0.01), 2):
        said = chosen_tags(probabilities, float(threshold), tags, most)
        jaccard = ((said & human).sum(1) / (said | human).sum(1)).mean()
        if jaccard > best["jaccard"]:
            best = {
                "second_tag": float(threshold),
                "jaccard": round(float(jaccard), 4),
                "tags_per_item": round(float(said.sum(1).mean()), 3),
                "human_tags_per_item": round(float(human.sum(1).mean()), 3),
            }
    return best


def chosen_tags(
    probabilities: np.ndarray, second_tag: float, tags: Sequence[str], most: int
) -> np.ndarray:
    """``CalibrationHead.choose_tags`` for many rows at once: bool (n, n_tags)."""
    order = np.argsort(-probabilities, axis=1, kind="stable")
    rows = np.arange(len(order))
    neutral = tags.index(NEUTRAL) if NEUTRAL in tags else -1
    said = np.zeros(probabilities.shape, dtype=bool)
    said[rows, order[:, 0]] = True
    first_is_neutral = order[:, 0] == neutral
    for place in range(1, most):
        column = order[:, place]
        joins = probabilities[rows, column] >= second_tag
        joins &= (column != neutral) & ~first_is_neutral
        said[rows[joins], column[joins]] = True
    return said


def summarise(labels: Sequence[tuple[str, ...]], tags: Sequence[str]) -> Mapping[str, Any]:
    """How many rows have each tag, commonest first."""
    counts = {tag: sum(tag in found for found in labels) for tag in tags}
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))

"""What the model must beat: simple ways from the same text features to a face.

Every baseline learns from the train split's pairs of all kinds and answers the test split's pairs.
Those that learn weights hold the items back that the dataset marks for validation, or a seeded
twentieth of them, to choose by.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from ..progress import Progress
from .evaluation_data import EvaluationSplit, Pairs
from .evaluation_retrieval import distinct_texts, unit_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

Predictions = dict[str, "NDArray[np.float32]"]

RIDGE_PENALTIES = (0.01, 0.1, 1.0, 10.0, 100.0)
MLP_CHOICES = ((512, 1e-3), (1024, 1e-3), (512, 3e-3))
"""Widths and learning rates that a quarter of the MLP's steps is tried with."""
_HELD_BACK = 0.05
_BATCH = 256
_CHECKS = 20
_QUERIES_AT_ONCE = 1024


def mean_vector(train: EvaluationSplit, test: EvaluationSplit) -> Predictions:
    """The mean face of the train split's items, or for cues of its cues, whatever the text."""
    return {
        kind: np.tile(train.mean_face(kind), (len(pairs), 1)) for kind, pairs in test.pairs.items()
    }


def tag_mean(train: EvaluationSplit, test: EvaluationSplit) -> Predictions:
    """The mean, over an item's tags, of the mean train face with that tag.

    It is told the tags of the test item, also where it is asked for a transcript or a description.
    Cues, which have no tags, are left out; an unknown tag counts as the mean face.
    """
    mean = train.faces.mean(axis=0)
    sums: dict[str, NDArray] = {}
    counts: dict[str, int] = {}
    tagged = train.pairs.get("e")
    for row, tags in enumerate(tagged.tags if tagged else ()):
        for tag in tags:
            assert tagged is not None
            sums[tag] = sums.get(tag, 0.0) + tagged.faces[row].astype(np.float64)
            counts[tag] = counts.get(tag, 0) + 1
    means = {tag: sums[tag] / counts[tag] for tag in sums}

    def answer(tags: list[str]) -> NDArray:
        return np.mean([means.get(tag, mean) for tag in tags], axis=0) if tags else mean

    return {
        kind: np.stack([answer(tags) for tags in pairs.tags]).astype(np.float32)
        for kind, pairs in test.pairs.items()
        if kind != "cues"
    }


def nearest_neighbour(train: EvaluationSplit, test: EvaluationSplit) -> Predictions:
    """The mean face of the train text of the same kind with the most similar features (cosine)."""
    return {
        kind: _nearest(train.pairs[kind], pairs)
        for kind, pairs in test.pairs.items()
        if kind in train.pairs
    }


def _nearest(train: Pairs, test: Pairs) -> NDArray[np.float32]:
    first, inverse = distinct_texts(train.texts)
    sums = np.zeros((len(first), train.faces.shape[1]))
    np.add.at(sums, inverse, train.faces)
    faces = (sums / np.bincount(inverse)[:, None]).astype(np.float32)
    known, asked = unit_rows(train.features[first]), unit_rows(test.features)
    best = [
        (asked[start : start + _QUERIES_AT_ONCE] @ known.T).argmax(axis=1)
        for start in range(0, len(asked), _QUERIES_AT_ONCE)
    ]
    return faces[np.concatenate(best)]


def ridge(train: EvaluationSplit, test: EvaluationSplit, *, seed: int = 0) -> Predictions:
    """Ridge regression with an intercept; the penalty is chosen on held-back items."""
    from sklearn.linear_model import Ridge

    features, faces = all_pairs(train)
    held, kept = hold_back(train, seed)

    def fit(penalty: float, rows: NDArray[np.int64]) -> Ridge:
        return Ridge(alpha=penalty, solver="cholesky").fit(features[rows], faces[rows])

    def error(penalty: float) -> float:
        answers = np.clip(fit(penalty, kept).predict(features[held]), 0.0, 1.0)
        return float(np.square(answers - faces[held]).mean())

    best = fit(min(RIDGE_PENALTIES, key=error), np.arange(len(features)))
    return {
        kind: np.clip(best.predict(pairs.features), 0.0, 1.0).astype(np.float32)
        for kind, pairs in test.pairs.items()
    }


def mlp(
    train: EvaluationSplit, test: EvaluationSplit, *, steps: int, seed: int = 0
) -> tuple[Predictions, dict[str, Any]]:
    """One hidden layer and a sigmoid, on squared error.

    Width and learning rate are those of ``MLP_CHOICES`` with the smallest loss on held-back items
    after a quarter of the steps each; the best held-back weights of the whole training count.

    Returns:
        Its answers, and how it was trained: ``width`` and what ``Fitted.figures`` has.
    """
    fits = {
        choice: _fit_mlp(train, *choice, steps=max(1, steps // 4), seed=seed)
        for choice in MLP_CHOICES
    }
    best = min(MLP_CHOICES, key=lambda choice: fits[choice].held_back_loss)
    fitted = _fit_mlp(train, *best, steps=steps, seed=seed)
    return predict(fitted.network, test), {"width": best[0], **fitted.figures()}


def _fit_mlp(
    train: EvaluationSplit, width: int, learning_rate: float, *, steps: int, seed: int
) -> Fitted:
    def build() -> nn.Module:
        text_width = next(iter(train.pairs.values())).features.shape[1]
        size = train.faces.shape[1]
        return nn.Sequential(
            nn.Linear(text_width, width), nn.ReLU(), nn.Linear(width, size), nn.Sigmoid()
        )

    def loss(network: nn.Module, text: Tensor, face: Tensor) -> Tensor:
        return nn.functional.mse_loss(network(text), face)

    return fit_network(
        build, loss, train, steps=steps, learning_rate=learning_rate, seed=seed, what="fit MLP"
    )


def all_pairs(train: EvaluationSplit) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Features and faces of the pairs of all kinds."""
    pairs = train.pairs.values()
    return np.concatenate([p.features for p in pairs]), np.concatenate([p.faces for p in pairs])


def hold_back(train: EvaluationSplit, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of ``all_pairs`` to choose by, and the others, whole items on one side.

    Held back are the items that the dataset marks for validation, which keeps near-duplicates
    together; where it marks none (or all), a twentieth of the items, at least one. Cues, another
    configuration, are treated by themselves. Where nothing is left to learn from, all rows are.
    """
    items = {
        cues: _held_items([p for kind, p in train.pairs.items() if (kind == "cues") == cues], seed)
        for cues in (False, True)
    }
    held = np.concatenate(
        [np.isin(p.items, items[kind == "cues"]) for kind, p in train.pairs.items()]
    )
    return np.flatnonzero(held), np.flatnonzero(~held | held.all())


def _held_items(kinds: Sequence[Pairs], seed: int) -> NDArray[np.int64]:
    if not kinds:
        return np.array([], dtype=np.int64)
    items = np.unique(np.concatenate([pairs.items for pairs in kinds]))
    marked = [p.items[p.in_validation] for p in kinds if p.in_validation is not None]
    published = np.unique(np.concatenate(marked)) if marked else items
    if 0 < len(published) < len(items):
        return published
    held = max(1, round(_HELD_BACK * len(items)))
    return np.random.default_rng(seed).permutation(items)[:held]


@dataclass(frozen=True)
class Fitted:
    """A trained network in evaluation mode, and how its training went.

    Attributes:
        network: With the weights that were best on the held-back items.
        steps: Steps of the training.
        kept_step: Step of the kept weights.
        learning_rate: At the start; it falls to 0 along a cosine.
        final_loss: Training loss, mean over the last twentieth of the steps.
        held_back_loss: Loss of the kept weights on the held-back items.
    """

    network: nn.Module
    steps: int
    kept_step: int
    learning_rate: float
    final_loss: float
    held_back_loss: float

    def figures(self) -> dict[str, Any]:
        """All but the network, by name."""
        names = ("steps", "kept_step", "learning_rate", "final_loss", "held_back_loss")
        return {name: getattr(self, name) for name in names}


def fit_network(
    build: Callable[[], nn.Module],
    loss: Callable[[nn.Module, Tensor, Tensor], Tensor],
    train: EvaluationSplit,
    *,
    steps: int,
    learning_rate: float,
    seed: int,
    what: str,
) -> Fitted:
    """Train a network with Adam and keep the weights with the smallest loss on held-back items.

    Args:
        build: Makes the network; called with torch's generator seeded.
        loss: Loss of (network, features, faces).
        train: What to learn from and to hold back of.
        steps: Batches of 256.
        learning_rate: At the start; it falls to 0 along a cosine.
        seed: Seed of the held-back items, the weights, the batches and the dropout.
        what: For the progress bar.
    """
    features, faces = all_pairs(train)
    held, kept = hold_back(train, seed)
    held_back = torch.from_numpy(features[held]), torch.from_numpy(faces[held])
    rng = np.random.default_rng(seed)
    every = max(1, steps // _CHECKS)
    losses: list[float] = []
    with torch.random.fork_rng(devices=[]), Progress(what, steps) as progress:
        torch.manual_seed(seed)
        network = build().train()
        optimizer = torch.optim.Adam(network.parameters(), lr=learning_rate)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        best, best_step, best_weights = math.inf, 0, network.state_dict()
        for step in range(1, steps + 1):
            rows = kept[rng.integers(len(kept), size=min(_BATCH, len(kept)))]
            value = loss(network, torch.from_numpy(features[rows]), torch.from_numpy(faces[rows]))
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            schedule.step()
            losses.append(float(value.detach()))
            progress.update()
            if step % every == 0 or step == steps:
                now = _held_back_loss(network, loss, *held_back)
                if now < best:
                    best, best_step = now, step
                    best_weights = {k: v.clone() for k, v in network.state_dict().items()}
    network.load_state_dict(best_weights)
    final_loss = float(np.mean(losses[-every:]))
    return Fitted(network.eval(), steps, best_step, learning_rate, final_loss, best)


@torch.no_grad()
def _held_back_loss(
    network: nn.Module,
    loss: Callable[[nn.Module, Tensor, Tensor], Tensor],
    features: Tensor,
    faces: Tensor,
) -> float:
    network.eval()
    # A loss that draws noise must draw the same at every check, and not disturb the training's.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        value = float(loss(network, features, faces))
    network.train()
    return value


@torch.no_grad()
def predict(network: nn.Module, test: EvaluationSplit, batch_size: int = 1024) -> Predictions:
    """Answers of a network from text features to faces, cut to [0, 1]."""
    return {
        kind: torch.cat(
            [network(part) for part in torch.from_numpy(pairs.features).split(batch_size)]
        )
        .clamp(0.0, 1.0)
        .numpy()
        for kind, pairs in test.pairs.items()
    }

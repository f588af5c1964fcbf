"""Validation: the objective on clean texts, kinds weighed as they are drawn."""

import numpy as np
import pytest
import torch

from countenance.model.losses import AlignmentLoss, total_loss
from countenance.model.validation import ValidationItems, validate


def held(rows, kind_weights=(1.0, 1.0, 1.0)):
    rng = np.random.default_rng(0)
    faces = rng.random((len(rows), 51), dtype=np.float32)
    features = rng.normal(size=(6, 16)).astype(np.float32)
    return ValidationItems(faces, np.array(rows)[:, :, None], features, kind_weights)


def plain(model, items, kind):
    """Loss over one kind, item by item."""
    losses = []
    for face, row in zip(items.blendshapes, items.rows[:, kind, 0], strict=True):
        if row < 0:
            continue
        target = torch.from_numpy(face)[None]
        with torch.no_grad():
            output = model(target, torch.from_numpy(items.features[row])[None])
        losses.append(float(total_loss(AlignmentLoss()(**output, target=target))))
    return sum(losses) / len(losses)


ROWS = [[0, 1, 2], [3, -1, 4], [5, 1, 0]]


@pytest.mark.parametrize("weights", [(1, 1, 1), (0.5, 1, 2), (0, 0, 1)])
def test_the_loss_weighs_the_kinds_as_they_are_drawn(tiny_model, weights):
    items = held(ROWS, weights)
    figures = validate(tiny_model, items, AlignmentLoss(), batch_size=2)
    expected = sum(w * plain(tiny_model, items, k) for k, w in enumerate(weights)) / sum(weights)
    assert figures["loss"] == pytest.approx(expected, rel=1e-5)
    parts = figures["ae"] + 10 * figures["emb"] + 10 * figures["multi"]
    assert figures["loss"] == pytest.approx(parts, rel=1e-5)


def test_a_kind_that_is_not_there_does_not_count(tiny_model):
    items = held([[0, -1, 2], [3, -1, 4]])
    figures = validate(tiny_model, items, AlignmentLoss())
    assert "mae_e" not in figures
    expected = (plain(tiny_model, items, 0) + plain(tiny_model, items, 2)) / 2
    assert figures["loss"] == pytest.approx(expected, rel=1e-5)


def test_where_only_undrawn_kinds_are_held_they_count(tiny_model):
    items = held([[0, -1, -1]], kind_weights=(0.0, 1.0, 1.0))
    figures = validate(tiny_model, items, AlignmentLoss())
    assert figures["loss"] == pytest.approx(plain(tiny_model, items, 0), rel=1e-5)


def test_the_training_mode_is_put_back(tiny_model):
    tiny_model.train()
    validate(tiny_model, held(ROWS), AlignmentLoss())
    assert tiny_model.training

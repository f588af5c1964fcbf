"""Validation while training: the objective on held-out items, without augmentation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from .data import KINDS
from .losses import AlignmentLoss, total_loss
from .modeling_countenance import ExpressionModel

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class ValidationItems:
    """Held-out items.

    Attributes:
        blendshapes: float32 (items, size) in [0, 1].
        rows: int64 (items, 3, versions), as in ``TextIndex``; only the items' own wordings (version
            0) are used.
        features: float32 (texts, width), the features of the indexed texts.
    """

    blendshapes: NDArray[np.float32]
    rows: NDArray[np.int64]
    features: NDArray[np.float32]


@torch.no_grad()
def validate(
    model: ExpressionModel, items: ValidationItems, loss: AlignmentLoss, batch_size: int = 256
) -> dict[str, float]:
    """Compute the objective over every text of every held-out item.

    Args:
        model: The model; its training mode is put back afterwards.
        items: What to validate on.
        loss: The objective.
        batch_size: Items per forward pass.

    Returns:
        ``loss`` (the objective), its terms ``ae``, ``emb`` and ``multi`` without weights, and the
        mean absolute errors ``mae_reconstruction``, ``mae_t``, ``mae_e`` and ``mae_d``.
    """
    was_training = model.training
    model.eval()
    sums: dict[str, float] = {}
    counts: dict[str, int] = {}
    for k, kind in enumerate(KINDS):
        present = np.flatnonzero(items.rows[:, k, 0] >= 0)
        for start in range(0, len(present), batch_size):
            part = present[start : start + batch_size]
            for name, value in _batch_figures(model, items, loss, part, k).items():
                key = f"mae_{kind}" if name == "mae" else name
                sums[key] = sums.get(key, 0.0) + value * len(part)
                counts[key] = counts.get(key, 0) + len(part)
    model.train(was_training)
    return {name: sums[name] / counts[name] for name in sums}


def _batch_figures(
    model: ExpressionModel,
    items: ValidationItems,
    loss: AlignmentLoss,
    part: NDArray[np.int64],
    kind: int,
) -> dict[str, float]:
    target = torch.from_numpy(items.blendshapes[part]).to(model.device)
    features = torch.from_numpy(items.features[items.rows[part, kind, 0]]).to(model.device)
    output = model(blendshapes=target, text_features=features)
    terms = loss(**output, target=target)
    return {
        "loss": float(total_loss(terms)),
        "ae": float(terms["ae"]),
        "emb": float(terms["emb"]),
        "multi": float(terms["multi"]),
        "mae_reconstruction": float((output.reconstruction - target).abs().mean()),
        "mae": float((output.text_expression - target).abs().mean()),
    }

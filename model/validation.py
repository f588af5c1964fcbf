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
        kind_weights: Relative chance of t, e and d to be drawn as S.
    """

    blendshapes: NDArray[np.float32]
    rows: NDArray[np.int64]
    features: NDArray[np.float32]
    kind_weights: tuple[float, float, float] = (1.0, 1.0, 1.0)


@torch.no_grad()
def validate(
    model: ExpressionModel, items: ValidationItems, loss: AlignmentLoss, batch_size: int = 256
) -> dict[str, float]:
    """Compute the objective over the texts of the held-out items.

    Args:
        model: The model; its training mode is put back afterwards.
        items: What to validate on.
        loss: The objective.
        batch_size: Items per forward pass.

    Returns:
        ``loss`` (the objective) and its terms ``ae``, ``emb`` and ``multi`` without weights, means
        over the kinds of text by ``kind_weights``; the mean absolute errors
        ``mae_reconstruction`` and, of the kinds that there are, ``mae_t``, ``mae_e`` and ``mae_d``.
    """
    was_training = model.training
    model.eval()
    figures: dict[str, float] = {}
    by_kind: list[tuple[float, dict[str, float]]] = []
    for k, kind in enumerate(KINDS):
        present = np.flatnonzero(items.rows[:, k, 0] >= 0)
        if not len(present):
            continue
        sums: dict[str, float] = {}
        for start in range(0, len(present), batch_size):
            part = present[start : start + batch_size]
            for name, value in _batch_figures(model, items, loss, part, k).items():
                sums[name] = sums.get(name, 0.0) + value * len(part) / len(present)
        figures[f"mae_{kind}"] = sums.pop("mae")
        by_kind.append((items.kind_weights[k], sums))
    model.train(was_training)
    total = sum(weight for weight, _ in by_kind)
    if total == 0:  # only kinds that are never drawn: all of them count
        by_kind, total = [(1.0, means) for _, means in by_kind], float(len(by_kind))
    for name in by_kind[0][1]:
        figures[name] = sum(weight * means[name] for weight, means in by_kind) / total
    return figures


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

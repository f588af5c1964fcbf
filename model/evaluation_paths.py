"""Straight paths between random latent points: do the decoded faces change gradually?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from .evaluation_distribution import share_outside
from .modeling_countenance import ExpressionModel

if TYPE_CHECKING:
    from numpy.typing import NDArray

_STILL = 1e-9


def latent_paths(
    model: ExpressionModel,
    faces: NDArray[np.float32],
    *,
    count: int,
    steps: int,
    seed: int = 0,
    batch_size: int = 256,
) -> dict[str, NDArray[np.float32]]:
    """Decode points at even distances on straight lines through the latent space.

    Args:
        model: The model.
        faces: float32 (n, size), real faces whose latents say where the space is inhabited.
        count: Paths of either sort.
        steps: Points of a path, both ends included.
        seed: Seed of the ends.
        batch_size: Rows per forward pass.

    Returns:
        float32 (count, steps, size) for ``between_items``, whose ends are the latents of random
        faces, and ``between_draws``, whose ends are drawn from the normal distribution with the
        mean and covariance of the faces' latents.
    """
    rng = np.random.default_rng(seed)
    parts = torch.from_numpy(faces).split(batch_size)
    latents = torch.cat([model.encode_expression(part) for part in parts]).cpu().numpy()
    latents = latents.astype(np.float64)
    rows = rng.integers(len(latents), size=(2, count))
    # A draw as mean + combination of centred latents has their covariance, of whatever rank.
    mix = rng.normal(size=(2, count, len(latents))) / np.sqrt(max(1, len(latents) - 1))
    mean = latents.mean(axis=0)
    ends = {"between_items": latents[rows], "between_draws": mean + mix @ (latents - mean)}
    line = np.linspace(0.0, 1.0, steps)[None, :, None]
    paths = {}
    for name, (start, end) in ends.items():
        points = (1.0 - line) * start[:, None] + line * end[:, None]
        flat = torch.from_numpy(points.reshape(count * steps, -1).astype(np.float32))
        decoded = torch.cat([model.decode(part) for part in flat.split(batch_size)])
        paths[name] = decoded.cpu().numpy().reshape(count, steps, -1)
    return paths


def path_figures(paths: NDArray[np.float32], train: NDArray[np.float32]) -> dict[str, Any]:
    """How smooth decoded paths are.

    Args:
        paths: float32 (paths, steps, size).
        train: float32 (n, size), the faces of the train split, its cues' among them.

    Returns:
        ``paths`` and ``steps``; ``step_size_ratio``, the largest step of a path over its mean step
        (1: even; steps - 1: one jump); ``monotonicity``, the net change of all weights over the way
        that they went (1: no weight ever turns back); each with ``median`` and ``worst`` over the
        paths that move (None where none does); ``range_violations``, the share of values outside
        what the weight took in training.
    """
    moves = np.diff(paths.astype(np.float64), axis=1)
    sizes = np.linalg.norm(moves, axis=2)
    way = np.abs(moves).sum(axis=(1, 2))
    moving = way > _STILL
    net = np.abs(paths[:, -1].astype(np.float64) - paths[:, 0]).sum(axis=1)
    ratio = sizes[moving].max(axis=1) / sizes[moving].mean(axis=1)
    straight = net[moving] / way[moving]
    return {
        "paths": len(paths),
        "steps": paths.shape[1],
        "moving": int(moving.sum()),
        "step_size_ratio": _spread(ratio, worst=np.max),
        "monotonicity": _spread(straight, worst=np.min),
        "range_violations": share_outside(paths.reshape(-1, paths.shape[2]), train),
    }


def _spread(values: NDArray[np.float64], worst: Any) -> dict[str, float] | None:  # noqa: ANN401
    if not len(values):
        return None
    return {"median": float(np.median(values)), "worst": float(worst(values))}

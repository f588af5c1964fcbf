"""Training batches: which face, which of its texts, which variant, which perturbation.

Every draw of an epoch comes from generators seeded with (seed, purpose, epoch), never from a global
one: the same seed gives the same batches on any number of processes, and an epoch can be entered
again without playing back the ones before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.utils.data import Dataset

from .augmentation import augment_text, perturb_blendshapes
from .data import KINDS, ExpressionData
from .lexicon import SynonymLexicon

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SPLIT, _VARIANTS, _ORDER, _PERTURBATION, _TEXT_NOISE = range(5)


@dataclass(frozen=True)
class TextIndex:
    """All distinct texts, and where those of each item stand among them.

    Attributes:
        texts: Distinct texts, the wordings of the dataset and their variants.
        rows: int64 (items, 3, 1 + variants): for each item and kind (t, e, d) the position of its
            own wording and of its variants in ``texts``; -1 where the item has no such text.
    """

    texts: list[str]
    rows: NDArray[np.int64]


def index_texts(
    data: ExpressionData,
    *,
    variants: int = 0,
    seed: int = 0,
    synonym_rate: float = 0.1,
    swap_rate: float = 0.1,
    lexicon: SynonymLexicon | None = None,
) -> TextIndex:
    """Collect the texts of a split and augmented variants of each, every distinct text once.

    A text has the same variants wherever it stands: they are drawn from (seed, the text itself).

    Args:
        data: One split.
        variants: Augmented variants per text.
        seed: Seed of the variants.
        synonym_rate: See ``augment_text``.
        swap_rate: See ``augment_text``.
        lexicon: See ``augment_text``.

    Returns:
        The index.
    """
    position: dict[str, int] = {}
    rows = np.full((len(data), len(KINDS), 1 + variants), -1, dtype=np.int64)
    for k, kind in enumerate(KINDS):
        wordings: dict[str, list[int]] = {}
        for item, text in enumerate(data.texts[kind]):
            if not text:
                continue
            if text not in wordings:
                rng = np.random.default_rng([seed, _VARIANTS, k, *text.encode()])
                versions = [text]
                for _ in range(variants):
                    versions.append(
                        augment_text(
                            text,
                            kind,
                            rng,
                            synonym_rate=synonym_rate,
                            swap_rate=swap_rate,
                            lexicon=lexicon,
                        )
                    )
                wordings[text] = [position.setdefault(v, len(position)) for v in versions]
            rows[item, k] = wordings[text]
    return TextIndex(list(position), rows)


def split_validation(count: int, fraction: float, seed: int) -> tuple[NDArray, NDArray]:
    """Carve validation items out of the train split.

    Args:
        count: Number of items.
        fraction: Share for validation, in (0, 1); at least one item, at most all but one.
        seed: Seed of the draw.

    Returns:
        Sorted positions to train on, and to validate on.
    """
    order = np.random.default_rng([seed, _SPLIT]).permutation(count)
    held = min(count - 1, max(1, round(fraction * count)))
    return np.sort(order[held:]), np.sort(order[:held])


def validation_items(data: ExpressionData, fraction: float, seed: int) -> tuple[NDArray, NDArray]:
    """Take the validation items that the dataset publishes, or carve them out.

    The published ones keep near-duplicates on one side, which a draw by chance does not.

    Args:
        data: The train split.
        fraction: As for ``split_validation``; not used where the dataset marks its items.
        seed: As for ``split_validation``.

    Returns:
        Sorted positions to train on, and to validate on.
    """
    marks = data.in_validation
    if marks is None or marks.all() or not marks.any():
        return split_validation(len(data), fraction, seed)
    return np.flatnonzero(~marks), np.flatnonzero(marks)


class TrainingItems(Dataset):
    """Items of one epoch, in its order; ``set_epoch`` draws the next one.

    Args:
        blendshapes: float32 (items, size) in [0, 1].
        rows: int64 (items, 3, versions), as in ``TextIndex``.
        features: float32 (texts, width), the features of the indexed texts.
        seed: Seed of every draw.
        kind_weights: Relative chance of t, e and d to be drawn as S; an item that has only kinds of
            weight 0 draws among its texts alike, as in ``validate``.
        perturbation: Largest perturbation of a blendshape; 0 switches it off.
        perturbation_density: Chance that a blendshape is perturbed.
        perturbed_target: Whether the perturbed face is also the target.
        text_noise: Standard deviation of the noise that is added to every text feature.
    """

    def __init__(
        self,
        blendshapes: NDArray[np.float32],
        rows: NDArray[np.int64],
        features: NDArray[np.float32],
        *,
        seed: int,
        kind_weights: Sequence[float] = (1.0, 1.0, 1.0),
        perturbation: float = 0.2,
        perturbation_density: float = 0.5,
        perturbed_target: bool = False,
        text_noise: float = 0.0,
    ) -> None:
        self._text_noise = text_noise
        self._blendshapes = blendshapes
        self._rows = rows
        self._features = features
        self._seed = seed
        self._kind_weights = np.asarray(kind_weights, dtype=np.float64)
        self._perturbation = perturbation
        self._density = perturbation_density
        self._perturbed_target = perturbed_target
        self._epoch: int | None = None
        self.set_epoch(0)

    def __len__(self) -> int:
        return len(self._blendshapes)

    def set_epoch(self, epoch: int) -> None:
        """Draw the order, the texts and the perturbations of an epoch (0, 1 ...)."""
        if epoch == self._epoch:
            return
        self._epoch = epoch
        count = len(self)
        rng = np.random.default_rng([self._seed, _ORDER, epoch])
        order = rng.permutation(count)
        # S ~ (t, e, d): only among the texts that the item has.
        present = self._rows[:, :, 0] >= 0
        chances = self._kind_weights * present
        chances = np.where(chances.any(axis=1, keepdims=True), chances, present)
        threshold = rng.random((count, 1)) * chances.sum(axis=1, keepdims=True)
        kinds = (chances.cumsum(axis=1) <= threshold).sum(axis=1)
        versions = rng.integers(self._rows.shape[2], size=count)
        self._texts = self._rows[np.arange(count), kinds, versions][order]
        self._targets = self._blendshapes[order]
        self._inputs = self._targets
        if self._perturbation > 0:
            self._inputs = perturb_blendshapes(
                self._targets,
                np.random.default_rng([self._seed, _PERTURBATION, epoch]),
                maximum=self._perturbation,
                density=self._density,
            )
        if self._perturbed_target:
            self._targets = self._inputs

    def __getitems__(self, positions: list[int]) -> dict[str, torch.Tensor]:
        """Fetch a whole batch at once (PyTorch calls this instead of one item at a time).

        Args:
            positions: Places in the epoch's order.

        Returns:
            float32 tensors: ``blendshapes`` (n, size), what E_b sees; ``target`` (n, size);
            ``text_features`` (n, width).
        """
        features = np.asarray(self._features[self._texts[positions]])
        if self._text_noise > 0:
            features = features + self._noise(positions, features.shape[1])
        return {
            "blendshapes": torch.from_numpy(self._inputs[positions]),
            "target": torch.from_numpy(self._targets[positions]),
            "text_features": torch.from_numpy(features),
        }

    def _noise(self, positions: list[int], width: int) -> NDArray[np.float32]:
        """Drawn for each place of the epoch by itself, so that processes may share a batch."""
        rows = [
            np.random.default_rng([self._seed, _TEXT_NOISE, self._epoch or 0, place])
            for place in positions
        ]
        noise = [row.standard_normal(width, dtype=np.float32) for row in rows]
        return np.stack(noise) * np.float32(self._text_noise)

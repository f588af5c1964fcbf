"""The items of a dataset whose faces are nearest to a face."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_MOST_CHARACTERS = 300


@dataclass(frozen=True)
class Neighbour:
    """An item near a face: its texts (cut at 300 characters) and its distance, Euclidean in 51."""

    transcript: str
    description: str
    distance: float


class Neighbours:
    """Finds the nearest items by their blendshapes.

    Args:
        transcripts: n texts.
        descriptions: n texts.
        blendshapes: float32 (n, 51).
    """

    def __init__(
        self, transcripts: list[str], descriptions: list[str], blendshapes: NDArray[Any]
    ) -> None:
        self.transcripts, self.descriptions = transcripts, descriptions
        self.blendshapes = np.asarray(blendshapes, dtype=np.float32)
        self._squares = (self.blendshapes**2).sum(axis=1)

    def nearest(self, weights: NDArray[np.float32], count: int = 5) -> tuple[Neighbour, ...]:
        """The items of the `count` nearest faces, no text twice."""
        squared = self._squares - 2 * (self.blendshapes @ weights) + float(weights @ weights)
        few = min(8 * count, len(squared))
        order = np.argpartition(squared, few - 1)[:few] if few else np.array([], dtype=np.int64)
        found: dict[str, Neighbour] = {}
        for row in order[np.argsort(squared[order], kind="stable")].tolist():
            text = self.transcripts[row][:_MOST_CHARACTERS]
            distance = float(np.sqrt(max(squared[row], 0.0)))
            found.setdefault(
                text, Neighbour(text, self.descriptions[row][:_MOST_CHARACTERS], distance)
            )
        return tuple(found.values())[:count]


def load_neighbours(dataset: str | Path) -> Neighbours:
    """The items of a dataset's train part.

    Raises:
        DatasetError: It cannot be opened or is no dataset of ours.
    """
    from ..model.data import load_expressions

    data = load_expressions(str(dataset), "train")
    return Neighbours(data.texts["t"], data.texts["d"], data.blendshapes)

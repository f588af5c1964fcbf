"""A dataset as the evaluation sees it: pairs of text and face, by kind, with text features."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ModelError
from ..progress import Progress
from .augmentation import TAG_SEPARATOR
from .batches import index_texts
from .configuration_countenance import ExpressionConfig
from .data import KINDS, ExpressionData, load_action_units, load_cues, load_expressions
from .features import embed_texts
from .quiet import quiet_transformers

if TYPE_CHECKING:
    from numpy.typing import NDArray

KIND_NAMES = {"t": "transcript", "e": "emotion tags", "d": "description", "cues": "cues"}
"""Names of the kinds of text in reports; "cues" are the dataset's second configuration."""


@dataclass(frozen=True)
class Pairs:
    """Texts of one kind and the faces that they stand for, row by row.

    Attributes:
        texts: The texts, never empty.
        features: float32 (rows, width), the frozen encoder's.
        faces: float32 (rows, size) in [0, 1].
        items: int64 (rows,), the item of each row in its configuration's split.
        tags: Emotion tags of each row's item; empty for cues.
        action_units: Action units of each row's item as the dataset lists them, or ``None``.
        in_validation: bool (rows,), whether the dataset marks the item for validation, or ``None``.
    """

    texts: list[str]
    features: NDArray[np.float32]
    faces: NDArray[np.float32]
    items: NDArray[np.int64]
    tags: list[list[str]]
    action_units: list[list[str]] | None = None
    in_validation: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, rows: NDArray[np.int64]) -> Pairs:
        """Some of the rows, in the order given."""
        units = self.action_units
        return Pairs(
            [self.texts[row] for row in rows],
            self.features[rows],
            self.faces[rows],
            self.items[rows],
            [self.tags[row] for row in rows],
            None if units is None else [units[row] for row in rows],
            None if self.in_validation is None else self.in_validation[rows],
        )


@dataclass(frozen=True)
class EvaluationSplit:
    """One split.

    Attributes:
        faces: float32 (items, size), of the default configuration.
        pairs: For each kind that the split has ("t", "e", "d", "cues") its pairs.
        mapping_version: Version of the AU table behind the faces.
        action_units: Action units of each item, or ``None`` where the dataset lists none.
    """

    faces: NDArray[np.float32]
    pairs: dict[str, Pairs]
    mapping_version: str
    action_units: list[list[str]] | None = field(default=None, repr=False)

    @property
    def all_faces(self) -> NDArray[np.float32]:
        """The faces of the items, and behind them those of the cues; a model trains on both."""
        cues = self.pairs.get("cues")
        return self.faces if cues is None else np.concatenate([self.faces, cues.faces])

    def mean_face(self, kind: str) -> NDArray[np.float32]:
        """The mean face (size,) behind texts of a kind: of the cues for "cues", else of the items.

        Without cues, that of the items stands in for theirs.
        """
        cues = self.pairs.get("cues") if kind == "cues" else None
        return (self.faces if cues is None else cues.faces).mean(axis=0)


def draw_rows(count: int, limit: int | None, seed: int) -> NDArray[np.int64]:
    """Positions of at most ``limit`` of ``count`` rows, drawn by ``seed``, ascending."""
    if limit is None or count <= limit:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, size=limit, replace=False))


def load_split(
    dataset: str | Path,
    split: str,
    config: ExpressionConfig,
    *,
    limit: int | None = None,
    seed: int = 0,
    precision: str = "float32",
) -> EvaluationSplit:
    """Load a split of both configurations and encode its texts.

    Args:
        dataset: Dataset folder or Hub name.
        split: "train" or "test".
        config: Of the model: its text encoder, expression size and mapping.
        limit: Items to take at most from either configuration, drawn by ``seed``.
        seed: See ``limit``.
        precision: What the text encoder computes in, see ``embed_texts``.

    Raises:
        DatasetError: If the dataset cannot be used, or was built with another mapping.
        ModelError: If the text encoder cannot be used.
    """
    expected: dict[str, Any] = {
        "expression_size": config.expression_size,
        "mapping_version": config.mapping_version,
    }
    data = load_expressions(dataset, split, **expected)
    units = load_action_units(dataset, split)
    cues = load_cues(dataset, split, **expected)
    rows = draw_rows(len(data), limit, seed)
    features = _Features(config, precision)
    pairs = _quadruple_pairs(_taken(data, rows), _chosen(units, rows), features)
    if cues is not None:
        kept = draw_rows(len(cues), limit, seed)
        taken = _taken(cues, kept)
        cue_units = _chosen(load_action_units(dataset, split, "cues"), kept)
        pairs["cues"] = _quadruple_pairs(taken, cue_units, features)["d"]
    return EvaluationSplit(
        data.blendshapes[rows], pairs, data.mapping_version, _chosen(units, rows)
    )


class _Features:
    """Encodes texts with the model's frozen encoder, through the feature cache."""

    def __init__(self, config: ExpressionConfig, precision: str) -> None:
        self._config, self._precision = config, precision

    def __call__(self, texts: list[str]) -> NDArray[np.float32]:
        with Progress("encode texts", len(texts)) as progress, quiet_transformers():
            try:
                return embed_texts(
                    texts, self._config, precision=self._precision, progress=progress
                )
            except (OSError, ValueError) as error:
                raise ModelError(str(error)) from error


def _quadruple_pairs(
    data: ExpressionData, units: list[list[str]] | None, features: _Features
) -> dict[str, Pairs]:
    index = index_texts(data)
    encoded = features(index.texts)
    tags = [text.split(TAG_SEPARATOR) if text else [] for text in data.texts["e"]]
    pairs = {}
    for number, kind in enumerate(KINDS):
        items = np.flatnonzero(index.rows[:, number, 0] >= 0)
        if len(items):
            pairs[kind] = Pairs(
                [data.texts[kind][item] for item in items],
                np.asarray(encoded[index.rows[items, number, 0]]),
                data.blendshapes[items],
                items,
                [tags[item] for item in items],
                _chosen(units, items),
                None if data.in_validation is None else data.in_validation[items],
            )
    return pairs


def _taken(data: ExpressionData, rows: NDArray[np.int64]) -> ExpressionData:
    texts = {kind: [column[row] for row in rows] for kind, column in data.texts.items()}
    marks = None if data.in_validation is None else data.in_validation[rows]
    return replace(data, texts=texts, blendshapes=data.blendshapes[rows], in_validation=marks)


def _chosen(units: list[list[str]] | None, rows: Iterable[int]) -> list[list[str]] | None:
    return None if units is None else [units[row] for row in rows]

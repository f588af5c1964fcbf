"""The typed columns of the dataset: the annotation record, with the blendshapes beside it."""

from __future__ import annotations

from collections.abc import Sequence

from datasets import ClassLabel, Features, List, Value

from ..generation import RECORD_KEYS

EMOTIONS = frozenset({"emotions", "human_emotions", "model_emotions"})
ACTION_UNITS = "action_units"
BLENDSHAPES = "blendshapes"
_NUMBERS = {
    "seed": "int64",
    "strength": "float64",
    "human_strength": "float64",
    "model_strength": "float64",
}


def dataset_features(labels: Sequence[str], blendshape_count: int = 51) -> Features:
    """The columns, in the order of the annotation record, ``blendshapes`` after ``action_units``.

    Args:
        labels: Emotion tags in the order of their class ids.
        blendshape_count: Length of the weight vector.
    """
    columns: dict[str, object] = {}
    for key in RECORD_KEYS:
        if key in EMOTIONS:
            columns[key] = List(ClassLabel(names=list(labels)))
        elif key == ACTION_UNITS:
            columns[key] = List(Value("string"))
            columns[BLENDSHAPES] = List(Value("float32"), length=blendshape_count)
        else:
            columns[key] = Value(_NUMBERS.get(key, "string"))
    return Features(columns)

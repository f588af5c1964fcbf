"""The typed columns of both configs: the annotation record, or a cue, and the blendshapes."""

from __future__ import annotations

from collections.abc import Sequence

from datasets import ClassLabel, Features, List, Value

from ..generation import RECORD_KEYS

EMOTIONS = frozenset({"emotions", "human_emotions", "model_emotions"})
ACTION_UNITS = "action_units"
BLENDSHAPES = "blendshapes"
GROUP = "group"
VALIDATION = "validation"
CUE_KEYS = ("id", "description", ACTION_UNITS, "form", "kind", "cue", "cues_version")
"""The columns of config ``cues`` that come from the cue item itself."""
_NUMBERS = {
    "seed": "int64",
    "strength": "float64",
    "human_strength": "float64",
    "model_strength": "float64",
}


def dataset_features(labels: Sequence[str], blendshape_count: int = 51) -> Features:
    """The columns of config ``default``, in the order of the annotation record.

    ``blendshapes`` stands after ``action_units``; ``group`` and ``validation`` (see ``Split``)
    stand at the end.

    Args:
        labels: Emotion tags in the order of their class ids.
        blendshape_count: Length of the weight vector.
    """
    columns: dict[str, object] = {}
    for key in RECORD_KEYS:
        if key in EMOTIONS:
            columns[key] = List(ClassLabel(names=list(labels)))
        elif key == ACTION_UNITS:
            columns |= _face(blendshape_count)
        else:
            columns[key] = Value(_NUMBERS.get(key, "string"))
    return Features({**columns, **_SPLIT_COLUMNS})


def cue_features(blendshape_count: int = 51) -> Features:
    """The columns of config ``cues``, which has no transcripts.

    Args:
        blendshape_count: Length of the weight vector.
    """
    columns: dict[str, object] = {}
    for key in CUE_KEYS:
        columns |= _face(blendshape_count) if key == ACTION_UNITS else {key: Value("string")}
    return Features({**columns, "mapping_version": Value("string"), **_SPLIT_COLUMNS})


def _face(blendshape_count: int) -> dict[str, object]:
    return {
        ACTION_UNITS: List(Value("string")),
        BLENDSHAPES: List(Value("float32"), length=blendshape_count),
    }


_SPLIT_COLUMNS = {GROUP: Value("string"), VALIDATION: Value("bool")}

"""From finished annotation runs to a Hugging Face dataset: features, split, Parquet, statistics."""

from .build import build_dataset
from .builder import CountenanceBuilder
from .features import BLENDSHAPES, EMOTIONS, cue_features, dataset_features
from .groups import duplicate_groups, normalise, wording_groups
from .items import CueItem, run_mapping
from .split import Split, split_items, stratified_split

__all__ = [
    "BLENDSHAPES",
    "EMOTIONS",
    "CountenanceBuilder",
    "CueItem",
    "Split",
    "build_dataset",
    "cue_features",
    "dataset_features",
    "duplicate_groups",
    "normalise",
    "run_mapping",
    "split_items",
    "stratified_split",
    "wording_groups",
]

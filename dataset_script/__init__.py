"""From finished annotation runs to a Hugging Face dataset: features, split, Parquet, statistics."""

from .build import build_dataset
from .features import BLENDSHAPES, EMOTIONS, dataset_features
from .split import stratified_split

__all__ = ["BLENDSHAPES", "EMOTIONS", "build_dataset", "dataset_features", "stratified_split"]

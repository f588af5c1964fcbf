"""Built datasets as the model sees them: texts of three kinds, and blendshapes."""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from datasets.utils import logging as datasets_logging

from ..cache import cache_folder
from ..errors import DatasetError
from .augmentation import tag_text
from .quiet import quiet_hub

if TYPE_CHECKING:
    from numpy.typing import NDArray

KINDS = ("t", "e", "d")
"""The three texts of an item: transcript, emotion tags, description."""

CUES = "cues"
"""Name of a dataset's second configuration: descriptions and faces without a transcript."""

_HUB_NAME = re.compile(r"\w[\w.-]*/\w[\w.-]*")
_VALIDATION = "validation"
_COLUMNS = ("transcript", "emotions", "description", "blendshapes", "mapping_version")


@dataclass(frozen=True)
class ExpressionData:
    """One split of a dataset, in its own order.

    Attributes:
        source: Folder or Hub name, for messages.
        split: Name of the split.
        texts: For each kind "t", "e", "d" the texts, "" where an item has none.
        blendshapes: float32 (n, size) in [0, 1].
        mapping_version: Version of the AU table behind the blendshapes.
        cue_count: How many of the items, the last ones, are cues: descriptions without t and e.
        in_validation: bool (n,), the items that the dataset marks for validation while training;
            None when it has no column ``validation``.
    """

    source: str
    split: str
    texts: dict[str, list[str]]
    blendshapes: NDArray[np.float32]
    mapping_version: str
    cue_count: int = 0
    in_validation: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.blendshapes)

    def with_cues(self, cues: ExpressionData | None) -> ExpressionData:
        """These items, and behind them those of ``cues``, which have only d."""
        if cues is None:
            return self
        return replace(
            self,
            texts={kind: self.texts[kind] + cues.texts[kind] for kind in KINDS},
            blendshapes=np.concatenate([self.blendshapes, cues.blendshapes]),
            in_validation=_joined(self, cues),
            cue_count=len(cues),
        )


def load_expressions(
    source: str | Path,
    split: str,
    *,
    expression_size: int = 51,
    mapping_version: str | None = None,
) -> ExpressionData:
    """Load one split of a built dataset and check what the model relies on.

    Args:
        source: Dataset folder (as ``countenance build`` writes it) or Hub name.
        split: "train" or "test".
        expression_size: Expected number of blendshape weights.
        mapping_version: Expected AU table; any one version when left out.

    Returns:
        The split. The text of e is its tags in order, joined by ", " (see ``tag_text``).

    Raises:
        DatasetError: If it cannot be opened, the split is missing or empty, a column is missing,
            or a row holds a vector of another length, a number that is not in [0, 1], no text at
            all, or another mapping version.
    """
    dataset = _open(str(source), split)
    where = f"{source}, split {split}"
    missing = [name for name in _COLUMNS if name not in dataset.column_names]
    if missing:
        raise DatasetError(
            f"{where}: no column {missing[0]!r}; build the dataset with countenance build"
        )
    if not len(dataset):
        raise DatasetError(f"{where}: the split is empty; build a dataset from more transcripts")
    table = dataset.with_format("arrow")[:]
    data = ExpressionData(
        source=str(source),
        split=split,
        texts={
            "t": _strings(table["transcript"]),
            "e": _tag_texts(dataset, table["emotions"], where),
            "d": _strings(table["description"]),
        },
        blendshapes=_blendshapes(table["blendshapes"], expression_size, where),
        mapping_version=_only_version(table["mapping_version"], mapping_version, where),
        in_validation=_marks(table, where),
    )
    for row, texts in enumerate(zip(*data.texts.values(), strict=True)):
        if not any(texts):
            raise DatasetError(
                f"{where}, row {row}: transcript, emotions and description are empty"
            )
    return data


def load_cues(
    source: str | Path,
    split: str,
    *,
    expression_size: int = 51,
    mapping_version: str | None = None,
) -> ExpressionData | None:
    """Load one split of a dataset's second configuration, ``cues``: descriptions and faces.

    Args:
        source: Dataset folder or Hub name.
        split: "train" or "test".
        expression_size: Expected number of blendshape weights.
        mapping_version: Expected AU table; any one version when left out.

    Returns:
        The split, with texts of kind "d" alone; ``None`` where the dataset has no cues.

    Raises:
        DatasetError: As ``load_expressions``.
    """
    if not _has_config(str(source), CUES):
        return None
    dataset = _open(str(source), split, CUES)
    where = f"{source}, configuration {CUES}, split {split}"
    for name in ("description", "blendshapes"):
        if name not in dataset.column_names:
            raise DatasetError(
                f"{where}: no column {name!r}; build the dataset with countenance build"
            )
    if not len(dataset):
        return None
    table = dataset.with_format("arrow")[:]
    texts = _strings(table["description"])
    if not all(texts):
        raise DatasetError(f"{where}, row {texts.index('')}: description is empty")
    version = mapping_version or ""
    if "mapping_version" in dataset.column_names:
        version = _only_version(table["mapping_version"], mapping_version, where)
    nothing = [""] * len(texts)
    return ExpressionData(
        source=str(source),
        split=split,
        texts={"t": nothing, "e": nothing, "d": texts},
        blendshapes=_blendshapes(table["blendshapes"], expression_size, where),
        mapping_version=version,
        in_validation=_marks(table, where),
    )


def _joined(items: ExpressionData, cues: ExpressionData) -> NDArray[np.bool_] | None:
    if items.in_validation is None or cues.in_validation is None:
        return None
    return np.concatenate([items.in_validation, cues.in_validation])


def load_action_units(
    source: str | Path, split: str, config: str | None = None
) -> list[list[str]] | None:
    """The action units that a dataset lists for each item of a split, in its own order.

    Args:
        source: Dataset folder or Hub name.
        split: "train" or "test".
        config: Configuration, such as "cues"; the default one when left out.

    Returns:
        A list per item; ``None`` where there is no such column.

    Raises:
        DatasetError: If the split cannot be opened.
    """
    dataset = _open(str(source), split, config)
    if "action_units" not in dataset.column_names:
        return None
    column = dataset.with_format("arrow")[:]["action_units"]
    return [list(units or ()) for units in column.to_pylist()]


def _has_config(source: str, name: str) -> bool:
    try:
        with quiet_hub():
            return name in datasets.get_dataset_config_names(source)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DatasetError(f"{source}: cannot list its configurations ({reason})") from error


def _own_cache(source: str) -> str | None:
    """A cache for just this state of a local folder; None, that of `datasets`, for a Hub name.

    `datasets` caches a folder whose card declares configurations by the folder's last name alone,
    and would hand out the rows of another folder, or of this one before it was rebuilt.
    """
    folder = Path(source)
    if not folder.is_dir():
        return None
    state = hashlib.sha256(str(folder.resolve()).encode())
    for file in sorted(folder.rglob("*.parquet")):
        about = file.stat()
        state.update(f"{file.relative_to(folder)} {about.st_size} {about.st_mtime_ns}".encode())
    return str(cache_folder() / "datasets" / state.hexdigest()[:32])


def _open(source: str, split: str, config: str | None = None) -> datasets.Dataset:
    try:
        is_file, is_folder = Path(source).is_file(), Path(source).is_dir()
    except OSError as error:
        raise DatasetError(f"{source}: cannot open the dataset ({error.strerror})") from error
    if is_file:
        raise DatasetError(f"{source}: expected a dataset folder, found a file")
    # "datasets/dev" has the form of a Hub name; where ./datasets exists, a path was meant.
    meant_here = Path(source).parent != Path() and Path(source).parent.is_dir()
    if not is_folder and (meant_here or not _HUB_NAME.fullmatch(source)):
        raise DatasetError(
            f"{source}: no such dataset folder; give a folder written by countenance build, or a "
            "dataset on the Hub (owner/name)"
        )
    bars_were_on = not datasets.are_progress_bars_disabled()
    if not sys.stderr.isatty():
        datasets.disable_progress_bars()
    try:
        with quiet_hub(), _quiet_datasets():
            return datasets.load_dataset(source, config, split=split, cache_dir=_own_cache(source))
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        if is_folder:
            _name_damaged_file(Path(source), error)
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DatasetError(
            f"{source}: cannot load the split {split!r} ({reason}); give a folder written by "
            "countenance build, or a dataset on the Hub"
        ) from error
    finally:
        if bars_were_on:
            datasets.enable_progress_bars()


@contextmanager
def _quiet_datasets() -> Iterator[None]:
    """Keep the lines off stderr that `datasets` logs beside the error that it raises."""
    level = datasets_logging.get_verbosity()
    datasets_logging.set_verbosity(datasets_logging.CRITICAL)
    try:
        yield
    finally:
        datasets_logging.set_verbosity(level)


def _name_damaged_file(folder: Path, error: Exception) -> None:
    """`datasets` only says that it failed; a Parquet file that was cut has lost its last part."""
    for path in sorted(folder.rglob("*.parquet")):
        try:
            pq.read_metadata(path)
        except (OSError, pa.ArrowException) as fault:
            raise DatasetError(
                f"{path}: cannot be read ({str(fault).splitlines()[0].rstrip('.')}); fetch it "
                "again, or rebuild the dataset with countenance build"
            ) from error


def _strings(column: pa.ChunkedArray) -> list[str]:
    return [(text or "").strip() for text in column.to_pylist()]


def _tag_texts(dataset: datasets.Dataset, column: pa.ChunkedArray, where: str) -> list[str]:
    label = getattr(dataset.features["emotions"], "feature", None)
    if isinstance(label, datasets.ClassLabel):
        names = label.names
        return [tag_text([names[i] for i in tags or ()]) for tags in column.to_pylist()]
    if isinstance(label, datasets.Value) and label.dtype == "string":
        return [tag_text(tags or ()) for tags in column.to_pylist()]
    raise DatasetError(
        f"{where}: column 'emotions' must be a list of class labels, found "
        f"{dataset.features['emotions']}"
    )


def _blendshapes(column: pa.ChunkedArray, size: int, where: str) -> NDArray[np.float32]:
    array = column.combine_chunks().cast(pa.list_(pa.float32()))
    lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False)
    wrong = np.flatnonzero(lengths != size)
    if wrong.size:
        raise DatasetError(
            f"{where}, row {wrong[0]}: blendshapes has {lengths[wrong[0]]} values, expected {size}"
        )
    flat = array.flatten().to_numpy(zero_copy_only=False)
    values = flat.astype(np.float32).reshape(-1, size)
    outside = np.argwhere(~((values >= 0) & (values <= 1)))  # also true for NaN
    if len(outside):
        row, position = outside[0]
        raise DatasetError(
            f"{where}, row {row}: blendshapes[{position}] is {values[row, position]}, expected a "
            "number in [0, 1]"
        )
    return values


def _marks(table: pa.Table, where: str) -> NDArray[np.bool_] | None:
    if _VALIDATION not in table.column_names:
        return None
    if not pa.types.is_boolean(table.schema.field(_VALIDATION).type):
        raise DatasetError(
            f"{where}: column {_VALIDATION!r} must be true or false, found "
            f"{table.schema.field(_VALIDATION).type}; build the dataset with countenance build"
        )
    marks = pc.fill_null(table[_VALIDATION], False)
    return np.asarray(marks.to_numpy(), dtype=np.bool_)


def _only_version(column: pa.ChunkedArray, expected: str | None, where: str) -> str:
    versions = column.to_pylist()
    expected = expected or versions[0]
    for row, version in enumerate(versions):
        if version != expected:
            raise DatasetError(
                f"{where}, row {row}: mapping_version is {version!r}, expected {expected!r}; build "
                "the dataset and train the model with one mapping"
            )
    return expected

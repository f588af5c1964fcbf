"""The files of a dataset folder: what card and statistics say of them, and their columns."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from jsonschema import Draft202012Validator

from ..errors import DatasetError
from ..generation import emotion_names
from ..generation.tables_reading import SCHEMAS
from .features import BLENDSHAPES, cue_features, dataset_features
from .items import CUES, DEFAULT
from .verify_report import Fault

CARD = "README.md"
STATISTICS = "stats.json"
_HOW_TO_REPAIR = "rebuild the dataset with 'countenance build'"


@dataclass(frozen=True, slots=True)
class DataFile:
    """A Parquet file that the card lists."""

    config: str
    split: str
    name: str


def read_front_matter(folder: Path) -> dict[str, Any]:
    """The YAML at the head of the card.

    Raises:
        DatasetError: No dataset folder, or the card has no readable YAML, or not that of a dataset.
    """
    path = folder / CARD
    if not folder.is_dir():
        raise DatasetError(f"{folder}: no such folder; name a dataset of 'countenance build'")
    try:
        text = path.read_text("utf-8")
        _, matter, _ = text.split("---\n", 2)
        front = yaml.safe_load(matter)
    except FileNotFoundError:
        raise DatasetError(
            f"{folder}: no dataset (no {CARD}); make one with 'countenance build'"
        ) from None
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        message = " ".join(str(error).split())[:160]
        raise DatasetError(f"{path}: its YAML cannot be read ({message}); {_HOW_TO_REPAIR}") from (
            error
        )
    problem = _front_matter_problem(front)
    if problem:
        raise DatasetError(
            f"{path}: its YAML is not that of a dataset ({problem}); {_HOW_TO_REPAIR}"
        )
    return dict(front)


def _front_matter_problem(front: object) -> str | None:
    schema = json.loads((SCHEMAS / "card_front_matter.schema.json").read_text("utf-8"))
    problems = Draft202012Validator(schema).iter_errors(front)
    first = min(problems, key=lambda problem: problem.json_path, default=None)
    if first is None:
        return None
    return f"{first.json_path}: {' '.join(first.message.split())[:160]}"


def read_statistics(folder: Path) -> tuple[dict[str, Any], list[Fault]]:
    """``stats.json``; empty with a fault if it is missing or damaged."""
    try:
        statistics = json.loads((folder / STATISTICS).read_text("utf-8"))
        if not isinstance(statistics, dict):
            raise TypeError("no object")
    except (OSError, ValueError, TypeError, RecursionError) as error:
        message = f"cannot be read ({' '.join(str(error).split())[:120]}); {_HOW_TO_REPAIR}"
        return {}, [Fault(STATISTICS, "file", message)]
    return statistics, []


def listed_files(folder: Path, front: Mapping[str, Any]) -> tuple[list[DataFile], list[Fault]]:
    """The Parquet files that the card's patterns name, and what is wrong with them."""
    there = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.parquet"))
    files: list[DataFile] = []
    faults: list[Fault] = []
    for config in front["configs"]:
        for row in config["data_files"]:
            found = [name for name in there if fnmatch(name, row["path"])]
            if not found:
                faults.append(Fault(CARD, "configs", f"no file {row['path']}; {_HOW_TO_REPAIR}"))
            files += [DataFile(config["config_name"], row["split"], name) for name in found]
    known = {file.name for file in files}
    faults += [
        Fault(name, "file", f"no config of {CARD} lists it") for name in there if name not in known
    ]
    return files, faults


def check_columns(folder: Path, file: DataFile) -> tuple[int | None, list[Fault]]:
    """Rows of a file, None where its rows cannot be checked, and what is wrong with its columns."""
    try:
        parquet = pq.ParquetFile(folder / file.name)
        found = parquet.schema_arrow
        # A cut or changed page shows only when it is read.
        for group in range(parquet.metadata.num_row_groups):
            parquet.read_row_group(group)
    except (OSError, pa.ArrowException) as error:
        message = " ".join(str(error).split())[:160]
        return None, [Fault(file.name, "file", f"cannot be read as Parquet ({message})")]
    if file.config not in (DEFAULT, CUES):
        return None, [Fault(CARD, "configs", f"unknown config {file.config!r}")]
    features = dataset_features(emotion_names()) if file.config == DEFAULT else cue_features()
    expected = features.arrow_schema
    faults = []
    for column in expected:
        if column.name not in found.names:
            faults.append(Fault(file.name, column.name, f"column missing; {_HOW_TO_REPAIR}"))
        elif not _same_type(found.field(column.name).type, column.type):
            kind = found.field(column.name).type
            faults.append(Fault(file.name, column.name, f"type {kind}, expected {column.type}"))
    faults += [
        Fault(file.name, name, "column unknown to this version")
        for name in found.names
        if name not in expected.names
    ]
    # Vectors of another length are shown row by row.
    fatal = any(
        fault.field != BLENDSHAPES
        or BLENDSHAPES not in found.names
        or not _are_vectors(found.field(BLENDSHAPES).type)
        for fault in faults
    )
    return None if fatal else parquet.metadata.num_rows, faults


def _are_vectors(found: pa.DataType) -> bool:
    lists = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    return any(is_list(found) for is_list in lists) and found.value_type == pa.float32()


def _same_type(found: pa.DataType, expected: pa.DataType) -> bool:
    if found == expected:
        return True
    if pa.types.is_fixed_size_list(found) and pa.types.is_fixed_size_list(expected):
        return found.list_size == expected.list_size and found.value_type == expected.value_type
    lists = (pa.types.is_list, pa.types.is_large_list)
    if any(is_list(found) for is_list in lists) and any(is_list(expected) for is_list in lists):
        return _same_type(found.value_type, expected.value_type)
    text = (pa.types.is_string, pa.types.is_large_string)
    return any(is_text(found) for is_text in text) and any(is_text(expected) for is_text in text)


def check_sizes(
    rows: Mapping[str, Mapping[str, int]], front: Mapping[str, Any], statistics: Mapping[str, Any]
) -> list[Fault]:
    """Whether card and statistics say as many rows as there are.

    Args:
        rows: Rows by config and split, as found.
        front: The card's YAML.
        statistics: ``stats.json``.
    """
    faults = []
    infos = front.get("dataset_info", [])
    said = {
        info.get("config_name", DEFAULT): {
            split["name"]: split["num_examples"] for split in info["splits"]
        }
        for info in (infos if isinstance(infos, list) else [infos])
    }
    for config, splits in rows.items():
        for split, count in splits.items():
            number = said.get(config, {}).get(split)
            if number != count:
                message = f"{config} {split}: {number} rows, and the files hold {count}"
                faults.append(Fault(CARD, "dataset_info", message))
    for split, count in rows.get(DEFAULT, {}).items():
        number = statistics.get(f"{split}_items")
        if statistics and number != count:
            message = f"{number}, and the files hold {count} rows"
            faults.append(Fault(STATISTICS, f"{split}_items", message))
    total = sum(rows.get(DEFAULT, {}).values())
    if statistics and statistics.get("items") != total:
        message = f"{statistics.get('items')}, and the files hold {total} rows"
        faults.append(Fault(STATISTICS, "items", message))
    return faults

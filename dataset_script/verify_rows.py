"""Row by row: does b follow from the action units, is the record sound, is the id its own?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ..au_mapping import AUMapping, load_mapping
from ..errors import ActionUnitError, TableError
from ..generation import RECORD_KEYS, Transcript, emotion_names, item_faults, transcript_id
from ..generation.cues import FORMS, kind_of
from ..generation.phrase_reading import load_phrases
from ..generation.phrases import PhraseTable
from .features import ACTION_UNITS, BLENDSHAPES, EMOTIONS
from .verify_report import Fault

ROWS_PER_TASK = 4096
_FIELD_OF_KIND = {
    "unknown_emotion": "emotions",
    "tags": "emotions",
    "mapping_version": "mapping_version",
    "action_unit": ACTION_UNITS,
}


@dataclass(frozen=True, slots=True)
class RowTask:
    """Some row groups of one Parquet file.

    Attributes:
        folder: The dataset.
        file: Path within it.
        groups: Numbers of the row groups.
        first_row: Number of the first row in the file.
        config: ``default`` or another.
        mapping_version: What every row must name; None if the dataset does not say.
        phrase_table: Packaged phrase table of composed descriptions; None for the newest.
    """

    folder: Path
    file: str
    groups: tuple[int, ...]
    first_row: int
    config: str
    mapping_version: str | None
    phrase_table: str | None


def row_tasks(
    folder: Path, file: str, config: str, mapping_version: str | None, phrase_table: str | None
) -> Iterator[RowTask]:
    """Cut a readable file into tasks of about ``ROWS_PER_TASK`` rows."""
    metadata = pq.ParquetFile(folder / file).metadata
    first, rows, groups = 0, 0, []
    for number in range(metadata.num_row_groups):
        groups.append(number)
        rows += metadata.row_group(number).num_rows
        if rows >= ROWS_PER_TASK or number == metadata.num_row_groups - 1:
            yield RowTask(folder, file, tuple(groups), first, config, mapping_version, phrase_table)
            first, rows, groups = first + rows, 0, []


def check_rows(task: RowTask) -> list[Fault]:
    """All faults of the rows of a task, whose columns have the right names and types."""
    table = pq.ParquetFile(task.folder / task.file).read_row_groups(list(task.groups))
    rows = table.drop_columns([BLENDSHAPES]).to_pylist()
    found = _Faults(task, rows)
    _check_versions(rows, found)
    _check_blendshapes(table[BLENDSHAPES].combine_chunks(), rows, found)
    phrases = _phrases(task.phrase_table)
    for number, row in enumerate(rows):
        if task.config == "default":
            _check_record(number, row, phrases, found)
        else:
            _check_cue(number, row, found)
    return found.faults


class _Faults:
    """Collects faults by the number of the row within the task."""

    def __init__(self, task: RowTask, rows: Sequence[Mapping[str, Any]]) -> None:
        self.task = task
        self.rows = rows
        self.faults: list[Fault] = []

    def add(self, number: int, field: str, message: str) -> None:
        name = self.rows[number].get("id")
        row = self.task.first_row + number
        self.faults.append(
            Fault(self.task.file, field, message, row, None if name is None else str(name))
        )


@lru_cache(maxsize=4)
def _mapping(version: str) -> AUMapping | None:
    try:
        return load_mapping(version)
    except TableError:
        return None


@lru_cache(maxsize=2)
def _phrases(name: str | None) -> PhraseTable:
    try:
        return load_phrases(name) if name else load_phrases()
    except TableError:
        return load_phrases()


def _check_versions(rows: Sequence[Mapping[str, Any]], found: _Faults) -> None:
    expected = found.task.mapping_version
    for number, row in enumerate(rows):
        version = row["mapping_version"]
        if expected is not None and version != expected:
            found.add(number, "mapping_version", f"{version!r}, and stats.json says {expected!r}")
        elif _mapping(str(version)) is None:
            found.add(number, "mapping_version", f"no packaged table {version!r} of action units")


def _check_blendshapes(column: pa.Array, rows: Sequence[Mapping[str, Any]], found: _Faults) -> None:
    lengths = pc.fill_null(pc.list_value_length(column), -1).to_numpy(zero_copy_only=False)
    by_version: dict[str, list[int]] = {}
    for number, row in enumerate(rows):
        mapping = _mapping(str(row["mapping_version"]))
        if mapping is None or row[ACTION_UNITS] is None:
            continue
        if lengths[number] != len(mapping.blendshapes):
            count = max(int(lengths[number]), 0)
            message = f"{count} weights, expected {len(mapping.blendshapes)}"
            found.add(number, BLENDSHAPES, message)
        elif _readable(mapping, row[ACTION_UNITS], number, found):
            by_version.setdefault(mapping.version, []).append(number)
    for version, numbers in by_version.items():
        chosen = column.take(pa.array(numbers))
        flat = pc.list_flatten(chosen).to_numpy(zero_copy_only=False).astype(np.float32)
        weights = flat.reshape(len(numbers), -1)
        _compare(weights, numbers, load_mapping(version), rows, found)


def _readable(mapping: AUMapping, units: Sequence[str], number: int, found: _Faults) -> bool:
    try:
        mapping.check(units)
    except ActionUnitError as error:
        if found.task.config != "default":  # a record's own check says it for the default config
            found.add(number, ACTION_UNITS, str(error))
        return False
    return True


def _compare(
    weights: np.ndarray,
    numbers: Sequence[int],
    mapping: AUMapping,
    rows: Sequence[Mapping[str, Any]],
    found: _Faults,
) -> None:
    """Compare bit for bit; a NaN or a value out of range differs too, and is named as such."""
    expected = mapping.to_blendshapes_batch([rows[number][ACTION_UNITS] for number in numbers])
    wrong = weights.view(np.uint32) != expected.view(np.uint32)
    wrong &= ~((weights == 0) & (expected == 0))  # the sign of a zero is no difference
    for place in np.flatnonzero(wrong.any(axis=1)).tolist():
        shape = int(np.flatnonzero(wrong[place])[0])
        value, right = weights[place, shape], expected[place, shape]
        units = " ".join(rows[numbers[place]][ACTION_UNITS]) or "no unit"
        if np.isnan(value):
            what = "not a number"
        elif not 0 <= value <= 1:
            what = f"{value:g}, outside [0, 1]"
        else:
            what = f"{value:.9g}"
        found.add(
            numbers[place],
            BLENDSHAPES,
            f"{mapping.blendshapes[shape]} is {what}, expected {right:.9g} for {units} in table "
            f"{mapping.version}",
        )


def _check_record(
    number: int, row: Mapping[str, Any], phrases: PhraseTable, found: _Faults
) -> None:
    labels = emotion_names()
    record = {key: row[key] for key in RECORD_KEYS}
    for field in sorted(EMOTIONS):
        tags = record[field] or []
        unknown = [tag for tag in tags if not (isinstance(tag, int) and 0 <= tag < len(labels))]
        if unknown:
            found.add(number, field, f"class {unknown[0]!r} is none of the {len(labels)} tags")
            return
        record[field] = [labels[tag] for tag in tags]
    mapping = _mapping(str(row["mapping_version"]))
    if mapping is None:
        return
    for fault in item_faults(record, mapping, phrases=phrases):
        kind, _, detail = fault.partition(": ")
        found.add(number, _field(kind, detail), detail if kind == "schema" else fault)
    if isinstance(row["transcript"], str) and isinstance(row["source"], str):
        own = transcript_id(Transcript(row["transcript"], row["source"], str(row["source_id"])))
        if row["id"] != own:
            found.add(number, "id", f"expected {own}, the hash of its source and transcript")


def _field(kind: str, detail: str) -> str:
    if kind == "schema":
        return detail.partition(":")[0].partition("/")[0]
    return "description" if kind.startswith("description_") else _FIELD_OF_KIND.get(kind, kind)


def _check_cue(number: int, row: Mapping[str, Any], found: _Faults) -> None:
    """A description without a transcript: it belongs to its id, and its units to its name.

    Free reading is no judge here: cues use coders' notation and slang on purpose.
    """
    description, units = row["description"] or "", row[ACTION_UNITS] or []
    if not description.strip():  # ":)" is a cue
        found.add(number, "description", "description_empty: nothing in it")
    own = blake2b(description.encode("utf-8"), digest_size=8).hexdigest()
    if row["id"] != own:
        found.add(number, "id", f"expected {own}, the hash of its description")
    if row["cue"] != "+".join(units):
        found.add(number, "cue", f"{row['cue']!r}, and its action units are {'+'.join(units)!r}")
    kind = kind_of(len(units))
    if row["kind"] != kind:
        found.add(number, "kind", f"{row['kind']!r}, expected {kind!r} for {len(units)} units")
    if row["form"] not in FORMS:
        found.add(number, "form", f"{row['form']!r}, expected {' or '.join(map(repr, FORMS))}")

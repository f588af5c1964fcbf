"""The items of each config: checked, ordered, mapped and split."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets import ClassLabel, Features, List

from ..au_mapping import ActionUnit, AUMapping, load_mapping
from ..errors import ActionUnitError, DatasetError
from ..generation import (
    check_parts,
    emotion_names,
    read_manifest,
    read_records,
    read_run_statistics,
    record_fault,
)
from ..generation.consistency import content_faults
from ..generation.id_set import ID_PATTERN
from ..generation.phrase_reading import load_phrases
from ..progress import Progress
from .coded import Coded
from .features import (
    ACTION_UNITS,
    BLENDSHAPES,
    CUE_KEYS,
    GROUP,
    VALIDATION,
    cue_features,
    dataset_features,
)
from .groups import duplicate_groups, wording_groups
from .item_table import FaceWeights, ItemTable, TableMaker
from .rows import ROWS_PER_GROUP, SpooledRows
from .scratch import Scratch, sorted_pairs
from .split import Split, split_items

DEFAULT = "default"
CUES = "cues"
TRAIN, TEST = "train", "test"


class CueItem(Protocol):
    """A description and the action units that it describes; ``generation.cues`` makes them.

    Attributes:
        id: 16 hexadecimal digits.
        description: d.
        action_units: As in the annotation record.
        form: ``sentence`` or ``prompt``.
        cue: Canonical name of the combination, "AU12B+AUL14C".
        kind: ``single``, ``pair`` or ``triple``.
        cues_version: Version of the tables behind it.
    """

    @property
    def id(self) -> str: ...  # noqa: D102
    @property
    def description(self) -> str: ...  # noqa: D102
    @property
    def action_units(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def form(self) -> str: ...  # noqa: D102
    @property
    def cue(self) -> str: ...  # noqa: D102
    @property
    def kind(self) -> str: ...  # noqa: D102
    @property
    def cues_version(self) -> str: ...  # noqa: D102


@dataclass(frozen=True, eq=False)
class Items:
    """All items of one config, ordered by id.

    Attributes:
        rows: Their fields, without those that follow from the others; records lie in a file.
        ids: The id of each.
        weights: Blendshapes of each, in [0, 1].
        split: Where each goes.
        features: The columns.
        table: The records as numbers; None for cues, which are few.
        set_aside: Id and reason of the records that failed the consistency checks.
    """

    rows: SpooledRows | Sequence[Mapping[str, Any]]
    ids: IdColumn
    weights: FaceWeights
    split: Split
    features: Features
    table: ItemTable | None = None
    set_aside: Sequence[Mapping[str, str]] = ()

    def part(self, name: str) -> Iterator[pa.Table]:
        """The rows of split ``train`` or ``test`` with all columns, 10,000 at a time."""
        chosen = np.flatnonzero(self.split.in_test == (name == TEST))
        first = first_members(self.split.groups)
        schema = self.features.arrow_schema
        for numbers, table in self._tables(chosen):
            made = {
                BLENDSHAPES: _lists_of(self.weights[numbers], schema.field(BLENDSHAPES).type),
                GROUP: pa.array(self.ids.names(first[self.split.groups[numbers]])),
                VALIDATION: pa.array(self.split.in_validation[numbers]),
            }
            columns = {
                key: made[key] if key in made else _as_feature(table[key], feature)
                for key, feature in self.features.items()
            }
            yield pa.table(columns, schema=schema)

    def _tables(self, chosen: np.ndarray) -> Iterator[tuple[np.ndarray, pa.Table]]:
        if isinstance(self.rows, SpooledRows):
            yield from self.rows.tables(chosen, ROWS_PER_GROUP)
            return
        for start in range(0, len(chosen), ROWS_PER_GROUP):
            numbers = chosen[start : start + ROWS_PER_GROUP]
            yield numbers, pa.Table.from_pylist([dict(self.rows[index]) for index in numbers])


def _lists_of(values: np.ndarray, kind: pa.DataType) -> pa.Array:
    """The rows of a table of numbers as lists of one length."""
    return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), type=kind)


def _as_feature(column: pa.ChunkedArray, feature: object) -> pa.Array:
    """Labels become their class ids; everything else is as it should be."""
    lists = column.combine_chunks()
    if not (isinstance(feature, List) and isinstance(feature.feature, ClassLabel)):
        return lists
    names = pa.array(feature.feature.names)
    numbers = pc.index_in(lists.flatten(), value_set=names).cast(pa.int64())
    return pa.ListArray.from_arrays(lists.offsets, numbers)


def first_members(groups: np.ndarray) -> np.ndarray:
    """int64 (n_groups,): the first item of each group, which has its smallest id."""
    first = np.full(int(groups.max()) + 1, len(groups), dtype=np.int64)
    first[groups[::-1]] = np.arange(len(groups))[::-1]  # of several, the last to be put stays
    return first


class IdColumn:
    """Ids in the order of the items, eight bytes each."""

    def __init__(self, ids: Iterable[str] = ()) -> None:
        self._numbers = array("Q")
        self._others: dict[int, str] = {}
        for name in ids:
            self.add(name)

    def add(self, name: str) -> None:
        """Put an id at the end."""
        usual = ID_PATTERN.fullmatch(name)
        if not usual:
            self._others[len(self._numbers)] = name
        self._numbers.append(int(name, 16) if usual else 0)

    def names(self, places: np.ndarray) -> list[str]:
        """The ids at some places."""
        return [
            self._others.get(place) or f"{self._numbers[place]:016x}" for place in places.tolist()
        ]


def run_items(run: Path, *, seed: int, show_progress: bool = False) -> Items:
    """Config ``default``: the records of a finished run, stratified by tag, duplicates together.

    Records that fail a consistency check are set aside, with the reason.

    Args:
        run: A run folder of ``countenance annotate``.
        seed: Seed of the split, 0 to 2**32 - 1.
        show_progress: Show on stderr how far the checks are.

    Raises:
        RunError: ``run`` is not a run folder, is unfinished or damaged.
        DatasetError: A record is no record, stands twice, or there are too few.
    """
    mapping = run_mapping(run)
    accepted = read_run_statistics(run)["accepted"]
    check_parts(run)
    check = _RecordCheck(run, mapping)
    with (
        Scratch("sort") as folder,
        Progress("check", accepted, enabled=show_progress) as progress,
    ):
        for _, line in sorted_pairs(_records_by_id(run, accepted), folder):
            check.take(json.loads(line))
            progress.update()
    rows, table = check.rows, check.table.finished()
    rows.close()
    groups = duplicate_groups(rows.column("transcript"))
    return Items(
        rows,
        check.ids,
        FaceWeights(table.action_units, mapping),
        split_items(table.emotions, groups, seed=seed),
        dataset_features(emotion_names(), len(mapping.blendshapes)),
        table,
        check.aside,
    )


def _records_by_id(run: Path, accepted: int) -> Iterator[tuple[bytes, bytes]]:
    """Id and record, as JSON, of all records of a finished run."""
    count = 0
    for record in read_records(run):
        count += 1
        line = json.dumps(record, separators=(",", ":"))
        yield record["id"].encode("utf-8", "surrogatepass"), line.encode()
    if count != accepted:
        raise DatasetError(
            f"{run}: unfinished run ({count} records, {accepted} at its last end); finish "
            "it with the same 'countenance annotate'"
        )


def run_mapping(run: Path) -> AUMapping:
    """The table of action units that a run was annotated with."""
    return load_mapping(read_manifest(run)["identity"]["mapping_version"])


def cue_table_items(cues: Sequence[CueItem], mapping: AUMapping, *, seed: int) -> Items:
    """Config ``cues``: stratified by action unit, the same words together, and nothing else.

    Near-duplicates would put nearly everything into one group ("the lip corners rise slightly", and
    "strongly"), and a group for each combination of units would test unseen combinations. With a
    group for each wording the test split holds unseen wordings of units that train has too.

    Args:
        cues: The items.
        mapping: The table that makes their weights.
        seed: Seed of the split.

    Raises:
        DatasetError: Too few items, two of one id, or units that the table does not know.
    """
    rows = sorted(
        (
            {key: getattr(cue, key) for key in CUE_KEYS} | {"mapping_version": mapping.version}
            for cue in cues
        ),
        key=lambda row: row["id"],
    )
    for row, following in pairwise(rows):
        if row["id"] == following["id"]:
            raise DatasetError(f"cue {row['id']}: two items have this id; make the cues anew")
    try:
        weights = FaceWeights(Coded.of(row[ACTION_UNITS] for row in rows), mapping)
    except ActionUnitError as error:
        raise DatasetError(
            f"cues: {error}; make the cues with mapping {mapping.version}"
        ) from error
    groups = wording_groups([row["description"] for row in rows])
    labels = [_unit_labels(row[ACTION_UNITS]) for row in rows]
    return Items(
        rows,
        IdColumn(row["id"] for row in rows),
        weights,
        split_items(labels, groups, seed=seed),
        cue_features(len(mapping.blendshapes)),
    )


def _unit_labels(action_units: Sequence[str]) -> list[str]:
    """Each unit as such, and with its intensity and side."""
    return sorted({ActionUnit.parse(text).id for text in action_units} | set(action_units))


class _RecordCheck:
    """Takes a run's records in the order of their ids; keeps those that may enter the dataset.

    Attributes:
        rows: The sound records.
        table: They as numbers.
        ids: Their ids.
        aside: Id and reason of the others.
    """

    def __init__(self, run: Path, mapping: AUMapping) -> None:
        self._run, self._mapping = run, mapping
        self._labels = frozenset(emotion_names())
        phrases = read_manifest(run)["identity"].get("phrase_table")
        self._phrases = load_phrases(phrases) if phrases else load_phrases()
        self._last: str | None = None
        self.rows, self.table, self.ids = SpooledRows(), TableMaker(), IdColumn()
        self.aside: list[dict[str, str]] = []

    def take(self, record: dict[str, Any]) -> None:
        """Check one record.

        Raises:
            DatasetError: It is no record, or its id stands twice.
        """
        # A record that breaks its own form was damaged; one that contradicts itself was not.
        fault = record_fault(record, self._labels, self._mapping)
        if record["id"] == self._last:
            fault = "stands twice in the run"
        if fault:
            raise DatasetError(f"{self._run}: record {record.get('id')}: {fault}; annotate it anew")
        self._last = record["id"]
        faults = content_faults(record, phrases=self._phrases)
        if faults:
            self.aside.append({"id": record["id"], "reason": faults[0]})
            return
        self.rows.add(record)
        self.table.add(record)
        self.ids.add(record["id"])

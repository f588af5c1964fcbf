"""The items of each config: checked, ordered, mapped and split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from datasets import Dataset, Features

from ..au_mapping import ActionUnit, AUMapping, load_mapping
from ..errors import ActionUnitError, DatasetError
from ..generation import (
    check_parts,
    emotion_names,
    item_faults,
    read_manifest,
    read_records,
    read_run_statistics,
    record_fault,
)
from ..generation.phrase_reading import load_phrases
from ..progress import Progress
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


@dataclass(frozen=True)
class Items:
    """All items of one config, ordered by id.

    Attributes:
        rows: Their fields, without those that follow from the others.
        weights: float32 (n_items, n_blendshapes) in [0, 1].
        split: Where each goes.
        features: The columns.
        set_aside: Id and reason of the records that failed the consistency checks.
    """

    rows: Sequence[Mapping[str, Any]]
    weights: np.ndarray
    split: Split
    features: Features
    set_aside: Sequence[Mapping[str, str]] = ()

    def part(self, name: str) -> Dataset:
        """The rows of split ``train`` or ``test``, in memory, with all columns."""
        chosen = np.flatnonzero(self.split.in_test == (name == TEST))
        made = {
            BLENDSHAPES: self.weights[chosen].tolist(),
            GROUP: self.group_names()[chosen].tolist(),
            VALIDATION: self.split.in_validation[chosen].tolist(),
        }
        columns = {
            key: made[key] if key in made else [self.rows[index][key] for index in chosen.tolist()]
            for key in self.features
        }
        return Dataset.from_dict(columns, features=self.features)

    def group_names(self) -> np.ndarray:
        """Object (n_items,): the group of each item, by the id of its first member."""
        ids = np.array([row["id"] for row in self.rows], dtype=object)
        # Rows are ordered by id, so a group's first row has its smallest id.
        _, first, of_item = np.unique(self.split.groups, return_index=True, return_inverse=True)
        names: np.ndarray = ids[first][of_item]
        return names


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
    records = sorted(read_records(run), key=lambda record: record["id"])
    if len(records) != accepted:
        raise DatasetError(
            f"{run}: unfinished run ({len(records)} records, {accepted} at its last end); finish "
            "it with the same 'countenance annotate'"
        )
    rows, aside = _sound_rows(run, records, mapping, show_progress)
    groups = duplicate_groups([row["transcript"] for row in rows])
    return Items(
        rows,
        mapping.to_blendshapes_batch([row[ACTION_UNITS] for row in rows]),
        split_items([row["emotions"] for row in rows], groups, seed=seed),
        dataset_features(emotion_names(), len(mapping.blendshapes)),
        aside,
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
        weights = mapping.to_blendshapes_batch([row[ACTION_UNITS] for row in rows])
    except ActionUnitError as error:
        raise DatasetError(
            f"cues: {error}; make the cues with mapping {mapping.version}"
        ) from error
    groups = wording_groups([row["description"] for row in rows])
    labels = [_unit_labels(row[ACTION_UNITS]) for row in rows]
    return Items(
        rows,
        weights,
        split_items(labels, groups, seed=seed),
        cue_features(len(mapping.blendshapes)),
    )


def _unit_labels(action_units: Sequence[str]) -> list[str]:
    """Each unit as such, and with its intensity and side."""
    return sorted({ActionUnit.parse(text).id for text in action_units} | set(action_units))


def _sound_rows(
    run: Path, records: Sequence[dict[str, Any]], mapping: AUMapping, show_progress: bool
) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    """The records that may enter the dataset, and id and reason of the others."""
    labels = frozenset(emotion_names())
    table = read_manifest(run)["identity"].get("phrase_table")
    phrases = load_phrases(table) if table else load_phrases()
    rows: list[dict[str, Any]] = []
    aside: list[dict[str, str]] = []
    seen: set[str] = set()
    with Progress("check", len(records), enabled=show_progress) as progress:
        for record in records:
            # A record that breaks its own form was damaged; one that contradicts itself was not.
            fault = record_fault(record, labels, mapping)
            if record["id"] in seen:
                fault = "stands twice in the run"
            if fault:
                raise DatasetError(f"{run}: record {record.get('id')}: {fault}; annotate it anew")
            seen.add(record["id"])
            faults = item_faults(record, mapping, phrases=phrases)
            if faults:
                aside.append({"id": record["id"], "reason": faults[0]})
            else:
                rows.append(record)
            progress.update()
    return rows, aside

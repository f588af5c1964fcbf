"""Across rows: ids once only, no group on two sides, every tag at its share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..generation.tables_reading import read_table
from .groups import SPLIT_TABLE, duplicate_groups, normalise, wording_groups
from .items import TEST, TRAIN
from .verify_report import Fault

# A tag of so many items may not be further from the test share than so many percentage points.
FREQUENT = 100
MOST_DEVIATION = 1.0


@dataclass(frozen=True)
class SplitColumns:
    """What of one config's rows is compared across files; all of the same length.

    Attributes:
        files: File of each row.
        numbers: Row within its file.
        splits: "train" or "test".
        ids: Their ids.
        texts: Transcripts (config ``default``) or descriptions.
        groups: Column ``group``.
        validation: Column ``validation``.
        tags: Emotion names; empty lists where there are none.
    """

    files: list[str]
    numbers: list[int]
    splits: list[str]
    ids: list[str]
    texts: list[str]
    groups: list[str]
    validation: list[bool]
    tags: list[list[str]]

    def fault(self, row: int, field: str, message: str) -> Fault:
        """A fault of one of the rows."""
        return Fault(self.files[row], field, message, self.numbers[row], str(self.ids[row]))


def group_numbers(texts: Sequence[str], near: bool) -> np.ndarray:
    """int64 (n_texts,): groups of near duplicates, or of the same words only."""
    return duplicate_groups(texts) if near else wording_groups(texts)


def check_splits(columns: SplitColumns, groups: np.ndarray, field: str) -> list[Fault]:
    """Ids, groups and parts of one config.

    Args:
        columns: Its rows.
        groups: int64 (n_rows,), the groups worked out anew.
        field: What the texts are: ``transcript`` or ``description``.
    """
    return [
        *_repeated_ids(columns),
        *_straddling(columns, groups, field),
        *_group_names(columns, groups),
        *_validation(columns, groups),
    ]


def _repeated_ids(columns: SplitColumns) -> list[Fault]:
    first: dict[str, int] = {}
    faults = []
    for row, name in enumerate(columns.ids):
        before = first.setdefault(name, row)
        if before != row:
            place = f"{columns.files[before]} row {columns.numbers[before]}"
            faults.append(columns.fault(row, "id", f"stands twice, first in {place}"))
    return faults


def _straddling(columns: SplitColumns, groups: np.ndarray, field: str) -> list[Fault]:
    """Rows of test whose group has a row in train; equal texts are told from near ones."""
    train: dict[int, int] = {}
    for row, (group, split) in enumerate(zip(groups.tolist(), columns.splits, strict=True)):
        if split == TRAIN:
            train.setdefault(group, row)
    words = {
        normalise(text)
        for text, split in zip(columns.texts, columns.splits, strict=True)
        if split == TRAIN
    }
    faults = []
    for row, (group, split) in enumerate(zip(groups.tolist(), columns.splits, strict=True)):
        if split == TEST and group in train:
            same = "the same words are" if normalise(columns.texts[row]) in words else "a near"
            what = same if same.startswith("the") else f"{same} duplicate is"
            other = train[group]
            place = f"{columns.files[other]} row {columns.numbers[other]}"
            faults.append(
                columns.fault(row, field, f"{what} in train too (group of {place}); split anew")
            )
    return faults


def _group_names(columns: SplitColumns, groups: np.ndarray) -> list[Fault]:
    """A group is named by the smallest id among its rows."""
    names: dict[int, str] = {}
    for group, name in zip(groups.tolist(), columns.ids, strict=True):
        names[group] = min(names.get(group, str(name)), str(name))
    return [
        columns.fault(row, "group", f"{columns.groups[row]!r}, expected {names[group]!r}")
        for row, group in enumerate(groups.tolist())
        if columns.groups[row] != names[group]
    ]


def _validation(columns: SplitColumns, groups: np.ndarray) -> list[Fault]:
    """Validation is a part of train, and whole groups."""
    faults = []
    of_group: dict[int, bool] = {}
    for row, group in enumerate(groups.tolist()):
        chosen = columns.validation[row]
        if columns.splits[row] == TEST:
            if chosen is not False:
                faults.append(columns.fault(row, "validation", f"{chosen} in the test split"))
        elif chosen is None or of_group.setdefault(group, chosen) != chosen:
            message = f"{chosen}, and another row of its group is not"
            faults.append(columns.fault(row, "validation", message))
    return faults


def check_tag_shares(
    columns: SplitColumns, card: str
) -> tuple[list[Fault], tuple[str, float] | None]:
    """Whether every frequent tag has its share of the test split.

    Args:
        columns: Rows of config ``default``.
        card: Name of what the faults are put down to.

    Returns:
        The faults, and the frequent tag that is furthest off with its percentage points.
    """
    share = 100 * read_table(SPLIT_TABLE, "split")["shares"]["test"]
    total, test = tag_counts(columns)
    deviations = {
        tag: 100 * test[tag] / count - share for tag, count in total.items() if count >= FREQUENT
    }
    faults = [
        Fault(
            card,
            "emotions",
            f"{tag}: {share + off:.2f} % of its {total[tag]} items are in test, expected "
            f"{share:g} % within {MOST_DEVIATION:g} point",
        )
        for tag, off in sorted(deviations.items())
        if abs(off) > MOST_DEVIATION
    ]
    worst = max(deviations, key=lambda tag: (abs(deviations[tag]), tag), default=None)
    return faults, None if worst is None else (worst, round(deviations[worst], 3))


def tag_counts(columns: SplitColumns) -> tuple[Counter[str], Counter[str]]:
    """Items with each tag: of all, and of test."""
    total: Counter[str] = Counter()
    test: Counter[str] = Counter()
    for tags, split in zip(columns.tags, columns.splits, strict=True):
        total.update(set(tags))
        if split == TEST:
            test.update(set(tags))
    return total, test


def check_tag_statistics(
    columns: SplitColumns, statistics: Mapping[str, Any], file: str
) -> list[Fault]:
    """Whether ``stats.json`` counts the tags that are there."""
    total, _ = tag_counts(columns)
    try:
        said = {row["tag"]: row["items"] for row in statistics["tags"]}
    except (KeyError, TypeError) as error:
        return [Fault(file, "tags", f"cannot be read ({error!r}); rebuild the dataset")]
    return [
        Fault(file, "tags", f"{tag}: {said.get(tag, 0)} items, and the files hold {total[tag]}")
        for tag in sorted({*said, *total}, key=str)
        if said.get(tag, 0) != total[tag]
    ]

"""Across rows: ids once only, no group on two sides, every tag at its share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..generation.id_set import NumberSet, text_number
from ..generation.tables_reading import read_table
from .coded import Coded
from .groups import SPLIT_TABLE, duplicate_groups, normalise, wording_groups
from .items import DEFAULT
from .split import FREQUENT, MOST_DEVIATION
from .verify_columns import SplitColumns, config_texts, hexadecimal
from .verify_files import DataFile
from .verify_report import Fault

_SAID = {0: False, 1: True, -1: None}


def group_numbers(folder: Path, config: str, files: Sequence[DataFile]) -> np.ndarray:
    """int64 (n_rows,): groups of near duplicates, in config ``cues`` of the same words only."""
    texts = config_texts(folder, config, files)
    return duplicate_groups(texts) if config == DEFAULT else wording_groups(texts)


def check_splits(columns: SplitColumns, groups: np.ndarray) -> list[Fault]:
    """Ids, groups and parts of one config.

    Args:
        columns: Its rows.
        groups: int64 (n_rows,), the groups worked out anew.
    """
    if not len(columns):
        return []
    return [
        *_repeated_ids(columns),
        *_straddling(columns, groups),
        *_group_names(columns, groups),
        *_validation(columns, groups),
    ]


def _first_rows(keys: np.ndarray, rows: np.ndarray, count: int) -> np.ndarray:
    """int64 (count,): the first of the rows with each key, -1 where there is none."""
    first = np.full(count, -1, dtype=np.int64)
    first[keys[rows[::-1]]] = rows[::-1]  # of several, the last to be put stays
    return first


def _repeated_ids(columns: SplitColumns) -> list[Fault]:
    numbers, others = columns.ids.numbers, columns.ids.others
    order = np.argsort(numbers, kind="stable")
    inner = np.flatnonzero(numbers[order][1:] == numbers[order][:-1]) + 1
    before: dict[int, int] = {}
    first: dict[int | str, int] = {}
    # A stable order: the row in front of a repeat's run is the first of that id.
    for place in inner.tolist():
        row = int(order[place])
        if row not in others:
            ahead = int(order[place - 1])
            if ahead not in others:
                before[row] = first.setdefault(int(numbers[row]), ahead)
    for row, name in sorted(others.items()):
        if first.setdefault(name, row) != row:
            before[row] = first[name]
    faults = []
    for row, earlier in sorted(before.items()):
        file, number = columns.place(earlier)
        faults.append(columns.fault(row, "id", f"stands twice, first in {file} row {number}"))
    return faults


def _straddling(columns: SplitColumns, groups: np.ndarray) -> list[Fault]:
    """Rows of test whose group has a row in train; equal texts are told from near ones."""
    train = _first_rows(groups, np.flatnonzero(~columns.in_test), int(groups.max()) + 1)
    straddling = np.flatnonzero(columns.in_test & (train[groups] >= 0))
    if not len(straddling):
        return []
    words = NumberSet()  # of train
    forms = {}
    wanted = set(straddling.tolist())
    for row, (text, in_test) in enumerate(zip(columns.texts(), columns.in_test, strict=True)):
        if not in_test:
            words.add(text_number(normalise(text)))
        elif row in wanted:
            forms[row] = text_number(normalise(text))
    faults = []
    for row in straddling.tolist():
        what = "the same words are" if forms[row] in words else "a near duplicate is"
        file, number = columns.place(int(train[groups[row]]))
        message = f"{what} in train too (group of {file} row {number}); split anew"
        faults.append(columns.fault(row, columns.field, message))
    return faults


def _group_names(columns: SplitColumns, groups: np.ndarray) -> list[Fault]:
    """A group is named by the smallest id among its rows."""
    ids = columns.ids
    smallest = np.full(int(groups.max()) + 1, 2**64 - 1, dtype=np.uint64)
    usual = np.ones(len(groups), dtype=bool)
    usual[list(ids.others)] = False
    np.minimum.at(smallest, groups[usual], ids.numbers[usual])
    odd = _odd_groups(columns, groups)
    faults, start = [], 0
    for batch in columns.batches("group"):
        here = groups[start : start + len(batch)]
        numbers, others = hexadecimal(batch)
        wrong = numbers != smallest[here]
        wrong[list(others)] = True
        if odd:
            wrong |= np.isin(here, list(odd))
        for place in np.flatnonzero(wrong).tolist():
            group, found = int(here[place]), batch[place].as_py()
            expected = odd.get(group, f"{int(smallest[group]):016x}")
            if found != expected:
                faults.append(
                    columns.fault(start + place, "group", f"{found!r}, expected {expected!r}")
                )
        start += len(batch)
    return faults


def _odd_groups(columns: SplitColumns, groups: np.ndarray) -> dict[int, str]:
    """The names of the groups that have a row whose id is none of ours."""
    ids = columns.ids
    of_others = {int(groups[row]) for row in ids.others}
    if not of_others:
        return {}
    names: dict[int, str] = {}
    for row in np.flatnonzero(np.isin(groups, list(of_others))).tolist():
        group = int(groups[row])
        names[group] = min(names.get(group, ids[row]), ids[row])
    return names


def _validation(columns: SplitColumns, groups: np.ndarray) -> list[Fault]:
    """Validation is a part of train, and whole groups."""
    said, in_test = columns.validation, columns.in_test
    known = np.flatnonzero(~in_test & (said >= 0))
    first = _first_rows(groups, known, int(groups.max()) + 1)
    of_group = np.where(first >= 0, said[first], -1)
    wrong = np.where(in_test, said != 0, (said < 0) | (said != of_group[groups]))
    faults = []
    for row in np.flatnonzero(wrong).tolist():
        chosen = _SAID[int(said[row])]
        what = " in the test split" if in_test[row] else ", and another row of its group is not"
        faults.append(columns.fault(row, "validation", f"{chosen}{what}"))
    return faults


def check_tag_shares(
    tags: Coded, in_test: np.ndarray, card: str
) -> tuple[list[Fault], tuple[str, float] | None]:
    """Whether every frequent tag has its share of the test split.

    Args:
        tags: Of the rows of config ``default``.
        in_test: bool (n_rows,), their split.
        card: Name of what the faults are put down to.

    Returns:
        The faults, and the frequent tag that is furthest off with its percentage points.
    """
    share = 100 * read_table(SPLIT_TABLE, "split")["shares"]["test"]
    total, test = tag_counts(tags), tag_counts(tags, in_test)
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


def tag_counts(tags: Coded, places: np.ndarray | None = None) -> Counter[str]:
    """Items with each tag, of all or of some; a tag that stands twice in a row counts once."""
    once = Coded([tuple(set(labels)) for labels in tags.values], tags.codes)
    return once.label_counts(places)


def check_tag_statistics(tags: Coded, statistics: Mapping[str, Any], file: str) -> list[Fault]:
    """Whether ``stats.json`` counts the tags that are there."""
    total = tag_counts(tags)
    try:
        said = {row["tag"]: row["items"] for row in statistics["tags"]}
    except (KeyError, TypeError) as error:
        return [Fault(file, "tags", f"cannot be read ({error!r}); rebuild the dataset")]
    return [
        Fault(file, "tags", f"{tag}: {said.get(tag, 0)} items, and the files hold {total[tag]}")
        for tag in sorted({*said, *total}, key=str)
        if said.get(tag, 0) != total[tag]
    ]

"""Figures that only the card needs: what moves together, an example, licences, bias tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..au_mapping import ActionUnit, AUMapping
from ..generation.tables_reading import read_table
from .bias import bias_tables
from .coded import Coded
from .item_table import ItemTable
from .rows import SpooledRows

Row = Mapping[str, Any]

LICENCE_TABLE = "source_licences-v1"
_UNKNOWN_LICENCE = {
    "licence": "not known to us",
    "redistribution": "unclear",
    "commercial_use": "unclear",
    "share_alike": None,
    "conditions": "Ask whoever gave you the file.",
    "also": "",
}


def card_figures(
    rows: SpooledRows | Sequence[Row],
    in_test: np.ndarray,
    mapping: AUMapping,
    table: ItemTable | None = None,
) -> dict[str, Any]:
    """What ``stats.json`` says beside ``dataset_statistics``, under the same keys as the card.

    Args:
        rows: Annotation records in the dataset's order (config ``default``).
        in_test: bool (n_rows,), the split.
        mapping: The table of their action units.
        table: The same records as numbers, where they have been made already.

    Returns:
        ``co_occurrence``, ``intensities``, ``example``, ``licences`` and ``bias``; and, for a build
        that measured neither, ``quality`` and ``set_aside`` with null for what the card then calls
        "not measured". Whoever measures them replaces the nulls.
    """
    if table is None:
        table = ItemTable.of(rows[number] for number in range(len(rows)))
    return {
        "co_occurrence": _co_occurrence(table.action_units, mapping),
        "intensities": _intensities(table.action_units),
        "example": _example(rows, table, in_test),
        "licences": licence_table(set(table.sources)),
        "bias": bias_tables(table, mapping.action_units),
        "quality": {"reference": None, "review": None},
        "set_aside": None,
    }


def licence_table(sources: Sequence[str] | set[str]) -> list[dict[str, Any]]:
    """What each source's licence asks of somebody who passes its texts on, sorted by source."""
    known = {row["corpus"]: row for row in read_table(LICENCE_TABLE, "source_licences")["licences"]}
    return [
        {"source": source, **{key: found[key] for key in _UNKNOWN_LICENCE}}
        for source in sorted(sources)
        for found in (known.get(source, _UNKNOWN_LICENCE),)
    ]


def _co_occurrence(faces: Coded, mapping: AUMapping) -> dict[str, Any]:
    """Of the items with one action unit, the percentage that have another (null: none has it)."""
    units = list(mapping.action_units)
    place = {unit: index for index, unit in enumerate(units)}
    present = np.zeros((len(faces.values), len(units)), dtype=np.int64)
    for number, face in enumerate(faces.values):
        present[number, [place[ActionUnit.parse(text).id] for text in face]] = 1
    together = present.T @ (present * faces.counts()[:, None])
    counts = np.diag(together)
    percent = [
        [round(100 * int(both) / int(count), 1) if count else None for both in line]
        for line, count in zip(together, counts, strict=True)
    ]
    return {"action_units": units, "percent": percent}


def _intensities(faces: Coded) -> list[dict[str, Any]]:
    """Share of the action units by FACS letter; ``none`` is full weight."""
    letters: Counter[str] = Counter()
    for face, items in zip(faces.values, faces.counts().tolist(), strict=True):
        for text in face:
            letters[ActionUnit.parse(text).intensity or "none"] += items
    total = max(letters.total(), 1)
    return [
        {"letter": letter, "percent": round(100 * letters[letter] / total, 2)}
        for letter in sorted(letters)
    ]


def _example(
    rows: SpooledRows | Sequence[Row], table: ItemTable, in_test: np.ndarray
) -> dict[str, Any]:
    """The first train item that reads well: short, joyful, with a face that moves."""
    good = np.flatnonzero(table.reads_well & ~in_test)
    chosen = rows[int(good[0] if len(good) else np.flatnonzero(~in_test)[0])]
    keys = ("transcript", "emotions", "description", "action_units")
    return {key: chosen[key] for key in keys}

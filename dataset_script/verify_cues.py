"""Config ``cues`` against the packaged table: what is said, for which units, is made anew.

The descriptions are not read; where the rows name the packaged table of cue phrases and
``stats.json`` says how they were drawn, the same draw must give the same items.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from ..au_mapping import load_mapping
from ..errors import TableError
from ..generation.cue_table import CUES_TABLE
from ..generation.cues import cue_items
from .features import CUE_KEYS
from .items import CUES
from .verify_files import STATISTICS
from .verify_report import Fault

_DRAW = ("seed", "combinations")
_MOST_SHOWN = 60


def check_cues(folder: Path, files: Sequence[str], provenance: Mapping[str, Any]) -> list[Fault]:
    """Compare the rows of config ``cues`` with the items of the packaged table, by id.

    Datasets of an older table, or whose ``stats.json`` does not say how they were drawn, pass.

    Args:
        folder: The dataset.
        files: All Parquet files of the config, with the right columns.
        provenance: Of ``stats.json``: ``mapping_version``, and ``cues`` with ``seed``,
            ``combinations`` and, where there are any, ``sayings``.
    """
    drawn = provenance.get("cues")
    rows = [
        (file, number, row) for file in files for number, row in enumerate(_rows(folder / file))
    ]
    if drawn is None or not any(row["cues_version"] == CUES_TABLE for _, _, row in rows):
        return []
    seed, combinations = _draw(drawn)
    # More combinations than rows would only be drawn for a damaged number.
    if seed is None or combinations is None or combinations > len(rows):
        message = f"cues: {drawn!r}, expected seed and combinations of {len(rows)} rows"
        return [Fault(STATISTICS, "provenance", message)]
    try:
        mapping = load_mapping(str(provenance.get("mapping_version")))
        # Older datasets have no sayings and do not name them.
        items = cue_items(
            mapping, seed=seed, combinations=combinations, sayings=drawn.get("sayings")
        )
    except TableError as error:
        return [Fault(STATISTICS, "provenance", f"cues cannot be made anew ({error})")]
    made = {item.id: {key: getattr(item, key) for key in CUE_KEYS} for item in items}
    faults = [
        Fault(file, field, message, number, row["id"])
        for file, number, row in rows
        for field, message in _differences(row, made)
    ]
    return faults + _missing(made, {row["id"] for _, _, row in rows})


def _rows(path: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(path, columns=list(CUE_KEYS)).to_pylist()
    return rows


def _draw(drawn: object) -> tuple[int | None, int | None]:
    """Seed and number of combinations, None for what is no number from 0."""
    values = [drawn.get(key) if isinstance(drawn, dict) else None for key in _DRAW]
    seed, combinations = (
        value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
        for value in values
    )
    return seed, combinations


def _differences(
    row: Mapping[str, Any], made: Mapping[str, Mapping[str, Any]]
) -> list[tuple[str, str]]:
    item = made.get(row["id"])
    if item is None:
        return [("id", f"no cue of {CUES_TABLE} with the seed of {STATISTICS}")]
    found = {**row, "action_units": tuple(row["action_units"] or ())}
    return [
        (key, f"{_short(found[key])}, and {item['cues_version']} makes {_short(item[key])}")
        for key in CUE_KEYS
        if found[key] != item[key]
    ]


def _short(value: object) -> str:
    text = "+".join(value) if isinstance(value, tuple) else repr(value)
    return text if len(text) <= _MOST_SHOWN else text[: _MOST_SHOWN - 3] + "..."


def _missing(made: Mapping[str, Mapping[str, Any]], there: set[str]) -> list[Fault]:
    lost = [item for name, item in made.items() if name not in there]
    if not lost:
        return []
    example = f"{lost[0]['id']} {_short(lost[0]['description'])}"
    tables = " and ".join(sorted({item["cues_version"] for item in lost}))
    return [Fault(CUES, "id", f"{len(lost)} cues of {tables} are missing, the first {example}")]

"""From the 51 ARKit blendshapes to the controls of another rig, by a versioned table.

Example::

    target = load_target("mediapipe-v1")
    target.controls  # ("_neutral", "browDownLeft", ...)
    target.apply(blendshapes)  # float32 (n, 51) -> float32 (n, 52)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import ActionUnitError, TableError
from .table_files import TABLES, read_table, reject
from .vocabulary import ARKIT_51

TARGETS = TABLES.parent / "targets"
_ROUNDING = 1e-6


@dataclass(frozen=True, eq=False)
class ControlTarget:
    """Another rig's controls as weighted sums of ARKit shapes; get it from ``load_target``.

    Attributes:
        version: ``"mediapipe-v1"``, ``"vrm-presets-v1"``, or the stem of the file.
        controls: Names of the rig's controls in its order.
        matrix: float32 (51, controls), read-only: what a shape at 1 adds to each control.
        reasons: Control to the reason of its row; read-only.
        row_sources: Control to the tags of its sources; read-only.
        sources: What each source tag stands for; read-only.
    """

    version: str
    controls: tuple[str, ...]
    matrix: NDArray[np.float32] = field(repr=False)
    reasons: Mapping[str, str] = field(repr=False)
    row_sources: Mapping[str, tuple[str, ...]] = field(repr=False)
    sources: Mapping[str, str] = field(repr=False)

    def apply(self, blendshapes: ArrayLike) -> NDArray[np.float32]:
        """The controls of many faces.

        Args:
            blendshapes: (n, 51) values in [0, 1] in the order of ``ARKIT_51``; n may be 0.

        Returns:
            float32 (n, controls): the weighted sums, clipped to [0, 1].

        Raises:
            ActionUnitError: Another shape, or a value that is no number in [0, 1]; the message
                names the row, from 0, and the blendshape.
        """
        sums = _checked_rows(blendshapes) @ self.matrix.astype(np.float64)
        return np.clip(sums, 0.0, 1.0).astype(np.float32)


@cache
def target_names() -> tuple[str, ...]:
    """Names of the packaged target tables, sorted: what ``load_target`` knows."""
    return tuple(sorted(path.stem for path in TARGETS.glob("*.json")))


def load_target(name_or_path: str | Path) -> ControlTarget:
    """Load the table of another rig.

    Args:
        name_or_path: ``"mediapipe-v1"`` (52 scores), ``"vrm-presets-v1"`` (14 expressions), or the
            path of a JSON file that fits ``schemas/target.schema.json``. A ``str`` is a path when
            it ends in ``.json`` or holds a path separator, else a name.

    Returns:
        The target, frozen; packaged tables are loaded once and shared.

    Raises:
        TableError: The name is unknown, or the file is unreadable or malformed.
    """
    text = str(name_or_path)
    if isinstance(name_or_path, Path) or text.endswith(".json") or "/" in text or "\\" in text:
        return _read_target(Path(name_or_path))
    if text not in target_names():
        raise TableError(
            f"unknown target table {text[:60]!r}; known tables: {', '.join(target_names())}"
            " (or give the path of a .json file)"
        )
    return _load_packaged(text)


@cache
def _load_packaged(name: str) -> ControlTarget:
    return _read_target(TARGETS / f"{name}.json")


def _read_target(path: Path) -> ControlTarget:
    document = read_table(path, "target")
    rows = document["controls"]
    matrix = np.zeros((len(ARKIT_51), len(rows)), dtype=np.float32)
    seen: set[str] = set()
    for index, row in enumerate(rows):
        _check_row(path, f"controls[{index}]", row, document["sources"], seen)
        for shape, weight in row["weights"].items():
            matrix[ARKIT_51.index(shape), index] = weight
    matrix.setflags(write=False)
    return ControlTarget(
        version=document["version"],
        controls=tuple(row["name"] for row in rows),
        matrix=matrix,
        reasons=MappingProxyType({row["name"]: row["reason"] for row in rows}),
        row_sources=MappingProxyType({row["name"]: tuple(row["source"]) for row in rows}),
        sources=MappingProxyType(document["sources"]),
    )


def _check_row(
    path: Path, at: str, row: dict[str, Any], sources: dict[str, str], seen: set[str]
) -> None:
    """Refuse a control that stands twice, an unknown shape and an unexplained source."""
    if row["name"] in seen:
        reject(path, f"{at}.name", f"{row['name']!r} stands twice in the table; rename or drop one")
    seen.add(row["name"])
    for shape in row["weights"]:
        if shape not in ARKIT_51:
            reject(path, f"{at}.weights", f"{shape!r} is not one of the 51 ARKit blendshapes")
    for tag in row["source"]:
        if tag not in sources:
            reject(path, f"{at}.source", f"{tag!r} is not explained under sources")


def _checked_rows(blendshapes: ArrayLike) -> NDArray[np.float64]:
    try:
        rows = np.asarray(blendshapes, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ActionUnitError(f"expected rows of 51 blendshape weights: {error}") from error
    if rows.ndim != 2 or rows.shape[1] != len(ARKIT_51):
        raise ActionUnitError(
            f"expected an array of shape (n, {len(ARKIT_51)}), found {rows.shape};"
            " for one face give a list of one row"
        )
    wrong = np.argwhere(~((rows >= -_ROUNDING) & (rows <= 1 + _ROUNDING)))
    if wrong.size:
        row, column = wrong[0]
        raise ActionUnitError(
            f"row {row}: {ARKIT_51[column]} is {rows[row, column]:g}:"
            " expected a weight from 0 to 1; clip it first"
        )
    return np.clip(rows, 0.0, 1.0)

"""The vectors of all single action units of a table, ready to be looked up and combined.

An *atom* is one unit of the table on one side (or both) with one intensity letter. A table has a
few hundred of them; each is one row of 51 weights. A list of units is a list of atom numbers, and
its blendshapes before the rules are the element-wise maximum of their rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ActionUnitError
from .action_unit import ActionUnit
from .table import Table, read_mapping_table
from .table_files import mapping_names, mapping_path
from .vocabulary import ARKIT_51, FACS_CODES, INTENSITY_BANDS, side_of

LETTERS: tuple[str, ...] = tuple(intensity.letter for intensity in INTENSITY_BANDS)
_STRONGEST = len(LETTERS) - 1


class AtomTable:
    """All atoms of one table.

    Attributes:
        units: The ``ActionUnit`` of every atom, with a letter; those of one column stand together,
            weakest first.
        vectors: float64 (atoms, 51), read-only.
        bits: uint64 (atoms,); bit j is set when the atom drives shape j.
    """

    def __init__(self, table: Table) -> None:
        columns: list[tuple[str, str | None]] = []
        weights: list[NDArray[np.float64]] = []
        for unit in table.units.values():
            both = np.array([unit.weights.get(shape, 0.0) for shape in ARKIT_51])
            for side in _sides(unit.sides, unit.side_required):
                columns.append((unit.id.removeprefix("AU"), side))
                weights.append(both * _on_side(side))
        values = np.array([intensity.value for intensity in INTENSITY_BANDS])
        self._table = table
        self._column = {column: index for index, column in enumerate(columns)}
        self.units = tuple(
            ActionUnit(code, letter, side) for code, side in columns for letter in LETTERS
        )
        full = np.array(weights)
        self.vectors = _frozen((full[:, None, :] * values[:, None]).reshape(-1, len(ARKIT_51)))
        self.bits = _frozen(
            (self.vectors > 0) @ (np.uint64(1) << np.arange(len(ARKIT_51), dtype=np.uint64))
        )
        rows, self._shape = np.nonzero(self.vectors)
        self._weight = self.vectors[rows, self._shape]
        self._count = np.bincount(rows, minlength=len(self.units))
        self._start = np.cumsum(self._count) - self._count
        self._entries = tuple(
            tuple((int(shape), float(vector[shape])) for shape in np.flatnonzero(vector))
            for vector in self.vectors
        )

    def number(self, unit: ActionUnit) -> int:
        """The number of the atom that a unit is.

        Raises:
            ActionUnitError: The table lacks the unit, or the unit's side does not fit it.
        """
        column = self._column.get((unit.code, unit.side))
        if column is None:
            raise ActionUnitError(_why_not(unit, self._table))
        letter = _STRONGEST if unit.intensity is None else LETTERS.index(unit.intensity)
        return column * len(LETTERS) + letter

    def combine_row(self, atoms: Iterable[int]) -> list[float]:
        """The element-wise maximum of some atoms, as 51 floats; ``combine`` for one row."""
        result = [0.0] * len(ARKIT_51)
        for atom in atoms:
            for shape, weight in self._entries[atom]:
                if weight > result[shape]:
                    result[shape] = weight
        return result

    def combine(
        self, atoms: NDArray[np.intp], rows: NDArray[np.intp], n: int
    ) -> NDArray[np.float64]:
        """The element-wise maximum of the atoms of each row.

        Args:
            atoms: intp (k,), atom numbers of all rows, one after the other.
            rows: intp (k,), the row of each.
            n: Number of rows; a row without atoms is all 0.

        Returns:
            float64 (n, 51).
        """
        count = self._count[atoms]
        first = np.repeat(self._start[atoms] - (np.cumsum(count) - count), count)
        entry = first + np.arange(first.size)
        result = np.zeros((n, len(ARKIT_51)))
        place = np.repeat(rows * len(ARKIT_51), count) + self._shape[entry]
        np.maximum.at(result.reshape(-1), place, self._weight[entry])
        return result


class AtomNumbers(dict[Any, int]):
    """Atom number by token (text or ``ActionUnit``); a new token is parsed once and kept.

    Only tokens that parse are kept, and they are finitely many, so the cache is bounded.
    """

    def __init__(self, atoms: AtomTable) -> None:
        super().__init__()
        self._atoms = atoms

    def __missing__(self, token: object) -> int:
        unit = token if isinstance(token, ActionUnit) else ActionUnit.parse(token)  # type: ignore[arg-type]
        number = self._atoms.number(unit)
        self[token] = number
        return number


def _sides(sides: bool, required: bool) -> tuple[str | None, ...]:
    if required:
        return ("L", "R")
    return (None, "L", "R") if sides else (None,)


def _on_side(side: str | None) -> NDArray[np.float64]:
    return np.array([1.0 if side in (None, side_of(shape)) else 0.0 for shape in ARKIT_51])


def _frozen(array: NDArray[Any]) -> NDArray[Any]:
    array.setflags(write=False)
    return array


def _why_not(unit: ActionUnit, table: Table) -> str:
    """Why a unit that FACS knows is not accepted by a table, and what to do."""
    info = table.units.get(unit.id)
    if info is None:
        return _not_in_table(unit, table)
    if info.side_required:
        left, right = (str(ActionUnit(unit.code, unit.intensity, side)) for side in "LR")
        return f"{unit} ({info.name}) needs a side: write {left} or {right}"
    return (
        f"{unit} ({info.name}) has no sides in table {table.version!r}: "
        f"write {ActionUnit(unit.code, unit.intensity)}"
    )


def _not_in_table(unit: ActionUnit, table: Table) -> str:
    code = FACS_CODES[unit.code]
    start = f"{unit.id} ({code.name}) is not in table {table.version!r}"
    elsewhere = [name for name in mapping_names() if unit.id in _unit_ids(name)]
    if elsewhere:
        return f'{start}; use load_mapping("{elsewhere[0]}"), which has it'
    why = f" ({code.no_shape})" if code.no_shape else ""
    return f"{start}{why}; it has {', '.join(table.units)}"


def _unit_ids(name: str) -> Iterable[str]:
    return read_mapping_table(mapping_path(name)).units

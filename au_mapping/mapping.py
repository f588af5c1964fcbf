"""The mapping from FACS action units to the 51 ARKit blendshapes, and back.

Example::

    mapping = load_mapping("v1")
    mapping.to_blendshapes(["AU6", "AU12D", "AUL14B"])  # float32 (51,)
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import ActionUnitError
from .action_unit import ActionUnit
from .atoms import AtomNumbers, AtomTable
from .inverse import DEFAULT_TOLERANCE, Inverse
from .rules import Rule, RuleSet
from .table import ActionUnitInfo, Table, read_mapping_table
from .table_files import TABLES, mapping_names, mapping_path
from .vocabulary import ARKIT_51

_CHUNK = 8192  # lists per pass: the working arrays stay within a core's cache
_ROUNDING = 1e-6
# Collections of something else: read as lists, text would give its letters, and {"AU12": 0.5} its
# keys at full weight, dropping the number without a word.
_NO_LIST = (str, bytes, Mapping, ActionUnit)


@dataclass(frozen=True, eq=False)
class AUMapping:
    """One version of the table from action units to blendshapes; get it from ``load_mapping``.

    Units are given as text or as ``ActionUnit``, in any order; where a unit comes twice, the
    stronger one counts on each side of the face. The value of a shape is the largest
    ``intensity * weight`` among the units that drive it, after which the table's combination rules
    resolve what a rig cannot show at once (``rules``, and the module ``au_mapping.rules``).

    Attributes:
        version: ``"v1"``, ``"extended"``, or the stem of the file.
        action_units: Ids of the table's units in its order: ``"AU1"`` ...
        blendshapes: The 51 names in Apple's order.
        matrix: float32 (units, 51), read-only: the weights at full intensity, both sides together
            (for a unit that needs a side: the shapes of either side).
        rules: The combination rules.
        sources: What each source tag stands for; read-only.
    """

    version: str
    action_units: tuple[str, ...]
    blendshapes: tuple[str, ...]
    matrix: NDArray[np.float32] = field(repr=False)
    rules: tuple[Rule, ...] = field(repr=False)
    sources: Mapping[str, str] = field(repr=False)
    _units: Mapping[str, ActionUnitInfo] = field(repr=False)
    _atoms: AtomTable = field(repr=False)
    _numbers: AtomNumbers = field(repr=False)
    _rule_set: RuleSet = field(repr=False)
    _inverse: Inverse = field(repr=False)
    _origin: str = field(repr=False)

    def to_blendshapes(self, action_units: Collection[str | ActionUnit]) -> NDArray[np.float32]:
        """The blendshapes of one list of action units.

        Args:
            action_units: Units such as ``"AU12"``, ``"AU12B"``, ``"AUL12B"``; may be empty.

        Returns:
            float32 (51,), values in [0, 1].

        Raises:
            ActionUnitError: What is given is no list (text and mappings are none; an intensity is
                a letter, ``"AU12B"``), or a unit cannot be read or is not in this table.
        """
        values = self._atoms.combine_row(self._look_up(action_units))
        return np.array(self._rule_set.apply_to_row(values), dtype=np.float32)

    def check(self, action_units: Collection[str | ActionUnit]) -> None:
        """Whether ``to_blendshapes`` would take a list of action units, without its work.

        Raises:
            ActionUnitError: As there.
        """
        self._look_up(action_units)

    def to_blendshapes_batch(
        self, lists: Iterable[Collection[str | ActionUnit]]
    ) -> NDArray[np.float32]:
        """The blendshapes of many lists at once, bit for bit those of ``to_blendshapes``.

        Args:
            lists: n lists of action units.

        Returns:
            float32 (n, 51), values in [0, 1].

        Raises:
            ActionUnitError: An element is no list of units (text and mappings are none), a unit
                cannot be read or is not in this table; the message names the list by its number,
                from 0. Or ``lists`` is itself text or a mapping.
        """
        if isinstance(lists, _NO_LIST):
            raise ActionUnitError(
                f"expected lists of action units, found {type(lists).__name__}"
                f" {str(lists)[:40]!r}; write for example [['AU6', 'AU12B'], ['AU4']]"
            )
        every = list(lists)
        result = np.empty((len(every), len(ARKIT_51)), dtype=np.float32)
        for start in range(0, len(every), _CHUNK):
            chunk = every[start : start + _CHUNK]
            lengths, atoms = self._look_up_chunk(chunk, start)
            rows = np.repeat(np.arange(len(chunk)), lengths)
            values = self._atoms.combine(atoms, rows, len(chunk))
            touched = self._touched(lengths, atoms)
            values[touched] = self._rule_set.apply(values[touched])
            result[start : start + len(chunk)] = values
        return result

    def to_action_units(
        self, blendshapes: ArrayLike, *, tolerance: float = DEFAULT_TOLERANCE
    ) -> list[ActionUnit]:
        """The action units that best explain a blendshape vector: the inverse.

        Every unit comes back with a letter (full weight is ``E``), and with a side where the two
        sides differ. What a combination rule took away entirely cannot come back, and of units that
        look the same on a still face (43 and 45) the first of the table is named. See
        ``au_mapping.inverse`` for the method.

        Args:
            blendshapes: (51,) values in [0, 1], in the order of ``blendshapes``.
            tolerance: A unit is named only when it lowers the squared error by more than the
                square of this (half of that for one side of a unit that has two). Raise it, to
                0.1 say, for noisy vectors.

        Returns:
            The units in table order, left before right; empty for a neutral face.

        Raises:
            ActionUnitError: The vector has another length, a value is no number in [0, 1], or
                the tolerance is negative.
        """
        if not tolerance >= 0:
            raise ActionUnitError(f"tolerance is {tolerance}: expected a number from 0")
        return self._inverse.solve(_checked_vector(blendshapes), tolerance)

    def info(self, action_unit: str | ActionUnit) -> ActionUnitInfo:
        """What the table says about a unit; its intensity and its side, if given, are ignored.

        Raises:
            ActionUnitError: The unit cannot be read or is not in this table.
        """
        unit = action_unit if isinstance(action_unit, ActionUnit) else ActionUnit.parse(action_unit)
        if unit.id not in self._units:
            self._atoms.number(unit)
        return self._units[unit.id]

    def shapes_of(self, action_unit: str | ActionUnit) -> dict[str, float]:
        """The shapes that one unit drives when it acts alone, with its intensity and side.

        Raises:
            ActionUnitError: The unit cannot be read or is not in this table.
        """
        vector = self._atoms.vectors[self._look_up([action_unit])[0]]
        return {ARKIT_51[index]: float(vector[index]) for index in np.flatnonzero(vector)}

    def mirror(self, action_units: Collection[str | ActionUnit]) -> list[ActionUnit]:
        """The units that a mirror shows: sides swapped, and eyes left (AU61) for eyes right (AU62).

        Raises:
            ActionUnitError: A unit cannot be read or is not in this table.
        """
        self._look_up(action_units)
        return [self._mirror_unit(unit) for unit in action_units]

    def __reduce__(self) -> tuple[object, tuple[str]]:
        # Pickled by name, so that worker processes load the table instead of copying arrays.
        return load_mapping, (self._origin,)

    def _mirror_unit(self, given: str | ActionUnit) -> ActionUnit:
        unit = given if isinstance(given, ActionUnit) else ActionUnit.parse(given)
        side = {"L": "R", "R": "L", None: None}[unit.side]
        code = self._units[unit.id].mirror.removeprefix("AU")
        return ActionUnit(code, unit.intensity, side)

    def _look_up(self, action_units: Collection[str | ActionUnit]) -> list[int]:
        if isinstance(action_units, _NO_LIST) or not isinstance(action_units, Collection):
            raise ActionUnitError(
                f"expected a list of action units, found {type(action_units).__name__}"
                f" {str(action_units)[:40]!r}; write for example ['AU6', 'AU12B'], with letters"
                " A to E for the intensity"
            )
        try:
            return list(map(self._numbers.__getitem__, action_units))
        except TypeError as error:  # an unhashable element
            raise ActionUnitError(f"not an action unit: {error}") from error

    def _look_up_chunk(
        self, chunk: Sequence[Collection[str | ActionUnit]], start: int
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Lengths of the lists, and the atom numbers of all of them in a row."""
        try:
            if any(issubclass(kind, _NO_LIST) for kind in set(map(type, chunk))):
                raise TypeError("text or a mapping is not a list of action units")
            lengths = np.fromiter(map(len, chunk), np.intp, len(chunk))
            tokens = chain.from_iterable(chunk)
            atoms = map(self._numbers.__getitem__, tokens)
            return lengths, np.fromiter(atoms, np.intp, int(lengths.sum()))
        except (ActionUnitError, TypeError):
            for number, action_units in enumerate(chunk, start):
                try:
                    self._look_up(action_units)
                except ActionUnitError as error:
                    raise ActionUnitError(f"list {number}: {error}") from error
            raise

    def _touched(self, lengths: NDArray[np.intp], atoms: NDArray[np.intp]) -> NDArray[np.intp]:
        """Numbers of the lists that a combination rule might change."""
        filled = np.flatnonzero(lengths)
        if not filled.size:
            return filled
        starts = (np.cumsum(lengths) - lengths)[filled]
        bits = np.bitwise_or.reduceat(self._atoms.bits[atoms], starts)
        return filled[self._rule_set.touched(bits)]


def load_mapping(name_or_path: str | Path = "v1") -> AUMapping:
    """Load a table of action units.

    Args:
        name_or_path: ``"v1"`` (26 units), ``"extended"`` (reaches all 51 shapes), or the path of a
            JSON file that fits ``schemas/au-mapping.schema.json``.

    Returns:
        The mapping, frozen; packaged tables are loaded once and shared.

    Raises:
        TableError: The name is unknown, or the file is unreadable or malformed.
    """
    path = mapping_path(name_or_path)
    packaged = path.parent == TABLES and path.stem in mapping_names()
    return _load_packaged(path.stem) if packaged else _build(path, str(path.resolve()))


@cache
def _load_packaged(name: str) -> AUMapping:
    return _build(mapping_path(name), name)


def _build(path: Path, origin: str) -> AUMapping:
    table = read_mapping_table(path)
    atoms = AtomTable(table)
    rule_set = RuleSet(table.rules, ARKIT_51)
    return AUMapping(
        version=table.version,
        action_units=tuple(table.units),
        blendshapes=ARKIT_51,
        matrix=_matrix(table),
        rules=table.rules,
        sources=table.sources,
        _units=table.units,
        _atoms=atoms,
        _numbers=AtomNumbers(atoms),
        _rule_set=rule_set,
        _inverse=Inverse(atoms, rule_set),
        _origin=origin,
    )


def _matrix(table: Table) -> NDArray[np.float32]:
    rows = [[unit.weights.get(shape, 0.0) for shape in ARKIT_51] for unit in table.units.values()]
    matrix = np.array(rows, dtype=np.float32)
    matrix.setflags(write=False)
    return matrix


def _checked_vector(blendshapes: ArrayLike) -> NDArray[np.float64]:
    try:
        vector = np.asarray(blendshapes, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ActionUnitError(f"expected 51 blendshape weights: {error}") from error
    if vector.shape != (len(ARKIT_51),):
        raise ActionUnitError(
            f"expected {len(ARKIT_51)} blendshape weights, found an array of shape {vector.shape}"
        )
    # A hair above 1 or below 0 is rounding of whoever computed the vector.
    wrong = np.flatnonzero(~((vector >= -_ROUNDING) & (vector <= 1 + _ROUNDING)))
    if wrong.size:
        name, value = ARKIT_51[wrong[0]], vector[wrong[0]]
        raise ActionUnitError(f"{name} is {value:g}: expected a weight from 0 to 1")
    return np.clip(vector, 0.0, 1.0)

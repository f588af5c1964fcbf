"""Dividing the action units of a face into clauses: at most one clause per muscle group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..au_mapping import ActionUnit
from ..errors import ActionUnitError
from .phrases import BOTH, FORMS, LEVELS, Phrase, PhraseTable

_SIDE_NAMES = {None: BOTH, "L": "left", "R": "right"}


@dataclass(frozen=True, slots=True)
class Unit:
    """One action unit as a description sees it.

    Attributes:
        id: Such as "AU12".
        side: "both", "left" or "right".
        level: 0 (light), 1 (medium) or 2 (strong).
    """

    id: str
    side: str
    level: int

    @property
    def name(self) -> str:
        """The id with its side: "AU12" or "AUL12"."""
        return self.id if self.side == BOTH else f"AU{self.side[0].upper()}{self.id[2:]}"


@dataclass(frozen=True, slots=True)
class Part:
    """Units that one wording says.

    Attributes:
        phrase: Where the wording comes from.
        units: The units, all of one side; empty for a part of the face at rest.
        level: "light", "medium", "strong" ("" at rest).
        side: "both", "left" or "right".
    """

    phrase: Phrase
    units: tuple[Unit, ...]
    level: str
    side: str


ClausePlan = tuple[Part, ...]


def read_units(action_units: Sequence[ActionUnit | str], table: PhraseTable) -> list[Unit]:
    """Reduce action units to what words can tell: the level of each unit on each side.

    The stronger of two mentions of one side counts, as in the mapping.

    Raises:
        ActionUnitError: A unit cannot be parsed, has no phrases, or no phrases for its side.
    """
    levels: dict[str, dict[str, int]] = {}
    for item in action_units:
        unit = item if isinstance(item, ActionUnit) else ActionUnit.parse(item)
        name, sides, level = _reading(unit, table)
        known = levels.setdefault(name, {})
        for side in sides:
            known[side] = max(level, known.get(side, 0))
    units = []
    for name, by_side in levels.items():
        left, right = by_side.get("left"), by_side.get("right")
        if left is not None and left == right:
            units.append(Unit(name, BOTH, left))
        else:
            units += [Unit(name, side, level) for side, level in sorted(by_side.items())]
    return units


@lru_cache(maxsize=4096)
def _reading(unit: ActionUnit, table: PhraseTable) -> tuple[str, tuple[str, ...], int]:
    """The id, the sides and the level of one unit, checked."""
    if unit.id not in table.singles:
        known = ", ".join(table.action_units)
        raise ActionUnitError(f"no phrases for {unit} in {table.version}; expected one of {known}")
    side = _SIDE_NAMES[unit.side]
    level = LEVELS.index(table.level_of[unit.intensity])
    if not _says(table.singles[unit.id], Unit(unit.id, side, level)):
        raise ActionUnitError(
            f"no one-sided phrases for {unit} in {table.version}; write it without a side"
        )
    return unit.id, ("left", "right") if side == BOTH else (side,), level


def _says(phrase: Phrase, unit: Unit) -> bool:
    """Whether the phrase has wordings in every form for the unit's side and level."""
    return all((LEVELS[unit.level], form, unit.side) in phrase.wordings for form in FORMS)


def group_units(
    units: Sequence[Unit], table: PhraseTable, rng: np.random.Generator
) -> list[ClausePlan]:
    """Divide units into clauses: sets that are said together, bundles of a group, single units."""
    plans: list[ClausePlan] = []
    rest = list(units)
    present = frozenset(unit.id for unit in units)
    if len(units) > 1:
        for phrase in _fitting_merges(table, present):
            part = _merge(phrase, rest)
            if part and (phrase.share >= 1.0 or rng.random() < phrase.share):
                rest = [unit for unit in rest if unit not in part.units]
                plans.append((part,))
    for group in table.groups:
        members = [unit for unit in rest if unit.id in group]
        if members:
            plans.append(_bundle(members, table))
    return plans


def order_clauses(
    plans: list[ClausePlan], table: PhraseTable, rng: np.random.Generator
) -> list[ClausePlan]:
    """Put clauses in a reading order: down the face, up the face, or the strongest first."""
    order = table.choices["orders"].pick(rng.random())

    def place(plan: ClausePlan) -> int:
        lead = plan[0].units[0].id
        return next(index for index, group in enumerate(table.groups) if lead in group)

    plans = sorted(plans, key=place, reverse=order == "up")
    if order == "strongest":
        plans.sort(key=lambda plan: -max(unit.level for part in plan for unit in part.units))
    return plans


@lru_cache(maxsize=65536)
def _fitting_merges(table: PhraseTable, present: frozenset[str]) -> tuple[Phrase, ...]:
    """Sets that are all present and leave no member of their muscle groups behind."""
    fitting = []
    for phrase in table.merges:
        units = frozenset(phrase.action_units)
        left_behind = any(group & units and not group & present <= units for group in table.groups)
        if units <= present and not left_behind:
            fitting.append(phrase)
    return tuple(fitting)


def _merge(phrase: Phrase, units: Sequence[Unit]) -> Part | None:
    """The set as one part, if its units are there on one side, at neighboring levels."""
    members = tuple(unit for name in phrase.action_units for unit in units if unit.id == name)
    if len(members) != len(phrase.action_units) or len({unit.side for unit in members}) > 1:
        return None
    numbers = [unit.level for unit in members]
    if max(numbers) - min(numbers) > 1:
        return None
    mean = sum(numbers) / len(numbers)
    level = LEVELS[numbers[0] if mean % 1 == 0.5 else round(mean)]
    side = members[0].side
    if any((level, form, side) not in phrase.wordings for form in FORMS):
        return None
    return Part(phrase, members, level, side)


def _bundle(members: list[Unit], table: PhraseTable) -> ClausePlan:
    """One clause for units of one muscle group that no set joins whole."""
    parts = []
    present = {unit.id for unit in members}
    for phrase in table.merges if len(members) > 1 else ():
        part = _merge(phrase, members)
        if part:
            members = [unit for unit in members if unit not in part.units]
            parts.append(part)
    for unit in members:
        phrase = table.singles[unit.id]
        variant = table.variants.get(unit.id)
        if variant and variant.beside & present and _says(variant, unit):
            phrase = variant
        parts.append(Part(phrase, (unit,), LEVELS[unit.level], unit.side))
    return tuple(parts)

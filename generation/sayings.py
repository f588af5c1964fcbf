"""Sayings: texts that ask for a face, written one by one, each as somebody would put it.

The wordings of ``cue_writer`` are made from parts, so a model that has seen only them takes no
other hand's words. The sayings are no patterns: similes, spoken lines, chat, notes to an animator,
and the words for whole emotions. They stand in ``tables/sayings-v1.json`` and in the tables that
continue it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from ..au_mapping import ActionUnit, AUMapping
from ..errors import ActionUnitError
from .tables_reading import read_table, reject

SAYINGS_TABLE = "sayings-v2"
_PLACE = re.compile(r"\{(left|right|L|R)\}", re.IGNORECASE)
_MIRROR = {"L": "R", "R": "L"}
_OTHER = {"left": "right", "right": "left", "l": "r", "r": "l"}


@dataclass(frozen=True, slots=True)
class Saying:
    """One text, its sides filled in.

    Attributes:
        text: Any short text; it may be signs alone.
        units: What a reader expects to see, at most seven; empty for a face at rest.
        register: "plain", "stage", "chat", "clinical", "simile", "prose", "dialogue", "caption" or
            "animator".
    """

    text: str
    units: tuple[ActionUnit, ...]
    register: str


@dataclass(frozen=True, eq=False)
class SayingTable:
    """A checked table of sayings.

    Attributes:
        version: Its name, equal to the file's stem.
        sayings: Those of the table that it continues first, then its own in the file's order,
            mirror images after their originals.
    """

    version: str
    sayings: tuple[Saying, ...]


@lru_cache(maxsize=4)
def load_sayings(name_or_path: str | Path = SAYINGS_TABLE) -> SayingTable:
    """Load and check a table of sayings; one with a side in braces is followed by its mirror image.

    Args:
        name_or_path: A packaged table's name or the path of a JSON file.

    Raises:
        TableError: The table, or the one that it continues, is unknown or malformed, or names a
            side in braces that no unit has.
    """
    table = read_table(name_or_path, "sayings")
    if table.get("continues") == table["version"]:
        reject(name_or_path, "continues", "a table cannot continue itself")
    sayings = list(load_sayings(table["continues"]).sayings) if "continues" in table else []
    for index, row in enumerate(table["sayings"]):
        where = f"sayings[{index}]"
        if row["source"] not in table["sources"]:
            reject(
                name_or_path, f"{where}.source", f"{row['source']!r} is not explained under sources"
            )
        try:
            units = tuple(ActionUnit.parse(text) for text in row["action_units"])
        except ActionUnitError as error:
            reject(name_or_path, f"{where}.action_units", str(error))
        sided = _PLACE.search(row["text"]) is not None
        if sided and not any(unit.side for unit in units):
            reject(
                name_or_path,
                f"{where}.action_units",
                "the text names a side in braces, no unit has one",
            )
        sayings.append(Saying(_PLACE.sub(r"\1", row["text"]), units, row["register"]))
        if sided:
            mirrored = tuple(replace(unit, side=_MIRROR.get(unit.side or "")) for unit in units)
            text = _PLACE.sub(lambda match: _as_cased(match[1]), row["text"])
            sayings.append(Saying(text, mirrored, row["register"]))
    return SayingTable(table["version"], tuple(sayings))


def sayings_for(mapping: AUMapping, name_or_path: str | Path = SAYINGS_TABLE) -> Iterator[Saying]:
    """The sayings whose units a mapping has, in its order of units.

    Args:
        mapping: A saying with a unit, or a side, that it has not is left out.
        name_or_path: As for ``load_sayings``.
    """
    order = {unit: place for place, unit in enumerate(mapping.action_units)}
    for saying in load_sayings(name_or_path).sayings:
        if all(
            unit.id in order and (unit.side is None or mapping.info(unit.id).sides)
            for unit in saying.units
        ):
            units = tuple(sorted(saying.units, key=lambda unit: (order[unit.id], str(unit))))
            yield Saying(saying.text, units, saying.register)


def _as_cased(side: str) -> str:
    other = _OTHER[side.lower()]
    if side.isupper():
        return other.upper()
    return other.capitalize() if side[0].isupper() else other

"""The emotion table in memory: which action units show with which emotion, and the rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from .tables_reading import read_table, reject

EMOTION_TABLE = "emotion_action_units-v2"
LETTERS = "ABCDE"
_RULE_KINDS = ("couple", "conditional", "exclude", "one_sided", "require", "drop", "soften", "cap")


@dataclass(frozen=True, slots=True)
class Candidate:
    """One action unit that an emotion (or a mix of emotions) may show.

    Attributes:
        action_unit: Its id, such as "AU12".
        probability: Chance in (0, 1) at strength 0.5, before the co-occurrence rules.
        letter: Typical intensity as a number, 1 (A) to 5 (E).
        one_sided: Share in [0, 1] of the faces with this unit that show it on one side only.
    """

    action_unit: str
    probability: float
    letter: float
    one_sided: float


@dataclass(frozen=True, slots=True)
class EmotionRow:
    """What the table says about one emotion: its candidates and limits."""

    name: str
    candidates: tuple[Candidate, ...]
    max_action_units: int
    max_letter: int


@dataclass(frozen=True, slots=True)
class Strength:
    """What strength 1 changes against 0.5, and the spread between faces, in letters."""

    logit_shift: float
    letter_shift: float
    common_spread: float
    own_spread: float


@dataclass(frozen=True, eq=False)
class EmotionTable:
    """A checked emotion table.

    Attributes:
        version: Its name, equal to the file's stem.
        emotions: Its rows by emotion; read-only.
        mixing: Weight of the first, second ... emotion of an item.
        strength: What the strength moves.
        core_share: A face is drawn with one of the units of at least this share of the top
            probability; the co-occurrence rules, which come after, may remove it.
        exclusions: Pairs of units of which only one can show.
        rules: The rows of the rules by kind, as they stand in the file.
    """

    version: str
    emotions: Mapping[str, EmotionRow]
    mixing: tuple[float, ...]
    strength: Strength
    core_share: float
    exclusions: tuple[tuple[str, str], ...]
    rules: Mapping[str, tuple[Mapping[str, Any], ...]] = field(repr=False)

    @property
    def action_units(self) -> frozenset[str]:
        """Every id that the table can draw."""
        units = {
            row.action_unit for emotion in self.emotions.values() for row in emotion.candidates
        }
        return frozenset(units | {rule["adds"] for rule in self.rules["require"]})


@lru_cache(maxsize=4)
def load_emotion_table(name_or_path: str | Path = EMOTION_TABLE) -> EmotionTable:
    """Load the frequencies of the action units by emotion.

    Args:
        name_or_path: A packaged table's name or the path of a JSON file.

    Raises:
        TableError: The table is unknown or malformed; the message names the file and the field.
    """
    table = read_table(name_or_path, "emotion_action_units")
    _check_rows(name_or_path, table)
    rules = {
        kind: tuple(row for row in table["rules"] if row["kind"] == kind) for kind in _RULE_KINDS
    }
    return EmotionTable(
        version=table["version"],
        emotions=MappingProxyType(
            {
                row["name"]: _read_emotion(row, table["max_action_units"])
                for row in table["emotions"]
            }
        ),
        mixing=tuple(table["mixing"]["weights"]),
        strength=Strength(
            **{name: table["strength"][name] for name in Strength.__dataclass_fields__}
        ),
        core_share=table["core"]["share"],
        exclusions=tuple(
            (first, second)
            for rule in rules["exclude"]
            for first in rule["first"]
            for second in rule["second"]
        ),
        rules=MappingProxyType(rules),
    )


def _read_emotion(row: Mapping[str, Any], limit: int) -> EmotionRow:
    candidates = tuple(
        Candidate(
            unit["action_unit"],
            unit["probability"],
            sum(LETTERS.index(letter) + 1 for letter in unit["intensity"]) / 2,
            unit.get("one_sided", 0.0),
        )
        for unit in row["action_units"]
    )
    max_letter = LETTERS.index(row.get("max_intensity", "E")) + 1
    return EmotionRow(row["name"], candidates, row.get("max_action_units", limit), max_letter)


def _check_rows(name_or_path: str | Path, table: Mapping[str, Any]) -> None:
    """Check what a schema cannot say: every source tag is explained, no unit stands twice."""
    rows = [("mixing", table["mixing"]), ("strength", table["strength"]), ("core", table["core"])]
    rows += [(f"rules[{index}]", rule) for index, rule in enumerate(table["rules"])]
    for emotion in table["emotions"]:
        units = [row["action_unit"] for row in emotion["action_units"]]
        repeated = next((unit for unit in units if units.count(unit) > 1), None)
        if repeated:
            reject(name_or_path, f"emotions.{emotion['name']}", f"{repeated} stands twice")
        for row in emotion["action_units"]:
            rows.append((f"emotions.{emotion['name']}.{row['action_unit']}", row))
    for where, row in rows:
        unknown = next((tag for tag in row["source"] if tag not in table["sources"]), None)
        if unknown:
            reject(
                name_or_path, f"{where}.source", f"tag {unknown!r} is not explained in 'sources'"
            )

"""Which action units can be told together: the FACS-plausible pairs and triples, drawn at random.

A combination is kept if no two of its units are antagonists (by the table of cue phrases, or by the
exclusions of the emotion table) and if, after the mapping's combination rules, each unit still
changes its main shape by the share ``keep`` of what it does alone: what a rig cannot show beside
another unit is not told beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import combinations
from random import Random
from typing import Any

from ..au_mapping import ActionUnit, AUMapping
from .cue_table import NO_LETTER, CueTable
from .emotion_table import load_emotion_table

_SIDES = ("L", "R")


class Plausibility:
    """The rule of one table for one mapping.

    Args:
        table: The table of cue phrases.
        mapping: The units that there are, and what the rig shows of them.
    """

    def __init__(self, table: CueTable, mapping: AUMapping) -> None:
        self.mapping = mapping
        self.keep: float = table.combinations["keep"]
        self.rules = table.combinations
        self.antagonists = _antagonists(table)

    def fault(self, units: Sequence[ActionUnit]) -> str | None:
        """Why units cannot be told together, or None if they can.

        Args:
            units: Two or more units, each at most once.

        Returns:
            ``"antagonists: AU12 and AU15"``, ``"hidden: AU7C beside AU6D"`` or None.
        """
        for first, second in combinations(units, 2):
            if frozenset((first.id, second.id)) in self.antagonists:
                return f"antagonists: {first.id} and {second.id}"
        together = self.mapping.to_blendshapes(units)
        for unit in units:
            others = [other for other in units if other != unit]
            gained = float((together - self.mapping.to_blendshapes(others)).max())
            if gained < self.keep * float(self.mapping.to_blendshapes([unit]).max()):
                return f"hidden: {unit} beside {', '.join(map(str, others))}"
        return None

    def draws(self, rng: Random) -> Iterator[tuple[ActionUnit, ...]]:
        """Yield plausible pairs and triples without end; one can come again."""
        codes = [unit for unit in self.mapping.action_units if unit not in self.rules["never"]]
        letters, weights = zip(*self.rules["letters"].items(), strict=True)
        while True:
            count = 3 if rng.random() < self.rules["triples"] else 2
            chosen = sorted(rng.sample(codes, count), key=self.mapping.action_units.index)
            given = rng.choices(letters, weights, k=count)
            sides = self._sides(chosen, rng)
            units = tuple(
                ActionUnit(code.removeprefix("AU"), None if letter == NO_LETTER else letter, side)
                for code, letter, side in zip(chosen, given, sides, strict=True)
            )
            if self.fault(units) is None:
                yield units

    def _sides(self, codes: Sequence[str], rng: Random) -> list[str | None]:
        """Draw sides; the second one-sided unit often takes the side of the first."""
        sides: list[str | None] = []
        for code in codes:
            info = self.mapping.info(code)
            if not info.sides or not (info.side_required or rng.random() < self.rules["one_sided"]):
                sides.append(None)
                continue
            before = [side for side in sides if side]
            same = bool(before) and rng.random() < self.rules["same_side"]
            sides.append(before[0] if same else rng.choice(_SIDES))
        return sides


@lru_cache(maxsize=4)
def _antagonists(table: CueTable) -> frozenset[frozenset[str]]:
    rows: Sequence[Any] = table.combinations["antagonists"]
    pairs = {
        frozenset((first, second))
        for row in rows
        for first in row["first"]
        for second in row["second"]
    }
    exclusions = load_emotion_table(table.combinations["emotion_table"]).exclusions
    return frozenset(pairs | {frozenset(pair) for pair in exclusions})

"""Drawing the action units of a face from its emotions: seeded, by the frequencies of the table.

Several emotions mix, the first one weighing most. Strength moves the probabilities a little and the
intensities clearly. The co-occurrence rules of the table then make the draw a face that muscles can
make. The same generator state gives the same units, so an item that carries its own seed is drawn
alike in any batch and after any resume.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..au_mapping import ActionUnit
from ..errors import ActionUnitError, TableError
from .emotion_table import LETTERS, Candidate, EmotionTable, load_emotion_table
from .tables_reading import NEUTRAL, check_emotions

# Letters as numbers: 1 is A, 5 is E. A drawn face maps an id to its letter number.
_Face = dict[str, int]
# No unit shows stronger than this many letters above what is typical of the emotion: a slight cue
# stays below "extreme" however strong the transcript.
_REACH = 1.49
# Of two opponents that are this many letters apart the weaker one is not seen.
_FAR = 2


def draw_action_units(
    emotions: Sequence[str],
    strength: float,
    rng: np.random.Generator,
    table: EmotionTable | None = None,
) -> list[ActionUnit]:
    """Draw the action units of one face.

    Args:
        emotions: Labels of the emotion table, the dominant one first; repeats count once. Neutral
            beside another label neither shows nor takes a place.
        strength: How strongly the emotion is felt, in [0, 1]; 0.5 is typical.
        rng: Source of every random choice; seed it per item.
        table: Default: the packaged table.

    Returns:
        Action units with intensity letters, sorted by number. Never empty, unless all of the
        emotions are neutral; then mostly empty and at most a trace. At least one core unit (see
        the table's ``core``) is drawn, but the co-occurrence rules that follow may remove it: 2 to
        3 % of the faces of desire and relief show none, far fewer of the others.

    Raises:
        TableError: No emotion, or one that the table does not list.
        ActionUnitError: The strength is outside [0, 1].
    """
    table = table or load_emotion_table()
    names = tuple(dict.fromkeys(emotions))
    if not names:
        raise TableError("no emotion given: expected at least one, 'neutral' for a face at rest")
    check_emotions(names, table.emotions.keys(), table.version)
    names = tuple(name for name in names if name != NEUTRAL) or (NEUTRAL,)
    if not 0.0 <= strength <= 1.0:
        raise ActionUnitError(f"cannot draw action units: strength {strength} is outside [0, 1]")
    candidates = _mix(table, names)
    shift = 2.0 * strength - 1.0
    probabilities = _shifted(candidates, shift * table.strength.logit_shift)
    face = _draw_face(table, names, candidates, probabilities, shift, rng)
    sides = _draw_sides(candidates, face, rng)
    _apply_rules(table, names, probabilities, face, sides, rng)
    _shed(table, names, probabilities, face)
    return [
        ActionUnit.parse(f"AU{sides.get(unit, '')}{unit[2:]}{LETTERS[face[unit] - 1]}")
        for unit in sorted(face, key=lambda unit: int(unit[2:]))
    ]


@lru_cache(maxsize=4096)
def _mix(table: EmotionTable, names: tuple[str, ...]) -> tuple[Candidate, ...]:
    """Merge the rows of several emotions: each has its own chance; letters are averaged."""
    rows: dict[str, list[tuple[float, Candidate]]] = {}
    for place, name in enumerate(names):
        weight = table.mixing[min(place, len(table.mixing) - 1)]
        for row in table.emotions[name].candidates:
            rows.setdefault(row.action_unit, []).append((weight * row.probability, row))
    mixed = []
    for unit, entries in rows.items():
        total = sum(share for share, _ in entries)
        mixed.append(
            Candidate(
                unit,
                1.0 - math.prod(1.0 - share for share, _ in entries),
                sum(share * row.letter for share, row in entries) / total,
                sum(share * row.one_sided for share, row in entries) / total,
            )
        )
    return tuple(sorted(mixed, key=lambda row: int(row.action_unit[2:])))


def _shifted(candidates: tuple[Candidate, ...], logit: float) -> dict[str, float]:
    """The probabilities after their log odds have moved by ``logit``."""
    odds = math.exp(logit)
    return {
        row.action_unit: row.probability * odds / (1.0 - row.probability + row.probability * odds)
        for row in candidates
    }


def _draw_face(
    table: EmotionTable,
    names: tuple[str, ...],
    candidates: tuple[Candidate, ...],
    probabilities: dict[str, float],
    shift: float,
    rng: np.random.Generator,
) -> _Face:
    """Decide which units show and at which letter: one core unit at least, before the rules."""
    limits = [table.emotions[name] for name in names]
    most = max(limit.max_letter for limit in limits)
    common = shift * table.strength.letter_shift + table.strength.common_spread * rng.normal()
    own = rng.normal(size=len(candidates)) * table.strength.own_spread
    chances = rng.random(len(candidates))
    _couple(table, candidates, chances, own)
    letters = {
        row.action_unit: _letter(row.letter, common + own[index], most)
        for index, row in enumerate(candidates)
    }
    shown = {
        row.action_unit
        for index, row in enumerate(candidates)
        if chances[index] < probabilities[row.action_unit]
    }
    _apply_conditionals(table, probabilities, letters, shown, rng)
    if names != (NEUTRAL,):
        least = table.core_share * max(probabilities.values())
        core = {unit: chance for unit, chance in probabilities.items() if chance >= least}
        if not shown & core.keys():
            unit = _pick(core, rng)
            shown.update({unit}, _coupled(table, unit) & core.keys())
    return {unit: letter for unit, letter in letters.items() if unit in shown}


def _letter(typical: float, moved: float, most: int) -> int:
    return min(max(round(typical + min(moved, _REACH)), 1), most)


def _shed(
    table: EmotionTable, names: tuple[str, ...], probabilities: dict[str, float], face: _Face
) -> None:
    """Leave away the least likely units of a face that shows too many at once.

    Several tags would otherwise add up to a grimace. What another unit brings along stays with it.
    """
    limit = max(table.emotions[name].max_action_units for name in names)
    brought = {rule["adds"] for rule in table.rules["require"]}
    while len(face) > limit:
        free = sorted(face.keys() - brought, key=lambda unit: int(unit[2:]))
        del face[min(free, key=lambda unit: probabilities.get(unit, 0.0))]


def _couple(
    table: EmotionTable,
    candidates: tuple[Candidate, ...],
    chances: NDArray[np.float64],
    own: NDArray[np.float64],
) -> None:
    """Let coupled units share one draw: their probabilities stay, their coming together rises."""
    place = {row.action_unit: index for index, row in enumerate(candidates)}
    for rule in table.rules["couple"]:
        places = [place[unit] for unit in rule["action_units"] if unit in place]
        for other in places[1:]:
            chances[other], own[other] = chances[places[0]], own[places[0]]


def _coupled(table: EmotionTable, unit: str) -> set[str]:
    """The units that share their draw with this one."""
    rules = table.rules["couple"]
    return {
        other for rule in rules if unit in rule["action_units"] for other in rule["action_units"]
    }


def _apply_conditionals(
    table: EmotionTable,
    probabilities: dict[str, float],
    letters: dict[str, int],
    shown: set[str],
    rng: np.random.Generator,
) -> None:
    """Draw again a unit whose chance depends on the letter of another one that shows."""
    for rule in table.rules["conditional"]:
        if rule["given"] not in shown or rule["then"] not in probabilities:
            continue
        letter = LETTERS[letters[rule["given"]] - 1]
        chance = probabilities[rule["then"]]
        chance += rule["weight"] * (rule["probability"][letter] - chance)
        shown.discard(rule["then"])
        if rng.random() < chance:
            shown.add(rule["then"])


def _pick(probabilities: dict[str, float], rng: np.random.Generator) -> str:
    """Choose one unit in proportion to its probability."""
    mark = rng.random() * sum(probabilities.values())
    for unit, probability in probabilities.items():
        mark -= probability
        if mark < 0.0:
            return unit
    return max(probabilities, key=probabilities.__getitem__)


def _draw_sides(
    candidates: tuple[Candidate, ...], face: _Face, rng: np.random.Generator
) -> dict[str, str]:
    sides = {}
    for row in candidates:
        if row.one_sided and row.action_unit in face and rng.random() < row.one_sided:
            sides[row.action_unit] = "L" if rng.random() < 0.5 else "R"
    # Two one-sided units belong to one crooked face, not to two.
    first = next(iter(sides.values()), "")
    return dict.fromkeys(sides, first)


def _apply_rules(
    table: EmotionTable,
    names: tuple[str, ...],
    probabilities: dict[str, float],
    face: _Face,
    sides: dict[str, str],
    rng: np.random.Generator,
) -> None:
    """Make the face one that muscles can make; ``face`` is changed in place.

    ``exclude`` and ``soften`` may remove the only core unit: a pair loses one of its two, whichever
    of them is core.
    """
    for first, second in table.exclusions:
        if first in face and second in face:
            chance = probabilities[first] / (probabilities[first] + probabilities[second])
            _withdraw(table, face, second if rng.random() < chance else first)
    for rule in table.rules["one_sided"]:
        if rule["action_unit"] in face and rule["action_unit"] in sides:
            _remove(face, rule["drops"])
    for rule in table.rules["require"]:
        if face.get(rule["action_unit"], 0) >= LETTERS.index(rule["minimum"]) + 1:
            face.setdefault(rule["adds"], face[rule["action_unit"]])
    for rule in table.rules["drop"]:
        if face.get(rule["action_unit"], 0) >= LETTERS.index(rule["minimum"]) + 1:
            _remove(face, rule["drops"])
    for rule in table.rules["soften"]:
        if not set(rule["unless"]).intersection(names):
            _soften(table, rule, face, rng)
    for rule in table.rules["cap"]:
        if all(unit in face for unit in rule["action_units"]):
            for unit in rule["action_units"]:
                face[unit] = min(face[unit], LETTERS.index(rule["cap"]) + 1)


def _soften(
    table: EmotionTable, rule: Mapping[str, Any], face: _Face, rng: np.random.Generator
) -> None:
    """Of every two opponents let the stronger one rule, or the first one when they are equal.

    Where the weaker one may go at all (``keep`` below 1), it goes if the other is far stronger.
    """
    keep = rule["keep"]
    for one in rule["first"]:
        for other in rule["second"]:
            if one not in face or other not in face:
                continue
            weaker = other if face[one] >= face[other] else one
            face[weaker] = min(face[weaker], LETTERS.index(rule["cap"]) + 1)
            far = abs(face[one] - face[other]) >= _FAR
            if rng.random() >= keep or (far and keep < 1.0):
                _withdraw(table, face, weaker)


def _withdraw(table: EmotionTable, face: _Face, unit: str) -> None:
    """Take a unit away, and what is coupled to it: no cheeks rise over a smile that is gone."""
    _remove(face, [unit])
    for rule in table.rules["couple"]:
        if rule["action_units"][0] == unit:
            _remove(face, rule["action_units"][1:])


def _remove(face: _Face, units: Sequence[str]) -> None:
    for unit in units:
        face.pop(unit, None)

"""Does an annotated item agree with itself? Schema, description, tags and action units, text.

``item_faults`` is asked when an item is annotated, when a dataset is built and
again by ``countenance verify``. What counts as a fault, and on whose word, is in
``tables/consistency-v1.json``; how sentences are read, in ``description_reading``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from ..au_mapping import ActionUnit, AUMapping
from ..errors import ActionUnitError
from .clause_planning import read_units
from .description_reading import DescriptionReading, read_free_description
from .emotion_table import load_emotion_table
from .language_check import is_foreign
from .phrase_reading import load_phrases
from .phrases import BOTH, LEVELS, SIDES, PhraseTable
from .record import record_fault
from .tables_reading import check_emotions, load_emotions, read_table

CONSISTENCY_TABLE = "consistency-v1"
_COMPOSED = "score"
_LETTERS = "ABCDE"
_SIDE_NAMES = {"L": "left", "R": "right", None: BOTH}
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")
_THREE = 3
_LONG = 4


@dataclass(frozen=True)
class Contradiction:
    """A face that shows one of ``shows`` and none of ``without`` contradicts ``emotions``."""

    emotions: frozenset[str]
    shows: tuple[str, ...]
    without: tuple[str, ...]
    from_intensity: int


@dataclass(frozen=True, eq=False)
class ConsistencyTable:
    """The checked table.

    Attributes:
        version: Its name, equal to the file's stem.
        least_share: Share of the units shown that a description must name, above 0 to 1.
        most_level_steps: How far the strength said may be from the one shown, 0 to 2.
        text: Limits on repetition and copying; see the schema.
        related: By unit said, the units that it is a fair word for.
        contradictions: Tags against units.
    """

    version: str
    least_share: float
    most_level_steps: int
    text: Mapping[str, int]
    related: Mapping[str, frozenset[str]]
    contradictions: tuple[Contradiction, ...]


@lru_cache(maxsize=4)
def load_consistency(name_or_path: str | Path = CONSISTENCY_TABLE) -> ConsistencyTable:
    """Load the table of what contradicts what.

    Raises:
        TableError: The table is unknown or malformed, or names an emotion that there is not.
    """
    table = read_table(name_or_path, "consistency")
    for row in table["contradictions"]:
        check_emotions(row["emotions"], _labels(), f"{name_or_path}: contradictions")
    return ConsistencyTable(
        version=table["version"],
        least_share=table["description"]["least_share"],
        most_level_steps=table["description"]["most_level_steps"],
        text=table["text"],
        related={row["said"]: frozenset(row["shown"]) for row in table["related"]},
        contradictions=tuple(
            Contradiction(
                frozenset(row["emotions"]),
                row["shows"],
                row["without"],
                _LETTERS.index(row.get("from_intensity", "A")),
            )
            for row in table["contradictions"]
        ),
    )


@lru_cache(maxsize=1)
def _labels() -> frozenset[str]:
    return frozenset(emotion.name for emotion in load_emotions())


def item_faults(
    record: Mapping[str, Any],
    mapping: AUMapping,
    *,
    phrases: PhraseTable | None = None,
    table: ConsistencyTable | None = None,
) -> list[str]:
    """Everything that is wrong with one annotation record by itself.

    Descriptions of the ``score`` strategy are composed and must name their face exactly; others are
    read as free text, which forgives near words (``related``) and needs most units, not all.

    Args:
        record: A candidate, from an annotator or read back from disk.
        mapping: The table that its action units must belong to.
        phrases: Phrase table of composed descriptions; default: the packaged one.
        table: What counts as a fault; default: the packaged one.

    Returns:
        ``"KIND: detail"`` each, the gravest first; empty for a sound record. Kinds are those of
        ``record_fault`` (``schema``, ``unknown_emotion``, ``mapping_version``, ``action_unit``:
        then nothing else is looked at) and those of ``answer_faults``.
    """
    if fault := record_fault(record, _labels(), mapping):
        return [fault]
    return content_faults(record, phrases=phrases, table=table)


def content_faults(
    record: Mapping[str, Any],
    *,
    phrases: PhraseTable | None = None,
    table: ConsistencyTable | None = None,
) -> list[str]:
    """``item_faults`` of a record that ``record_fault`` has passed: the second half alone."""
    return answer_faults(
        record["emotions"],
        record["description"],
        record["action_units"],
        record["transcript"],
        composed=record["strategy"] == _COMPOSED,
        phrases=phrases,
        table=table,
    )


def answer_faults(
    emotions: Sequence[str],
    description: str,
    action_units: Sequence[str],
    transcript: str = "",
    *,
    composed: bool = False,
    phrases: PhraseTable | None = None,
    table: ConsistencyTable | None = None,
) -> list[str]:
    """What is wrong between tags, description and action units, all of them well-formed.

    Args:
        emotions: Labels.
        description: d.
        action_units: Units such as ``"AU12B"``.
        transcript: What the description must not repeat; empty if there is none.
        composed: Whether the description is one of ``compose_description``.
        phrases: Phrase table; default: the packaged one.
        table: What counts as a fault; default: the packaged one.

    Returns:
        ``"KIND: detail"``: ``description_empty``, ``description_lines``, ``description_loop``,
        ``description_copy``, ``description_language``, ``description_absent`` (names a unit that
        does not show), ``description_unsaid`` (most of what shows is not named),
        ``description_strength``, ``tags``.
    """
    table = table or load_consistency()
    faults = text_faults(description, transcript, table)
    units = [ActionUnit.parse(unit) for unit in action_units]
    if not faults:
        faults += description_faults(description, units, composed, phrases, table)
    tag = tags_fault(emotions, units, table)
    return [*faults, tag] if tag else faults


def text_faults(
    description: str, transcript: str = "", table: ConsistencyTable | None = None
) -> list[str]:
    """Whether a description is empty, runs in a loop or copies the transcript."""
    limits = (table or load_consistency()).text
    words = _WORD.findall(description.lower())
    if not words:
        return ["description_empty: no word in it"]
    # Python's "$" and with it JSON Schema's let a line end pass behind the last letter.
    if len(f"{description}.".splitlines()) > 1:
        return ["description_lines: a line ends in it"]
    found = (_loop(description, words, limits), _copy(words, transcript, limits))
    return [fault for fault in found if fault]


def _loop(description: str, words: list[str], limits: Mapping[str, int]) -> str | None:
    if re.search(rf"([^\W\d_])\1{{{limits['most_of_a_letter']},}}", description):
        return "description_loop: one letter over and over"
    run = 1
    for first, second in pairwise(words):
        run = run + 1 if first == second else 1
        if run > limits["most_in_a_row"]:
            return f"description_loop: {first!r} stands {run} times in a row"
    counts = Counter(word for word in words if len(word) >= _LONG)
    word, count = counts.most_common(1)[0] if counts else ("", 0)
    if count > limits["most_of_a_word"]:
        return f"description_loop: {word!r} comes {count} times"
    threes = Counter(zip(words, words[1:], words[2:], strict=False))
    three, count = threes.most_common(1)[0] if threes else ((), 0)
    if count > limits["most_of_three_words"]:
        return f"description_loop: {' '.join(three)!r} comes {count} times"
    return None


def _copy(words: list[str], transcript: str, limits: Mapping[str, int]) -> str | None:
    theirs = _WORD.findall(transcript.lower())
    if not theirs:
        return None
    if words == theirs:
        return "description_copy: it is the transcript"
    text, size = f" {' '.join(words)} ", limits["shared_words"]
    if len(theirs) >= limits["copied_words"] and f" {' '.join(theirs)} " in text:
        return "description_copy: the whole transcript stands in it"
    for start in range(len(theirs) - size + 1):
        if f" {' '.join(theirs[start : start + size])} " in text:
            return f"description_copy: {size} words in a row are the transcript's"
    return None


def _is_foreign(description: str) -> bool:
    letters = [character for character in description if character.isalpha()]
    return 2 * sum(map(str.isascii, letters)) < len(letters) or is_foreign(description)


def description_faults(
    description: str,
    action_units: Sequence[ActionUnit],
    composed: bool = False,
    phrases: PhraseTable | None = None,
    table: ConsistencyTable | None = None,
) -> list[str]:
    """Whether a description names what does not show, too little of what does, or no English."""
    table = table or load_consistency()
    reading = read_free_description(description, phrases, whole=not composed)
    # The check is slow, and what was read as a face is English.
    if not reading.said and _is_foreign(description):
        return ["description_language: not English"]
    if composed:
        return _composed_faults(reading, action_units, phrases)
    sides: dict[str, set[str]] = {}
    for unit in action_units:
        sides.setdefault(unit.id, set()).add(_SIDE_NAMES[unit.side])
    absent = sorted(
        _written(unit, side) for unit, side in reading.said if not _shows(unit, side, sides, table)
    )
    faults = [f"description_absent: it names {', '.join(absent)}"] if absent else []
    named = {unit for unit, _ in reading.said}
    unsaid = [unit for unit in sides if not _named(unit, named, table)]
    if len(unsaid) > (1 - table.least_share) * len(sides):
        faults.append(f"description_unsaid: it does not name {', '.join(unsaid)}")
    return faults or _strength_faults(reading, action_units, table)


def _shows(unit: str, side: str, sides: Mapping[str, set[str]], table: ConsistencyTable) -> bool:
    fitting = set(SIDES) if side == BOTH else {BOTH, side}
    fair = (unit, *table.related.get(unit, ()))
    return any(sides.get(name, set()) & fitting for name in fair)


def _named(unit: str, named: set[str], table: ConsistencyTable) -> bool:
    return unit in named or any(unit in table.related.get(word, ()) for word in named)


def _strength_faults(
    reading: DescriptionReading, action_units: Sequence[ActionUnit], table: ConsistencyTable
) -> list[str]:
    """Only wordings of the phrase table have a strength; a unit without letter may have any."""
    shown = {unit.id: unit.intensity for unit in action_units if unit.intensity}
    level_of = load_phrases().level_of
    said: dict[str, set[int]] = {}
    for unit, _, level in reading.worded:
        said.setdefault(unit, set()).add(level)
    for unit, levels in sorted(said.items()):
        if unit not in shown:
            continue
        level = LEVELS.index(level_of[shown[unit]])
        if min(abs(level - other) for other in levels) > table.most_level_steps:
            word = LEVELS[min(levels)]
            return [f"description_strength: {unit}{shown[unit]} is said {word}"]
    return []


def _composed_faults(
    reading: DescriptionReading, action_units: Sequence[ActionUnit], phrases: PhraseTable | None
) -> list[str]:
    """Composed words name every unit and side, none else, at most one step too weak or strong."""
    try:
        units = read_units(action_units, phrases or load_phrases())
    except ActionUnitError as error:
        return [f"description_absent: {error}"]
    shown = {(unit.id, unit.side): unit.level for unit in units}
    absent = sorted(_written(*said) for said in reading.said - shown.keys())
    if absent:
        return [f"description_absent: it names {', '.join(absent)}"]
    unsaid = sorted(_written(*key) for key in shown.keys() - reading.said)
    if unsaid:
        return [f"description_unsaid: it does not name {', '.join(unsaid)}"]
    for unit, side, level in sorted(reading.worded):
        if abs(level - shown[unit, side]) > 1:
            return [f"description_strength: {_written(unit, side)} is said {LEVELS[level]}"]
    return []


def _written(unit: str, side: str) -> str:
    return unit if side == BOTH else f"AU{side[0].upper()}{unit.removeprefix('AU')}"


def tags_fault(
    emotions: Sequence[str],
    action_units: Sequence[ActionUnit],
    table: ConsistencyTable | None = None,
) -> str | None:
    """Why the face contradicts a tag, or None: "tags: joy with AU15 and without AU12, AU13".

    A unit that another tag of the item may show (by the emotion table) is explained by that tag.
    """
    known = load_emotion_table().emotions
    strength = {unit.id: _LETTERS.index(unit.intensity or "E") for unit in action_units}
    for row in (table or load_consistency()).contradictions:
        for name in emotions:
            if name not in row.emotions or any(unit in strength for unit in row.without):
                continue
            explained = {
                candidate.action_unit
                for other in emotions
                if other not in row.emotions and other in known
                for candidate in known[other].candidates
            }
            for unit in row.shows:
                if strength.get(unit, -1) >= row.from_intensity and unit not in explained:
                    lack = f" and without {', '.join(row.without)}" if row.without else ""
                    return f"tags: {name} with {unit}{lack}"
    return None

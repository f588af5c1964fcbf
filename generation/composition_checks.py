"""Checking a record's description and emotions against its action units, without any model.

``describes`` reads a composed description back (d against au); ``face_fault`` asks whether the
units can belong to the emotions and to one face (e against au). Quality control can call both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from ..au_mapping import ActionUnit
from .clause_planning import read_units
from .emotion_table import EmotionTable, load_emotion_table
from .phrase_reading import load_phrases
from .phrases import LEVELS, PhraseTable
from .tables_reading import check_emotions

# Unit, side, level.
Mention = tuple[str, str, int]

_ARTICLE = re.compile("^(?:an?|the|their) ")
_ARTICLES = frozenset({"a", "an", "the", "their", "his", "her"})
_NARROWER = frozenset(
    ["inner", "outer", "upper", "lower", "bottom", "top", "left", "right", "one", "single"]
)
_MIDDLE = frozenset({"middle", "centre", "center"})
_DENIALS = frozenset(["no", "not", "never", "without", "nor", "neither"])
_BREAKS = frozenset([*",.;:", "and", "but", "only", "just"])
_STOPS = re.compile("([,.;:])")


def read_description(description: str, table: PhraseTable | None = None) -> frozenset[Mention]:
    """Read the action units that a description names in the words of a phrase table.

    The longest known wording at each word counts; other words are passed over, so a text of other
    origin gives few mentions or none. A set said in one wording gives its level to every member.

    Args:
        description: A text of ``compose_description``, or any other.
        table: Default: the packaged phrase table.

    Returns:
        (id, side, level) with side "both", "left" or "right" and level 0 (light) to 2 (strong).
    """
    return scan_description(description, table)[0]


def scan_description(
    description: str, table: PhraseTable | None = None, *, whole: bool = False
) -> tuple[frozenset[Mention], str]:
    """``read_description``, and beside it the text in lower case with what was read cut out.

    Args:
        description: Any text.
        table: Default: the packaged phrase table.
        whole: Pass over a wording that is only a part of what is said: "brows rise" in "the inner
            ends of the brows rise". Composed texts have none.

    Returns:
        The mentions; and the other words with their stops, "|" in the place of each wording.
    """
    meanings, heads, longest = _index(table or load_phrases())
    found: set[Mention] = set()
    left: list[str] = []
    words = _STOPS.sub(r" \1", description.lower()).split()
    head, index = "", 0
    while index < len(words):
        text, size = _longest(words, index, "", meanings, longest)
        if not size and head and words[index - 1 : index] == ["and"]:
            # "The lips part and curl": the subject is said once.
            text, size = _longest(words, index, head, meanings, longest)
        if size and whole and _is_part(words, index, size):
            size = 0
        if size:
            found.update(meanings[text])
            head = heads.get(text, "")
            left.append("|")
        else:
            if words[index] != "and":
                head = ""
            left.append(words[index])
        index += size or 1
    return frozenset(found), " ".join(left)


def _is_part(words: list[str], start: int, size: int) -> bool:
    """Whether the wording found belongs to more words: denied, or of a part of what it names."""
    before = words[max(start - 2, 0) : start]
    if before[-1:] and before[-1] in _NARROWER:
        return True
    if before[:1] == ["of"] and len(before) == 2 and before[1] in _ARTICLES:
        return True
    for word in reversed(words[:start]):
        if word in _BREAKS:
            break
        if word in _DENIALS or word.endswith("n't"):
            return True
    after = words[start + size : start + size + 3]
    return after[1:2] == ["the"] and after[-1] in _MIDDLE


def describes(
    description: str,
    action_units: Sequence[ActionUnit | str],
    table: PhraseTable | None = None,
) -> bool:
    """Whether a composed description names exactly these units, on these sides, about as strong.

    Args:
        description: A text of ``compose_description``. Texts of other origin mostly fail: ask
            ``read_description`` what they name.
        action_units: What the face shows.
        table: Default: the packaged phrase table.

    Returns:
        True if every unit is named, no other one is, and no level is off by more than the one step
        that a wording for several units may take. An empty face must name nothing.

    Raises:
        ActionUnitError: A unit cannot be parsed or has no phrases.
    """
    table = table or load_phrases()
    said: dict[tuple[str, str], int] = {}
    for unit, side, level in read_description(description, table):
        said[unit, side] = level
    shown = {(unit.id, unit.side): unit.level for unit in read_units(action_units, table)}
    return said.keys() == shown.keys() and all(
        abs(said[key] - level) <= 1 for key, level in shown.items()
    )


def face_fault(
    emotions: Sequence[str],
    action_units: Sequence[ActionUnit | str],
    table: EmotionTable | None = None,
) -> str | None:
    """Why action units cannot be a face of these emotions, or None if they can.

    Every drawn face passes. A face of other origin fails where it shows a unit that none of its
    emotions lists, or two that exclude each other.

    Args:
        emotions: Labels of the emotion table.
        action_units: What the face shows.
        table: Default: the packaged emotion table.

    Returns:
        ``"unlisted: AU27 with joy"``, ``"contradiction: AU24 with AU25"`` or None.

    Raises:
        TableError: An emotion that the table does not list.
        ActionUnitError: A unit cannot be parsed.
    """
    table = table or load_emotion_table()
    names = tuple(dict.fromkeys(emotions))
    check_emotions(names, table.emotions.keys(), table.version)
    units = [
        item if isinstance(item, ActionUnit) else ActionUnit.parse(item) for item in action_units
    ]
    shown = {unit.id for unit in units}
    listed = {row.action_unit for name in names for row in table.emotions[name].candidates}
    listed |= {rule["adds"] for rule in table.rules["require"] if rule["action_unit"] in shown}
    stray = next((unit.id for unit in units if unit.id not in listed), None)
    if stray:
        return f"unlisted: {stray} with {', '.join(names)}"
    pair = next((pair for pair in table.exclusions if shown.issuperset(pair)), None)
    return f"contradiction: {pair[0]} with {pair[1]}" if pair else None


_Meanings = dict[str, tuple[Mention, ...]]


@lru_cache(maxsize=4)
def _index(table: PhraseTable) -> tuple[_Meanings, dict[str, str], dict[str, int]]:
    """What each text means, the subject that it begins with, and the most words by first word."""
    meanings: _Meanings = {}
    heads: dict[str, str] = {}
    for wording in table.wordings():
        level = LEVELS.index(wording.level)
        for side, surfaces in wording.surfaces.items():
            mentions = tuple((unit, side, level) for unit in wording.action_units)
            for surface in surfaces:
                text = _bare(surface.text)
                meanings[text] = mentions
                heads[text] = _bare(surface.head) or heads.get(text, "")
    longest: dict[str, int] = {}
    for text in meanings:
        words = text.split()
        longest[words[0]] = max(longest.get(words[0], 0), len(words))
    return meanings, heads, longest


def _bare(text: str) -> str:
    return _ARTICLE.sub("", text.lower())


def _longest(
    words: list[str], start: int, head: str, meanings: _Meanings, longest: Mapping[str, int]
) -> tuple[str, int]:
    """The longest known text from a word on, after an unsaid subject, and its words said."""
    unsaid = head.split()
    most = longest.get((unsaid or words[start : start + 1])[0], 0) - len(unsaid)
    before = f"{head} " if head else ""
    for size in range(min(most, len(words) - start), 0, -1):
        text = before + " ".join(words[start : start + size])
        if text in meanings:
            return text, size
    return "", 0

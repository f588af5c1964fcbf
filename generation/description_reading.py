"""Reading which action units a free sentence about a face names: written by a person or a model.

``composition_checks.read_description`` knows the wordings of the phrase table and nothing else.
This reader takes its findings and reads the rest of the sentence by a small lexicon
(``tables/description_reading-v1.json``): parts of the face, what they do, and which unit each pair
is. What it gets right and wrong is measured by ``python -m benchmarks.description_parser``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from .composition_checks import Mention, scan_description
from .phrases import BOTH, PhraseTable
from .tables_reading import read_table, reject

READING_TABLE = "description_reading-v1"
# A sentence may name an expression without the part that makes it: "a smile".
_NO_PART = ""
# Hands, tears, the tongue: what is said of them is said of no action unit.
_ELSEWHERE = "other"
_SIDELESS = frozenset({"AU61", "AU62"})
_NEW_SUBJECT = re.compile(r"(?:an?|the|his|her|their|its)\b")
_NEAR = 1
# Of composed descriptions little is left, and half the time something that was left before.
_RESTS_KEPT = 4096

# Unit and side: "both", "left" or "right".
Said = tuple[str, str]


@dataclass(frozen=True)
class _Rule:
    parts: frozenset[str]
    actions: frozenset[str]
    unless: frozenset[str]
    action_units: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class DescriptionLexicon:
    """The checked table, compiled.

    Attributes:
        version: Its name, equal to the file's stem.
        ignored: What is cut out before anything is read.
        separators: Where one statement about a face ends and the next begins.
        weak: Separators after which the part spoken of last is still meant.
        negations: Words that deny what follows them.
        prepositions: Words behind which a part is not the object of the verb before.
        parts: One pattern with a named group per part of the face.
        actions: One pattern per kind of action.
        any_action: What finds an action of any kind; most statements hold none.
        rules: Which parts and actions are which units.
    """

    version: str
    ignored: re.Pattern[str]
    separators: re.Pattern[str]
    weak: frozenset[str]
    negations: re.Pattern[str]
    prepositions: frozenset[str]
    parts: re.Pattern[str]
    actions: Mapping[str, re.Pattern[str]]
    any_action: re.Pattern[str]
    rules: tuple[_Rule, ...]
    pairs: frozenset[tuple[str, str]] = field(repr=False)


@dataclass
class _Place:
    """A part of the face within a statement and what was said of it."""

    part: str
    start: int
    end: int
    actions: set[str] = field(default_factory=set)
    sides: set[str] = field(default_factory=set)

    def holds(self, position: int) -> bool:
        """Whether the name of the part itself stands there: "lower" of "lower lip"."""
        return self.start <= position < self.end


@dataclass(frozen=True, slots=True)
class DescriptionReading:
    """What a sentence names.

    Attributes:
        worded: (id, side, level) in the words of the phrase table; level 0 (light) to 2 (strong).
        free: (id, side) in other words.
    """

    worded: frozenset[Mention]
    free: frozenset[Said]

    @property
    def said(self) -> frozenset[Said]:
        """All that is named, as (id, side)."""
        return self.free | {(unit, side) for unit, side, _ in self.worded}


def read_free_description(
    description: str,
    table: PhraseTable | None = None,
    lexicon: DescriptionLexicon | None = None,
    *,
    whole: bool = True,
) -> DescriptionReading:
    """Read the action units that a sentence names, in the phrase table's words or in others.

    Negated ones ("no smile") are left out. A unit whose side is not said comes with "both".

    Args:
        description: Any text; one that speaks of no face names nothing.
        table: Default: the packaged phrase table.
        lexicon: Default: the packaged lexicon.
        whole: False for a composed text, in which no known wording is part of a longer one.
    """
    lexicon = lexicon or load_lexicon()
    worded, rest = scan_description(description, table, whole=whole)
    return DescriptionReading(worded, _read_rest(rest, lexicon))


@lru_cache(maxsize=_RESTS_KEPT)
def _read_rest(text: str, lexicon: DescriptionLexicon) -> frozenset[Said]:
    return frozenset(_read(text, lexicon))


def _read(text: str, lexicon: DescriptionLexicon) -> Iterator[Said]:
    text = lexicon.ignored.sub(" ", text.replace("\u2019", "'").replace("-", " "))
    text = " ".join(text.split())
    place: _Place | None = None
    places: list[_Place] = []
    start, joint, denied = 0, ".", False
    for match in (*lexicon.separators.finditer(text), None):
        statement = text[start : match.start() if match else len(text)].strip()
        if statement:
            subject = place if joint in lexicon.weak else None
            denied_before = denied and joint in ("or", "nor")
            found, denied = _read_statement(statement, subject, denied_before, lexicon)
            places += found
            place = next((item for item in reversed(found) if item.part != _NO_PART), subject)
        if match is None:
            break
        joint = match.group().strip() if statement or joint in lexicon.weak else joint
        start = match.end()
    for item in {id(place): place for place in places if place.actions}.values():
        side = next(iter(item.sides)) if len(item.sides) == 1 else BOTH
        for unit in _units(item, lexicon):
            yield unit, BOTH if unit in _SIDELESS else side


def _units(place: _Place, lexicon: DescriptionLexicon) -> Iterator[str]:
    for rule in lexicon.rules:
        if (
            place.part in rule.parts
            and rule.actions <= place.actions
            and not rule.unless & place.actions
        ):
            yield from rule.action_units


def _read_statement(
    statement: str, subject: _Place | None, denied: bool, lexicon: DescriptionLexicon
) -> tuple[list[_Place], bool]:
    """The parts spoken of (a part of the statement before among them), and if it ended denied."""
    negation = lexicon.negations.search(statement)
    limit = 0 if denied else negation.start() if negation else len(statement)
    if limit == 0:
        return [], True
    places = [
        _Place(match.lastgroup or "", match.start(), match.end())
        for match in lexicon.parts.finditer(statement)
        if match.start() < limit
    ]
    if places and _NEW_SUBJECT.match(statement):
        subject = None
    nowhere = _Place(_NO_PART, -1, -1)
    actions = lexicon.actions if lexicon.any_action.search(statement) else {}
    for name, pattern in actions.items():
        for match in pattern.finditer(statement):
            if match.end() > limit or any(item.holds(match.start()) for item in places):
                continue
            span = match.span()
            for place in _candidates(span, statement, places, subject, nowhere, lexicon):
                if place.part == _ELSEWHERE or (place.part, name) in lexicon.pairs:
                    place.actions.add(name)
                    break
    for side in ("left", "right"):
        if re.search(rf"\b{side}\b", statement):
            for place in (*places, nowhere):
                place.sides.add(side)
            if not places and subject:
                subject.sides.add(side)
    found = [*places, nowhere]
    return ([subject, *found] if subject else found), negation is not None or denied


def _candidates(
    span: tuple[int, int],
    statement: str,
    places: list[_Place],
    subject: _Place | None,
    nowhere: _Place,
    lexicon: DescriptionLexicon,
) -> Iterator[_Place]:
    """The parts that an action may be said of, the likeliest first."""
    start, end = span
    before = [place for place in places if place.end <= start]
    after = [place for place in places if place.start >= end]
    if before and len(statement[before[-1].end : start].split()) <= _NEAR:
        yield before[-1]
    if after and not lexicon.prepositions & set(statement[end : after[0].start].split()):
        yield after[0]
    yield from reversed(before)
    if subject is not None:
        yield subject
    yield from after
    yield nowhere


@lru_cache(maxsize=4)
def load_lexicon(name_or_path: str | Path = READING_TABLE) -> DescriptionLexicon:
    """Load the lexicon of the reader.

    Args:
        name_or_path: A packaged table's name or the path of a JSON file.

    Raises:
        TableError: The table is unknown or malformed; the message names the file and the field.
    """
    table = read_table(name_or_path, "description_reading")
    known = {row["name"] for row in table["parts"]} | {_NO_PART}
    for index, rule in enumerate(table["rules"]):
        wrong = set(rule["parts"]) - known
        wrong |= {*rule["actions"], *rule.get("unless", ())} - table["actions"].keys()
        if wrong:
            reject(name_or_path, f"rules[{index}]", f"{min(wrong)!r} is no part and no action")
    strong, weak = table["separators"]["strong"], table["separators"]["weak"]
    return DescriptionLexicon(
        version=table["version"],
        ignored=_words(table["ignored"]),
        separators=re.compile("|".join(_separator(text) for text in (*strong, *weak))),
        weak=frozenset(weak),
        negations=_words(table["negations"]),
        prepositions=frozenset(table["prepositions"]),
        parts=re.compile(
            "|".join(
                rf"(?P<{row['name']}>\b(?:{'|'.join(row['texts'])})\b)" for row in table["parts"]
            )
        ),
        actions={name: _words(texts) for name, texts in table["actions"].items()},
        any_action=_words(tuple(text for texts in table["actions"].values() for text in texts)),
        rules=tuple(_read_rule(row) for row in table["rules"]),
        pairs=frozenset(
            (part, action)
            for row in table["rules"]
            for part in row["parts"]
            for action in (*row["actions"], *row.get("unless", ()))
        ),
    )


def _read_rule(row: Mapping[str, Any]) -> _Rule:
    return _Rule(
        frozenset(row["parts"]),
        frozenset(row["actions"]),
        frozenset(row.get("unless", ())),
        tuple(row["action_units"]),
    )


def _words(texts: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(texts)})(?!\w)")


def _separator(text: str) -> str:
    return rf"\b{text}\b" if text.isalpha() and text.isascii() else text

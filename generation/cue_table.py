"""The table of cue phrases in memory: how people name one visible cue, its strength and its side.

The JSON holds data only: nouns, verbs, noun phrases and whole lines per action unit (and per
well-known *look*, such as a smirk), degree words per FACS letter, and the frames that join them.
``cue_wording`` turns them into text. The markup of the texts:

* ``~`` stands where a possessive goes ("~ eyebrows", "the corners of ~ mouth"), ``^`` the same
  within a verb ("puff out ^ cheeks").
* ``{side}`` is left or right, ``{S}`` "left-sided " before a noun, and nothing for both sides.
* ``{eyes|eye}`` agrees with the noun: plural, singular.
* Verbs: ``rise|rises|rising`` and ``pull|pulls|pulling|pulled|up`` (``-``: no participle).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..au_mapping import INTENSITIES
from .tables_reading import read_table, reject

CUES_TABLE = "cue_phrases-v1"
NO_LETTER = "none"
LETTERS = (*INTENSITIES, NO_LETTER)
_LOOK_UNIT = re.compile(r"AU(s?)([0-9]+)(=|-|[A-E]|none)")
Degrees = Mapping[tuple[str, str], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Deed:
    """A verb that takes the part of the face as its object, in its forms.

    Attributes:
        base: "pull".
        third: "pulls".
        continuous: "pulling".
        participle: "pulled"; "" where there is none ("let ... droop").
        tail: What follows the object, "up"; may be empty.
    """

    base: str
    third: str
    continuous: str
    participle: str
    tail: str


@dataclass(frozen=True, slots=True, eq=False)
class WordSet:
    """Nouns and the verbs that go with them.

    Attributes:
        plural: Whether the nouns for both sides are plural; one-sided nouns never are.
        both: Noun templates for both sides.
        side: Noun templates with ``{side}``.
        any: Noun templates without a side whose verbs name it ("the jaw slides to the {side}").
        moves: (base, third person, -ing) of verbs without an object.
        deeds: Verbs with an object.
        states: What can follow the noun and a degree ("up").
        degrees: Degree words by (class, letter).
    """

    plural: bool
    both: tuple[str, ...]
    side: tuple[str, ...]
    any: tuple[str, ...]
    moves: tuple[tuple[str, str, str], ...]
    deeds: tuple[Deed, ...]
    states: tuple[str, ...]
    degrees: Degrees


@dataclass(frozen=True, slots=True, eq=False)
class CueRow:
    """How one action unit, or one look, is put in words.

    Attributes:
        name: "AU12", or a look's name.
        units: Alternatives, the first whose units the mapping has counts; each unit as
            (code, one-sided, rule): rule "=" takes the letter, "-" one less, else a fixed letter.
        sided: Whether it must have a side; None for a unit (the mapping knows).
        letters: The letters that it is worded at.
        bare: The letter of a wording that names no degree.
        muscle: Latin name for clinical wordings; None where a unit has no muscle of its own.
        sets: Its nouns and verbs.
        nominals: Noun phrases, those of plurals without article.
        side_nominals: Noun phrases that name the side.
        acts: Verbs of the whole person, in three forms.
        act_sides: Whether the verbs can be one-sided.
        side_words: What a one-sided verb or noun phrase is followed by.
        lines: Whole texts by letter.
        degrees: Degree words by (class, letter).
    """

    name: str
    units: tuple[tuple[tuple[str, bool, str], ...], ...]
    sided: bool | None
    letters: tuple[str, ...]
    bare: str
    muscle: str | None
    sets: tuple[WordSet, ...]
    nominals: tuple[str, ...]
    side_nominals: tuple[str, ...]
    acts: tuple[tuple[str, str, str], ...]
    act_sides: bool
    side_words: tuple[str, ...]
    lines: Mapping[str, tuple[str, ...]]
    degrees: Degrees


@dataclass(frozen=True, slots=True)
class CueFrame:
    """A pattern with places for words.

    Attributes:
        pattern: The text with its places.
        use: "set", "nominal", "act", "facs" or "codes": whose words fill it.
        register: "narration", "direction", "tag", "slang" or "facs".
        form: "sentence" or "prompt".
        number: "singular" where only a noun phrase with an article fits, else "".
    """

    pattern: str
    use: str
    register: str
    form: str
    number: str


@dataclass(frozen=True, eq=False)
class CueTable:
    """A checked table of cue phrases.

    Attributes:
        version: Its name, equal to the file's stem.
        unnamed_side: The side that "one-sided" without a named side stands for.
        unnamed_share: Wordings with an unnamed side, as a share of those with a named one.
        people: (subject, possessive) of those whose faces are told.
        units: Rows of action units, by id.
        looks: Rows of looks.
        frames: By use.
        fragments: Frames of the parts of pairs and triples, by style.
        joins: How the parts are joined: style, form, weight and patterns.
        combinations: The rule for pairs and triples; see the schema.
        sizes: Wordings per cell of a unit ("single") and of a look ("look").
    """

    version: str
    unnamed_side: str
    unnamed_share: float
    people: tuple[tuple[str, str], ...]
    units: Mapping[str, CueRow]
    looks: tuple[CueRow, ...]
    frames: Mapping[str, tuple[CueFrame, ...]]
    fragments: Mapping[str, tuple[CueFrame, ...]]
    joins: tuple[Mapping[str, Any], ...]
    combinations: Mapping[str, Any]
    sizes: Mapping[str, int]


@lru_cache(maxsize=4)
def load_cue_table(name_or_path: str | Path = CUES_TABLE) -> CueTable:
    """Load and check a table of cue phrases.

    Args:
        name_or_path: A packaged table's name or the path of a JSON file.

    Raises:
        TableError: The table is unknown or malformed; the message names the file and the field.
    """
    table = read_table(name_or_path, "cue_phrases")
    reader = _Reader(name_or_path, table)
    units = [
        reader.row(f"action_units[{index}]", row) for index, row in enumerate(table["action_units"])
    ]
    names = [row.name for row in units]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        reject(name_or_path, "action_units", f"{twice} has two rows, expected one")
    return CueTable(
        version=table["version"],
        unnamed_side=table["one_sided"]["unnamed"],
        unnamed_share=table["one_sided"]["share"],
        people=tuple((subject, possessive) for subject, possessive in table["people"]),
        units={row.name: row for row in units},
        looks=tuple(reader.row(f"looks[{i}]", row) for i, row in enumerate(table["looks"])),
        frames={
            use: tuple(_read_frame(frame, use) for frame in frames)
            for use, frames in table["frames"].items()
            if use != "fragments"
        },
        fragments={
            style: tuple(_read_frame({"register": style, **frame}, frame["use"]) for frame in rows)
            for style, rows in table["frames"]["fragments"].items()
        },
        joins=table["joins"],
        combinations=table["combinations"],
        sizes=table["sizes"],
    )


class _Reader:
    """Compiles the rows of one table; knows its name, for error messages."""

    def __init__(self, source: str | Path, table: Mapping[str, Any]) -> None:
        self.source = source
        self.sources = table["sources"]
        self.scales = {name: self._scale(name, table["degrees"]) for name in table["degrees"]}

    def row(self, where: str, row: Mapping[str, Any]) -> CueRow:
        unknown = next((tag for tag in row["source"] if tag not in self.sources), None)
        if unknown:
            reject(self.source, f"{where}.source", f"{unknown!r} is not explained under sources")
        if "unit" in row:
            codes = [row["unit"], *row.get("companions", ())]
            alternatives: tuple[Any, ...] = (tuple((code, False, "=") for code in codes),)
            sided = None
        else:
            alternatives = tuple(
                tuple(self._look_unit(where, text) for text in units)
                for units in row["action_units"]
            )
            sided = any(one_sided for _, one_sided, _ in alternatives[0])
        letters = tuple(row.get("letters", LETTERS))
        self._check_lines(where, row, letters)
        return CueRow(
            name=row.get("unit") or row["look"],
            units=alternatives,
            sided=sided,
            letters=letters,
            bare=row.get("bare", "C"),
            muscle=row.get("muscle"),
            sets=tuple(self._set(word_set) for word_set in row.get("sets", ())),
            nominals=row.get("nominals", ()),
            side_nominals=row.get("side_nominals", ()),
            acts=tuple(_forms(act, 3) for act in row.get("acts", ())),  # type: ignore[misc]
            act_sides=row.get("act_sides", True),
            side_words=row.get("side_words", ()),
            lines=row["lines"],
            degrees=self.scales[row.get("scale", "generic")],
        )

    def _check_lines(self, where: str, row: Mapping[str, Any], letters: Sequence[str]) -> None:
        stray = next((letter for letter in row["lines"] if letter not in letters), None)
        if stray:
            reject(self.source, f"{where}.lines", f"{stray!r} is none of its letters")

    def _look_unit(self, where: str, text: str) -> tuple[str, bool, str]:
        match = _LOOK_UNIT.fullmatch(text)
        if match is None:
            reject(
                self.source,
                f"{where}.action_units",
                f"{text!r}: write for example AU12=, AU12-, AU12B, AU12none or AUs12=",
            )
        return f"AU{match[2]}", bool(match[1]), match[3]

    def _set(self, row: Mapping[str, Any]) -> WordSet:
        return WordSet(
            plural=row["number"] == "plural",
            both=row["both"],
            side=row.get("side", ()),
            any=row.get("any", ()),
            moves=tuple(_forms(text, 3) for text in row["move"]),  # type: ignore[misc]
            deeds=tuple(_deed(text) for text in row["do"]),
            states=row["state"],
            degrees=self.scales[row.get("scale", "generic")],
        )

    def _scale(self, name: str, degrees: Mapping[str, Any]) -> Degrees:
        """Join a scale with the generic one; no word may stand for two letters."""
        words: dict[tuple[str, str], tuple[str, ...]] = {
            (kind, letter): options
            for kind, letters in degrees["generic"].items()
            for letter, options in letters.items()
        }
        own = degrees[name] if name != "generic" else {}
        for kind, letters in own.items():
            if kind == "replace":
                continue
            for letter, options in letters.items():
                kept = () if own.get("replace") else words.get((kind, letter), ())
                words[kind, letter] = tuple(dict.fromkeys((*options, *kept)))
        seen: dict[str, str] = {}
        for (kind, letter), options in words.items():
            for option in options:
                first = seen.setdefault(option, letter)
                if first != letter:
                    reject(
                        self.source,
                        f"degrees.{name}.{kind}",
                        f"{option!r} stands for {first} and for {letter}, expected one letter",
                    )
        return words


def _forms(text: str, count: int) -> tuple[str, ...]:
    """Split verb forms; a ``|`` within braces is an agreement, not a separator."""
    forms = tuple(re.split(r"\|(?![^{]*\})", text))
    return (*forms, *[""] * (count - len(forms)))


def _deed(text: str) -> Deed:
    base, third, continuous, participle, tail = _forms(text, 5)
    return Deed(base, third, continuous, "" if participle == "-" else participle, tail)


def _read_frame(row: Mapping[str, Any], use: str) -> CueFrame:
    pattern = row["pattern"]
    opening = pattern.lstrip("{")[:1]
    sentence = opening.isupper() and pattern[-1] in ".?!"
    form = row.get("form") or ("sentence" if sentence else "prompt")
    return CueFrame(pattern, use, row["register"], form, row.get("number", ""))

"""Reading the phrase table: its markup becomes texts once, at load, and is checked on the way."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import product
from pathlib import Path
from types import MappingProxyType
from typing import Any

from .phrases import (
    BOTH,
    FORMS,
    LEVELS,
    PHRASES_TABLE,
    SIDES,
    EmotionNames,
    Frame,
    Phrase,
    PhraseTable,
    Surface,
    Weights,
    Wording,
)
from .tables_reading import read_table, reject

KINDS = ("expressive", "plain", "trace", "neutral", "still")
STYLES = ("cues", "person", "prompt")
ANY_NUMBER = 28

_SLOT = re.compile(r"\{([a-z_]+)(!?)\}")
_AGREEMENT = re.compile(r"\{([^{}|]+)\|([^{}|]+)\}")
_SIDE = "{side}"
_PARTS = frozenset(
    ["brow", "brows", "eye", "eyes", "lid", "lids", "gaze", "cheeks", "nose", "lip", "lips"]
).union(["corners", "mouth", "chin", "jaw", "teeth", "smile"])


@lru_cache(maxsize=4)
def load_phrases(name_or_path: str | Path = PHRASES_TABLE) -> PhraseTable:
    """Load and compile a phrase table.

    Args:
        name_or_path: A packaged table's name or the path of a JSON file.

    Raises:
        TableError: The table is unknown or malformed; the message names the file and the field.
    """
    table = read_table(name_or_path, "phrases")
    reader = _Reader(name_or_path, table)
    phrases = [reader.phrase(index, row) for index, row in enumerate(table["phrases"])]
    level_of = {letter: level for level, letters in table["levels"].items() for letter in letters}
    groups = tuple(frozenset(group["action_units"]) for group in table["muscle_groups"])
    lone = [phrase for phrase in phrases if len(phrase.action_units) == 1]
    singles = {phrase.action_units[0]: phrase for phrase in lone if not phrase.beside}
    variants = {phrase.action_units[0]: phrase for phrase in lone if phrase.beside}
    reader.check_groups(groups, singles)
    frames = tuple(_read_frame(row) for row in table["frames"])
    reader.check_frames(frames, len(groups))
    merges = [phrase for phrase in phrases if len(phrase.action_units) > 1]
    weighted = {name: table[name] for name in ("styles", "orders", "determiners")} | table["joins"]
    return PhraseTable(
        version=table["version"],
        max_words=table["max_words"],
        level_of=MappingProxyType(level_of | {None: table["unlettered_level"]}),
        groups=groups,
        singles=MappingProxyType(singles),
        variants=MappingProxyType(variants),
        merges=tuple(sorted(merges, key=lambda phrase: -len(phrase.action_units))),
        rest=tuple(reader.rest(index, row) for index, row in enumerate(table["rest"])),
        frames=frames,
        choices=MappingProxyType({name: Weights.of(row) for name, row in weighted.items()}),
        emotions=MappingProxyType({row["name"]: _read_names(row) for row in table["emotions"]}),
    )


class _Reader:
    """Compiles the rows of one table; knows its name, for error messages."""

    def __init__(self, source: str | Path, table: Mapping[str, Any]) -> None:
        self.source = source
        self.nouns: Mapping[str, Any] = table["nouns"]
        self.tones: Mapping[str, Sequence[str]] = table["tones"]

    def phrase(self, index: int, row: Mapping[str, Any]) -> Phrase:
        units = tuple(row["action_units"])
        wordings: list[Wording] = []
        for level, forms in row["wordings"].items():
            for form, templates in forms.items():
                where = f"phrases[{index}].wordings.{level}.{form}"
                wordings += [self._wording(units, level, form, text, where) for text in templates]
        uses = _by_use(wordings)
        for side in SIDES:
            missing = [use for use in product(LEVELS, FORMS) if (*use, side) not in uses]
            # One unit is said on one side in all forms or in none; sets are left to be both-sided.
            partly = len(units) == 1 and len(missing) < len(LEVELS) * len(FORMS)
            if missing and (side == BOTH or partly):
                reject(
                    self.source, f"phrases[{index}]", f"no wording of {missing[0]} on side {side}"
                )
        return Phrase(units, row["share"], frozenset(row.get("beside", ())), uses)

    def rest(self, index: int, row: Mapping[str, Any]) -> Phrase:
        wordings = [
            self._wording((), "", form, text, f"rest[{index}].wordings.{form}")
            for form, templates in row["wordings"].items()
            for text in templates
        ]
        return Phrase((), 1.0, frozenset(), _by_use(wordings))

    def check_groups(self, groups: tuple[frozenset[str], ...], singles: dict[str, Phrase]) -> None:
        """Every described unit must belong to exactly one muscle group."""
        members = [unit for group in groups for unit in group]
        wrong = [unit for unit in singles if members.count(unit) != 1]
        if wrong:
            reject(self.source, "muscle_groups", f"{wrong[0]} must stand in exactly one group")

    def check_frames(self, frames: tuple[Frame, ...], most: int) -> None:
        """Every kind and style must have a frame for any emotions and any number of clauses."""
        for kind, style in product(KINDS, STYLES):
            needed = most if kind in ("expressive", "plain") else 1
            if not any(
                (frame.kind, frame.style, frame.fewest) == (kind, style, 1)
                and frame.most >= needed
                and frame.max_emotions >= ANY_NUMBER
                and "attributive" not in frame.pattern
                for frame in frames
            ):
                field = f"frames of kind {kind!r} and style {style!r}"
                reject(self.source, field, f"expected one for 1 to {needed} clauses of any emotion")

    def _wording(
        self, units: tuple[str, ...], level: str, form: str, template: str, where: str
    ) -> Wording:
        slots = _SLOT.findall(template.replace(_SIDE, ""))
        if len(slots) > 1 or (slots and slots[0][0] not in self.nouns):
            reject(self.source, where, f"{template!r}: expected at most one slot, named in 'nouns'")
        noun, fixed = slots[0] if slots else ("", "!")
        surfaces: dict[str, tuple[Surface, ...]] = {}
        if _SIDE not in template:
            surfaces[BOTH] = self._surfaces(template, form, noun, BOTH)
        if _SIDE in template or (not fixed and self.nouns[noun]["sided"]):
            for side in SIDES[1:]:
                surfaces[side] = self._surfaces(template, form, noun, side)
        texts = [surface.text for group in surfaces.values() for surface in group]
        plain = _AGREEMENT.sub(r"\1", _SLOT.sub(lambda match: match[1].replace("_", " "), template))
        spoken = set(re.findall(r"[a-z'-]+", plain.lower()))
        words = {word for word in spoken if len(word) > 3}
        # A part of the face that comes back is noticed more than another word.
        words |= {f"{mark}{word}" for word in spoken & _PARTS for mark in ("@", "@@")}
        length = min(len(text.split()) for text in texts)
        frozen = MappingProxyType(surfaces)
        subject = noun if template.startswith("{" + noun) else ""
        tone = frozenset(
            name for word, names in self.tones.items() if word in spoken for name in names
        )
        return Wording(
            units, level, form, template, frozen, tone, subject, frozenset(words), length
        )

    def _surfaces(self, template: str, form: str, noun: str, side: str) -> tuple[Surface, ...]:
        text = template.replace(_SIDE, side)
        if not noun:
            return (Surface("", _AGREEMENT.sub(r"\1", text)),)
        row = self.nouns[noun]
        if side == BOTH:
            variants = row["short" if form == "noun" else "both"]
        else:
            variants = [variant.replace(_SIDE, side) for variant in row["sided"]]
        number = r"\1" if side == BOTH and row["plural"] else r"\2"
        before, after = _SLOT.split(_AGREEMENT.sub(number, text), maxsplit=1)[0::3]
        if before:
            article = "" if side == BOTH else ("an " if before[0] in "aeiou" else "a ")
            return tuple(Surface("", f"{article}{before}{name}{after}") for name in variants)
        article = "" if form == "noun" and side == BOTH else "the "
        return tuple(Surface(f"{article}{name}", after) for name in variants)


def _by_use(wordings: list[Wording]) -> Mapping[tuple[str, str, str], tuple[Wording, ...]]:
    uses: dict[tuple[str, str, str], list[Wording]] = {}
    for wording in wordings:
        for side in wording.surfaces:
            uses.setdefault((wording.level, wording.form, side), []).append(wording)
    return MappingProxyType({use: tuple(rows) for use, rows in uses.items()})


def _read_names(row: Mapping[str, Any]) -> EmotionNames:
    return EmotionNames(row["noun"], row["predicative"], row["attributive"])


def _read_frame(row: Mapping[str, Any]) -> Frame:
    lists = re.findall(r"\{(clauses|absolutes|nouns|the_nouns|tags)\}", row["pattern"])
    return Frame(
        kind=row["kind"],
        style=row["style"],
        pattern=row["pattern"],
        weight=row["weight"],
        fewest=row["items"][0],
        most=row["items"][1],
        max_emotions=row.get("max_emotions", ANY_NUMBER),
        lists=tuple(lists),
    )

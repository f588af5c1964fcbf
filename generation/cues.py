"""Cues: descriptions of action units, alone and together, without a transcript.

They teach a text-to-expression model the shapes that everyday sentences seldom bring (winks, puffed
cheeks, gaze, pucker, rolled lips), the sides, what "barely" and "as far as it goes" do, and other
hands' words. Most are made from the parts in ``tables/cue_phrases-v1.json``; the sayings
(``tables/sayings-v2.json`` and what it continues) are whole texts. What there is of them is printed
by::

    python -m countenance.generation.cues [--mapping v1] [--seed 0] [--show 20]
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from random import Random
from typing import Any

from ..au_mapping import ActionUnit, AUMapping, load_mapping, mapping_names
from .composition_checks import Mention, read_description
from .cue_table import CueTable, load_cue_table
from .cue_writer import CueWriter, WordedCue, words_of
from .phrase_reading import load_phrases
from .phrases import LEVELS
from .reserved_texts import reserved_hashes, text_hash
from .sayings import SAYINGS_TABLE, load_sayings, sayings_for

DEFAULT_COMBINATIONS = 5000
KINDS = ("rest", "single", "pair", "triple")
SEVERAL = "several"
_STOP = re.compile(r"[.!?…]\W*$")
FORMS = ("sentence", "prompt")
# What everyday words do not tell apart: raised brows, an open mouth.
_SAID_ALIKE = (frozenset(("AU1", "AU2")), frozenset(("AU25", "AU26", "AU27")))


@dataclass(frozen=True)
class CueItem:
    """One description with the action units that it names.

    Attributes:
        id: 16 hex digits, a stable hash of the description.
        description: A sentence or a short prompt, distinct among the items.
        action_units: In notation, in the mapping's order: ``("AU12B",)``, ``("AUL43",)``; empty for
            a face at rest.
        form: "sentence" or "prompt".
        cue: Canonical name of the combination, ``"AU12B+AUL14C"``; "" at rest.
        kind: "rest", "single", "pair", "triple" or "several", by the number of units.
        cues_version: The table that the words come from.
    """

    id: str
    description: str
    action_units: tuple[str, ...]
    form: str
    cue: str
    kind: str
    cues_version: str


def cue_items(
    mapping: AUMapping,
    *,
    seed: int = 0,
    combinations: int = DEFAULT_COMBINATIONS,
    table: CueTable | None = None,
    sayings: str | Path | None = SAYINGS_TABLE,
) -> list[CueItem]:
    """Word every action unit of a mapping at every intensity and side, and sampled combinations.

    The sayings that the mapping can show come after them.

    The same arguments give the same items in the same order. No two descriptions have the same
    words, whatever their case and punctuation, and none those of a text that models are tested on
    (``reserved_texts``).

    Args:
        mapping: Its units, sides and rules decide what there is to word.
        seed: Seeds every choice of words, and the combinations.
        combinations: How many pairs and triples are drawn; looks (a smirk, a gasp) come on top.
        table: Default: the packaged table of cue phrases.
        sayings: The table of sayings, by name or path; None for none.

    Raises:
        TableError: The table has no row for a unit of the mapping, or no words for a cell.
    """
    table = table or load_cue_table()
    items = [
        as_item(worded.description, worded.units, worded.form, table.version)
        for worded in word_cues(mapping, seed, combinations, table)
    ]
    if sayings is not None:
        items += saying_items(mapping, sayings, {words_of(item.description) for item in items})
    reserved = reserved_hashes()
    return [item for item in items if text_hash(item.description) not in reserved]


def word_cues(mapping: AUMapping, seed: int, combinations: int, table: CueTable) -> list[WordedCue]:
    """The texts of parts behind ``cue_items``, with registers and patterns; arguments as there."""
    writer = CueWriter(mapping, table, seed)
    writer.word_rows()
    writer.word_combinations(combinations)
    return writer.worded


def saying_items(
    mapping: AUMapping, sayings: str | Path = SAYINGS_TABLE, known: Set[str] = frozenset()
) -> list[CueItem]:
    """The sayings that a mapping can show, but those whose words are among ``known``."""
    version = load_sayings(sayings).version
    return [
        as_item(saying.text, saying.units, form_of(saying.text), version)
        for saying in sayings_for(mapping, sayings)
        if words_of(saying.text) not in known
    ]


def form_of(text: str) -> str:
    """What begins with a capital and ends with a full stop or the like is a "sentence"."""
    opening = next((character for character in text if character.isalnum()), "")
    return "sentence" if opening.isupper() and _STOP.search(text) else "prompt"


def kind_of(units: int) -> str:
    """How a number of action units is called."""
    return KINDS[units] if units < len(KINDS) else SEVERAL


def as_item(text: str, units: Sequence[ActionUnit], form: str, version: str) -> CueItem:
    """The item of one text."""
    names = tuple(str(unit) for unit in units)
    return CueItem(
        id=blake2b(text.encode(), digest_size=8).hexdigest(),
        description=text,
        action_units=names,
        form=form,
        cue="+".join(names),
        kind=kind_of(len(names)),
        cues_version=version,
    )


def contradictions(items: Sequence[CueItem]) -> tuple[int, list[str]]:
    """Read the items with the description parser of the phrase table and compare.

    The parser knows other words than the cues, so it reads few of them, and often not all of a
    wording ("brow raise" in "inner brow raise", no side in "on the left side"). So a unit that it
    reads must be among the item's, or be said in the same everyday words as one of them; a side
    that it reads must be the item's; and the level may be one step off.

    Returns:
        How many items it can read at all, and those that it contradicts, as "text -> what it read".
    """
    levels = load_phrases().level_of
    sides = {None: "both", "L": "left", "R": "right"}
    readable, wrong = 0, []
    for item in items:
        said = read_description(item.description)
        readable += bool(said)
        units = [ActionUnit.parse(text) for text in item.action_units]
        shown = [(u.id, sides[u.side], LEVELS.index(levels[u.intensity])) for u in units]
        bad = [mention for mention in sorted(said) if not any(_agree(mention, s) for s in shown)]
        if bad:
            wrong.append(f"{item.description} [{item.cue}] -> {bad}")
    return readable, wrong


def _agree(said: Mention, shown: Mention) -> bool:
    same = said[0] == shown[0] or any({said[0], shown[0]} <= kin for kin in _SAID_ALIKE)
    return same and said[1] in ("both", shown[1]) and abs(said[2] - shown[2]) <= 1


def describe_cues(
    mapping: AUMapping, seed: int = 0, combinations: int = DEFAULT_COMBINATIONS
) -> dict[str, Any]:
    """Count the items by kind, form, register, letter and side, and what the parser reads."""
    table = load_cue_table()
    writer = CueWriter(mapping, table, seed)
    writer.word_rows()
    writer.word_combinations(combinations)
    worded = writer.worded
    items = [as_item(text.description, text.units, text.form, table.version) for text in worded]
    known = {words_of(item.description) for item in items}
    sayings = saying_items(mapping, known=known)
    singles = [text for text in worded if len(text.units) == 1]
    cells = Counter(text.units[0] for text in singles)
    patterns: dict[str, set[str]] = {unit: set() for unit in mapping.action_units}
    for text in worded:
        if text.row in patterns:
            patterns[text.row].add(text.pattern)
    readable, wrong = contradictions(items)
    words = [len(item.description.split()) for item in items]
    return {
        "cues_version": table.version,
        "mapping_version": mapping.version,
        "seed": seed,
        "items": len(items),
        "kinds": dict(Counter(item.kind for item in items)),
        "forms": dict(Counter(item.form for item in items)),
        "registers": dict(Counter(text.register for text in worded)),
        "sayings": {
            "items": len(sayings),
            "registers": dict(Counter(saying.register for saying in sayings_for(mapping))),
            "kinds": dict(Counter(item.kind for item in sayings)),
        },
        "letters": dict(Counter(str(text.units[0].intensity) for text in singles)),
        "sides": dict(Counter(str(text.units[0].side) for text in singles)),
        "distinct_combinations": len({item.cue for item in items}),
        "single_cells": len(cells),
        "items_per_single_cell": {"fewest": min(cells.values()), "most": max(cells.values())},
        "looks": len({text.row for text in worded} - set(mapping.action_units) - {""}),
        "patterns_per_unit": {
            "fewest": min(map(len, patterns.values())),
            "most": max(map(len, patterns.values())),
        },
        "words": {
            "fewest": min(words),
            "mean": round(sum(words) / len(words), 2),
            "most": max(words),
        },
        "ambiguous_texts": len(writer.conflicts),
        "read_by_description_parser": readable,
        "contradicted_by_description_parser": len(wrong),
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Print what there is, or a sample to read."""
    parser = argparse.ArgumentParser(prog="python -m countenance.generation.cues")
    parser.add_argument("--mapping", default="v1", choices=mapping_names(), help="AU table")
    parser.add_argument("--seed", type=int, default=0, help="seed of every draw")
    parser.add_argument(
        "--combinations", type=int, default=DEFAULT_COMBINATIONS, help="drawn pairs and triples"
    )
    parser.add_argument("--show", type=int, default=0, help="print this many random items instead")
    arguments = parser.parse_args(argv)
    mapping = load_mapping(arguments.mapping)
    if arguments.show:
        items = cue_items(mapping, seed=arguments.seed, combinations=arguments.combinations)
        for item in Random(arguments.seed).sample(items, min(arguments.show, len(items))):
            print(f"{item.cue:28} {item.form:9} {item.description}")
        return
    print(json.dumps(describe_cues(mapping, arguments.seed, arguments.combinations), indent=2))


if __name__ == "__main__":
    main()

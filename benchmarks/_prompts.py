"""The prompt files of ``benchmarks/words``: reading, checking, and which half a prompt is in."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from countenance.benchmarks._checks import Check, Expression, parse_check, parse_expression
from countenance.errors import TableError

FOLDER = Path(__file__).parent / "words"
PROMPTS = FOLDER / "prompts-v1.json"
SINGLE_CUES = FOLDER / "single_cues-v1.json"
OPEN, HELD_OUT = "open", "held_out"
HALVES = (OPEN, HELD_OUT)
LETTERS = ("B", "C", "E")
FORMS = ("sentence", "prompt")
SIDES = ("left", "right")


@dataclass(frozen=True)
class Prompt:
    """Words, and what a face that answers them must show.

    Attributes:
        id: Its name in reports, unique in the file.
        text: What ``express`` is given.
        category: What it is about; the halves are balanced over categories.
        register: How it is written.
        expected_action_units: What a reader of FACS would score, as units of mapping v1.
        checks: All must hold.
        half: ``open`` or ``held_out``.
    """

    id: str
    text: str
    category: str
    register: str
    expected_action_units: tuple[str, ...]
    checks: tuple[Check, ...]
    half: str


@dataclass(frozen=True)
class StrengthPair:
    """Two prompts of which the second must show more.

    Attributes:
        id, category, half: As in ``Prompt``.
        texts: The weaker and the stronger wording.
        measure: What must be larger.
        expected_action_units: For each of the texts.
    """

    id: str
    category: str
    texts: tuple[str, str]
    measure: Expression
    expected_action_units: tuple[tuple[str, ...], tuple[str, ...]]
    half: str


@dataclass(frozen=True)
class SidePair:
    """Two prompts that differ in the side.

    Attributes:
        id, category, half: As in ``Prompt``.
        texts: For the subject's left and right.
        shapes: Names without a side; their sum must be larger on the side that a text names.
        expected_action_units: For each of the texts.
    """

    id: str
    category: str
    texts: tuple[str, str]
    shapes: tuple[str, ...]
    expected_action_units: tuple[tuple[str, ...], tuple[str, ...]]
    half: str

    @cached_property
    def difference(self) -> Expression:
        """The shapes' sum on the left less that on the right."""
        left, right = (
            ", ".join(f"{shape}{side.capitalize()}" for shape in self.shapes) for side in SIDES
        )
        return parse_expression(f"sum({left}) - sum({right})")


@dataclass(frozen=True)
class PromptSet:
    """All of ``prompts-v1.json``, or one half of it.

    Attributes:
        strength_margin: By how much the stronger wording's measure must exceed the weaker's.
        side_margin: By how much the named side must exceed the other.
    """

    prompts: tuple[Prompt, ...]
    strength_pairs: tuple[StrengthPair, ...]
    side_pairs: tuple[SidePair, ...]
    strength_margin: float
    side_margin: float

    def half(self, half: str) -> PromptSet:
        """Only the entries of one half."""
        return PromptSet(
            tuple(prompt for prompt in self.prompts if prompt.half == half),
            tuple(pair for pair in self.strength_pairs if pair.half == half),
            tuple(pair for pair in self.side_pairs if pair.half == half),
            self.strength_margin,
            self.side_margin,
        )

    def texts(self) -> list[str]:
        """Every text that ``express`` is to be given, each once."""
        pairs = [text for pair in (*self.strength_pairs, *self.side_pairs) for text in pair.texts]
        return list(dict.fromkeys([*(prompt.text for prompt in self.prompts), *pairs]))


@dataclass(frozen=True)
class SingleCue:
    """One action unit in words, alone.

    Attributes:
        action_unit: Its id, ``"AU12"``.
        texts: For each form (sentence, prompt) the text at each of the letters B, C and E.
        sides: For each form the text for the left and the right; empty for a unit without sides.
    """

    action_unit: str
    texts: Mapping[str, Mapping[str, str]]
    sides: Mapping[str, Mapping[str, str]]


def load_prompts(path: Path = PROMPTS) -> PromptSet:
    """Read the prompts and pairs.

    Raises:
        TableError: The file is unreadable, breaks its schema, or a check cannot be read.
    """
    table = _read(path, "prompts")
    prompts = tuple(
        Prompt(
            row["id"],
            row["prompt"],
            row["category"],
            row["register"],
            tuple(row["expected_action_units"]),
            tuple(_located(path, row["id"], parse_check, text) for text in row["checks"]),
            row["half"],
        )
        for row in table["prompts"]
    )
    strengths = tuple(
        StrengthPair(
            row["id"],
            row["category"],
            (row["weaker"], row["stronger"]),
            _located(path, row["id"], parse_expression, row["measure"]),
            (tuple(row["weaker_action_units"]), tuple(row["stronger_action_units"])),
            row["half"],
        )
        for row in table["strength_pairs"]
    )
    sides = tuple(
        SidePair(
            row["id"],
            row["category"],
            (row["left"], row["right"]),
            tuple(row["shapes"]),
            (tuple(row["left_action_units"]), tuple(row["right_action_units"])),
            row["half"],
        )
        for row in table["side_pairs"]
    )
    for pair in sides:
        _located(path, pair.id, lambda _, of=pair: of.difference, "")
    _refuse_repeated(path, [row.id for row in (*prompts, *strengths, *sides)])
    margins = table["margins"]
    return PromptSet(prompts, strengths, sides, margins["strength"], margins["side"])


def load_single_cues(path: Path = SINGLE_CUES) -> tuple[SingleCue, ...]:
    """Read the sentences and short prompts of the single units.

    Raises:
        TableError: The file is unreadable, breaks its schema, or names a unit twice.
    """
    rows = _read(path, "single_cues")["cues"]
    _refuse_repeated(path, [row["action_unit"] for row in rows])
    return tuple(
        SingleCue(
            row["action_unit"],
            {form: row[form] for form in FORMS},
            {form: row[f"{form}_sides"] for form in FORMS if f"{form}_sides" in row},
        )
        for row in rows
    )


def all_texts() -> list[str]:
    """Every text of both files that a model is ever given, each once."""
    forms = [
        texts for cue in load_single_cues() for texts in (*cue.texts.values(), *cue.sides.values())
    ]
    return list(dict.fromkeys([*load_prompts().texts(), *(t for f in forms for t in f.values())]))


def assign_halves(ids: Mapping[str, Iterable[str]], seed: int) -> dict[str, str]:
    """Divide every category evenly, by seed.

    Args:
        ids: For each category the ids in it.
        seed: Of the draw; a category is drawn with a seed of its own name too, so that adding a
            category changes no other.

    Returns:
        The half of each id. Of a category with an odd number, the open half has one more in every
        second category.
    """
    halves = {}
    extra = 0
    for category in sorted(ids):
        members = sorted(ids[category])
        rng = np.random.default_rng([seed, zlib.crc32(category.encode())])
        order = [members[i] for i in rng.permutation(len(members))]
        cut = (len(members) + extra) // 2
        extra ^= len(members) % 2
        halves |= dict.fromkeys(order[:cut], OPEN) | dict.fromkeys(order[cut:], HELD_OUT)
    return halves


def _read(path: Path, kind: str) -> Mapping[str, Any]:
    from jsonschema import Draft202012Validator

    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TableError(f"{path}: cannot be read as JSON ({error})") from error
    schema = json.loads((FOLDER / f"{kind}.schema.json").read_text(encoding="utf-8"))
    problems = Draft202012Validator(schema).iter_errors(table)
    first = min(problems, key=lambda problem: problem.json_path, default=None)
    if first is not None:
        raise TableError(f"{path}: {first.json_path}: {first.message[:200]}")
    if table["version"] != path.stem:
        raise TableError(
            f"{path}: $.version: expected the file's stem {path.stem!r}, found {table['version']!r}"
        )
    return table


def _located(path: Path, row: str, parse: Any, text: str) -> Any:  # noqa: ANN401
    try:
        return parse(text)
    except TableError as error:
        raise TableError(f"{path}: {row}: {error}") from error


def _refuse_repeated(path: Path, ids: list[str]) -> None:
    for name in ids:
        if ids.count(name) > 1:
            raise TableError(f"{path}: {name} stands there twice; every entry needs its own id")

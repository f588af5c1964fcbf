"""The checks of a generated answer, beyond what its grammar already guarantees."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..au_mapping import ActionUnit, AUMapping
from ..errors import ActionUnitError
from .consistency import CONSISTENCY_TABLE, answer_faults
from .description_reading import READING_TABLE
from .emotion_table import EMOTION_TABLE
from .generate_prompt import GeneratePrompt, allows_empty, as_answer
from .grammar import Exclusions
from .phrases import PHRASES_TABLE
from .strict_schema import strict_validator
from .tables_reading import NEUTRAL, read_table
from .transcripts import normalise

CHECKS_TABLE = "generate_checks-v1"
# What an answer is checked by, for the identity of a run, whichever engine wrote it.
TABLES = {
    "emotion_table": EMOTION_TABLE,
    "checks_table": CHECKS_TABLE,
    "consistency_table": CONSISTENCY_TABLE,
    "reading_table": READING_TABLE,
    "phrase_table": PHRASES_TABLE,
}
_WORD = re.compile(r"[a-z']+")


@dataclass(frozen=True)
class AnswerRules:
    """What a description must look like, from a versioned table.

    Attributes:
        version: The table's name.
        words: Fewest and most words.
        max_repeats: How often one word of four letters or more may come.
        still: Beginnings of words that describe a face without action units.
        regions: Beginnings of words that speak of a unit's part of the face, by unit id.
    """

    version: str
    words: tuple[int, int]
    max_repeats: int
    still: tuple[str, ...]
    regions: Mapping[str, frozenset[str]]


@lru_cache(maxsize=4)
def load_answer_rules(name_or_path: str | Path = CHECKS_TABLE) -> AnswerRules:
    """Read the rules.

    Raises:
        TableError: The table is unknown or malformed.
    """
    table = read_table(name_or_path, "generate_checks")
    regions: dict[str, frozenset[str]] = {}
    for row in table["regions"]:
        for unit in row["action_units"]:
            regions[unit] = regions.get(unit, frozenset()) | frozenset(row["words"])
    return AnswerRules(
        version=table["version"],
        words=(table["words"][0], table["words"][1]),
        max_repeats=table["max_repeats"],
        still=tuple(table["still"]),
        regions=regions,
    )


class AnswerChecker:
    """Says why an answer may not become a record.

    Args:
        prompt: The prompt that was answered.
        mapping: The closed list of action units.
        exclusions: Pairs of unit ids that cannot show together.
        rules: What a description must look like.
    """

    def __init__(
        self,
        prompt: GeneratePrompt,
        mapping: AUMapping,
        exclusions: Exclusions,
        rules: AnswerRules | None = None,
    ) -> None:
        self._prompt = prompt
        self._mapping = mapping
        self._exclusions = exclusions
        self._rules = rules or load_answer_rules()
        self._schema = strict_validator(prompt.schema(mapping))
        self._copies = {normalise(example.description) for example in prompt.examples}

    def parse(
        self, text: str, transcript: str, emotions: Sequence[str] | None = None
    ) -> tuple[list[str], str, list[str]] | str:
        """Read and check an answer.

        Args:
            text: What the model wrote.
            transcript: What it was asked about.
            emotions: Tags that were given, or None.

        Returns:
            Emotions, description and action units, or the reason: ``"check: what: detail"``.
        """
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            return f"check: not JSON: {error}"
        fault = self._schema_fault(data, emotions)
        if fault is None:
            answer = as_answer(self._prompt, data)
            fault = (
                self._units_fault(answer[0], answer[2])
                or self._description_fault(answer[1], transcript)
                or self._agreement_fault(answer[1], answer[2])
                or next(iter(answer_faults(*answer, transcript)), None)
            )
        return f"check: {fault}" if fault else answer

    def _schema_fault(self, data: Any, emotions: Sequence[str] | None) -> str | None:  # noqa: ANN401
        # Given tags may be more than the model would have been allowed.
        if emotions and isinstance(data, dict) and data.get(self._prompt.keys[0]) == list(emotions):
            data = {**data, self._prompt.keys[0]: [NEUTRAL]}
        elif emotions:
            return "emotions: not those that were given"
        error = next(self._schema.iter_errors(data), None)
        return f"schema: {error.json_path}: {error.message[:120]}" if error else None

    def _units_fault(self, emotions: Sequence[str], units: Sequence[str]) -> str | None:
        try:
            self._mapping.to_blendshapes(units)
        except ActionUnitError as error:
            return f"action_units: {error}"
        names = [ActionUnit.parse(unit).id for unit in units]
        if len(set(names)) < len(names):
            return "action_units: a unit comes twice"
        for first, second in self._exclusions:
            if first in names and second in names:
                return f"action_units: {first} excludes {second}"
        if not names and not allows_empty(emotions):
            return "action_units: none, though the emotion is not neutral"
        return None

    def _description_fault(self, description: str, transcript: str) -> str | None:
        words = _WORD.findall(description.lower())
        least, most = self._rules.words
        if not least <= len(words) <= most:
            return f"description: {len(words)} words, expected {least} to {most}"
        long_words = Counter(word for word in words if len(word) > 3)
        commonest = max(long_words.values(), default=0)
        if commonest > self._rules.max_repeats:
            return f"description: a word comes {commonest} times"
        if len(set(zip(words, words[1:], words[2:], strict=False))) < len(words) - 2:
            return "description: three words come twice"
        if normalise(description) in self._copies:
            return "description: copied from an example"
        if normalise(description) == normalise(transcript):
            return "description: copied from the transcript"
        return None

    def _agreement_fault(self, description: str, units: Sequence[str]) -> str | None:
        """Whether the description speaks of at least one part of the face that a unit moves."""
        names = [ActionUnit.parse(unit).id for unit in units]
        known = [self._rules.regions[name] for name in names if name in self._rules.regions]
        if names and len(known) < len(names):
            return None
        beginnings = tuple(sorted(frozenset().union(*known))) if names else self._rules.still
        words = _WORD.findall(description.lower())
        if any(word.startswith(beginnings) for word in words):
            return None
        return "description: names no part of the face that the action units move"

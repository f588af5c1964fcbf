"""The phrase table in memory: what each action unit is called, by level, side and form.

A description parser finds here what it needs: every ``Wording`` knows the action units it stands
for, their level and its form, and ``surfaces`` lists every text that it can become.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

PHRASES_TABLE = "phrases-v2"
LEVELS = ("light", "medium", "strong")
FORMS = ("clause", "absolute", "noun")
BOTH = "both"
SIDES = (BOTH, "left", "right")


@dataclass(frozen=True, slots=True)
class Surface:
    """One text that a wording can become.

    Attributes:
        head: Its subject with article where the wording begins with one ("the lips"), else "".
        tail: The rest, with its leading space if there is a head.
    """

    head: str
    tail: str

    @property
    def text(self) -> str:
        """The whole text, in lower case and without a full stop."""
        return self.head + self.tail


@dataclass(frozen=True, slots=True, eq=False)
class Wording:
    """One way to say one level of one action unit, or of several at once.

    Attributes:
        action_units: Ids, the leading one first; empty for a part of the face at rest.
        level: "light", "medium" or "strong" ("" for the face at rest).
        form: "clause" (finite), "absolute" (noun and participle) or "noun" (noun phrase).
        template: The text with its markup, as in the table.
        surfaces: Every text it can become, by side; sides that it cannot say are missing.
        tone: The emotions that the wording suits; empty if it suits all.
        subject: Name of the noun that it begins with, "" if it begins with none.
        words: What a reader would notice if it came twice in one sentence.
        length: Number of words of its shortest text.
    """

    action_units: tuple[str, ...]
    level: str
    form: str
    template: str
    surfaces: Mapping[str, tuple[Surface, ...]]
    tone: frozenset[str]
    subject: str
    words: frozenset[str]
    length: int


@dataclass(frozen=True, slots=True, eq=False)
class Phrase:
    """All wordings of one action unit, of one set of units, or of one part of the face at rest.

    Attributes:
        action_units: Ids, the leading one first.
        share: Chance that a set of units is said in one clause when it can be.
        beside: Units beside which these wordings stand in for the unit's own ones; mostly empty.
        wordings: By (level, form, side).
    """

    action_units: tuple[str, ...]
    share: float
    beside: frozenset[str]
    wordings: Mapping[tuple[str, str, str], tuple[Wording, ...]]


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A sentence pattern.

    Attributes:
        kind: "expressive", "plain", "trace", "neutral" or "still"; see the schema.
        style: "cues", "person" or "prompt".
        pattern: The text with its places.
        weight: How often it is chosen, against the other fitting ones.
        fewest: Fewest clauses that it carries.
        most: Most clauses that it carries.
        max_emotions: Most emotions that it names.
        lists: Names of its places for clauses, in order.
    """

    kind: str
    style: str
    pattern: str
    weight: float
    fewest: int
    most: int
    max_emotions: int
    lists: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EmotionNames:
    """What one emotion is called, by grade: "light", "medium" or "strong".

    Attributes:
        noun: After "feels": "deep sadness".
        predicative: After "looks": "deeply sad".
        attributive: Before "face"; a grade may have none.
    """

    noun: Mapping[str, tuple[str, ...]]
    predicative: Mapping[str, tuple[str, ...]]
    attributive: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Weights:
    """A choice with weights: ``cumulated`` ends at 1."""

    options: tuple[Any, ...]
    cumulated: tuple[float, ...]

    @classmethod
    def of(cls, weights: Mapping[Any, float]) -> Weights:
        """Build from option: weight."""
        total = sum(weights.values())
        return cls(tuple(weights), tuple(accumulate(value / total for value in weights.values())))

    def pick(self, mark: float) -> Any:  # noqa: ANN401 - the options are of any type
        """Return the option at a mark in [0, 1)."""
        for option, bound in zip(self.options, self.cumulated, strict=True):
            if mark < bound:
                return option
        return self.options[-1]


@dataclass(frozen=True, eq=False)
class PhraseTable:
    """A checked phrase table.

    Attributes:
        version: Its name, equal to the file's stem.
        max_words: A longer description is worded again, more briefly.
        level_of: Level by FACS letter; None is a unit without a letter.
        groups: Muscle groups as sets of ids, from the top of the face to the bottom.
        singles: Phrases by action unit id.
        variants: By id the phrase that stands in for the unit's own one beside certain units.
        merges: Phrases of several units, largest set first.
        rest: Phrases of the face at rest.
        frames: The sentence patterns.
        choices: Weighted choices by name: styles, orders, determiners, clause_pair, emotion_pair.
        emotions: Names of the emotions, by emotion.
    """

    version: str
    max_words: int
    level_of: Mapping[str | None, str]
    groups: tuple[frozenset[str], ...]
    singles: Mapping[str, Phrase]
    variants: Mapping[str, Phrase]
    merges: tuple[Phrase, ...]
    rest: tuple[Phrase, ...]
    frames: tuple[Frame, ...]
    choices: Mapping[str, Weights]
    emotions: Mapping[str, EmotionNames]

    @property
    def action_units(self) -> tuple[str, ...]:
        """Ids that can be described, by number."""
        return tuple(sorted(self.singles, key=lambda unit: int(unit[2:])))

    def wordings(self) -> Iterator[Wording]:
        """Yield every wording of an action unit or of several, each once."""
        for phrase in (*self.singles.values(), *self.variants.values(), *self.merges):
            seen = dict.fromkeys(w for group in phrase.wordings.values() for w in group)
            yield from seen

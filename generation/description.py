"""Composing the description of a face: first a plan (what is said how), then its text.

Every clause of a plan knows its action units, so that a description can be checked against them:
together the clauses name each unit once, and no other.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from ..au_mapping import ActionUnit
from .clause_planning import ClausePlan, Part, Unit, group_units, order_clauses, read_units
from .description_text import Clause, DescriptionPlan, join_list, render_description
from .emotion_table import load_emotion_table
from .phrase_reading import load_phrases
from .phrases import BOTH, LEVELS, Frame, PhraseTable, Surface, Weights, Wording
from .tables_reading import NEUTRAL, check_emotions, load_emotions

_FORMS = {"clauses": "clause", "absolutes": "absolute", "nouns": "noun", "the_nouns": "noun"}
# Most clauses that a list takes where a pattern has two of them.
_ROOM = {"clauses": 3, "absolutes": 5, "nouns": 6}
# Brief patterns are one list of noun phrases.
_BRIEF_LISTS = (("nouns",), ("tags",), ("the_nouns",))
_ATTEMPTS = 4
_TRIES = 6
# More emotions than these in one sentence are a list, not a feeling.
_MOST_NAMED = 3
# An emotion is named beside others if the face shows one of its core units, this share of all that
# is expected of it, and every unit that it hardly ever lacks.
_LEAST_SHOWN = 0.3
_INDISPENSABLE = 0.95
_UNPLEASANT = frozenset({"anger", "disgust", "fear", "sadness"})
_LONG_WORD = re.compile("[a-z]{4,}")


def compose_description(
    action_units: Sequence[ActionUnit | str],
    emotions: Sequence[str],
    rng: np.random.Generator,
    table: PhraseTable | None = None,
) -> str:
    """Compose one sentence, or one short prompt, that describes a face.

    Args:
        action_units: What the face shows, as units or their text; empty for a face at rest.
        emotions: Labels, the dominant one first; may be empty. Neutral is not named. Of several
            others those are that the units show, three at most; the nearest one if none shows.
        rng: Source of every choice of words; seed it per item.
        table: Default: the packaged phrase table.

    Returns:
        English text, at most about 35 words as long as the units are not very many.

    Raises:
        ActionUnitError: A unit cannot be parsed, has no phrases, or none for its side.
        TableError: An emotion has no names in the table.
    """
    return render_description(plan_description(action_units, emotions, rng, table))


def plan_description(
    action_units: Sequence[ActionUnit | str],
    emotions: Sequence[str],
    rng: np.random.Generator,
    table: PhraseTable | None = None,
) -> DescriptionPlan:
    """Plan a description; arguments and errors are those of ``compose_description``."""
    table = table or load_phrases()
    names = tuple(dict.fromkeys(emotions))
    check_emotions(names, table.emotions.keys(), table.version)
    named = tuple(name for name in names if name != NEUTRAL)
    units = read_units(action_units, table)
    planner = _Planner(
        table=table,
        rng=rng,
        kind=_kind(units, names, named),
        clauses=order_clauses(group_units(units, table, rng), table, rng),
        emotions=_shown(named, frozenset(unit.id for unit in units))[:_MOST_NAMED],
        grade=_grade(units),
        style=table.choices["styles"].pick(rng.random()),
    )
    plan = planner.plan(brief=False)
    for attempt in range(1, _ATTEMPTS):
        if len(render_description(plan).split()) <= table.max_words:
            break
        plan = planner.plan(brief=attempt > 1)
    return plan


def _kind(units: list[Unit], names: tuple[str, ...], named: tuple[str, ...]) -> str:
    """Which kind of frame fits; see the schema of the phrase table."""
    if not units:
        return "still" if named else "neutral"
    if named:
        return "expressive"
    faint = len(units) <= 2 and all(unit.level == 0 for unit in units)
    return "trace" if faint and names else "plain"


@lru_cache(maxsize=65536)
def _shown(emotions: tuple[str, ...], units: frozenset[str]) -> tuple[str, ...]:
    """The emotions that the units show, by the packaged emotion table; else the nearest one."""
    table = load_emotion_table()
    shown, shares = [], {}
    for name in emotions:
        expected = table.emotions[name].candidates if name in table.emotions else ()
        chances = {row.action_unit: row.probability for row in expected}
        seen = [chance for unit, chance in chances.items() if unit in units]
        shares[name] = sum(seen) / sum(chances.values()) if chances else 0.0
        core = table.core_share * max(chances.values(), default=1.0)
        lacks = any(c >= _INDISPENSABLE and unit not in units for unit, c in chances.items())
        if max(seen, default=0.0) >= core and shares[name] >= _LEAST_SHOWN and not lacks:
            shown.append(name)
    return tuple(shown) or tuple(sorted(emotions, key=lambda name: -shares[name])[:1])


def _grade(units: list[Unit]) -> str:
    """How strongly the emotion shows, by the mean level of the units."""
    if not units:
        return "medium"
    mean = sum(unit.level for unit in units) / len(units)
    return LEVELS[0 if mean < 0.5 else 2 if mean > 1.5 else 1]


@dataclass(slots=True)
class _Planner:
    """Words one face; ``used`` holds the words so far, so that they do not come twice."""

    table: PhraseTable
    rng: np.random.Generator
    kind: str
    clauses: list[ClausePlan]
    emotions: tuple[str, ...]
    grade: str
    style: str
    used: set[str] = field(default_factory=set)

    def plan(self, brief: bool) -> DescriptionPlan:
        self.used = set()
        opposed = _opposed(self.emotions[:2])
        attributive = self._adjectives("attributive", " but " if opposed else ", ")
        frame = self._frame(brief, bool(attributive))
        emotion = self._emotion_noun(" with " in frame.pattern)
        self.used.update(emotion.split(), _LONG_WORD.findall(frame.pattern.lower()))
        lists = tuple(
            (name, tuple(self._clause(plan, name, brief) for plan in plans))
            for name, plans in self._share_out(frame)
        )
        choices, rng = self.table.choices, self.rng
        return DescriptionPlan(
            style=frame.style,
            pattern=frame.pattern,
            lists=lists,
            join=choices["clause_pair"].pick(rng.random()),
            determiner=self._determiner(lists),
            emotion=emotion,
            predicative=self._adjectives("predicative", " but " if opposed else " and "),
            attributive=attributive,
        )

    def _determiner(self, lists: tuple[tuple[str, tuple[Clause, ...]], ...]) -> str:
        """Choose the word before the parts of the face, where another one than "the" can stand."""
        determiner = str(self.table.choices["determiners"].pick(self.rng.random()))
        heads = [s.head for _, clauses in lists for clause in clauses for s in clause.surfaces]
        # Neither "their corners of the mouth" nor "with left brow raised" is English.
        rigid = any(" of the " in head or " left " in head or " right " in head for head in heads)
        if rigid or (determiner == "their" and self.style != "person"):
            return "the"
        return determiner

    def _frame(self, brief: bool, attributive: bool) -> Frame:
        count = len(self.clauses) or 1
        weights = _frames(
            self.table, self.kind, self.style, count, len(self.emotions), attributive, brief
        )
        frame: Frame = weights.pick(self.rng.random())
        return frame

    def _share_out(self, frame: Frame) -> list[tuple[str, list[ClausePlan]]]:
        """Divide the clauses between the lists of a frame."""
        clauses = self.clauses or self._rest(frame)
        if len(frame.lists) == 1:
            return [(frame.lists[0], clauses)]
        first, second = frame.lists
        fewest = max(1, len(clauses) - _ROOM[second])
        most = max(fewest, min(_ROOM[first], len(clauses) - 1))
        count = fewest + int(self.rng.random() * (most - fewest + 1))
        return [(first, clauses[:count]), (second, clauses[count:])]

    def _rest(self, frame: Frame) -> list[ClausePlan]:
        """Choose parts of the face at rest, from the top down."""
        count = frame.fewest + int(self.rng.random() * (frame.most - frame.fewest + 1))
        chosen = sorted(self.rng.permutation(len(self.table.rest))[:count].tolist())
        return [(Part(self.table.rest[index], (), "", BOTH),) for index in chosen]

    def _clause(self, plan: ClausePlan, name: str, brief: bool) -> Clause:
        form = _FORMS.get(name) or ("absolute" if self.rng.random() < 0.4 and not brief else "noun")
        wordings: list[Wording] = []
        surfaces: list[Surface] = []
        for part in plan:
            choice = part.phrase.wordings[part.level, form, part.side]
            if wordings and form != "noun":
                # A shared subject need not be said again.
                subject = wordings[-1].subject
                choice = tuple(w for w in choice if subject and w.subject == subject) or choice
            wording = self._wording(choice, brief)
            options = wording.surfaces[part.side]
            surface = options[int(self.rng.random() * len(options))]
            if surfaces:
                heads = {option.head: option for option in options}
                surface = heads.get(surfaces[-1].head, surface)
            wordings.append(wording)
            surfaces.append(surface)
        units = tuple(unit.name for part in plan for unit in part.units)
        return Clause(units, tuple(wordings), tuple(surfaces), form)

    def _wording(self, options: tuple[Wording, ...], brief: bool) -> Wording:
        """Of some at random take the one that repeats least, or the shortest one if brief."""
        names = frozenset(self.emotions)
        suiting = [option for option in options if not option.tone or option.tone & names]
        options = tuple(suiting) or options
        best, best_cost = options[0], 1e9
        for _ in range(min(_TRIES, len(options))):
            option = options[int(self.rng.random() * len(options))]
            cost = len(option.words & self.used) + (10 * option.length if brief else 0)
            if cost < best_cost:
                best, best_cost = option, cost
        self.used |= best.words
        return best

    def _pick(self, options: Sequence[str]) -> str:
        return options[int(self.rng.random() * len(options))]

    def _emotion_noun(self, before_with: bool) -> str:
        """Name the emotions; only the first one, which rules the face, is graded."""
        nouns = [
            self._pick(self.table.emotions[name].noun["medium" if place else self.grade])
            for place, name in enumerate(self.emotions)
        ]
        if len(nouns) == 2:
            join = self.table.choices["emotion_pair"].pick(self.rng.random())
            # "mixed with fear, with wide eyes" stumbles.
            return f" {'and' if before_with else join} ".join(nouns)
        return join_list(nouns) if nouns else ""

    def _adjectives(self, use: str, joint: str) -> str:
        """The first two emotions as adjectives; one that has none is left out."""
        words = []
        for place, name in enumerate(self.emotions[:2]):
            names = self.table.emotions[name]
            by_grade = names.predicative if use == "predicative" else names.attributive
            options = by_grade["medium" if place else self.grade]
            if options:
                words.append(self._pick(options))
        return joint.join(words)


@lru_cache(maxsize=1024)
def _opposed(emotions: tuple[str, ...]) -> bool:
    """Whether one of two emotions is pleasant and the other one is not, by GoEmotions' groups."""
    groups = {emotion.name: emotion.ekman for emotion in load_emotions()}
    pleasant = [groups[name] == "joy" for name in emotions if name in groups]
    unpleasant = [groups[name] in _UNPLEASANT for name in emotions if name in groups]
    return any(pleasant) and any(unpleasant)


@lru_cache(maxsize=4096)
def _frames(
    table: PhraseTable,
    kind: str,
    style: str,
    count: int,
    emotions: int,
    attributive: bool,
    brief: bool,
) -> Weights:
    """The frames that fit, with their weights; faces at rest choose their number of clauses."""
    at_rest = kind in ("neutral", "still")
    fitting = [
        frame
        for frame in table.frames
        if (frame.kind, frame.style) == (kind, style)
        and (at_rest or frame.fewest <= count <= frame.most)
        and emotions <= frame.max_emotions
        and (attributive or "attributive" not in frame.pattern)
    ]
    if brief:
        fitting = [frame for frame in fitting if frame.lists in _BRIEF_LISTS] or fitting
    return Weights.of({frame: frame.weight for frame in fitting})

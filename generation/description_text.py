"""Turning the plan of a description into text: lists, articles, capitals and the full stop."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from .phrases import Surface, Wording

_ARTICLE = re.compile(r"^(?:an?|the) ")
_NOT_SIMPLE = re.compile(r" (?:and|that) ")
# "The lips spread in a beaming smile under high cheeks and far apart" has lost its subject.
_LONG_ITEM = re.compile(r" (?:that|under|over|and|until) |(?:\S+ ){10}")
_LONG_WORD = re.compile("[a-z]{4,}")
_INDEFINITE = re.compile(r"^an? ")


@dataclass(frozen=True, slots=True)
class Clause:
    """One clause of a description: usually one wording, several where a muscle group needs them.

    Attributes:
        action_units: Units that it names, with the side where one acts alone ("AUL12").
        wordings: The wordings used.
        surfaces: The text of each wording.
        form: "clause", "absolute" or "noun".
    """

    action_units: tuple[str, ...]
    wordings: tuple[Wording, ...]
    surfaces: tuple[Surface, ...]
    form: str


@dataclass(frozen=True, slots=True)
class DescriptionPlan:
    """What a description says, before it is text.

    Attributes:
        style: "cues", "person" or "prompt".
        pattern: The sentence pattern with its places.
        lists: Name of each list of the pattern and its clauses, in order.
        join: How two clauses are joined: "and", "while" or "as".
        determiner: Word before the parts of the face in an absolute: "the", "their" or none.
        emotion: The emotions as a noun ("deep sadness and fear"); "" if none is named.
        predicative: The emotions as an adjective after "looks".
        attributive: The emotions as an adjective before a noun; "" if there is none.
    """

    style: str
    pattern: str
    lists: tuple[tuple[str, tuple[Clause, ...]], ...]
    join: str
    determiner: str
    emotion: str
    predicative: str
    attributive: str

    @property
    def clauses(self) -> tuple[Clause, ...]:
        """All clauses, in the order in which they are said."""
        return tuple(clause for _, clauses in self.lists for clause in clauses)


def render_description(plan: DescriptionPlan) -> str:
    """Write a plan as text: a sentence, or for the style "prompt" a line without a full stop."""
    places = {
        "emotion": plan.emotion,
        "predicative": plan.predicative,
        "attributive": plan.attributive,
        "a_attributive": with_article(plan.attributive),
    }
    for name, clauses in plan.lists:
        places[name] = _LISTS[name](plan, _items(clauses))
    text = plan.pattern.format_map(places)
    return text if plan.style == "prompt" else text[0].upper() + text[1:]


def _items(clauses: Sequence[Clause]) -> list[str]:
    """The texts of a list; a subject that comes again at once is said once (lips part and curl).

    Wordings of one muscle group make one item where they stand alone.
    """
    items: list[str] = []
    before = ""
    for clause in clauses:
        for index, surface in enumerate(clause.surfaces):
            shared = clause.form != "noun" and surface.head and surface.head == before
            if shared and _can_go_on(items[-1], surface.tail):
                items[-1] += f" and{surface.tail}"
            elif clause.form == "clause" and index and len(clauses) == 1:
                items[-1] += f" and {surface.text}"
            else:
                items.append(surface.text)
            before = surface.head
    return items


def _can_go_on(item: str, tail: str) -> bool:
    """Whether " and" + tail reads well after an item of the same subject."""
    repeats = set(_LONG_WORD.findall(item)) & set(_LONG_WORD.findall(tail))
    return not _LONG_ITEM.search(item) and not repeats


def with_article(text: str) -> str:
    """Put "a" or "an" before a noun phrase or an adjective."""
    return f"{'an' if text[:1] in 'aeiou' else 'a'} {text}"


def join_list(items: Sequence[str]) -> str:
    """Join "A", "A and B", "A, B, and C"; a comma keeps items apart that are not simple."""
    if len(items) == 1:
        return items[0]
    if len(items) == 2 and not _NOT_SIMPLE.search(items[0]):
        return " and ".join(items)
    return f"{', '.join(items[:-1])}, and {items[-1]}"


def _clauses(plan: DescriptionPlan, items: list[str]) -> str:
    nested = any(_NOT_SIMPLE.search(item) for item in items)
    if len(items) == 2:
        return (", and " if nested and plan.join == "and" else f" {plan.join} ").join(items)
    if plan.join == "while" and not nested and len(items) in (3, 4):
        return f"{items[0]} and {items[1]}, while {' and '.join(items[2:])}"
    return join_list(items)


def _absolutes(plan: DescriptionPlan, items: list[str]) -> str:
    determiner = f"{plan.determiner} " if plan.determiner else ""
    return join_list([re.sub("^the ", determiner, item) for item in items])


def _nouns(plan: DescriptionPlan, items: list[str]) -> str:
    return join_list(items)


def _the_nouns(plan: DescriptionPlan, items: list[str]) -> str:
    return join_list(
        [item if item.startswith("the ") else f"the {_INDEFINITE.sub('', item)}" for item in items]
    )


def _tags(plan: DescriptionPlan, items: list[str]) -> str:
    return ", ".join(_ARTICLE.sub("", item) for item in items)


_LISTS = {
    "clauses": _clauses,
    "absolutes": _absolutes,
    "nouns": _nouns,
    "the_nouns": _the_nouns,
    "tags": _tags,
}

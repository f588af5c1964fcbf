"""What an annotator must beat on the reference set, and the table that shows them side by side.

All baselines are made from the training half alone. Those that are given the reference's own tags
are no annotators: they tell how much of an annotator's distance lies in its tags and how much in
its faces.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..au_mapping import INTENSITIES, ActionUnit
from .action_unit_draw import draw_action_units
from .reference import TRAIN, ReferenceItem, load_reference
from .reference_scoring import Annotation, score_annotations, score_faces

ANNOTATOR = "annotator"
COMMONEST = "commonest tag and face"
PROTOTYPE = "prototype of the annotator's first tag"
TRUE_PROTOTYPE = "prototype of the reference's first tag"
TRUE_DRAW = "table drawn for the reference's tags"
# A unit belongs to a prototype if at least this share of the tag's faces show it.
_PROTOTYPE_SHARE = 0.5
_TYPICAL_STRENGTH = 0.5
_LETTERS = tuple(INTENSITIES)


def compare(
    annotations: Mapping[str, Annotation],
    items: Sequence[ReferenceItem],
    train: Sequence[ReferenceItem] | None = None,
    *,
    seed: int = 0,
) -> dict[str, dict[str, Any]]:
    """Score an annotator and the baselines on the same items.

    Args:
        annotations: ``(emotions, action_units)`` by reference id.
        items: What to score on.
        train: What the baselines are made from; the training half by default.
        seed: Of the faces that are drawn for the reference's tags.

    Returns:
        The outcome of ``score_annotations`` by name of the row, the annotator first. ``tags`` is
        None where they were given.
    """
    train = load_reference(TRAIN) if train is None else train
    prototypes = tag_prototypes(train)
    always = commonest(train)
    rng_of = {item.id: np.random.default_rng([seed, *item.id.encode()]) for item in items}
    given: dict[str, dict[str, Sequence[str]]] = {
        PROTOTYPE: {
            item.id: prototypes.get(annotations[item.id][0][0], ())
            for item in items
            if item.id in annotations and annotations[item.id][0]
        },
        TRUE_PROTOTYPE: {item.id: prototypes.get(item.emotions[0], ()) for item in items},
        TRUE_DRAW: {
            item.id: [
                str(unit)
                for unit in draw_action_units(item.emotions, _TYPICAL_STRENGTH, rng_of[item.id])
            ]
            for item in items
        },
    }
    rows = {
        ANNOTATOR: score_annotations(annotations, items),
        COMMONEST: score_annotations({item.id: always for item in items}, items),
    }
    for name, faces in given.items():
        scored = score_annotations({key: ((), units) for key, units in faces.items()}, items)
        rows[name] = {**scored, "tags": None}
    return rows


def commonest(train: Sequence[ReferenceItem]) -> Annotation:
    """The one answer for every transcript that does best on the training half.

    Its tag is the commonest one, of equals the first by name. Its face has the units shown most
    often, as many of them as agree best with the training faces, each with its mean letter.
    """
    tags = Counter(tag for item in train for tag in item.emotions)
    letters = _letters(train)
    ranked = sorted(letters, key=lambda unit: (-len(letters[unit]), int(unit.removeprefix("AU"))))
    faces = [
        [_with_letter(unit, letters[unit]) for unit in ranked[:size]]
        for size in range(len(ranked) + 1)
    ]
    best = max(
        faces,
        key=lambda face: score_faces([(face, item.action_units) for item in train])["agreement"],
    )
    return [min(tags, key=lambda tag: (-tags[tag], tag))], best


def tag_prototypes(train: Sequence[ReferenceItem]) -> dict[str, list[str]]:
    """Per first tag its mean face: the units of at least half of its faces, with mean letters."""
    faces: dict[str, list[ReferenceItem]] = defaultdict(list)
    for item in train:
        faces[item.emotions[0]].append(item)
    return {
        tag: [
            _with_letter(unit, letters)
            for unit, letters in _letters(shown).items()
            if len(letters) >= _PROTOTYPE_SHARE * len(shown)
        ]
        for tag, shown in faces.items()
    }


def _letters(items: Sequence[ReferenceItem]) -> dict[str, list[int]]:
    """Per unit its letters as numbers, one for each face that shows it on any side."""
    letters: dict[str, list[int]] = defaultdict(list)
    for item in items:
        face: dict[str, int] = {}
        for text in item.action_units:
            unit = ActionUnit.parse(text)
            place = _LETTERS.index(unit.intensity) if unit.intensity else len(_LETTERS) - 1
            face[unit.id] = max(place, face.get(unit.id, 0))
        for name, place in face.items():
            letters[name].append(place)
    return letters


def _with_letter(unit: str, letters: Sequence[int]) -> str:
    return f"{unit}{_LETTERS[int(np.floor(np.mean(letters) + 0.5))]}"

"""Scoring an annotator against the reference set: tags and action units, with and without strength.

How faces are compared. *Without intensity* a unit counts once, on whichever side it shows. The
agreement of two codings of one face is 2 x the units in both / all units in either coding, the
index by which FACS coders are tested (Ekman, Friesen & Hager 2002, Investigator's Guide): the F1 of
that face. Two empty faces agree fully. *With intensity* each unit counts on the left and on the
right half of the face:

- within one letter: it is right if both codings show it there and their letters (A to E, an ordinal
  scale) are at most one step apart; the tolerance of one step is ours.
- weighted: 2 x sum of min(a, b) / (sum of a + sum of b) over the strengths in [0, 1] that the
  letters stand for, which is one minus the dissimilarity of Bray & Curtis (1957).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ..au_mapping import INTENSITIES, ActionUnit
from ..errors import RunError
from .reference import TEST, ReferenceItem, load_reference
from .transcripts import normalise

# Emotions, best first, and action units.
Annotation = tuple[Sequence[str], Sequence[str]]
_LETTERS = "".join(INTENSITIES)
_NOTHING: Annotation = ((), ())


def score_annotations(
    annotations: Mapping[str, Annotation] | Iterable[Mapping[str, Any]],
    items: Sequence[ReferenceItem] | None = None,
) -> dict[str, Any]:
    """Compare annotations with the reference set.

    Args:
        annotations: ``(emotions, action_units)`` by reference id; or annotation records, which are
            found by their transcripts. Those of other transcripts are passed over.
        items: What to score on; the test half by default.

    Returns:
        ``items``; ``missing``, the ids without an annotation, which count as if nothing had been
        said; ``tags``, see ``score_tags``; ``action_units``, see ``score_faces``.

    Raises:
        RunError: There are no items.
        ActionUnitError: A unit cannot be parsed.
    """
    items = load_reference(TEST) if items is None else items
    if not items:
        raise RunError("reference: no items to score on; give at least one")
    found = annotations if isinstance(annotations, Mapping) else annotations_of(annotations, items)
    said = [found.get(item.id, _NOTHING) for item in items]
    return {
        "items": len(items),
        "missing": [item.id for item in items if item.id not in found],
        "tags": score_tags([(one[0], item.emotions) for one, item in _zip(said, items)]),
        "action_units": score_faces(
            [(one[1], item.action_units) for one, item in _zip(said, items)]
        ),
    }


def annotations_of(
    records: Iterable[Mapping[str, Any]], items: Iterable[ReferenceItem]
) -> dict[str, Annotation]:
    """The annotations of reference items among annotation records, by reference id."""
    ids = {normalise(item.transcript): item.id for item in items}
    return {
        ids[text]: (record["emotions"], record["action_units"])
        for record in records
        if (text := normalise(record["transcript"])) in ids
    }


def score_tags(pairs: Sequence[tuple[Sequence[str], Sequence[str]]]) -> dict[str, Any]:
    """Compare tags.

    Args:
        pairs: The annotator's tags and the reference's, both best first.

    Returns:
        ``micro_f1`` over all tags; ``macro_f1``, the mean of the F1 of every tag that the reference
        items bear; ``jaccard``, mean over items; ``first_in_set``, the share whose first tag is one
        of the reference's; ``first_is_first``, whose first tags are the same; ``per_tag``.
    """
    rows = _per_label([(set(said), set(truth)) for said, truth in pairs], "tag")
    return {
        "micro_f1": _micro(rows),
        "macro_f1": _macro(rows),
        "jaccard": _mean(_jaccard(set(said), set(truth)) for said, truth in pairs),
        "first_in_set": _mean(bool(said) and said[0] in truth for said, truth in pairs),
        "first_is_first": _mean(bool(said) and said[0] == truth[0] for said, truth in pairs),
        "per_tag": rows,
    }


def score_faces(pairs: Sequence[tuple[Sequence[str], Sequence[str]]]) -> dict[str, Any]:
    """Compare faces; see the module for the measures.

    Args:
        pairs: The annotator's action units and the reference's.

    Returns:
        Without intensity ``micro_f1``, ``macro_f1`` (over the units that the reference items show),
        ``agreement`` and ``jaccard`` (means over items); with intensity ``within_one_letter_f1``
        and ``weighted_f1`` over all items together; ``per_action_unit`` with
        ``letters_stronger``, by how many letters the annotator's are stronger where both show it.
    """
    faces = [(_face(said), _face(truth)) for said, truth in pairs]
    units = [(_units(said), _units(truth)) for said, truth in faces]
    cells = sum(len(said) + len(truth) for said, truth in faces)
    near = sum(
        abs(said[cell] - truth[cell]) <= 1
        for said, truth in faces
        for cell in said.keys() & truth.keys()
    )
    strengths = [(_strengths(said), _strengths(truth)) for said, truth in faces]
    shared = sum(
        min(said[cell], truth[cell])
        for said, truth in strengths
        for cell in said.keys() & truth.keys()
    )
    total = sum(sum(said.values()) + sum(truth.values()) for said, truth in strengths)
    rows = _per_label(units, "action_unit", lambda name: int(name.removeprefix("AU")))
    stronger = _letters_stronger(faces)
    return {
        "micro_f1": _micro(rows),
        "macro_f1": _macro(rows),
        "agreement": _mean(_dice(said, truth) for said, truth in units),
        "jaccard": _mean(_jaccard(said, truth) for said, truth in units),
        "within_one_letter_f1": _ratio(2 * near, cells),
        "weighted_f1": _ratio(2 * shared, total),
        "per_action_unit": [
            {**row, "letters_stronger": stronger.get(row["action_unit"])} for row in rows
        ],
    }


_Face = dict[tuple[str, str], int]


def _face(action_units: Sequence[str]) -> _Face:
    """Letters as numbers (1 to 5) by unit and side; the stronger of two mentions counts."""
    face: _Face = {}
    for text in action_units:
        unit = ActionUnit.parse(text)
        letter = len(_LETTERS) if unit.intensity is None else _LETTERS.index(unit.intensity) + 1
        for side in (unit.side,) if unit.side else ("L", "R"):
            face[unit.id, side] = max(letter, face.get((unit.id, side), 0))
    return face


def _units(face: _Face) -> set[str]:
    return {unit for unit, _ in face}


def _strengths(face: _Face) -> dict[tuple[str, str], float]:
    return {cell: INTENSITIES[_LETTERS[letter - 1]] for cell, letter in face.items()}


def _letters_stronger(faces: Sequence[tuple[_Face, _Face]]) -> dict[str, float]:
    differences: dict[str, list[int]] = {}
    for said, truth in faces:
        for cell in sorted(said.keys() & truth.keys()):
            differences.setdefault(cell[0], []).append(said[cell] - truth[cell])
    return {unit: round(float(np.mean(found)), 2) for unit, found in differences.items()}


def _per_label(
    pairs: Sequence[tuple[set[str], set[str]]],
    name: str,
    order: Callable[[str], Any] = str,
) -> list[dict[str, Any]]:
    said = Counter(label for found, _ in pairs for label in found)
    truth = Counter(label for _, wanted in pairs for label in wanted)
    both = Counter(label for found, wanted in pairs for label in found & wanted)
    return [
        {
            name: label,
            "reference": truth[label],
            "annotated": said[label],
            "both": both[label],
            "precision": _ratio(both[label], said[label]),
            "recall": _ratio(both[label], truth[label]),
            "f1": _ratio(2 * both[label], said[label] + truth[label]),
        }
        for label in sorted({*said, *truth}, key=order)
    ]


def _micro(rows: Sequence[Mapping[str, Any]]) -> float:
    counted = sum(row["reference"] + row["annotated"] for row in rows)
    return _ratio(2 * sum(row["both"] for row in rows), counted)


def _macro(rows: Sequence[Mapping[str, Any]]) -> float:
    return _mean(row["f1"] for row in rows if row["reference"])


def _dice(said: set[str], truth: set[str]) -> float:
    return 2 * len(said & truth) / (len(said) + len(truth)) if said or truth else 1.0


def _jaccard(said: set[str], truth: set[str]) -> float:
    return len(said & truth) / len(said | truth) if said or truth else 1.0


def _mean(values: Iterable[float]) -> float:
    kept = list(values)
    return round(float(np.mean(kept)), 4) if kept else 0.0


def _ratio(part: float, whole: float) -> float:
    """A share; 0 where there is nothing to share, as in scikit-learn's ``zero_division=0``."""
    return round(float(part / whole), 4) if whole else 0.0


def _zip(
    said: Sequence[Annotation], items: Sequence[ReferenceItem]
) -> Iterable[tuple[Annotation, ReferenceItem]]:
    return zip(said, items, strict=True)

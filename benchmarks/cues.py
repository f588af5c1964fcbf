"""Does `express` rank the action unit first that the words name? Single cues, one unit at a time.

python -m benchmarks.cues [--model CKPT] [--failures] [--json] [--dataset DATASET [--peers]]

Each of the 26 units of mapping v1 is asked for at B, C and E, as a sentence and as a short prompt.

* ``first``: its score is above that of every other unit. The score of a unit is the sum over its
  shapes, each times what the unit itself gives it at full weight, divided by the length of the
  unit's row in the mapping: so a unit's own face always scores highest on the unit itself, whatever
  shapes others share. Units with proportional rows (AU26 and AU27, both jawOpen) are one.
* ``first, plain sum``: its plain sum over its shapes is above every other unit's. Left out of the
  others are those whose plain sum is as large even on the unit's own full face, because they hold
  all of its shapes (AU25 holds those of AU16): no face could tell them apart so.
* ``stronger``: of B and C, C and E, B and E, the stronger words give the larger value.
* ``sides``: the words for the left give more on the left, those for the right more on the right.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from countenance import load_mapping
from countenance.benchmarks._contenders import (
    Express,
    Faces,
    add_arguments,
    checkpoint_name,
    open_contenders,
    refuse_wrong_use,
)
from countenance.benchmarks._prompts import FORMS, LETTERS, SIDES, SingleCue, load_single_cues
from countenance.benchmarks._shares import Share
from countenance.errors import CountenanceError

STRENGTH_MARGIN = 0.02
"""By how much of its full weight a unit must grow with stronger words."""
SIDE_MARGIN = 0.1
"""By how much of its full weight a unit must be stronger on the side that is named."""
_SAME = 1e-6


@dataclass(frozen=True)
class UnitScores:
    """How much each action unit of a mapping is in a face.

    Attributes:
        units: Their ids.
        matrix: float64 (units, 51), the mapping's.
        blendshapes: The names of its columns.
    """

    units: tuple[str, ...]
    matrix: np.ndarray
    blendshapes: tuple[str, ...]

    @classmethod
    def of_mapping(cls, name: str = "v1") -> UnitScores:
        """From a packaged mapping."""
        mapping = load_mapping(name)
        return cls(mapping.action_units, mapping.matrix.astype(np.float64), mapping.blendshapes)

    def scores(self, faces: Faces) -> np.ndarray:
        """Weighted sums, (n, units), of faces (n, 51): a unit's own face scores highest on it."""
        return faces @ (self.matrix / np.linalg.norm(self.matrix, axis=1, keepdims=True)).T

    def plain_sums(self, faces: Faces) -> np.ndarray:
        """Sums over each unit's shapes, (n, units), of faces (n, 51)."""
        return faces @ (self.matrix > 0).astype(np.float64).T

    def strengths(self, faces: Faces, unit: str) -> np.ndarray:
        """Of one unit, (n,): the sum over its shapes, 1 for its own full face."""
        row = self.matrix[self.units.index(unit)]
        return faces @ (row > 0) / row.sum()

    def side_differences(self, faces: Faces, unit: str) -> np.ndarray:
        """Of one unit, (n,): strength on the left less strength on the right, from -1 to 1."""
        row = self.matrix[self.units.index(unit)]
        left, right = (
            np.array([name.endswith(side.capitalize()) for name in self.blendshapes])
            for side in SIDES
        )
        return faces @ ((row > 0) & left) / row[left].sum() - (
            faces @ ((row > 0) & right) / row[right].sum()
        )

    def first(self, faces: Faces, unit: str) -> np.ndarray:
        """Whether the unit's score is above that of every rival: bool (n,)."""
        return self._above(self.scores(faces), self.scores(self.matrix), unit)

    def first_by_plain_sum(self, faces: Faces, unit: str) -> np.ndarray:
        """Whether the unit's plain sum is above that of every rival: bool (n,)."""
        return self._above(self.plain_sums(faces), self.plain_sums(self.matrix), unit)

    def _above(self, values: np.ndarray, on_own_faces: np.ndarray, unit: str) -> np.ndarray:
        """No rival is a unit that cannot be told apart even on the unit's own full face."""
        number = self.units.index(unit)
        own = on_own_faces[number]
        rivals = np.flatnonzero(own < own[number] - _SAME)
        return values[:, number] > values[:, rivals].max(axis=1) + _SAME


def measure_cues(express: Express, cues: Sequence[SingleCue]) -> dict[str, Any]:
    """Ask for every text once and judge the faces.

    Args:
        express: Turns texts into faces (n, 51).
        cues: What is asked.

    Returns:
        Shares as dictionaries: ``first``, ``first_by_plain_sum``, ``stronger`` and ``sides``, each
        with ``all`` and ``by_form``, the first two also ``by_letter``, all ``by_unit``; and
        ``failures``, a line for each text that did not come first and each pair.
    """
    texts = cue_texts(cues)
    faces = dict(zip(texts, np.asarray(express(texts), dtype=np.float64), strict=True))
    judge = _Judge(UnitScores.of_mapping(), faces)
    for cue in cues:
        for form in FORMS:
            judge.judge_letters(cue, form)
            if form in cue.sides:
                judge.judge_sides(cue, form)
    parts = {name: _shares(rows) for name, rows in judge.outcomes.items()}
    return {**parts, "failures": judge.failures}


def cue_texts(cues: Sequence[SingleCue]) -> list[str]:
    """Every text of the cues, each once."""
    groups = [group for cue in cues for group in (*cue.texts.values(), *cue.sides.values())]
    return list(dict.fromkeys(text for group in groups for text in group.values()))


class _Judge:
    """Collects outcomes as (unit, form, letter or "", good)."""

    def __init__(self, scores: UnitScores, faces: dict[str, np.ndarray]) -> None:
        self._scores, self._faces = scores, faces
        self.outcomes: dict[str, list[tuple[str, str, str, bool]]] = {
            name: [] for name in ("first", "first_by_plain_sum", "stronger", "sides")
        }
        self.failures: list[str] = []

    def judge_letters(self, cue: SingleCue, form: str) -> None:
        unit, texts = cue.action_unit, [cue.texts[form][letter] for letter in LETTERS]
        faces = np.stack([self._faces[text] for text in texts])
        first = self._scores.first(faces, unit)
        plain = self._scores.first_by_plain_sum(faces, unit)
        for number, letter in enumerate(LETTERS):
            self.outcomes["first"].append((unit, form, letter, bool(first[number])))
            self.outcomes["first_by_plain_sum"].append((unit, form, letter, bool(plain[number])))
            if not first[number]:
                winner = self._scores.units[int(self._scores.scores(faces)[number].argmax())]
                self.failures.append(f"{unit}{letter} {texts[number]!r}: {winner} is first")
        values = self._scores.strengths(faces, unit)
        for weak, strong in combinations(range(len(LETTERS)), 2):
            good = bool(values[strong] > values[weak] + STRENGTH_MARGIN)
            self.outcomes["stronger"].append((unit, form, "", good))
            if not good:
                self.failures.append(
                    f"{unit} {texts[weak]!r} < {texts[strong]!r}: "
                    f"{values[weak]:.2f}, {values[strong]:.2f}"
                )

    def judge_sides(self, cue: SingleCue, form: str) -> None:
        unit, texts = cue.action_unit, [cue.sides[form][side] for side in SIDES]
        faces = np.stack([self._faces[text] for text in texts])
        differences = self._scores.side_differences(faces, unit) * (1.0, -1.0)
        for text, difference in zip(texts, differences, strict=True):
            good = bool(difference > SIDE_MARGIN)
            self.outcomes["sides"].append((unit, form, "", good))
            if not good:
                self.failures.append(
                    f"{unit} {text!r}: the named side is stronger by {difference:.2f}"
                )


def _shares(rows: Sequence[tuple[str, str, str, bool]]) -> dict[str, Any]:
    result: dict[str, Any] = {"all": Share.of(row[3] for row in rows).as_dict()}
    for place, name in ((1, "form"), (2, "letter"), (0, "unit")):
        groups = dict.fromkeys(row[place] for row in rows if row[place])
        if groups:
            result[f"by_{name}"] = {
                group: Share.of(row[3] for row in rows if row[place] == group).as_dict()
                for group in groups
            }
    return result


def _lines(report: dict[str, Any]) -> Iterable[str]:
    yield f"checkpoint: {report['checkpoint']}"
    if report["training_texts"]:
        yield f"texts that its training data holds too: {report['training_texts']['known_texts']}"
    for name, figures in report["results"].items():
        yield ""
        yield name
        for part, title in (
            ("first", "first"),
            ("first_by_plain_sum", "first, plain sum"),
            ("stronger", "stronger"),
            ("sides", "sides"),
        ):
            yield f"  {title:<24}{Share.from_dict(figures[part]['all'])}"
            for group in ("by_form", "by_letter"):
                for label, row in figures[part].get(group, {}).items():
                    yield f"    {group[3:]:<9}{label:<13}{Share.from_dict(row)}"
        weak = [
            unit
            for unit, row in figures["first"]["by_unit"].items()
            if row["passed"] < row["total"] / 2
        ]
        yield f"  first in fewer than half of its texts: {', '.join(weak) or 'none'}"
        yield from (f"  failed: {line}" for line in figures.get("failures", ()))


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.cues", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--failures", action="store_true", help="list what failed, with values")
    add_arguments(parser)
    arguments = parser.parse_args(argv)
    refuse_wrong_use(parser, arguments)
    cues = load_single_cues()
    try:
        contenders, known = open_contenders(arguments, cue_texts(cues))
        results = {name: measure_cues(express, cues) for name, express in contenders.items()}
    except CountenanceError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if not arguments.failures:
        for figures in results.values():
            del figures["failures"]
    report = {
        "checkpoint": checkpoint_name(arguments),
        "training_texts": known,
        "results": results,
    }
    print(json.dumps(report, ensure_ascii=False) if arguments.json else "\n".join(_lines(report)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

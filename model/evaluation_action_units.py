"""Action units of decoded faces, read back through the inverse mapping, against the dataset's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from ..au_mapping import ActionUnit, AUMapping
from .metrics import Statistic, estimate, resampled_means

if TYPE_CHECKING:
    from numpy.typing import NDArray

TOLERANCE = 0.1
"""Root of the squared error that a unit must explain to be named in a decoded face, which is never
exact; what the mapping's own documentation advises for noisy vectors."""

Units = dict[str, dict[str, int]]
_LETTERS = "ABCDE"


def read_units(action_units: Sequence[str | ActionUnit]) -> Units:
    """Units by id and side: ``{"AU12": {"L": 1, "R": 1}}``, with the letter's place, A 0 to E 4.

    A unit without side is on both, one without letter at full weight (E).
    """
    found: Units = {}
    for unit in action_units:
        parsed = unit if isinstance(unit, ActionUnit) else ActionUnit.parse(unit)
        letter = _LETTERS.index(parsed.intensity or "E")
        for side in (parsed.side,) if parsed.side else ("L", "R"):
            sides = found.setdefault(parsed.id, {})
            sides[side] = max(letter, sides.get(side, letter))
    return found


def decoded_units(
    faces: NDArray[np.float32], mapping: AUMapping, done: Callable[[], None] = lambda: None
) -> list[Units]:
    """Units that explain each face, (n, 51), through the inverse mapping; ``done`` after each."""
    found = []
    for face in faces:
        found.append(read_units(mapping.to_action_units(face, tolerance=TOLERANCE)))
        done()
    return found


def action_unit_scores(
    wanted: Sequence[Units], found: Sequence[Units], *, samples: int = 1000, seed: int = 0
) -> dict[str, Any]:
    """Agreement between two lists of units per item.

    Args:
        wanted: Units that the dataset lists.
        found: Units read off the faces.
        samples: Bootstrap resamples of the items.
        seed: Their seed.

    Returns:
        ``items``; ``units`` and ``units_with_side`` (left and right each count), each with
        ``precision``, ``recall`` and ``f1`` over all units of all items (value, low, high; None
        where there is nothing to count); ``letters_off`` (mean distance in letters A-E where unit
        and side agree; None without such); ``macro_f1`` (mean of the F1 of the units that the
        dataset lists); ``by_unit`` with ``precision``, ``recall``, ``f1`` and ``support`` of each.
    """
    by_unit = _by_unit(wanted, found)
    supported = [figures["f1"] for figures in by_unit.values() if figures["support"]]
    return {
        "items": len(wanted),
        "units": _scores([_ids(u) for u in wanted], [_ids(u) for u in found], samples, seed),
        "units_with_side": _scores(
            [_sides(u) for u in wanted], [_sides(u) for u in found], samples, seed
        ),
        "letters_off": _letters_off(wanted, found),
        "macro_f1": float(np.mean(supported)) if supported else None,
        "by_unit": by_unit,
    }


def _ids(units: Units) -> set[Any]:
    return set(units)


def _sides(units: Units) -> set[Any]:
    return {(unit, side) for unit, sides in units.items() for side in sides}


def _scores(
    wanted: list[set[Any]], found: list[set[Any]], samples: int, seed: int
) -> dict[str, dict[str, float] | None]:
    counts = np.array(
        [(len(a & b), len(b), len(a)) for a, b in zip(wanted, found, strict=True)], dtype=np.float64
    )
    mean = counts.mean(axis=0)
    resampled = resampled_means(counts, samples=samples, seed=seed)
    figures: dict[str, tuple[float, Statistic]] = {
        "precision": (mean[1], lambda means: _ratio(means[..., 0], means[..., 1])),
        "recall": (mean[2], lambda means: _ratio(means[..., 0], means[..., 2])),
        "f1": (
            mean[1] + mean[2],
            lambda means: _ratio(2 * means[..., 0], means[..., 1] + means[..., 2]),
        ),
    }
    return {
        name: asdict(estimate(statistic, mean, resampled)) if whole else None
        for name, (whole, statistic) in figures.items()
    }


def _ratio(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def _letters_off(wanted: Sequence[Units], found: Sequence[Units]) -> float | None:
    distances = [
        abs(letter - theirs[unit][side])
        for ours, theirs in zip(wanted, found, strict=True)
        for unit, sides in ours.items()
        for side, letter in sides.items()
        if side in theirs.get(unit, {})
    ]
    return float(np.mean(distances)) if distances else None


def _by_unit(wanted: Sequence[Units], found: Sequence[Units]) -> dict[str, dict[str, Any]]:
    names = {unit for units in (*wanted, *found) for unit in units}
    table = {}
    for name in sorted(names, key=lambda unit: (len(unit), unit)):
        listed = np.array([name in units for units in wanted])
        named = np.array([name in units for units in found])
        both = int((listed & named).sum())
        table[name] = {
            "precision": both / int(named.sum()) if named.any() else None,
            "recall": both / int(listed.sum()) if listed.any() else None,
            "f1": 2 * both / int(listed.sum() + named.sum()),
            "support": int(listed.sum()),
        }
    return table

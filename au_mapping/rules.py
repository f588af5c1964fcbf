"""The combination rules: what a rig shows when action units that pull against each other meet.

After every blendshape has taken the strongest of the units that drive it (max, not sum), the rules
of the table resolve what a rig cannot show at once. A rule speaks of pairs of blendshapes and says
the most that a shape may be, given another one; of all that is said about a shape, the smallest
holds. Every rule reads the values from before any rule acted, so neither the order of the rules nor
that of the units matters. With x the shape, y the other one:

* ``fade``: x gives way as y rises: ``x * (1 - (1 - keep) * clip((y - from) / (to - from), 0, 1))``.
* ``oppose``: both lose a share of their overlap: ``x - share * max(0, min(x, y) - allowed)``.
* ``limit``: x never exceeds y: ``min(x, y)``.

All three are continuous, do not decrease as x grows, never exceed x and never fall below 0, so the
result stays in [0, 1]. The parameters and the source of each rule stand in the table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Value = TypeVar("Value", float, Floats)

PARAMETERS: dict[str, tuple[str, ...]] = {
    "fade": ("from", "to", "keep"),
    "oppose": ("allowed", "share"),
    "limit": (),
}
"""The parameters of each kind of rule, in the order in which its formula takes them."""


@dataclass(frozen=True)
class Rule:
    """One combination rule of a table.

    Attributes:
        id: Its name in the table.
        kind: ``fade``, ``oppose`` or ``limit``; see the module.
        pairs: The pairs of blendshapes it speaks of; in ``fade`` and ``limit`` the first yields.
        parameters: By name, in the order of ``PARAMETERS``.
        source: Tags of the table's sources.
        reason: Why, in one line.
    """

    id: str
    kind: str
    pairs: tuple[tuple[str, str], ...]
    parameters: Mapping[str, float]
    source: tuple[str, ...]
    reason: str

    @property
    def directed(self) -> tuple[tuple[str, str], ...]:
        """(yielding shape, other shape) for every bound; ``oppose`` binds both ways."""
        if self.kind == "oppose":
            return self.pairs + tuple((second, first) for first, second in self.pairs)
        return self.pairs

    @property
    def shapes(self) -> frozenset[str]:
        """Every blendshape the rule speaks of."""
        return frozenset(shape for pair in self.pairs for shape in pair)


class RuleSet:
    """The rules of one table, compiled for one row and for whole batches.

    Args:
        rules: The rules, in table order.
        blendshapes: The shapes of the rig, in column order; at most 64.

    Attributes:
        targets: intp, sorted: the columns that some rule may lower.
    """

    def __init__(self, rules: Sequence[Rule], blendshapes: Sequence[str]) -> None:
        column = {name: index for index, name in enumerate(blendshapes)}
        bounds = sorted(
            (column[shape], column[other], rule.kind, tuple(rule.parameters.values()))
            for rule in rules
            for shape, other in rule.directed
        )
        self._shape = np.array([bound[0] for bound in bounds], dtype=np.intp)
        self._other = np.array([bound[1] for bound in bounds], dtype=np.intp)
        self.targets, self._starts = np.unique(self._shape, return_index=True)
        kinds = sorted({rule.kind for rule in rules})
        self._kinds = [(_BOUNDS[kind], *_of_kind(bounds, kind)) for kind in kinds]
        self._of_shape: dict[int, list[_Bound]] = {}
        for shape, other, kind, parameters in bounds:
            self._of_shape.setdefault(shape, []).append((other, _BOUNDS[kind], parameters))
        self._triggers = [_trigger(rule, column) for rule in rules]

    def touched(self, bits: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Which rows a rule might change, from the bit sets of their driven shapes.

        A cheap test that may say yes for a row that no rule changes, never no for one it does.

        Args:
            bits: uint64 (n,); bit j of a row is set when shape j is above 0.
        """
        result = np.zeros(bits.shape, dtype=bool)
        for yielding, others in self._triggers:
            hit = (bits & yielding) != 0
            if others is not None:
                hit &= (bits & others) != 0
            result |= hit
        return result

    def apply(self, values: Floats) -> Floats:
        """What the rig shows.

        Args:
            values: float64 (n, shapes) in [0, 1], from before any rule.

        Returns:
            A new array (n, shapes); no element exceeds that of ``values``.
        """
        result = values.copy()
        if self._shape.size:
            x, y = values[:, self._shape], values[:, self._other]
            bounds = np.empty_like(x)
            for bound, positions, parameters in self._kinds:
                bounds[:, positions] = bound(
                    x[:, positions], y[:, positions], *parameters, np.minimum, np.maximum
                )
            smallest = np.minimum.reduceat(bounds, self._starts, axis=1)
            result[:, self.targets] = np.minimum(values[:, self.targets], smallest)
        return result

    def apply_to_row(self, values: list[float]) -> list[float]:
        """``apply`` for a single row, several times faster than a batch of one; bit for bit equal.

        Args:
            values: One float in [0, 1] per shape.
        """
        result = list(values)
        for shape, bounds in self._of_shape.items():
            x = values[shape]
            if x > 0.0:
                for other, bound, parameters in bounds:
                    result[shape] = min(
                        result[shape], bound(x, values[other], *parameters, min, max)
                    )
        return result


# The three formulas, once for floats (min, max) and for arrays (np.minimum, np.maximum).


def _fade(
    x: Value,
    y: Value,
    start: Value,
    end: Value,
    keep: Value,
    least: Callable[..., Value],
    most: Callable[..., Value],
) -> Value:
    rise = least(most((y - start) / (end - start), 0.0), 1.0)
    return x * (1.0 - (1.0 - keep) * rise)


def _oppose(
    x: Value,
    y: Value,
    allowed: Value,
    share: Value,
    least: Callable[..., Value],
    most: Callable[..., Value],
) -> Value:
    return x - share * most(least(x, y) - allowed, 0.0)


def _limit(x: Value, y: Value, least: Callable[..., Value], most: Callable[..., Value]) -> Value:
    return least(x, y)


_BOUNDS: dict[str, Callable[..., Any]] = {"fade": _fade, "oppose": _oppose, "limit": _limit}
_Bound = tuple[int, Callable[..., Any], tuple[float, ...]]


def _of_kind(
    bounds: Sequence[tuple[int, int, str, tuple[float, ...]]], kind: str
) -> tuple[NDArray[np.intp], list[Floats]]:
    """Positions of the bounds of one kind, and one array per parameter."""
    positions = [index for index, bound in enumerate(bounds) if bound[2] == kind]
    parameters = zip(*(bounds[index][3] for index in positions), strict=True)
    return np.array(positions, dtype=np.intp), [np.array(values) for values in parameters]


def _trigger(rule: Rule, column: dict[str, int]) -> tuple[np.uint64, np.uint64 | None]:
    """Bit sets of which one member each must be driven before the rule can change a row."""

    def bits(shapes: set[str]) -> np.uint64:
        return np.uint64(sum(1 << column[shape] for shape in shapes))

    yielding = bits({shape for shape, _ in rule.pairs})
    # A limit also acts when the other shape is not driven at all.
    others = None if rule.kind == "limit" else bits({other for _, other in rule.pairs})
    return yielding, others

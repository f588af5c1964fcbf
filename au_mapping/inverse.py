"""From blendshapes back to action units.

The forward map takes, per shape, the strongest unit and then applies the combination rules. The
inverse goes backwards through the same steps:

1. *Undo the rules*: find the values from before the rules that would have given what is shown. A
   shape that a rule hides entirely (eyeWide behind shut lids) says nothing and is left out.
2. *Estimate*: non-negative least squares over the units, one column for each side of a unit that
   may be one-sided, gives strengths; the bands of ``facs-v1`` turn them into letters.
3. *Refine*: least squares adds where the forward map takes the maximum, so each unit in turn is
   replaced by whatever lowers the squared error of the true forward map most, dropped when it
   explains too little, and missing ones are added, until nothing changes. This also starts from
   nothing, and the better result counts. What each step brings is measured in ``LOG.md``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .action_unit import ActionUnit
from .atoms import LETTERS, AtomTable
from .rules import RuleSet
from .vocabulary import INTENSITY_BANDS

DEFAULT_TOLERANCE = 0.01
"""Root of the squared error that a unit must explain to be named. The weakest there is, AU11A on
one side, explains 0.03 and must explain 0.007; rounding is far below."""

_UNDO_STEPS = 60
_UNDO_ERROR = 1e-6
_UNREACHABLE = 1e-3
_PASSES = 20
_STRONGEST = len(LETTERS) - 1
_TIE_BREAK = 1e-7
_EXACT, _NEARLY_EXACT = 1e-6, 0.01

Floats = NDArray[np.float64]


class Inverse:
    """The inverse of one mapping.

    Args:
        atoms: The atoms of its table.
        rules: Its combination rules.
    """

    def __init__(self, atoms: AtomTable, rules: RuleSet) -> None:
        self._rules = rules
        # A unit that may be one-sided is sought on each side; the two are joined at the end.
        codes_with_sides = {unit.code for unit in atoms.units if unit.side is not None}
        kept = [
            number
            for number, unit in enumerate(atoms.units)
            if unit.side is not None or unit.code not in codes_with_sides
        ]
        self._units = [atoms.units[number] for number in kept]
        self._order = {unit: number for number, unit in enumerate(atoms.units)}
        self._vectors = atoms.vectors[kept]
        self._columns = self._vectors[_STRONGEST :: len(LETTERS)]
        self._codes = np.array([unit.code for unit in self._units])
        whole = {unit.code for unit in atoms.units if unit.side is None}
        halves = [unit.side is not None and unit.code in whole for unit in self._units]
        self._shares = np.where(halves, 0.5, 1.0)

    def solve(self, blendshapes: Floats, tolerance: float) -> list[ActionUnit]:
        """The units that best explain a vector; see ``AUMapping.to_action_units``.

        Args:
            blendshapes: float64 (51,) in [0, 1].
            tolerance: Root of the squared error that a unit must explain to be named.
        """
        visible = np.where(self._hidden(blendshapes), 0.0, 1.0)
        target = visible * self._undo_rules(blendshapes)
        prices = tolerance**2 * self._shares
        search = _Search(self._vectors, self._codes, prices, target, visible)
        found = search.best_of([self._estimate(target, visible), []])
        return self._join_sides([self._units[atom] for atom in found])

    def _hidden(self, shown: Floats) -> NDArray[np.bool_]:
        """Shapes at 0 that the rules would hold at 0 whatever drove them."""
        targets = self._rules.targets
        trials = np.repeat(shown[None, :], targets.size, axis=0)
        trials[np.arange(targets.size), targets] = 1.0
        left = self._rules.apply(trials)[np.arange(targets.size), targets]
        hidden = np.zeros(shown.size, dtype=bool)
        hidden[targets] = (left < _UNDO_ERROR) & (shown[targets] < _UNDO_ERROR)
        return hidden

    def _undo_rules(self, shown: Floats) -> Floats:
        """Values from before the rules that give ``shown``; ``shown`` itself where none do."""
        before = shown
        for step in range(_UNDO_STEPS):
            after = self._rules.apply(before[None, :])[0]
            if np.abs(after - shown).max() < _UNDO_ERROR:
                return before
            if step % 2:  # contracts by the share where two shapes oppose
                before = before + shown - after
            else:  # exact for a fade
                ratio = np.divide(before, after, out=np.ones_like(after), where=after > _UNDO_ERROR)
                before = shown * ratio
            before = np.clip(before, 0.0, 1.0)
        wrong = np.abs(self._rules.apply(before[None, :])[0] - shown) > _UNREACHABLE
        return np.where(wrong, shown, before)

    def _estimate(self, target: Floats, visible: Floats) -> list[int]:
        """Atoms from non-negative least squares over the visible shapes."""
        from scipy.optimize import nnls  # most of a second to import, and only needed here

        strengths, _ = nnls((self._columns * visible).T, target, maxiter=10_000)
        lows = [intensity.low for intensity in INTENSITY_BANDS]
        letters = np.searchsorted(lows, strengths, side="right") - 1
        found = np.flatnonzero(letters >= 0)
        return [int(atom) for atom in found * len(LETTERS) + letters[found]]

    def _join_sides(self, units: list[ActionUnit]) -> list[ActionUnit]:
        """Left and right of one unit and letter become the unit on both sides; table order."""
        joined = set(units)
        for unit in units:
            both = ActionUnit(unit.code, unit.intensity)
            pair = {ActionUnit(unit.code, unit.intensity, side) for side in ("L", "R")}
            if both in self._order and pair <= joined:
                joined = (joined - pair) | {both}
        return sorted(joined, key=lambda unit: self._order[unit])


class _Search:
    """Search for the atoms whose maximum comes closest to a target.

    Args:
        vectors: float64 (atoms, shapes).
        codes: (atoms,) the unit of each atom.
        prices: float64 (atoms,), what naming an atom costs, as a squared error.
        target: float64 (shapes,), the values to explain.
        visible: float64 (shapes,), 1 for a shape that counts and 0 for one that does not.
    """

    def __init__(
        self,
        vectors: Floats,
        codes: NDArray[np.str_],
        prices: Floats,
        target: Floats,
        visible: Floats,
    ) -> None:
        self._vectors, self._codes = vectors, codes
        self._target, self._visible = target, visible
        # Between equal explanations the one that moves fewer shapes, then the first of the table.
        self._prices = prices + _TIE_BREAK * np.count_nonzero(vectors, axis=1)

    def best_of(self, starts: list[list[int]]) -> list[int]:
        """The cheapest result of refining several starting points.

        Descent by one atom at a time cannot exchange one unit for two. Where a small error is left,
        each unit found is therefore forbidden in turn; where a large one is left, the vector is not
        made of these units and doing so finds nothing better (LOG.md), so it is not tried.
        """
        best = min((self._refine(start) for start in starts), key=self._cost)
        if not _EXACT < self._error(best) < _NEARLY_EXACT:
            return best
        codes = sorted(set(self._codes[best]))
        others = [self._refine(self._refine([], forbidden=code)) for code in codes]
        return min([best, *others], key=self._cost)

    def _refine(self, start: list[int], forbidden: str | None = None) -> list[int]:
        """Coordinate descent: exchange, drop and add one atom at a time until nothing changes."""
        prices = self._prices
        if forbidden is not None:
            prices = np.where(self._codes == forbidden, np.inf, prices)
        chosen = list(start)
        for _ in range(_PASSES):
            before = list(chosen)
            for atom in before:
                chosen.remove(atom)
                chosen += self._best_addition(chosen, prices)
            while addition := self._best_addition(chosen, prices):
                chosen += addition
            if sorted(chosen) == sorted(before):
                break
        return chosen

    def _best_addition(self, chosen: list[int], prices: Floats) -> list[int]:
        """The atom that lowers the cost most, if any does."""
        current = self._vectors[chosen].max(axis=0, initial=0.0)
        errors = np.square(np.maximum(current, self._vectors) - self._target) @ self._visible
        costs = errors + prices
        best = int(costs.argmin())
        return [best] if costs[best] < np.square(current - self._target) @ self._visible else []

    def _error(self, chosen: list[int]) -> float:
        shown = self._vectors[chosen].max(axis=0, initial=0.0)
        return float(np.square(shown - self._target) @ self._visible)

    def _cost(self, chosen: list[int]) -> float:
        return self._error(chosen) + float(self._prices[chosen].sum())

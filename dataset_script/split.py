"""The split: stratified over several labels per item, and whole groups on one side.

``iterative-stratification`` (Sechidis et al. 2011) does the stratification: it is the one kept
implementation that follows scikit-learn's splitter interface and takes a seed; scikit-multilearn's
has seen no release since 2018, and scikit-learn's own group splitters know one label per item. It
knows no groups, so it is given groups instead of items, with their sizes among the labels; what is
then missing to the exact size and shares is made up by moving single groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from iterstrat.ml_stratifiers import IterativeStratification

from ..errors import DatasetError
from ..generation.tables_reading import read_table
from .coded import Coded
from .coded_rows import CodedRows
from .groups import SPLIT_TABLE

MIN_ITEMS = 5
# A tag of so many items may not be further from the test share than so many percentage points.
FREQUENT = 100
MOST_DEVIATION = 1.0
_ROWS_AT_ONCE = 131_072
_SIZE_WEIGHT = 10.0  # the size of the test split against one label, while shares are evened out


@dataclass(frozen=True)
class Split:
    """Where each item goes.

    Attributes:
        groups: int64 (n_items,), the group of each item.
        in_test: bool (n_items,), the test split.
        in_validation: bool (n_items,), a part of the train split, held out for whoever trains.
    """

    groups: np.ndarray
    in_test: np.ndarray
    in_validation: np.ndarray


def split_items(labels: Sequence[Sequence[str]], groups: np.ndarray, *, seed: int) -> Split:
    """Split by the shares of table ``split-v1``: test, and validation within train.

    The validation part is drawn from the finished train split, so it never changes the 80/20.

    Args:
        labels: The labels of each item (tags, or action units).
        groups: int64 (n_items,), the group of each.
        seed: The same items, groups and seed give the same split.

    Raises:
        DatasetError: Too few items, or groups, for three parts.
    """
    labels = Coded.of(labels)
    shares = read_table(SPLIT_TABLE, "split")["shares"]
    in_test = stratified_split(labels, groups, seed=seed, test_share=shares["test"])
    train = np.flatnonzero(~in_test)
    in_validation = np.zeros(len(labels), dtype=bool)
    if groups[train].min() != groups[train].max():
        in_validation[train] = stratified_split(
            labels.take(train),
            groups[train],
            seed=seed,
            test_share=shares["validation"],
            least=1,
        )
    return Split(groups, in_test, in_validation)


def stratified_split(
    labels: Sequence[Sequence[str]],
    groups: np.ndarray | None = None,
    *,
    seed: int,
    test_share: float = 0.2,
    least: int = MIN_ITEMS,
) -> np.ndarray:
    """Which items go to the test split.

    Every label that there is stays in train too, unless the split could then not have its size. The
    size is exact where there are enough groups of one item; otherwise it is off by at most half of
    the smallest group that could move.

    Args:
        labels: The labels of each item, in an order that does not depend on how they were made.
        groups: int (n_items,), items of one number stay together; each alone when left out.
        seed: The same items and seed give the same split.
        test_share: Share of the test split, between 0 and 1.
        least: How many items there must be at least.

    Returns:
        bool (n_items,), True for test.

    Raises:
        DatasetError: Too few items to split, or all of them in one group.
    """
    if len(labels) < least:
        raise DatasetError(
            f"{len(labels)} items cannot be split 80/20; annotate at least {least} transcripts"
        )
    of_item = np.arange(len(labels)) if groups is None else _from_zero(groups)
    if of_item.max() == 0:
        raise DatasetError(
            f"{len(labels)} items cannot be split: all repeat one text; annotate other transcripts"
        )
    labels = Coded.of(labels)
    chosen = _stratify(labels, of_item, test_share, seed)
    _Balance(_label_counts(labels, of_item), chosen, test_share).run()
    in_test: np.ndarray = chosen[of_item]
    return in_test


def _from_zero(groups: np.ndarray) -> np.ndarray:
    """int64 (n_items,): the groups numbered from 0 in their order, without gaps."""
    if groups.min() < 0 or groups.max() > 4 * len(groups):
        return np.unique(groups, return_inverse=True)[1]
    there = np.zeros(int(groups.max()) + 1, dtype=bool)  # no sorting of ten million numbers
    there[groups] = True
    numbered: np.ndarray = (np.cumsum(there) - 1)[groups]
    return numbered


def _label_counts(labels: Coded, of_item: np.ndarray) -> CodedRows:
    """Unsigned (n_groups, n_labels + 1): items with each label in each group; all items, last.

    Most groups are one item, and their rows are those of the different lists of labels.
    """
    used = np.flatnonzero(labels.counts())
    names = sorted({name for code in used.tolist() for name in labels.values[code]})
    column = {name: place for place, name in enumerate(names)}
    sizes = np.bincount(of_item)
    has = np.zeros((len(labels.values), len(column) + 1), dtype=np.min_scalar_type(sizes.max()))
    has[:, -1] = 1
    for code in used.tolist():
        has[code, [column[name] for name in labels.values[code]]] = 1
    codes = np.empty(len(sizes), dtype=np.int32)
    larger = np.flatnonzero(sizes > 1)
    counts = np.zeros((len(larger), has.shape[1]), dtype=has.dtype)
    for start in range(0, len(of_item), _ROWS_AT_ONCE):
        group = of_item[start : start + _ROWS_AT_ONCE]
        own = labels.codes[start : start + _ROWS_AT_ONCE]
        alone = sizes[group] == 1
        codes[group[alone]] = own[alone]
        np.add.at(counts, np.searchsorted(larger, group[~alone]), has[own[~alone]])
    different, numbers = np.unique(counts, axis=0, return_inverse=True)
    codes[larger] = numbers.reshape(-1) + len(has)
    return CodedRows(np.concatenate([has, different]), codes)


def _stratify(labels: Coded, of_item: np.ndarray, test_share: float, seed: int) -> np.ndarray:
    """Bool (n_groups,): the groups that iterative stratification puts into test.

    ``MultilabelStratifiedShuffleSplit`` does the same, draw for draw, on three copies of the table.
    """
    counts = _label_counts(labels, of_item)
    share = np.clip(test_share, 1 / len(counts), 1 - 1 / len(counts))
    tests = int(np.ceil(share * len(counts)))
    draws = np.random.RandomState(seed)
    order = np.arange(len(counts))
    draws.shuffle(order)
    membership = _membership(counts)[order]
    del counts
    parts = np.array([len(order) - tests, tests]) / len(order)
    folds = IterativeStratification(labels=membership, r=parts, random_state=draws)
    chosen = np.zeros(len(order), dtype=bool)
    chosen[order[folds == 1]] = True
    return chosen


def _membership(counts: CodedRows) -> CodedRows:
    """Bool (n_groups, n_labels + size classes): what each group has."""
    # Groups of two, of three and four, of five to eight ...: a label each.
    rows = counts.different
    classes = np.ceil(np.log2(rows[:, -1].astype(np.float64))).astype(np.int8)
    kinds = np.arange(1, max(2, int(classes.max()) + 1))
    labels = rows.shape[1] - 1
    # The library takes tables of two labels or more.
    membership = np.zeros((len(rows), max(2, labels + len(kinds))), dtype=bool)
    membership[:, :labels] = rows[:, :-1] > 0
    membership[:, labels : labels + len(kinds)] = classes[:, None] == kinds
    return CodedRows(membership, counts.codes)


class _Balance:
    """Moves single groups until shares and size are what they should be, in place.

    Iterative stratification serves the rarest labels first and may end some items off: with few
    items up to a tenth. The loss is the sum over labels of (surplus in test)² / (items in all), so
    a rare label counts as much as a common one.
    """

    def __init__(self, counts: CodedRows, chosen: np.ndarray, test_share: float) -> None:
        self.counts = counts
        self.chosen = chosen
        total = counts.sum(axis=0)
        self.target = min(max(round(test_share * int(total[-1])), 1), int(total[-1]) - 1)
        self.wanted = test_share * total
        self.wanted[-1] = self.target
        self.weight = 1 / np.maximum(total, 1)
        self.weight[-1] *= _SIZE_WEIGHT
        self.squares = counts.each(lambda rows: rows.astype(np.float64) ** 2 @ self.weight)
        # Both follow each move.
        self.inside = counts[chosen].sum(axis=0)
        self.holders = counts[~chosen].sum_of(lambda rows: rows[:, :-1] > 0)
        # More of a frequent label than test may hold of it: such a group belongs into train.
        most = np.where(total >= FREQUENT, self.wanted + MOST_DEVIATION / 100 * total, np.inf)
        self.too_large = counts.each(lambda rows: np.any(rows[:, :-1] > most[:-1], axis=1))

    def _move(self, group: int) -> None:
        sign = -1 if self.chosen[group] else 1
        self.chosen[group] ^= True
        row = self.counts[group]
        self.inside += sign * row.astype(np.int64)
        self.holders -= sign * (row[:-1] > 0)

    def run(self) -> None:
        for group in np.flatnonzero(self.too_large & self.chosen).tolist():
            self._move(group)
        for _ in range(len(self.chosen)):
            if not self._improve():
                break
        while self._fit_size():
            pass
        if not self.chosen.any() or self.chosen.all():  # few, large groups: neither may be empty
            sizes = self.counts[:, -1]
            candidates = np.where(sizes == sizes.min(), self._change(), np.inf)
            self._move(int(candidates.argmin()))

    def _improve(self) -> bool:
        """Make the move that lowers the loss most; False when none does."""
        change = np.where(self._movable(), self._change(), np.inf)
        best = int(change.argmin())
        if change[best] > -1e-9:
            return False
        self._move(best)
        return True

    def _fit_size(self) -> bool:
        """Make the move that brings the size nearer at the least loss; False when none does."""
        surplus = int(self.inside[-1]) - self.target
        sizes = self.counts[:, -1].astype(np.int64)
        sizes[~self.chosen] *= -1
        nearer = np.abs(surplus - sizes) < abs(surplus)
        if not nearer.any():
            return False
        # The size is promised; that train keeps every label is not.
        free = nearer & self._movable()
        candidates = free if free.any() else nearer
        self._move(int(np.where(candidates, self._change(), np.inf).argmin()))
        return True

    def _change(self) -> np.ndarray:
        """float64 (n_groups,): what moving each group to the other side adds to the loss."""
        pull = self.weight * (self.inside - self.wanted)
        slope = 2 * self.counts.each(lambda rows: rows.astype(np.float64) @ pull)
        change: np.ndarray = self.squares + np.where(self.chosen, -slope, slope)
        return change

    def _movable(self) -> np.ndarray:
        """Groups that may leave their side: train keeps each label, and what is too large."""
        last = np.flatnonzero(self.holders == 1)
        needed = self.counts.each(lambda rows: np.any(rows[:, last] > 0, axis=1))
        movable: np.ndarray = self.chosen | ~(needed | self.too_large)
        return movable

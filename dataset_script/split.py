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
from iterstrat.ml_stratifiers import MultilabelStratifiedShuffleSplit

from ..errors import DatasetError
from ..generation.tables_reading import read_table
from .groups import SPLIT_TABLE

MIN_ITEMS = 5
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
    shares = read_table(SPLIT_TABLE, "split")["shares"]
    in_test = stratified_split(labels, groups, seed=seed, test_share=shares["test"])
    train = np.flatnonzero(~in_test)
    in_validation = np.zeros(len(labels), dtype=bool)
    if len(np.unique(groups[train])) > 1:
        in_validation[train] = stratified_split(
            [labels[item] for item in train.tolist()],
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
    of_item = (
        np.arange(len(labels)) if groups is None else np.unique(groups, return_inverse=True)[1]
    )
    if of_item.max() == 0:
        raise DatasetError(
            f"{len(labels)} items cannot be split: all repeat one text; annotate other transcripts"
        )
    counts = _label_counts(labels, of_item)
    chosen = _stratify(counts, test_share, seed)
    _Balance(counts, chosen, test_share).run()
    in_test: np.ndarray = chosen[of_item]
    return in_test


def _label_counts(labels: Sequence[Sequence[str]], of_item: np.ndarray) -> np.ndarray:
    """int64 (n_groups, n_labels + 1): items with each label in each group; all items, last."""
    column = {
        name: place for place, name in enumerate(sorted({n for item in labels for n in item}))
    }
    counts = np.zeros((of_item.max() + 1, len(column) + 1), dtype=np.int64)
    for group, item in zip(of_item, labels, strict=True):
        counts[group, [column[name] for name in set(item)]] += 1
        counts[group, -1] += 1
    return counts


def _stratify(counts: np.ndarray, test_share: float, seed: int) -> np.ndarray:
    sizes = counts[:, -1]
    # Groups of two, of three and four, of five to eight ...: a label each.
    classes = np.ceil(np.log2(sizes)).astype(np.int64)
    by_size = classes[:, None] == np.arange(1, max(2, classes.max() + 1))
    membership = np.hstack([counts[:, :-1] > 0, by_size]).astype(np.int64)
    if membership.shape[1] < 2:  # the library takes tables of two labels or more
        membership = np.pad(membership, ((0, 0), (0, 1)))
    share = np.clip(test_share, 1 / len(counts), 1 - 1 / len(counts))
    splitter = MultilabelStratifiedShuffleSplit(n_splits=1, test_size=share, random_state=seed)
    _, test_groups = next(splitter.split(np.zeros(len(counts)), membership))
    chosen = np.zeros(len(counts), dtype=bool)
    chosen[test_groups] = True
    return chosen


class _Balance:
    """Moves single groups until shares and size are what they should be, in place.

    Iterative stratification serves the rarest labels first and may end some items off: with few
    items up to a tenth. The loss is the sum over labels of (surplus in test)² / (items in all), so
    a rare label counts as much as a common one.
    """

    def __init__(self, counts: np.ndarray, chosen: np.ndarray, test_share: float) -> None:
        self.counts = counts
        self.chosen = chosen
        total = counts.sum(axis=0)
        self.target = min(max(round(test_share * total[-1]), 1), total[-1] - 1)
        self.wanted = test_share * total
        self.wanted[-1] = self.target
        self.weight = 1 / np.maximum(total, 1)
        self.weight[-1] *= _SIZE_WEIGHT
        self.squares = counts.astype(np.float64) ** 2 @ self.weight
        self.has = counts[:, :-1] > 0

    def run(self) -> None:
        for _ in range(len(self.chosen)):
            if not self._improve():
                break
        while self._fit_size():
            pass
        if not self.chosen.any() or self.chosen.all():  # few, large groups: neither may be empty
            sizes = self.counts[:, -1]
            candidates = np.where(sizes == sizes.min(), self._change(), np.inf)
            self.chosen[int(candidates.argmin())] ^= True

    def _improve(self) -> bool:
        """Make the move that lowers the loss most; False when none does."""
        change = np.where(self._movable(), self._change(), np.inf)
        best = int(change.argmin())
        if change[best] > -1e-9:
            return False
        self.chosen[best] ^= True
        return True

    def _fit_size(self) -> bool:
        """Make the move that brings the size nearer at the least loss; False when none does."""
        surplus = int(self.counts[self.chosen, -1].sum()) - self.target
        sizes = np.where(self.chosen, self.counts[:, -1], -self.counts[:, -1])
        nearer = np.abs(surplus - sizes) < abs(surplus)
        if not nearer.any():
            return False
        # The size is promised; that train keeps every label is not.
        free = nearer & self._movable()
        candidates = free if free.any() else nearer
        self.chosen[int(np.where(candidates, self._change(), np.inf).argmin())] ^= True
        return True

    def _change(self) -> np.ndarray:
        """float64 (n_groups,): what moving each group to the other side adds to the loss."""
        surplus = self.counts[self.chosen].sum(axis=0) - self.wanted
        slope = 2 * (self.counts @ (self.weight * surplus))
        change: np.ndarray = self.squares + np.where(self.chosen, -slope, slope)
        return change

    def _movable(self) -> np.ndarray:
        """Groups that may leave their side: not the last in train with one of its labels."""
        last = self.has[~self.chosen].sum(axis=0) == 1
        movable: np.ndarray = self.chosen | ~(self.has @ last)
        return movable

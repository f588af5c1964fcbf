"""The 80/20 split, stratified over several tags per item.

``iterative-stratification`` (Sechidis et al. 2011) does the work: it is the one kept
implementation that follows scikit-learn's splitter interface and takes a seed; scikit-multilearn's
has seen no release since 2018.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from iterstrat.ml_stratifiers import MultilabelStratifiedShuffleSplit

from ..errors import DatasetError

MIN_ITEMS = 5


def stratified_split(
    tags: Sequence[Sequence[str]], *, seed: int, test_share: float = 0.2
) -> np.ndarray:
    """Which items go to the test split.

    Args:
        tags: The tags of each item, in an order that does not depend on how they were made.
        seed: The same items and seed give the same split.
        test_share: Share of the test split, between 0 and 1.

    Returns:
        bool (n_items,), True for test.

    Raises:
        DatasetError: Too few items to split.
    """
    if len(tags) < MIN_ITEMS:
        raise DatasetError(
            f"{len(tags)} items cannot be split 80/20; annotate at least {MIN_ITEMS} transcripts"
        )
    names = sorted({tag for item in tags for tag in item})
    column = {name: index for index, name in enumerate(names)}
    membership = np.zeros((len(tags), max(len(names), 2)), dtype=np.int64)
    for row, item in enumerate(tags):
        membership[row, [column[tag] for tag in item]] = 1
    splitter = MultilabelStratifiedShuffleSplit(n_splits=1, test_size=test_share, random_state=seed)
    _, test_rows = next(splitter.split(np.zeros(len(tags)), membership))
    in_test = np.zeros(len(tags), dtype=bool)
    in_test[test_rows] = True
    _balance(in_test, membership, test_share)
    return in_test


def _balance(in_test: np.ndarray, membership: np.ndarray, test_share: float) -> None:
    """Bring the test split to its exact size, in place.

    Iterative stratification serves the rarest tags first and may end some items off: with few items
    up to a tenth. The items that go over are those whose tags the split has most too many of.
    """
    target = min(max(round(test_share * len(in_test)), 1), len(in_test) - 1)
    wanted = test_share * membership.sum(axis=0)
    tags_per_item = np.maximum(membership.sum(axis=1), 1)
    while (surplus := int(in_test.sum()) - target) != 0:
        excess = membership[in_test].sum(axis=0) - wanted
        gain = membership @ (excess * np.sign(surplus)) / tags_per_item
        movable = in_test if surplus > 0 else ~in_test
        chosen = int(np.where(movable, gain, -np.inf).argmax())
        in_test[chosen] ^= True

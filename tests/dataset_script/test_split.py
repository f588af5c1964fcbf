"""80/20 by tag, whole groups on one side, and a validation part inside train."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countenance.dataset_script import split_items, stratified_split
from countenance.errors import DatasetError
from countenance.generation import emotion_names

TAG_LISTS = st.lists(st.sampled_from(emotion_names()), min_size=1, max_size=3, unique=True)
ITEMS = st.lists(st.tuples(TAG_LISTS, st.integers(0, 30)), min_size=5, max_size=120).filter(
    lambda items: len({group for _, group in items}) > 2
)


def straddling(groups, mask, among=None):
    among = np.ones(len(mask), dtype=bool) if among is None else among
    return set(groups[mask & among]) & set(groups[~mask & among])


@given(ITEMS, st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_no_group_straddles_and_the_same_seed_gives_the_same_split(items, seed):
    tags, numbers = [item[0] for item in items], np.array([item[1] for item in items])
    split = split_items(tags, numbers, seed=seed)
    assert not straddling(numbers, split.in_test)
    assert not straddling(numbers, split.in_validation, ~split.in_test)
    assert not (split.in_test & split.in_validation).any()
    assert split.in_test.any()
    assert (~split.in_test).any()
    again = split_items(tags, numbers, seed=seed)
    assert (again.in_test == split.in_test).all()
    assert (again.in_validation == split.in_validation).all()


def test_neither_side_is_empty_where_groups_are_few():
    groups = np.array([0, 0, 1, 1, 2, 2])
    split = split_items([["joy"]] * 4 + [["fear"]] * 2, groups, seed=0)
    assert split.in_test.sum() == 2


@given(ITEMS, st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_the_size_is_off_by_no_more_than_half_of_the_smallest_group_that_could_move(items, seed):
    tags, numbers = [item[0] for item in items], np.array([item[1] for item in items])
    in_test = stratified_split(tags, numbers, seed=seed)
    surplus = int(in_test.sum()) - max(round(0.2 * len(tags)), 1)
    side = in_test if surplus > 0 else ~in_test
    smallest = np.bincount(numbers[side])
    assert 2 * abs(surplus) <= smallest[smallest > 0].min()


def big_set(count=4000, copies=600):
    """Common and rare tags; one item in seven repeats another, and shares some of its tags."""
    draws = np.random.default_rng(5)
    names = np.array(emotion_names())
    chances = 1.0 / np.arange(1, len(names) + 1)
    tags = [
        draws.choice(names, size=draws.integers(1, 4), replace=False, p=chances / chances.sum())
        for _ in range(count)
    ]
    groups = np.arange(count)
    groups[-copies:] = draws.integers(0, 200, size=copies)
    return [list(item) for item in tags], groups


def test_tags_of_a_hundred_items_are_within_a_point_and_rare_ones_within_an_item():
    tags, groups = big_set()
    split = split_items(tags, groups, seed=1)
    assert split.in_test.sum() == 800
    assert split.in_validation.sum() == 320
    for name in emotion_names():
        member = np.array([name in item for item in tags])
        off = split.in_test[member].sum() - 0.2 * member.sum()
        assert abs(off) <= max(1, 0.01 * member.sum())
        held = split.in_validation[member].sum() - 0.1 * (member & ~split.in_test).sum()
        assert abs(held) <= max(1.5, 0.01 * member.sum())


def test_groups_count_with_the_tags_of_all_their_items():
    """Ten groups of ten items: the tag of five whole groups is halved between the sides, too."""
    tags = [["joy"] if item < 50 else ["fear"] for item in range(100)]
    in_test = stratified_split(tags, np.arange(100) // 10, seed=0)
    assert in_test[:50].sum() == in_test[50:].sum() == 10


@pytest.mark.parametrize("seed", range(12))
def test_a_group_with_more_of_a_tag_than_test_may_hold_stays_in_train(seed):
    """Among others of its size, of which one goes to test; leaving costs the size much at first."""
    large = [("relief",)] * 45 + [("joy",)] * (5 * 300 - 45)
    alone = [("relief",)] * 80 + [("joy",)] * 2000 + [("joy", "anger")] * 620
    groups = np.array([*np.repeat(range(5), 300), *range(5, 5 + len(alone))])
    in_test = stratified_split(large + alone, groups, seed=seed)
    assert not in_test[:45].any()
    assert in_test.sum() == 840
    assert in_test[len(large) :][:80].sum() == 25


def test_every_tag_of_test_is_in_train():
    tags, groups = big_set(300, 60)
    tags[7] = ["joy", "seen once"]
    in_test = stratified_split(tags, groups, seed=2)
    in_train = {tag for item, there in zip(tags, in_test, strict=True) if not there for tag in item}
    assert {tag for item in tags for tag in item} == in_train


def test_the_validation_part_does_not_touch_the_test_split():
    tags, groups = big_set(500, 50)
    split = split_items(tags, groups, seed=3)
    assert (split.in_test == stratified_split(tags, groups, seed=3)).all()


def test_items_that_all_repeat_one_text_cannot_be_split():
    with pytest.raises(DatasetError, match="9 items cannot be split: all repeat one text"):
        stratified_split([["joy"]] * 9, np.zeros(9, dtype=int), seed=0)

"""What is larger than memory: sorted on disk, held as numbers, and the same as in memory."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from iterstrat.ml_stratifiers import MultilabelStratifiedShuffleSplit

from countenance.dataset_script import duplicate_groups, scratch, split
from countenance.dataset_script.coded import Coded
from countenance.dataset_script.forms import SortedForms
from countenance.dataset_script.rows import SpooledRows
from countenance.dataset_script.scratch import Scratch, sorted_pairs
from countenance.dataset_script.verify_columns import Names
from countenance.errors import DatasetError
from countenance.generation.id_set import IdSet, NumberSet

PAIRS = st.lists(st.tuples(st.binary(max_size=6), st.binary(max_size=6)), max_size=60)
IDS = st.one_of(
    st.integers(0, 2**64 - 1).map("{:016x}".format), st.text("0123456789abcdefA\n", max_size=17)
)


@pytest.mark.parametrize("most_bytes", [1, 600, 10**6])  # a file for each pair; a few; none
@given(pairs=PAIRS)
@settings(max_examples=25, deadline=None)
def test_pairs_come_in_order_and_equal_keys_as_they_came(most_bytes, pairs):
    with pytest.MonkeyPatch.context() as patch, Scratch("test") as folder:
        patch.setattr(scratch, "MOST_BYTES", most_bytes)
        patch.setattr(scratch, "MOST_FILES", 3)
        assert list(sorted_pairs(pairs, folder)) == sorted(pairs, key=lambda pair: pair[0])
        assert not list(folder.iterdir())


@given(st.lists(st.text(max_size=5), max_size=40))
@settings(max_examples=50, deadline=None)
def test_forms_are_in_the_order_of_pythons_strings(texts):
    with pytest.MonkeyPatch.context() as patch, Scratch("test") as folder:
        patch.setattr(scratch, "MOST_BYTES", 500)
        forms = SortedForms(texts, folder)
        expected = sorted(set(texts))
        assert [forms.read(number) for number in range(len(forms))] == expected
        assert list(forms.some(0, len(texts))) == expected
        assert [expected[number] for number in forms.form_of_text] == texts
        forms.close()


def test_groups_are_the_same_from_memory_and_from_files(monkeypatch):
    draws = np.random.default_rng(3)
    words = ["lamp", "river", "seven", "quietly", "opens", "a", "the", "door", "blue", "wind"]
    texts = [" ".join(draws.choice(words, size=draws.integers(3, 9))) for _ in range(400)]
    whole = duplicate_groups(texts)
    monkeypatch.setattr(scratch, "MOST_BYTES", 4_000)
    assert duplicate_groups(iter(texts)).tolist() == whole.tolist()


def test_a_scratch_folder_vanishes_with_its_owner(tmp_path, monkeypatch):
    monkeypatch.setattr(scratch.tempfile, "tempdir", str(tmp_path))
    rows = SpooledRows()
    assert list(tmp_path.iterdir())
    del rows
    assert not list(tmp_path.iterdir())


def test_a_place_for_scratch_files_that_is_none_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(scratch.tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(DatasetError, match=r"missing: cannot hold the scratch files \(No such"):
        duplicate_groups(["a line"])


@given(st.lists(st.tuples(st.booleans(), IDS), max_size=80), IDS)
@settings(max_examples=60, deadline=None)
def test_a_set_of_ids_does_what_a_set_does(steps, asked):
    plain, ours = set(), IdSet()
    for adds, name in steps:
        plain.add(name) if adds else plain.discard(name)
        ours.add(name) if adds else ours.discard(name)
    assert ours == plain
    assert set(ours) == plain
    assert (asked in ours) == (asked in plain)
    assert len(ours) == len(plain)


def test_numbers_are_found_before_and_after_they_settle():
    numbers = NumberSet()
    for number in range(200_000):
        numbers.add(number * 7)
    assert len(numbers) == 200_000
    assert 7 * 199_999 in numbers
    assert 7 in numbers
    assert 8 not in numbers
    assert sorted(numbers)[:3] == [0, 7, 14]


@given(st.lists(st.none() | IDS, max_size=40))
@settings(max_examples=50, deadline=None)
def test_ids_of_a_column_are_read_back(ids):
    import pyarrow as pa

    names = Names(iter([pa.array(ids[:7], pa.string()), pa.array(ids[7:], pa.string())]))
    assert [names[row] for row in range(len(ids))] == [str(name) for name in ids]


@given(
    st.lists(
        st.tuples(st.sets(st.sampled_from("abcd"), min_size=1), st.integers(0, 25)),
        min_size=6,
        max_size=80,
    ).filter(lambda items: len({group for _, group in items}) > 2),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=60, deadline=None)
def test_the_stratifier_draws_as_the_librarys_own_splitter(items, seed):
    labels = Coded.of([sorted(tags) for tags, _ in items])
    of_item = np.unique([group for _, group in items], return_inverse=True)[1]
    counts = split._label_counts(labels, of_item)
    share = np.clip(0.2, 1 / len(counts), 1 - 1 / len(counts))
    library = MultilabelStratifiedShuffleSplit(n_splits=1, test_size=share, random_state=seed)
    membership = split._membership(counts)[:, :].astype(int)
    _, expected = next(library.split(np.zeros(len(counts)), membership))
    assert np.flatnonzero(split._stratify(labels, of_item, 0.2, seed)).tolist() == list(expected)

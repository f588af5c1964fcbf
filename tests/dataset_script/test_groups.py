"""Texts that are the same, or nearly, get one group number."""

import itertools
import re

import numpy as np
import pytest
from datasketch import MinHash
from hypothesis import given, settings
from hypothesis import strategies as st

from countenance.dataset_script import groups as groups_module
from countenance.dataset_script.groups import (
    SPLIT_TABLE,
    duplicate_groups,
    normalise,
    similarity,
    wording_groups,
)
from countenance.generation.tables_reading import read_table

SAME = [
    ("The ferry leaves at nine tonight", "the FERRY leaves at nine... tonight!!"),
    ("I can't find my red umbrella", "i can\u2019t find my red umbrella"),
    ("@ana look at this https://x.org/1 please now", "look at this please now"),
    ("[NAME] forgot my birthday again", "forgot my birthday again"),
    ("The garden was full of bees", "Well the garden was full of bees"),
    ("My neighbour has a green fence", "My neighbor has a green fence"),
]  # fmt: skip
APART = [
    ("I love this song", "I hate this song"),
    ("The ferry leaves at nine tonight", "My sister bakes bread on Fridays"),
    ("\U0001f600", "\U0001f621"),
    ("", "hello"),
]


@pytest.mark.parametrize(("first", "second"), SAME)
def test_near_duplicates_share_a_group(first, second):
    assert len(set(duplicate_groups([first, "Something else entirely", second]))) == 2


@pytest.mark.parametrize(("first", "second"), APART)
def test_different_texts_stand_apart(first, second):
    assert len(set(duplicate_groups([first, second]))) == 2


def test_a_chain_of_near_duplicates_is_one_group():
    line = "one small grey cat sat near the old stone bridge and watched boats"
    words = re.findall(r"\w+", line)
    chain = [" ".join(words[step : step + 9]) for step in range(4)]
    assert similarity(chain[0], chain[-1]) < 0.6 < similarity(chain[0], chain[1])
    assert duplicate_groups(chain).tolist() == [0, 0, 0, 0]
    assert len(set(duplicate_groups([chain[0], chain[-1]]))) == 2


def test_the_same_words_share_a_wording_group_and_near_ones_do_not():
    texts = ["The brows rise, slightly.", "the brows rise slightly", "the brows rise slightly now"]
    assert wording_groups(texts).tolist() == [0, 0, 1]
    assert set(duplicate_groups(texts)) == {0}


def test_no_texts_have_no_groups():
    assert duplicate_groups([]).shape == (0,)


def test_what_counts_of_a_text():
    assert normalise("  RT @ana: It's SO \uff47ood!! [NAME] http ") == "rt its so good"
    assert normalise(" ;-) ") == ";-)"


VOCABULARY = (
    "red",
    "boat",
    "sings",
    "under",
    "old",
    "tall",
    "tree",
    "and",
    "cat",
    "runs",
    "tonight",
)
WORDS = st.sampled_from(VOCABULARY)
TEXTS = st.lists(st.lists(WORDS, max_size=9).map(" ".join), min_size=1, max_size=25)


@given(TEXTS, st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None)
def test_groups_are_the_components_whatever_the_order(texts, random):
    """Against every pair compared, without MinHash."""
    groups = duplicate_groups(texts)
    order = list(range(len(texts)))
    random.shuffle(order)
    assert duplicate_groups([texts[place] for place in order]).tolist() == groups[order].tolist()
    reached = np.array([[one == other for other in texts] for one in texts])
    for one, other in itertools.combinations(range(len(texts)), 2):
        # A pair just at the threshold may escape MinHash, with a chance of 1 in 7,000.
        if similarity(texts[one], texts[other]) >= 0.6:
            reached[one, other] = reached[other, one] = True
    for middle in range(len(texts)):
        reached |= np.outer(reached[:, middle], reached[middle])
    assert (reached == (groups[:, None] == groups)).all()


def components_of_all_pairs(texts):
    """Every pair of every bucket compared, as the definition has it."""
    forms = sorted({normalise(text) for text in texts})
    pieces = [groups_module._shingles(form) for form in forms]
    rule = read_table(SPLIT_TABLE, "split")["duplicates"]
    sketches = MinHash.generator(
        ([piece.encode() for piece in sorted(row)] for row in pieces),
        num_perm=rule["permutations"],
        seed=rule["seed"],
        scheme="affine32",
    )
    bands = np.array([s.hashvalues for s in sketches]).reshape(len(forms), -1, 4)
    component = list(range(len(forms)))
    for one, other in itertools.combinations(range(len(forms)), 2):
        near = similarity(forms[one], forms[other]) >= rule["threshold"]
        if near and (bands[one] == bands[other]).all(axis=1).any():
            old, new = component[other], component[one]
            component = [new if number == old else number for number in component]
    names = list(dict.fromkeys(component))
    return [names.index(component[forms.index(normalise(text))]) for text in texts]


NAMES = st.text("abcdefgh", min_size=1, max_size=7)
TEMPLATES = st.sampled_from(
    ("happy birthday dear {} i hope", "{} is a friend of {}", "we met {} on the way to {} and {}")
)
FILLED = st.tuples(TEMPLATES, NAMES, NAMES, NAMES).map(lambda row: row[0].format(*row[1:]))


@pytest.mark.parametrize("many", [1, groups_module._MANY])  # all in numpy; sets for few
@given(texts=st.lists(FILLED | st.lists(WORDS, max_size=9).map(" ".join), min_size=1, max_size=90))
@settings(max_examples=20, deadline=None)
def test_skipping_joined_pairs_changes_no_group(many, texts):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(groups_module, "_MANY", many)
        assert duplicate_groups(texts).tolist() == components_of_all_pairs(texts)


def test_texts_of_one_template_are_not_compared_pair_by_pair(monkeypatch):
    syllables = ("ka", "lo", "mi", "ne", "tu", "sa", "ro", "be", "di", "fu")
    texts = [
        f"happy birthday dear {''.join(name)} i hope you have a wonderful day"
        for name in itertools.product(syllables, repeat=3)
    ]
    compared = []
    whole = groups_module._NearForms.similar

    def counted(self, pivot, others):
        compared.append(len(others))
        return whole(self, pivot, others)

    monkeypatch.setattr(groups_module._NearForms, "similar", counted)
    assert set(duplicate_groups(texts)) == {0}
    assert sum(compared) < 10 * len(texts)  # of 499,500 pairs


def test_the_published_threshold_is_the_one_that_is_used():
    rule = read_table(SPLIT_TABLE, "split")["duplicates"]
    assert rule["threshold"] == 0.6
    assert rule["permutations"] % rule["rows_per_band"] == 0


def test_no_pair_of_the_corpora_escapes_by_its_first_words(corpora_folder):
    """A thousand real transcripts, each with a word put before it, find back to themselves."""
    from countenance.generation import CorpusSpec, read_corpora

    reading = read_corpora([CorpusSpec("isear", corpora_folder / "isear")])
    texts = [item.text for item in reading.transcripts if len(item.text) > 40][:1000]
    groups = duplicate_groups([*texts, *(f"Well, {text}" for text in texts)])
    assert (groups[: len(texts)] == groups[len(texts) :]).all()

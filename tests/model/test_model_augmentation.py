"""Augmentation: the words change, what they say about a face does not."""

import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import countenance.model as room
from countenance.errors import TableError
from countenance.model.augmentation import augment_text, perturb_blendshapes, tag_text
from countenance.model.lexicon import load_lexicon

LEXICON = Path(room.__file__).with_name("lexicons") / "synonyms-v1.json"


def variants(text, kind, count=60, **settings_):
    rng = np.random.default_rng(0)
    return {augment_text(text, kind, rng, **settings_) for _ in range(count)}


def words(text):
    return re.findall(r"[a-z]+", text.lower())


def test_synonyms_keep_meaning_and_strength():
    found = variants("A face slightly in sadness.", "d", swap_rate=0.0)
    assert found == {
        "A face slightly in sadness.",
        "A face mildly in sadness.",
        "A face slightly in sorrow.",
        "A countenance slightly in sadness.",
    }


def test_a_replacement_keeps_its_case_and_the_article_fits():
    assert variants("An eyebrow", "d", swap_rate=0.0) == {"An eyebrow", "A brow"}
    assert "GLADNESS" in variants("HAPPINESS", "e")
    assert "Gladness" in variants("Happiness", "e")


def test_tags_change_places_as_a_whole():
    assert variants("anger, fear of death", "e", synonym_rate=0.0) == {
        "anger, fear of death",
        "fear of death, anger",
    }


def test_neighbours_change_places_within_a_clause():
    found = variants("brows knit, lips parted", "d", synonym_rate=0.0, swap_rate=0.1)
    assert found == {
        "brows knit, lips parted",
        "knit brows, lips parted",
        "brows knit, parted lips",
    }


@pytest.mark.parametrize(
    "text",
    [
        "left brow raised",
        "the right lip corner",
        "never happy",
        "she didn't smile",
        "barely parted",
        "very wide",
        "brows and lips",
    ],
)
def test_side_negation_degree_and_joints_stay_with_what_they_govern(text):
    assert variants(text, "d", synonym_rate=0.0) == {text}


@given(
    st.text(st.sampled_from("abc not left slightly joy brow ,.!\n'\u2019é9"), max_size=60),
    st.sampled_from("ted"),
    st.integers(0, 10),
)
@settings(max_examples=150, deadline=None)
def test_any_text_keeps_its_words_under_a_swap(text, kind, seed):
    swapped = augment_text(text, kind, np.random.default_rng(seed), synonym_rate=0.0)
    assert sorted(swapped) == sorted(text)


@given(st.text(max_size=80), st.sampled_from("ted"), st.integers(0, 10))
@settings(max_examples=150, deadline=None)
def test_the_same_seed_gives_the_same_variant(text, kind, seed):
    first, second = (augment_text(text, kind, np.random.default_rng(seed)) for _ in range(2))
    assert first == second


def test_nothing_changes_at_rates_of_zero():
    text = "A happy face, brows knit"
    assert variants(text, "d", synonym_rate=0.0, swap_rate=0.0) == {text}


def test_perturbations_are_small_and_only_add():
    faces = np.random.default_rng(0).random((200, 51), dtype=np.float32)
    seen = perturb_blendshapes(faces, np.random.default_rng(1), maximum=0.2, density=0.5)
    assert seen.dtype == np.float32
    added = seen - faces
    assert added.min() >= 0
    assert added.max() <= 0.2 + 1e-6
    assert seen.max() <= 1.0
    free = faces < 0.8
    assert np.mean(added[free] > 0) == pytest.approx(0.5, abs=0.02)
    assert added[free & (added > 0)].mean() == pytest.approx(0.1, abs=0.005)


def test_perturbations_repeat_with_their_seed_and_leave_their_input():
    faces = np.zeros((3, 51), dtype=np.float32)
    first, second = (perturb_blendshapes(faces, np.random.default_rng(7)) for _ in range(2))
    assert np.array_equal(first, second)
    assert not faces.any()


def test_tags_are_written_as_one_text():
    assert tag_text(["joy", "excitement"]) == "joy, excitement"
    assert tag_text([]) == ""


def test_the_released_lexicon_never_changes():
    digest = hashlib.sha256(LEXICON.read_bytes()).hexdigest()
    assert digest == "f08715e564428eb9378e2f430bb457510c662e3fa0cfc0e0d89b20e7534a5893", (
        "a released lexicon is fixed: add synonyms-v2.json instead"
    )


def test_a_cue_is_never_replaced_by_a_word_of_another_emotion_or_strength():
    lexicon = load_lexicon()
    assert set(lexicon.synonyms) == {"t", "e", "d"}
    assert "raised" not in lexicon.synonyms["t"]  # "raised in Texas" is no brow
    assert lexicon.synonyms["d"]["raised"] == ("lifted",)
    for kind in lexicon.synonyms.values():
        for word, others in kind.items():
            assert all(word in kind[other] for other in others)


def write(tmp_path, **changes):
    table = json.loads(LEXICON.read_text()) | {"version": "mine"} | changes
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(table))
    return path


GROUP = {"id": "g", "category": "face", "words": ["lid", "eyelid"], "source": "ours"}


def test_a_lexicon_of_ones_own_is_used(tmp_path):
    lexicon = load_lexicon(write(tmp_path, groups=[GROUP]))
    assert lexicon.version == "mine"
    assert dict(lexicon.synonyms["d"]) == {"lid": ("eyelid",), "eyelid": ("lid",)}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": "other"}, "version 'other' differs from the file's name"),
        ({"groups": [GROUP, GROUP | {"id": "h"}]}, "'lid' stands in the groups g and h"),
        ({"groups": [GROUP | {"words": ["lid"]}]}, r"\$\.groups\[0\]\.words"),
        ({"groups": [{k: v for k, v in GROUP.items() if k != "source"}]}, "'source' is a required"),
    ],
)
def test_a_malformed_lexicon_is_refused(tmp_path, changes, message):
    with pytest.raises(TableError, match=message):
        load_lexicon(write(tmp_path, **changes))


def test_an_unknown_lexicon_lists_the_known_ones(tmp_path):
    with pytest.raises(TableError, match="unknown lexicon 'nope': give one of synonyms-v1"):
        load_lexicon("nope")
    broken = tmp_path / "broken.json"
    broken.write_text("{")
    with pytest.raises(TableError, match=r"broken\.json: not valid JSON"):
        load_lexicon(broken)


def test_a_lexicon_that_cannot_be_read_is_told(unreadable_file):
    with pytest.raises(TableError, match=r"cannot read the lexicon \(Input/output error\)"):
        load_lexicon(unreadable_file)

"""Reading descriptions back, and telling a face that cannot belong to its emotions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countenance.errors import ActionUnitError, TableError
from countenance.generation.composition import (
    compose_description,
    describes,
    draw_action_units,
    face_fault,
    load_emotions,
    read_description,
)

NAMES = [emotion.name for emotion in load_emotions()]
tag_sets = st.lists(st.sampled_from(NAMES), min_size=1, max_size=5, unique=True)


def drawn(count):
    """Seeded items: emotions, units and description."""
    for number in range(count):
        rng = np.random.default_rng([11, number])
        size = 1 + number % 5
        emotions = rng.choice(NAMES, size=size, replace=False).tolist()
        units = draw_action_units(emotions, float(rng.random()), rng)
        yield emotions, units, compose_description(units, emotions, rng)


def test_nearly_every_description_is_read_back_exactly():
    exact = [describes(text, units) for _, units, text in drawn(1500)]
    assert np.mean(exact) > 0.995


def test_what_is_read_is_always_there():
    names = {None: "both", "L": "left", "R": "right"}
    for _, units, text in drawn(1500):
        shown = {(au.id, names[au.side]) for au in units}
        assert {(unit, side) for unit, side, _ in read_description(text)} <= shown, text


@given(tag_sets, st.floats(0.0, 1.0), st.integers(0, 2**32))
@settings(max_examples=300, deadline=None)
def test_no_drawn_face_has_a_fault(emotions, strength, seed):
    units = draw_action_units(emotions, strength, np.random.default_rng(seed))
    assert face_fault(emotions, units) is None


def test_a_description_tells_unit_side_and_level():
    text = "The left eyebrow lifts slightly, with a broad grin and knitted brows."
    assert read_description(text) == {("AU2", "left", 0), ("AU12", "both", 2), ("AU4", "both", 1)}


def test_a_subject_said_once_counts_for_both():
    assert describes("The corners of the mouth rise and tuck in.", ["AU12C", "AU14C"])
    assert describes("The lips part wide and tighten.", ["AU25D", "AU23C"])


def test_a_text_of_other_origin_names_nothing():
    assert read_description("He was so happy that he danced all night.") == frozenset()


@pytest.mark.parametrize(
    ("units", "why"),
    [
        (["AU12D"], "the brows are missing"),
        (["AU12D", "AU4C", "AU25B"], "one more than is said"),
        (["AUL12D", "AU4C"], "the other side shows too"),
        (["AU12A", "AU4C"], "a broad grin is no trace of a smile"),
        ([], "a face at rest"),
    ],
)
def test_a_description_of_another_face_is_told(units, why):
    assert describes("A broad grin under knitted brows.", ["AU12D", "AU4C"])
    assert not describes("A broad grin under knitted brows.", units), why


def test_a_face_at_rest_names_nothing():
    assert describes("The face is neutral: the brows stay level.", [])


@pytest.mark.parametrize(
    ("emotions", "units", "fault"),
    [
        (["joy"], ["AU12C", "AU27D"], "unlisted: AU27 with joy"),
        (["joy", "love"], ["AU15C"], "unlisted: AU15 with joy, love"),
        (["anger"], ["AU24C", "AU25B"], "contradiction: AU24 with AU25"),
        (["joy", "fear"], ["AU12C", "AU27D", "AU25C"], None),
        (["neutral"], [], None),
    ],
)
def test_a_face_that_cannot_be_is_named(emotions, units, fault):
    assert face_fault(emotions, units) == fault


def test_bad_input_is_refused():
    with pytest.raises(TableError, match="unknown emotion 'boredom'"):
        face_fault(["boredom"], [])
    with pytest.raises(ActionUnitError, match="not an action unit: 'smile'"):
        face_fault(["joy"], ["smile"])
    with pytest.raises(ActionUnitError, match="no phrases for AU45"):
        describes("A smile.", ["AU45"])

"""From blendshapes back to action units."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from countenance.au_mapping import ARKIT_51, INTENSITIES, ActionUnit, load_mapping
from countenance.errors import ActionUnitError


def graded_units(name, *, without=()):
    """Every unit of a table on every side it may act on, with each letter."""
    mapping = load_mapping(name)
    result = []
    for unit in mapping.action_units:
        if unit in without:
            continue
        info = mapping.info(unit)
        sides = ["L", "R"] if info.side_required else [None, "L", "R"] if info.sides else [None]
        code = unit.removeprefix("AU")
        result += [ActionUnit(code, letter, side) for side in sides for letter in INTENSITIES]
    return result


# AU8 alone shows nothing, and AU45 looks as AU43 does on a still face; both have tests below.
UNITS = {"v1": graded_units("v1"), "extended": graded_units("extended", without=("AU8", "AU45"))}


def recovered(mapping, units):
    return mapping.to_action_units(mapping.to_blendshapes(units))


def as_text(units):
    return [str(unit) for unit in units]


def nothing_is_erased(mapping, pair):
    """Whether the rules leave of every shape of two units enough to tell how strong it was."""
    shown = mapping.to_blendshapes(pair)
    driven = np.max([mapping.to_blendshapes([unit]) for unit in pair], axis=0)
    if (shown[driven > 0] == 0).any():
        return False
    for rule in mapping.rules:
        if rule.kind == "oppose" and rule.parameters["share"] == 1.0:
            for first, second in rule.pairs:
                if min(driven[ARKIT_51.index(first)], driven[ARKIT_51.index(second)]) > 0:
                    return False
    return True


@pytest.mark.parametrize("name", ["v1", "extended"])
def test_every_single_unit_comes_back_with_code_side_and_letter(name):
    mapping = load_mapping(name)
    for unit in UNITS[name]:
        assert recovered(mapping, [unit]) == [unit]


@pytest.mark.parametrize("name", ["v1", "extended"])
@given(data=st.data())
@settings(max_examples=250, deadline=None)
def test_every_pair_without_shared_shapes_comes_back(name, data):
    mapping = load_mapping(name)
    first = data.draw(st.sampled_from(UNITS[name]))
    second = data.draw(st.sampled_from(UNITS[name]))
    assume(not set(mapping.shapes_of(first)) & set(mapping.shapes_of(second)))
    assume(nothing_is_erased(mapping, [first, second]))
    # Left and right of one strength are the same thing as both sides.
    halves = (first.code, first.intensity) == (second.code, second.intensity)
    expected = {ActionUnit(first.code, first.intensity)} if halves else {first, second}
    assert set(recovered(mapping, [first, second])) == expected


def test_the_units_come_in_table_order():
    mapping = load_mapping()
    assert as_text(recovered(mapping, ["AU25C", "AUR12B", "AU6D", "AUL12D"])) == [
        "AU6D",
        "AUL12D",
        "AUR12B",
        "AU25C",
    ]


def test_full_weight_comes_back_as_e():
    assert as_text(recovered(load_mapping(), ["AU12"])) == ["AU12E"]


def test_a_neutral_face_has_no_units():
    assert load_mapping().to_action_units([0.0] * 51) == []


@pytest.mark.parametrize(
    ("units", "expected"),
    [
        ("AU1D AU4C", "AU1D AU4C"),
        ("AU5E AU7D", "AU5E AU7D"),
        ("AU12E AU15C", "AU12E AU15C"),
        ("AU18C AUL20E", "AU18C AUL20E"),
        ("AU22B AU23C", "AU22B AU23C"),
        ("AU24C AU26B", "AU24C AU26B"),
        ("AU17D AU27E", "AU17D AU27E"),
    ],
)
def test_what_a_rule_weakened_is_restored(units, expected):
    assert as_text(recovered(load_mapping(), units.split())) == expected.split()


@pytest.mark.parametrize(
    ("units", "left"),
    [
        ("AU5E AU43E", "AU43E"),
        ("AU24D AU27E", "AU27E"),
        ("AU63E AU43E", "AU43E"),
        ("AU63C AU64C", ""),
    ],
)
def test_what_a_rule_erased_is_gone(units, left):
    assert as_text(recovered(load_mapping(), units.split())) == left.split()


def test_look_alikes_are_named_by_the_first_of_the_table():
    mapping = load_mapping("extended")
    assert as_text(recovered(mapping, ["AU45C"])) == ["AU43C"]
    assert as_text(recovered(mapping, ["AU8C"])) == []
    assert as_text(recovered(mapping, ["AU8C", "AU27E"])) == ["AU8C", "AU27E"]


@given(st.lists(st.sampled_from(UNITS["v1"]), max_size=6))
@settings(max_examples=60, deadline=None)
def test_the_units_found_show_nearly_the_same_face(units):
    mapping = load_mapping()
    shown = mapping.to_blendshapes(units)
    again = mapping.to_blendshapes(mapping.to_action_units(shown))
    assert np.square(again - shown).sum() <= np.square(shown).sum() * 0.25 + 1e-6


def test_nearly_all_units_of_random_lists_come_back():
    mapping = load_mapping()
    rng = np.random.default_rng(3)
    hits = named = there = 0
    for _ in range(150):
        codes = rng.choice(mapping.action_units, size=4, replace=False)
        units = [f"{code}{rng.choice(list(INTENSITIES))}" for code in codes]
        found = {unit.id for unit in recovered(mapping, units)}
        hits, named, there = hits + len(found & set(codes)), named + len(found), there + 4
    assert hits / named > 0.98
    assert hits / there > 0.94


@given(st.lists(st.floats(0, 1), min_size=51, max_size=51))
@settings(max_examples=40, deadline=None)
def test_any_face_gets_an_answer_that_the_table_accepts(blendshapes):
    mapping = load_mapping("extended")
    found = mapping.to_action_units(blendshapes, tolerance=0.1)
    assert len({(unit.code, unit.side) for unit in found}) == len(found)
    assert mapping.to_blendshapes(found).max(initial=0) <= 1
    assert found == mapping.to_action_units(blendshapes, tolerance=0.1)


def test_a_higher_tolerance_ignores_noise():
    mapping = load_mapping()
    rng = np.random.default_rng(7)
    noisy = mapping.to_blendshapes(["AU6D", "AU12E"]) + rng.uniform(0, 0.04, 51)
    noisy = np.clip(noisy, 0, 1)
    assert len(mapping.to_action_units(noisy)) > 2
    assert as_text(mapping.to_action_units(noisy, tolerance=0.15)) == ["AU6D", "AU12E"]


def test_rounding_just_outside_the_range_is_accepted():
    vector = np.zeros(51)
    vector[ARKIT_51.index("eyeBlinkLeft")] = 1 + 1e-7
    vector[ARKIT_51.index("jawOpen")] = -1e-8
    assert as_text(load_mapping().to_action_units(vector)) == ["AUL43E"]


@pytest.mark.parametrize(
    ("vector", "message"),
    [
        ([0.0] * 52, r"expected 51 blendshape weights, found an array of shape \(52,\)"),
        ([[0.0] * 51], r"found an array of shape \(1, 51\)"),
        (0.5, r"found an array of shape \(\)"),
        ([*[0.0] * 17, 1.05, *[0.0] * 33], r"jawOpen is 1\.05: expected a weight from 0 to 1"),
        ([-0.2, *[0.0] * 50], r"eyeBlinkLeft is -0\.2: expected a weight from 0 to 1"),
        ([*[0.0] * 50, float("nan")], r"noseSneerRight is nan: expected a weight"),
        ([float("inf"), *[0.0] * 50], r"eyeBlinkLeft is inf: expected a weight"),
        (["a"] * 51, r"expected 51 blendshape weights: "),
        ([[0.0], [0.0, 1.0]], r"expected 51 blendshape weights: "),
    ],
)
def test_what_is_no_blendshape_vector_is_refused(vector, message):
    with pytest.raises(ActionUnitError, match=message):
        load_mapping().to_action_units(vector)


@pytest.mark.parametrize("tolerance", [-0.1, float("nan")])
def test_a_tolerance_below_0_is_refused(tolerance):
    with pytest.raises(ActionUnitError, match="expected a number from 0"):
        load_mapping().to_action_units([0.0] * 51, tolerance=tolerance)

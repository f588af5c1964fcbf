"""From action units to blendshapes: the properties that hold for every list of units."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countenance.au_mapping import (
    ARKIT_51,
    INTENSITIES,
    ActionUnit,
    load_mapping,
    mirrored_shape,
    side_of,
)

LETTERS = [*INTENSITIES, None]
MIRRORED = [ARKIT_51.index(mirrored_shape(shape)) for shape in ARKIT_51]
ROUNDING = 1e-6


def all_units(name):
    mapping = load_mapping(name)
    result = []
    for unit in mapping.action_units:
        info = mapping.info(unit)
        sides = ["L", "R"] if info.side_required else [None, "L", "R"] if info.sides else [None]
        code = unit.removeprefix("AU")
        result += [ActionUnit(code, letter, side) for side in sides for letter in LETTERS]
    return result


v1_lists = st.lists(st.sampled_from(all_units("v1")), max_size=9)
lists = st.lists(st.sampled_from(all_units("extended")), max_size=9)


def shapes(vector):
    return {
        ARKIT_51[i]: pytest.approx(float(vector[i]), abs=ROUNDING) for i in np.flatnonzero(vector)
    }


def plain_reference(mapping, units):
    """The whole forward map again, slowly, from the rows and the rules."""
    values = dict.fromkeys(ARKIT_51, 0.0)
    for unit in units:
        for shape, weight in mapping.info(unit).weights.items():
            if unit.side in (None, side_of(shape)):
                values[shape] = max(values[shape], weight * unit.value)
    shown = dict(values)
    for rule in mapping.rules:
        for shape, other in rule.directed:
            x, y, given_ = values[shape], values[other], rule.parameters
            if rule.kind == "fade":
                rise = np.clip((y - given_["from"]) / (given_["to"] - given_["from"]), 0, 1)
                bound = x * (1 - (1 - given_["keep"]) * rise)
            elif rule.kind == "oppose":
                bound = x - given_["share"] * max(0.0, min(x, y) - given_["allowed"])
            else:
                bound = min(x, y)
            shown[shape] = min(shown[shape], bound)
    return list(shown.values())


def test_no_units_give_the_neutral_face():
    neutral = load_mapping().to_blendshapes([])
    assert neutral.dtype == np.float32
    assert neutral.shape == (51,)
    assert not neutral.any()


@pytest.mark.parametrize("name", ["v1", "extended"])
def test_a_single_unit_shows_its_row_exactly(name):
    mapping = load_mapping(name)
    for unit in all_units(name):
        if unit.id == "AU8":  # closes lips against an open jaw, and alone there is none
            continue
        on_side = [1.0 if unit.side in (None, side_of(shape)) else 0.0 for shape in ARKIT_51]
        weights = [mapping.info(unit).weights.get(shape, 0.0) * unit.value for shape in ARKIT_51]
        expected = (np.array(weights) * on_side).astype(np.float32)
        assert np.array_equal(mapping.to_blendshapes([unit]), expected), unit


def test_units_may_be_text_or_values():
    mapping = load_mapping()
    mixed = mapping.to_blendshapes(["AU6", ActionUnit(12, "D"), "l14b"])
    assert np.array_equal(mixed, mapping.to_blendshapes(["AU6", "AU12D", "AUL14B"]))
    assert shapes(mixed) == {
        "eyeSquintLeft": 0.3,
        "eyeSquintRight": 0.3,
        "cheekSquintLeft": 0.9,
        "cheekSquintRight": 0.9,
        "mouthSmileLeft": 0.72,
        "mouthSmileRight": 0.72,
        "mouthDimpleLeft": 0.27,
    }


def test_a_repeated_unit_counts_once_and_the_stronger_wins_on_each_side():
    mapping = load_mapping()
    assert shapes(mapping.to_blendshapes(["AU12B", "AUL12D"])) == {
        "mouthSmileLeft": 0.72,
        "mouthSmileRight": 0.27,
    }
    assert shapes(mapping.to_blendshapes(["AUL12B", "AUR12B"])) == shapes(
        mapping.to_blendshapes(["AU12B"])
    )


def test_units_that_share_a_shape_take_the_stronger_not_the_sum():
    mapping = load_mapping()
    assert shapes(mapping.to_blendshapes(["AU26", "AU27C"])) == {"jawOpen": 0.55}
    assert mapping.to_blendshapes(["AU6", "AU7B"])[
        ARKIT_51.index("eyeSquintLeft")
    ] == pytest.approx(0.3)


@given(lists)
@settings(max_examples=200, deadline=None)
def test_every_value_is_a_weight(units):
    shown = load_mapping("extended").to_blendshapes(units)
    assert shown.dtype == np.float32
    assert shown.min() >= 0
    assert shown.max() <= 1


@given(lists)
@settings(max_examples=150, deadline=None)
def test_the_map_is_the_plain_reference(units):
    mapping = load_mapping("extended")
    assert mapping.to_blendshapes(units) == pytest.approx(
        plain_reference(mapping, units), abs=ROUNDING
    )


@given(lists, st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_the_order_of_the_units_does_not_matter(units, random):
    mapping = load_mapping("extended")
    shuffled = random.sample(units, len(units))
    assert np.array_equal(mapping.to_blendshapes(units), mapping.to_blendshapes(shuffled))


@given(lists)
@settings(max_examples=150, deadline=None)
def test_a_mirrored_list_gives_the_mirrored_face(units):
    mapping = load_mapping("extended")
    mirrored = mapping.mirror(units)
    assert np.array_equal(mapping.to_blendshapes(mirrored), mapping.to_blendshapes(units)[MIRRORED])
    assert mapping.mirror(mirrored) == units


@given(lists, st.sampled_from(all_units("extended")), st.sampled_from(LETTERS))
@settings(max_examples=200, deadline=None)
def test_a_stronger_unit_never_lowers_its_own_shapes(others, unit, letter):
    mapping = load_mapping("extended")
    weaker, stronger = sorted(
        [unit, ActionUnit(unit.code, letter, unit.side)], key=lambda unit: unit.value
    )
    own = [ARKIT_51.index(shape) for shape in mapping.shapes_of(unit)]
    before = mapping.to_blendshapes([*others, weaker])[own]
    after = mapping.to_blendshapes([*others, stronger])[own]
    assert (after >= before - ROUNDING).all()


@given(v1_lists)
@settings(max_examples=100, deadline=None)
def test_extended_agrees_with_v1_on_the_units_of_v1(units):
    v1, extended = load_mapping("v1"), load_mapping("extended")
    assert np.array_equal(v1.to_blendshapes(units), extended.to_blendshapes(units))


@given(st.lists(lists, max_size=12))
@settings(max_examples=100, deadline=None)
def test_a_batch_is_bit_for_bit_the_single_lists(many):
    mapping = load_mapping("extended")
    batch = mapping.to_blendshapes_batch(many)
    assert batch.shape == (len(many), 51)
    assert batch.dtype == np.float32
    for row, units in zip(batch, many, strict=True):
        assert row.tobytes() == mapping.to_blendshapes(units).tobytes()


def test_a_batch_longer_than_one_pass():
    mapping = load_mapping()
    units = [str(unit) for unit in all_units("v1")]
    rng = np.random.default_rng(0)
    many = [list(rng.choice(units, size=rng.integers(0, 6))) for _ in range(20_000)]
    batch = mapping.to_blendshapes_batch(iter(many))
    for number in rng.choice(len(many), size=200):
        assert np.array_equal(batch[number], mapping.to_blendshapes(many[number]))


def test_the_result_belongs_to_the_caller():
    mapping = load_mapping()
    mapping.to_blendshapes(["AU12"])[:] = 1.0
    mapping.to_blendshapes_batch([["AU12"]])[:] = 1.0
    assert mapping.to_blendshapes(["AU12"]).max() == np.float32(0.9)


def test_a_mapping_travels_to_worker_processes():
    mapping = load_mapping("extended")
    assert pickle.loads(pickle.dumps(mapping)) is mapping


def test_mirror_swaps_sides_and_the_two_gazes():
    mirrored = load_mapping("extended").mirror(["AUL12B", "AU4", "AU61C", "RMS"])
    assert [str(unit) for unit in mirrored] == ["AUR12B", "AU4", "AU62C", "LMS"]

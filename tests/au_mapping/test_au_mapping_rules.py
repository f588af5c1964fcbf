"""The combination rules, one by one: what each resolves and what it leaves alone."""

import numpy as np
import pytest

from countenance.au_mapping import ARKIT_51, load_mapping


def shown(units, name="extended"):
    vector = load_mapping(name).to_blendshapes(units.split())
    return {ARKIT_51[i]: float(vector[i]) for i in np.flatnonzero(vector)}


def left(units, *shapes):
    """The named shapes (of the left side where they have sides), rounded."""
    values = shown(units)
    return [
        round(values.get(shape if shape in ARKIT_51 else f"{shape}Left", 0.0), 3)
        for shape in shapes
    ]


def test_no_rule_speaks_of_two_shapes_of_one_unit_except_where_the_unit_needs_a_side():
    # Otherwise a single unit would not show its own row.
    mapping = load_mapping("extended")
    for unit in mapping.action_units:
        info = mapping.info(unit)
        for rule in mapping.rules:
            for pair in rule.pairs:
                assert info.side_required or not set(pair) <= set(info.weights), (unit, rule.id)


def test_inner_brow_stays_up_and_lowered_brow_keeps_three_fifths():
    assert left("AU1 AU4", "browInnerUp", "browDown") == [0.7, 0.54]
    assert left("AU1A AU4", "browInnerUp", "browDown") == [0.07, 0.864]


def test_a_shut_eye_is_not_wide():
    assert left("AU5 AU43", "eyeWide", "eyeBlink") == [0.0, 1.0]
    assert left("AU5 AU43C", "eyeWide", "eyeBlink") == [0.0, 0.55]
    assert left("AU5 AU43B", "eyeWide", "eyeBlink") == [0.36, 0.3]


def test_a_wink_shuts_one_eye_only():
    values = shown("AU5 AUL46")
    assert "eyeWideLeft" not in values
    assert values["eyeWideRight"] == pytest.approx(0.9)


def test_a_shut_eye_does_not_look_up_but_a_drooping_one_does():
    assert left("AU63 AU43D", "eyeLookUp") == [0.0]
    assert left("AU63 AU43B", "eyeLookUp") == [0.9]
    assert left("AU64 AU43", "eyeLookDown", "eyeBlink") == [0.9, 1.0]


def test_wide_eyes_with_tight_lids_show_less_of_both():
    assert left("AU5 AU7", "eyeWide", "eyeSquint") == [0.6, 0.6]
    assert left("AU5 AU7B", "eyeWide", "eyeSquint") == [0.9, 0.27]
    assert left("AU5 AU6", "eyeWide", "eyeSquint", "cheekSquint") == [0.9, 0.3, 0.9]


@pytest.mark.parametrize(
    ("units", "first", "second", "expected"),
    [
        ("AU63 AU64B", "eyeLookUp", "eyeLookDown", [0.63, 0.0]),
        ("AU63C AU64C", "eyeLookUp", "eyeLookDown", [0.0, 0.0]),
        ("AU61 AU62B", "eyeLookOut", "eyeLookIn", [0.63, 0.0]),
        ("AUL30 AUR30B", "jawLeft", "jawRight", [0.63, 0.0]),
        ("LMS RMS", "mouthLeft", "mouthRight", [0.0, 0.0]),
        ("AU65 AU66B", "eyeLookOut", "eyeLookIn", [0.42, 0.0]),
    ],
)
def test_of_opposite_directions_the_difference_is_left(units, first, second, expected):
    assert left(units, first, second) == expected


def test_smile_against_frown():
    assert left("AU12B AU15B", "mouthSmile", "mouthFrown") == [0.27, 0.27]
    assert left("AU12D AU15B", "mouthSmile", "mouthFrown") == [0.72, 0.27]
    assert left("AU12 AU15", "mouthSmile", "mouthFrown") == [0.54, 0.54]
    assert left("AU12 AU15C", "mouthSmile", "mouthFrown") == [0.783, 0.378]


def test_a_smile_on_one_side_leaves_a_frown_on_the_other_alone():
    values = shown("AUL12 AUR15")
    assert values == {"mouthSmileLeft": pytest.approx(0.9), "mouthFrownRight": pytest.approx(0.9)}


def test_pucker_against_stretch():
    assert left("AU18 AU20", "mouthPucker", "mouthStretch") == [0.45, 0.45]
    assert left("AU18 AU20B", "mouthPucker", "mouthStretch") == [0.765, 0.135]
    assert shown("AU18B AUL20")["mouthStretchLeft"] == pytest.approx(0.765)


def test_funnel_against_tight_lips():
    assert left("AU22 AU28", "mouthFunnel", "mouthRollUpper") == [0.5, 0.4]
    assert left("AU22 AU24", "mouthFunnel", "mouthPress") == [0.45, 0.45]
    assert left("AU22 AU23", "mouthFunnel", "mouthPress", "mouthRollLower") == [0.65, 0.25, 0.125]


@pytest.mark.parametrize("opening", ["AU25", "AU26", "AU27", "AU16"])
def test_lips_are_not_pressed_while_the_mouth_is_open(opening):
    assert left(f"AU24 {opening}", "mouthPress") == [0.0]


def test_pressing_gives_way_gradually():
    assert left("AU24 AU26B", "mouthPress", "jawOpen") == [0.63, 0.15]
    assert left("AU24 AU25A", "mouthPress", "mouthLowerDown") == [0.81, 0.03]


def test_a_tightened_open_mouth_still_rolls_its_lips():
    assert left("AU23 AU26", "mouthPress", "mouthRollLower", "jawOpen") == [0.0, 0.25, 0.5]


def test_the_chin_lifts_the_upper_lip_only_while_the_lips_touch():
    assert left("AU17", "mouthShrugLower", "mouthShrugUpper") == [0.9, 0.4]
    assert left("AU17 AU26", "mouthShrugLower", "mouthShrugUpper") == [0.9, 0.0]
    assert left("AU17 AU25", "mouthShrugLower", "mouthShrugUpper") == [0.9, 0.32]


def test_lips_close_only_against_an_open_jaw():
    assert shown("AU8") == {}
    assert left("AU8 AU26", "mouthClose", "jawOpen") == [0.5, 0.5]
    assert left("AU8 AU27", "mouthClose", "jawOpen") == [0.9, 1.0]


def test_prototypes_of_the_literature_keep_their_units():
    # Surprise, joy, sadness, disgust: no rule may touch a combination that people show.
    for units in (
        "AU1 AU2 AU5 AU25 AU26",
        "AU6 AU12 AU25",
        "AU9 AU10 AU17",
        "AU6 AU12 AU7 AU25 AU26",
    ):
        mapping = load_mapping()
        alone = [mapping.to_blendshapes([unit]) for unit in units.split()]
        assert np.array_equal(mapping.to_blendshapes(units.split()), np.max(alone, axis=0)), units

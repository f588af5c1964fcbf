"""Other rigs by table: MediaPipe's 52 scores and VRM's presets from the 51 ARKit shapes."""

import hashlib
import json

import jsonschema
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from countenance.au_mapping import (
    ARKIT_51,
    load_mapping,
    load_target,
    mirrored_shape,
    target_names,
)
from countenance.au_mapping.target import TARGETS
from countenance.errors import ActionUnitError, TableError

# A released table never changes; to change a weight, add a table under a new name.
SHA256 = {
    "mediapipe-v1.json": "f0663a621c5fbc65864097320ffa72d369cb65e5876bfe57c60e02ece86e9f8b",
    "vrm-presets-v1.json": "455b2c0803a7e34fb0d8b41bbdedd23a07a3b5c892c32c750eb352bdb0fe5226",
}
# MediaPipe's own list, as face_blendshapes_graph.cc @3b85afc has it (kBlendshapeNames).
MEDIAPIPE = [
    "_neutral",
    "browDownLeft",
    "browDownRight",
    "browInnerUp",
    "browOuterUpLeft",
    "browOuterUpRight",
    "cheekPuff",
    "cheekSquintLeft",
    "cheekSquintRight",
    "eyeBlinkLeft",
    "eyeBlinkRight",
    "eyeLookDownLeft",
    "eyeLookDownRight",
    "eyeLookInLeft",
    "eyeLookInRight",
    "eyeLookOutLeft",
    "eyeLookOutRight",
    "eyeLookUpLeft",
    "eyeLookUpRight",
    "eyeSquintLeft",
    "eyeSquintRight",
    "eyeWideLeft",
    "eyeWideRight",
    "jawForward",
    "jawLeft",
    "jawOpen",
    "jawRight",
    "mouthClose",
    "mouthDimpleLeft",
    "mouthDimpleRight",
    "mouthFrownLeft",
    "mouthFrownRight",
    "mouthFunnel",
    "mouthLeft",
    "mouthLowerDownLeft",
    "mouthLowerDownRight",
    "mouthPressLeft",
    "mouthPressRight",
    "mouthPucker",
    "mouthRight",
    "mouthRollLower",
    "mouthRollUpper",
    "mouthShrugLower",
    "mouthShrugUpper",
    "mouthSmileLeft",
    "mouthSmileRight",
    "mouthStretchLeft",
    "mouthStretchRight",
    "mouthUpperUpLeft",
    "mouthUpperUpRight",
    "noseSneerLeft",
    "noseSneerRight",
]
EMOTIONS = ("happy", "angry", "sad", "relaxed", "surprised")

faces = hnp.arrays(
    np.float32, st.tuples(st.integers(0, 5), st.just(51)), elements=st.floats(0, 1, width=32)
)
both = pytest.mark.parametrize("name", ["mediapipe-v1", "vrm-presets-v1"])


def preset(face, name):
    target = load_target("vrm-presets-v1")
    return float(target.apply(face[None])[0, target.controls.index(name)])


def face_of(**weights):
    face = np.zeros(51, dtype=np.float32)
    for name, weight in weights.items():
        face[ARKIT_51.index(name)] = weight
    return face


def test_released_tables_are_unchanged():
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in TARGETS.iterdir()}
    assert found == SHA256


def test_both_tables_are_packaged_and_fit_the_schema():
    assert target_names() == ("mediapipe-v1", "vrm-presets-v1")
    schema = json.loads((TARGETS.parent / "schemas" / "target.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    for name in target_names():
        jsonschema.validate(json.loads((TARGETS / f"{name}.json").read_text()), schema)


def test_mediapipe_has_its_52_names_in_its_order():
    assert list(load_target("mediapipe-v1").controls) == MEDIAPIPE


@given(faces)
def test_mediapipe_carries_every_weight_over_by_name(face):
    scores = load_target("mediapipe-v1").apply(face)
    assert scores.dtype == np.float32
    assert scores.shape == (len(face), 52)
    assert not scores[:, 0].any()
    back = scores[:, [MEDIAPIPE.index(shape) for shape in ARKIT_51]]
    np.testing.assert_array_equal(back, face)


def test_vrm_has_the_preset_names_of_the_specification():
    assert set(load_target("vrm-presets-v1").controls) == {
        *("aa", "ih", "ou", "ee", "oh", "blink", "blinkLeft", "blinkRight"),
        *(*EMOTIONS, "neutral"),
    }


@both
@given(rows=faces)
def test_controls_stay_in_range_and_rows_do_not_mix(name, rows):
    target = load_target(name)
    controls = target.apply(rows)
    assert controls.shape == (len(rows), len(target.controls))
    assert controls.dtype == np.float32
    assert ((controls >= 0) & (controls <= 1)).all()
    for row, alone in zip(controls, rows, strict=True):
        np.testing.assert_array_equal(row, target.apply([alone])[0])


@both
def test_a_resting_face_drives_nothing(name):
    assert not load_target(name).apply(np.zeros((1, 51))).any()


@given(faces)
def test_a_mirrored_face_gives_mirrored_presets(rows):
    target = load_target("vrm-presets-v1")
    swapped = rows[:, [ARKIT_51.index(mirrored_shape(shape)) for shape in ARKIT_51]]
    other = {"blinkLeft": "blinkRight", "blinkRight": "blinkLeft"}
    order = [target.controls.index(other.get(name, name)) for name in target.controls]
    np.testing.assert_allclose(target.apply(swapped), target.apply(rows)[:, order], atol=1e-6)


@pytest.mark.parametrize(
    ("units", "expected"),
    [
        (["AU6C", "AU12D", "AU25C"], "happy"),
        (["AU4D", "AU5C", "AU7C", "AU24C"], "angry"),
        (["AU1C", "AU4B", "AU15C", "AU17C"], "sad"),
        (["AU12B", "AU43C"], "relaxed"),
        (["AU1D", "AU2D", "AU5C", "AU25C", "AU26C"], "surprised"),
    ],
)
def test_the_prototype_of_an_emotion_drives_its_preset_most(units, expected):
    face = load_mapping("v1").to_blendshapes(units)
    strengths = {name: preset(face, name) for name in EMOTIONS}
    assert max(strengths, key=strengths.get) == expected
    assert strengths[expected] > 0.3


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ({"jawOpen": 0.7}, "aa"),
        ({"mouthStretchLeft": 0.8, "mouthStretchRight": 0.8}, "ih"),
        ({"mouthPucker": 0.9}, "ou"),
        (
            {"jawOpen": 0.25, "mouthLowerDownLeft": 0.7, "mouthLowerDownRight": 0.7}
            | {"mouthStretchLeft": 0.4, "mouthStretchRight": 0.4},
            "ee",
        ),
        ({"mouthFunnel": 0.8, "jawOpen": 0.35}, "oh"),
    ],
)
def test_a_mouth_shape_drives_its_vowel_most(weights, expected):
    face = face_of(**weights)
    strengths = {name: preset(face, name) for name in ("aa", "ih", "ou", "ee", "oh")}
    assert max(strengths, key=strengths.get) == expected


def test_a_wink_shuts_one_lid_and_is_half_a_blink():
    face = face_of(eyeBlinkLeft=1.0)
    assert [preset(face, n) for n in ("blinkLeft", "blinkRight", "blink")] == [1.0, 0.0, 0.5]


def test_every_row_says_why_and_by_whom():
    for name in target_names():
        target = load_target(name)
        assert set(target.reasons) == set(target.row_sources) == set(target.controls)
        assert all(set(tags) <= set(target.sources) for tags in target.row_sources.values())


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.zeros(51), r"expected an array of shape \(n, 51\), found \(51,\); for one face give a"),
        (np.zeros((2, 52)), r"found \(2, 52\)"),
        ("smile", "expected rows of 51 blendshape weights"),
        ([[0.0] * 51, [0.0] * 17 + [1.5] + [0.0] * 33], "row 1: jawOpen is 1.5: expected a weight"),
        ([[float("nan")] + [0.0] * 50], "row 0: eyeBlinkLeft is nan"),
    ],
)
def test_bad_weights_are_refused_by_row_and_name(rows, message):
    with pytest.raises(ActionUnitError, match=message):
        load_target("mediapipe-v1").apply(rows)


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(TableError, match="known tables: mediapipe-v1, vrm-presets-v1"):
        load_target("rigify")


@pytest.fixture
def write_target(tmp_path):
    def write(change):
        document = json.loads((TARGETS / "vrm-presets-v1.json").read_text())
        document["version"] = "mine"
        change(document)
        path = tmp_path / "mine.json"
        path.write_text(json.dumps(document))
        return path

    return write


def test_a_table_of_ones_own_is_read_from_its_path(write_target):
    path = write_target(lambda d: d["controls"].insert(0, d["controls"].pop()))
    assert load_target(str(path)).controls[0] == "neutral"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d["controls"][0].update(name="ih"), r"controls\[1\].name: 'ih' stands twice"),
        (lambda d: d["controls"][0].update(weights={"tongueOut": 1}), "'tongueOut' is not one of"),
        (lambda d: d["controls"][0].update(weights={"jawOpen": 9}), r"controls\[0\].weights.jawOp"),
        (lambda d: d["controls"][0].update(name="=1+1"), r"controls\[0\].name"),
        (lambda d: d["controls"][0].update(source=["X"]), r"\.source: 'X' is not explained"),
        (lambda d: d["controls"][0].pop("reason"), "'reason' is a required property"),
        (lambda d: d.update(kind="rig"), "kind: "),
        (lambda d: d.update(version="other"), "must equal the file's stem 'mine'"),
    ],
)
def test_a_malformed_table_names_file_and_field(write_target, change, message):
    path = write_target(change)
    with pytest.raises(TableError, match=message) as caught:
        load_target(path)
    assert str(path) in str(caught.value)

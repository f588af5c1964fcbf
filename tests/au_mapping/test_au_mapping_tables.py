"""The released tables: what they contain, that they never change, and what they promise."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest

import countenance.au_mapping
from countenance.au_mapping import (
    ARKIT_51,
    FACS_CODES,
    ActionUnit,
    load_mapping,
    mapping_names,
    mirrored_shape,
    side_of,
)

ROOM = Path(countenance.au_mapping.__file__).parent
TABLES = sorted((ROOM / "tables").glob("*.json"))
V1 = (1, 2, 4, 5, 6, 7, 9, 10, 12, *range(14, 19), 20, *range(22, 29), 34, 43, 63, 64)
EXTRA = (8, 11, 13, 29, 30, 33, 41, 42, 44, 45, 46, 61, 62, 65, 66)

# A released table never changes: datasets name it, and its file must mean the same for ever. To
# change a weight, add a table under a new name.
SHA256 = {
    "arkit-51.json": "62adf591e8c10110e81835e92ae86b76a0d07b4778828cd8637380e9944994dd",
    "extended.json": "782b7be8c91fb316e7ba1d86f1479a7005dc9cbb5d0d2459d4004a4fcbf37e7c",
    "facs-v1.json": "739d567bc10ae2e5de022ed878cf1e808039ae34b821c90e591fb7d3aee018f6",
    "v1.json": "2752287242d720e72e4a934494812e501b6e209165ad0c41838f0e8176178c4c",
}


@pytest.fixture(params=["v1", "extended"])
def mapping(request):
    return load_mapping(request.param)


def test_released_tables_are_unchanged():
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in TABLES}
    assert found == SHA256


def test_every_table_is_named_after_its_version_and_fits_its_schema():
    for path in TABLES:
        document = json.loads(path.read_text(encoding="utf-8"))
        assert document["version"] == path.stem
        schema = json.loads((ROOM / "schemas" / f"{document['kind']}.schema.json").read_text())
        jsonschema.Draft202012Validator.check_schema(schema)
        jsonschema.validate(document, schema)


def test_the_packaged_mappings_are_v1_and_extended():
    assert mapping_names() == ("extended", "v1")


def test_arkit_51_is_apples_order():
    assert len(ARKIT_51) == len(set(ARKIT_51)) == 51
    assert (ARKIT_51[0], ARKIT_51[17], ARKIT_51[50]) == (
        "eyeBlinkLeft",
        "jawOpen",
        "noseSneerRight",
    )
    assert "tongueOut" not in ARKIT_51
    assert all(shape.startswith("eye") for shape in ARKIT_51[:14])
    assert all(shape.startswith(("jaw", "mouth")) for shape in ARKIT_51[14:41])


def test_sorted_arkit_51_is_mediapipes_order():
    # The first and last of MediaPipe's list after `_neutral`, and its indices of a few in between.
    mediapipe = sorted(ARKIT_51)
    assert mediapipe[:3] == ["browDownLeft", "browDownRight", "browInnerUp"]
    assert mediapipe[-2:] == ["noseSneerLeft", "noseSneerRight"]
    at = {name: index for index, name in enumerate(["_neutral", *mediapipe])}
    assert (at["eyeBlinkLeft"], at["jawOpen"], at["mouthSmileLeft"]) == (9, 25, 44)


def test_mirroring_a_shape_twice_gives_it_back():
    for shape in ARKIT_51:
        assert mirrored_shape(mirrored_shape(shape)) == shape
        assert (mirrored_shape(shape) == shape) == (side_of(shape) is None)


def test_v1_has_exactly_the_26_units():
    mapping = load_mapping("v1")
    assert mapping.version == "v1"
    assert mapping.action_units == tuple(f"AU{code}" for code in V1)
    assert mapping.matrix.shape == (26, 51)
    assert mapping.blendshapes == ARKIT_51


def test_the_rows_of_the_paper_are_exact():
    mapping = load_mapping()
    assert dict(mapping.info("AU1").weights) == {"browInnerUp": 0.7}
    assert dict(mapping.info("AU2").weights) == {"browOuterUpLeft": 0.9, "browOuterUpRight": 0.9}
    assert dict(mapping.info("AU12").weights) == {"mouthSmileLeft": 0.9, "mouthSmileRight": 0.9}
    assert {unit for unit in mapping.action_units if mapping.info(unit).status == "fixed"} == {
        "AU1",
        "AU2",
        "AU12",
    }


def test_extended_is_v1_unchanged_and_sixteen_more():
    v1, extended = load_mapping("v1"), load_mapping("extended")
    added = set(extended.action_units) - set(v1.action_units)
    assert added == {*(f"AU{code}" for code in EXTRA), "MS"}
    for unit in v1.action_units:  # more rules may speak of a row, but the row is the same
        assert replace(extended.info(unit), rules=()) == replace(v1.info(unit), rules=())
    assert extended.rules[: len(v1.rules)] == v1.rules


def test_v1_drives_41_shapes_and_extended_all_51():
    assert np.count_nonzero(load_mapping("v1").matrix.any(axis=0)) == 41
    assert np.count_nonzero(load_mapping("extended").matrix.any(axis=0)) == 51


def test_weights_lie_above_0_and_up_to_1(mapping):
    for unit in mapping.action_units:
        assert mapping.info(unit).weights
        assert all(0 < weight <= 1 for weight in mapping.info(unit).weights.values())


def test_the_matrix_holds_the_weights_and_is_read_only(mapping):
    assert mapping.matrix.dtype == np.float32
    for row, unit in zip(mapping.matrix, mapping.action_units, strict=True):
        weights = {ARKIT_51[i]: row[i] for i in np.flatnonzero(row)}
        assert weights == {
            shape: np.float32(weight) for shape, weight in mapping.info(unit).weights.items()
        }
    with pytest.raises(ValueError, match="read-only"):
        mapping.matrix[0, 0] = 1.0


def test_units_are_symmetric_or_name_their_mirror(mapping):
    for unit in mapping.action_units:
        info = mapping.info(unit)
        mirrored = {mirrored_shape(shape): weight for shape, weight in info.weights.items()}
        assert mirrored == dict(mapping.info(info.mirror).weights)
    if "AU61" in mapping.action_units:
        assert mapping.info("AU61").mirror == "AU62"


def test_a_unit_with_sides_moves_no_midline_shape(mapping):
    for unit in mapping.action_units:
        info = mapping.info(unit)
        if info.sides:
            assert None not in {side_of(shape) for shape in info.weights}


def test_only_jaw_wink_and_mouth_shift_need_a_side():
    mapping = load_mapping("extended")
    needing = {unit for unit in mapping.action_units if mapping.info(unit).side_required}
    assert needing == {"AU30", "AU46", "MS"}


def test_every_row_and_rule_says_why_and_from_where(mapping):
    for unit in mapping.action_units:
        info = mapping.info(unit)
        assert info.name == FACS_CODES[unit.removeprefix("AU")].name
        assert info.reason.endswith((".", ")"))
        assert info.source
        assert set(info.source) <= set(mapping.sources)
        assert info.status == "fixed" or "proposal" in info.source
        assert info.region in {"upper", "lower", "eye"}
    for rule in mapping.rules:
        assert rule.reason.endswith(".")
        assert set(rule.source) <= set(mapping.sources)


def test_info_lists_the_rules_of_a_unit(mapping):
    assert mapping.info("AU43").rules == ("shut-eye-is-not-wide", "shut-eye-does-not-look-up")
    assert mapping.info("AU14").rules == ()


def test_info_ignores_intensity_and_side(mapping):
    assert mapping.info("AUL12B") is mapping.info("AU12") is mapping.info(ActionUnit(12))


def test_shapes_of_one_unit_with_its_intensity_and_side(mapping):
    assert mapping.shapes_of("AU12") == {"mouthSmileLeft": 0.9, "mouthSmileRight": 0.9}
    assert mapping.shapes_of("AUL12B") == {"mouthSmileLeft": pytest.approx(0.27)}


def test_packaged_tables_are_loaded_once_and_frozen():
    mapping = load_mapping("v1")
    assert load_mapping() is mapping
    with pytest.raises(AttributeError):
        mapping.version = "v2"
    with pytest.raises(TypeError):
        mapping.info("AU12").weights["mouthSmileLeft"] = 1.0

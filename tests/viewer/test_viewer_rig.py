"""The rig is data: versioned, checked, mirrored, and complete."""

import copy
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

import countenance.viewer.rig as rig_module
from countenance.errors import TableError
from countenance.viewer import load_rig
from countenance.viewer.data_files import check_against_schema, read_data_file
from countenance.viewer.rig import build_rig

RIG_FILE = Path(rig_module.__file__).parent / "rigs" / "face-v1.json"
RELEASED = {"face-v1": "2d8a097d3dbde5e755f9db6095817429bc86abdb3a1e673f7e30c7d257ba336c"}


@pytest.fixture
def content():
    return copy.deepcopy(json.loads(RIG_FILE.read_text(encoding="utf-8")))


def _all_layers(layers):
    for layer in layers:
        yield layer
        yield from _all_layers(layer.get("layers", []))


def test_released_rig_never_changes():
    assert hashlib.sha256(RIG_FILE.read_bytes()).hexdigest() == RELEASED["face-v1"], (
        "a released rig is frozen: add face-v2.json instead"
    )


def test_rig_names_the_51_shapes_that_the_mapping_names():
    au_mapping = pytest.importorskip("countenance.au_mapping")
    assert load_rig().blendshapes == tuple(au_mapping.load_mapping("v1").blendshapes)


def test_every_curve_and_paint_is_used(content):
    layers = list(_all_layers(content["layers"]))
    assert {part.lstrip("-") for layer in layers for part in layer["path"]} == set(
        content["curves"]
    )
    assert {layer["paint"] for layer in layers if "paint" in layer} == set(content["paints"])


def test_right_shapes_mirror_left_shapes():
    rig = load_rig()
    mirror = _mirror_of_points(rig)
    for index, name in enumerate(rig.blendshapes):
        twin = name.replace("Left", "*").replace("Right", "Left").replace("*", "Right")
        moves = rig.moves[index].reshape(-1, 2)
        twin_moves = rig.moves[rig.blendshapes.index(twin)].reshape(-1, 2)
        for point, partner in mirror.items():
            expected = (-moves[point][0], moves[point][1])
            assert tuple(twin_moves[partner]) == pytest.approx(expected), name


def _mirror_of_points(rig):
    """Index of the mirror image of each point of the face (art that never moves is left out)."""
    mirror = {}
    for curve in rig.curves:
        swapped = curve.name.replace("left", "*").replace("right", "left").replace("*", "right")
        partner = next(c for c in rig.curves if c.name == swapped)
        for point in range(curve.start, curve.stop):
            x, y = rig.rest[point]
            for other in range(partner.start, partner.stop):
                if tuple(rig.rest[other]) == (-x, y):
                    mirror[point] = other
    assert len(mirror) > 0.8 * len(rig.rest)
    return mirror


def test_left_is_on_the_right_hand_side_of_the_page():
    rig = load_rig()
    iris = next(curve for curve in rig.curves if curve.name == "iris.left")
    assert rig.rest[iris.start][0] > 0
    out = rig.moves[rig.blendshapes.index("eyeLookOutLeft")].reshape(-1, 2)
    inwards = rig.moves[rig.blendshapes.index("eyeLookInLeft")].reshape(-1, 2)
    assert out[iris.start][0] > 0 > inwards[iris.start][0]


def test_loaded_rig_is_frozen():
    with pytest.raises(ValueError, match="read-only"):
        load_rig().rest[0] = 1


def test_shape_moves_are_finite_and_none_is_empty():
    rig = load_rig()
    assert np.isfinite(rig.moves).all()
    assert (np.abs(rig.moves).sum(axis=1) > 0).all()


def test_unknown_rig_lists_the_known_ones():
    with pytest.raises(TableError, match=r"no face file named 'face-v99'; known: face-v1"):
        load_rig("face-v99")


def test_name_cannot_leave_the_folder():
    with pytest.raises(TableError, match=r"no \.\./\.\./errors file named"):
        read_data_file("../../errors", "rig.schema.json")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda c: c["blendshapes"].pop(), r"field \$.blendshapes: .* is too short"),
        (lambda c: c["paints"].update(skin="red"), r"field \$.paints.skin"),
        (lambda c: c["curves"]["brow"].update(kind="twin"), r"field \$.curves.brow.kind"),
        (lambda c: c["layers"][0].update(opacity=2), r"field \$.layers\[0\].opacity"),
        (lambda c: c.update(extra=1), r"'extra' was unexpected"),
    ],
)
def test_schema_names_the_field(content, damage, message):
    damage(content)
    with pytest.raises(TableError, match=message):
        check_against_schema(content, "rig.schema.json", "face-v1.json")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda c: c["shapes"].pop("jawOpen"), "shapes: not the same names .* jawOpen"),
        (
            lambda c: c["shapes"]["jawOpen"]["both"]["move"].update(nose=[[0, 1]]),
            "shapes: unknown curve 'nose'",
        ),
        (
            lambda c: c["shapes"]["jawOpen"]["both"]["move"].update(brow=[[0, 1]]),
            "brow has 5 points but 1 moves",
        ),
        (
            lambda c: c["shapes"]["jawOpen"]["both"]["move"].update(hair_top={"all": [0, 1]}),
            "hair_top is a free curve and stays still",
        ),
        (
            lambda c: c["shapes"]["jawOpen"]["both"]["opacity"].update(smoke=1),
            "shapes: unknown layer 'smoke'",
        ),
        (
            lambda c: c["combinations"].update({"jawOpen + mouthWide": {"both": {}}}),
            "unknown blendshape 'mouthWide'",
        ),
        (lambda c: c["layers"][0].update(path=["sky"]), "layers.backdrop: unknown curve 'sky'"),
        (lambda c: c["layers"].append(c["layers"][0]), "name 'backdrop' is used twice"),
        (lambda c: c["curves"]["face"]["points"].pop(), "curves.face: a span starts"),
        (lambda c: c["order"][0].update(below="face"), "order: .* differ in length"),
        (
            lambda c: next(e for e in c["layers"] if e["name"] == "brow")["widths"].pop(),
            "layers.brow: widths do not fit the 5 points",
        ),
    ],
)
def test_contradictions_in_a_rig_are_named(content, damage, message):
    damage(content)
    with pytest.raises(TableError, match=message):
        build_rig(content)

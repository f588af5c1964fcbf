"""What `draw_face` accepts, refuses and writes."""

import re
import subprocess
import sys
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countenance.errors import RenderError
from countenance.viewer import blendshape_weights, draw_face, load_rig

SVG = "{http://www.w3.org/2000/svg}"
NAMES = load_rig().blendshapes

weights = st.lists(st.floats(0, 1), min_size=51, max_size=51)


def test_mapping_sequence_and_array_draw_the_same_face():
    by_name = {"jawOpen": 0.5, "browInnerUp": 0.25}
    listed = [by_name.get(name, 0.0) for name in NAMES]
    expected = draw_face(by_name)
    assert draw_face(listed) == expected
    assert draw_face(tuple(listed)) == expected
    assert draw_face(np.array(listed)) == expected
    assert draw_face(np.array(listed, dtype=np.float32)) == expected


def test_drawing_is_deterministic_in_another_process():
    code = (
        "from countenance.viewer import draw_face;"
        "print(draw_face({'jawOpen': 0.3, 'mouthSmileLeft': 1}, title='x'), end='')"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout == draw_face({"jawOpen": 0.3, "mouthSmileLeft": 1}, title="x")


def test_numbers_are_rounded():
    svg = draw_face({"jawOpen": 1 / 3})
    assert max(len(n.partition(".")[2]) for n in re.findall(r"\d+\.\d+", svg)) <= 2


def test_picture_has_role_title_and_description():
    root = ElementTree.fromstring(draw_face({"jawOpen": 0.5}, title="Astonished"))
    assert root.get("role") == "img"
    assert root.findtext(f"{SVG}title") == "Astonished"
    description = root.findtext(f"{SVG}desc")
    assert "the subject's left is on the right-hand side of the page" in description
    assert "jawOpen 0.50" in description
    named = root.get("aria-labelledby").split()
    assert named == [root.find(f"{SVG}title").get("id"), root.find(f"{SVG}desc").get("id")]


def test_neutral_face_says_so():
    assert "none (neutral face)" in draw_face({})


@pytest.mark.parametrize(
    "title",
    ["</title><script>alert(1)</script>", "a & b < c > \"d\" 'e'", "\x00\x1b[31m\ud800 end", ""],
)
def test_titles_are_data_not_markup(title):
    svg = draw_face({}, title=title)
    root = ElementTree.fromstring(svg.encode())
    assert "<script" not in svg
    assert len(root.findall(f"{SVG}title")) == 1


def test_title_text_survives_escaping():
    root = ElementTree.fromstring(draw_face({}, title='1 < 2 & "so" @ 0 [naïve] 你好 😀'))
    assert root.findtext(f"{SVG}title") == '1 < 2 & "so" @ 0 [naïve] 你好 😀'


def test_ids_differ_between_different_faces_on_one_page():
    def ids(svg):
        return set(re.findall(r'id="([^"]+)"', svg))

    assert not ids(draw_face({})) & ids(draw_face({"jawOpen": 1}))
    assert not ids(draw_face({}, title="a")) & ids(draw_face({}, title="b"))


def test_every_reference_has_its_definition():
    svg = draw_face(dict.fromkeys(NAMES, 0.7))
    assert set(re.findall(r"url\(#([^)]+)\)", svg)) <= set(re.findall(r'id="([^"]+)"', svg))


def test_size_sets_pixels_not_geometry():
    small, large = draw_face({}, size=96), draw_face({}, size=1024)
    assert 'width="96" height="96"' in small
    assert small.replace("96", "1024", 2) == large


@settings(max_examples=25, deadline=None)
@given(weights)
def test_any_weights_give_a_well_formed_finite_drawing(values):
    svg = draw_face(values)
    ElementTree.fromstring(svg)
    assert "nan" not in svg
    assert "inf" not in svg.partition("</desc>")[2]
    coordinates = [float(n) for n in re.findall(r"-?\d+\.\d", svg.partition("</defs>")[2])]
    assert max(map(abs, coordinates)) < 1200


@pytest.mark.parametrize("values", [[1.0] * 51, [0.5] * 51])
def test_sums_of_all_shapes_stay_on_the_page(values):
    body = draw_face(values).partition("</defs>")[2]
    x, y, _, height = load_rig().view
    face = re.findall(r"-?\d+\.\d", body)
    assert max(float(n) for n in face) < y + height + 200
    assert min(float(n) for n in face) > x - 100


@pytest.mark.parametrize("wide", [0.0, 1.0])
def test_lids_meet_and_never_cross(wide):
    from countenance.viewer.face import _Painter

    values = blendshape_weights(
        {"eyeBlinkLeft": 1, "eyeSquintLeft": 1, "cheekSquintLeft": 1, "eyeWideLeft": wide}
    )
    lines = _Painter(load_rig(), values).lines
    gaps = [
        low[1] - up[1]
        for up, low in zip(
            lines["upper_lid.left"].points, lines["lower_lid.left"].points, strict=True
        )
    ]
    assert min(gaps) >= -1e-9
    assert max(gaps) < (1 if not wide else 60)


def test_mouth_close_shuts_an_open_jaw():
    from countenance.viewer.face import _Painter

    def opening(**shapes):
        lines = _Painter(load_rig(), blendshape_weights(shapes)).lines
        upper, lower = lines["lip_upper_inner"].points, lines["lip_lower_inner"].points
        return max(low[1] - up[1] for up, low in zip(upper, lower, strict=True))

    assert opening(jawOpen=0.8) > 60
    assert opening(jawOpen=0.8, mouthClose=0.8) < 8


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"jawOpenn": 0.5}, r"unknown blendshape 'jawOpenn'; .*eyeBlinkLeft"),
        ({"tongueOut": 0.0}, "unknown blendshape 'tongueOut'"),
        ({"jawOpen": float("nan")}, "blendshape jawOpen: expected a number .* found nan"),
        ({"jawOpen": "0.5"}, "blendshape jawOpen: expected a number .* found '0.5'"),
        ({"jawOpen": None}, "blendshape jawOpen: expected a number"),
        ({"jawOpen": 1.01}, r"blendshape jawOpen: expected a weight in \[0, 1\], found 1.01"),
        ({"jawOpen": -0.01}, "blendshape jawOpen: expected a weight"),
        ({"jawOpen": float("inf")}, "blendshape jawOpen: expected a weight .* found inf"),
        ([0.0] * 52, "expected 51 blendshape weights, found 52"),
        ([], "expected 51 blendshape weights, found 0"),
        (np.zeros((1, 51)), r"expected 51 blendshape weights, found shape \(1, 51\)"),
        ("0" * 51, "expected 51 blendshape weights or a mapping, found str"),
        (None, "expected 51 blendshape weights or a mapping, found NoneType"),
    ],
)
def test_unusable_weights_are_refused_by_name(bad, message):
    with pytest.raises(RenderError, match=message):
        draw_face(bad)


def test_weights_a_rounding_error_outside_are_clamped():
    assert draw_face({"jawOpen": 1 + 9e-5}) == draw_face({"jawOpen": 1})
    assert draw_face({"jawOpen": -9e-5}) == draw_face({})


@pytest.mark.parametrize("size", [0, -1, 8193, 1.5, True, "512", None])
def test_unusable_sizes_are_refused(size):
    with pytest.raises(RenderError, match="size: expected whole pixels from 1 to 8192"):
        draw_face({}, size=size)


def test_title_must_be_text():
    with pytest.raises(RenderError, match="title: expected text, found int"):
        draw_face({}, title=3)

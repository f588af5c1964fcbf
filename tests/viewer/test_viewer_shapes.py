"""Every one of the 51 shapes shows, and shows in the right place of the face."""

import io
import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from countenance.viewer import draw_face, load_rig, render_png

EXPECTED = json.loads(Path(__file__).with_name("shape_regions.json").read_text())
SIZE = 256
VISIBLE = 24  # summed difference of the three channels, 0 to 765


@cache
def _pixels(*active):
    svg = draw_face(dict.fromkeys(active, 1.0), size=SIZE)
    return np.asarray(Image.open(io.BytesIO(render_png(svg, SIZE))).convert("RGB"), dtype=int)


def _changed(before, after):
    return np.abs(before - after).sum(axis=2) > VISIBLE


def _sides(name):
    return name.replace("Left", "Right")


PAIRS = [name for name in EXPECTED["shapes"] if name.endswith("Left")]


def test_expectations_cover_exactly_the_51_shapes():
    assert list(EXPECTED["shapes"]) == list(load_rig().blendshapes)


@pytest.mark.parametrize("name", EXPECTED["shapes"])
def test_shape_changes_enough_pixels_in_its_own_region(name):
    region, least = EXPECTED["shapes"][name]
    changed = _changed(_pixels(), _pixels(name))
    assert changed.sum() >= least
    y, x = (axis.mean() / SIZE for axis in np.nonzero(changed))
    x0, y0, x1, y1 = EXPECTED["regions"][region]
    assert x0 <= x <= x1, f"centroid x {x:.2f} is outside {region}"
    assert y0 <= y <= y1, f"centroid y {y:.2f} is outside {region}"


@pytest.mark.parametrize("name", PAIRS)
def test_left_shape_and_its_right_twin_are_told_apart(name):
    assert _changed(_pixels(name), _pixels(_sides(name))).sum() >= 100


def test_no_two_shapes_give_the_same_picture():
    pictures = {_pixels(name).tobytes() for name in EXPECTED["shapes"]}
    assert len(pictures) == 51


@pytest.mark.parametrize("weight", [0.3, 0.6])
@pytest.mark.parametrize("name", EXPECTED["shapes"])
def test_slight_shapes_show_too(name, weight):
    faint = draw_face({name: weight}, size=SIZE)
    pixels = np.asarray(Image.open(io.BytesIO(render_png(faint, SIZE))).convert("RGB"), dtype=int)
    assert _changed(_pixels(), pixels).sum() >= 20

"""PNG pictures, captioned grids and files."""

import io
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from countenance.errors import RenderError
from countenance.viewer import draw_face, face_grid, face_strip, render_png, save_image
from countenance.viewer.captions import MAX_LINES, caption_font, drawable_text, wrap_caption

SMILE = {"mouthSmileLeft": 1.0, "mouthSmileRight": 1.0}
SVG = "{http://www.w3.org/2000/svg}"


def _picture(data):
    return Image.open(io.BytesIO(data))


@pytest.mark.parametrize("size", [16, 96, 512])
def test_png_has_the_size_asked_for(size):
    assert _picture(render_png(draw_face({}), size)).size == (size, size)


def test_png_is_deterministic():
    assert render_png(draw_face(SMILE), 64) == render_png(draw_face(SMILE), 64)


def test_something_else_than_svg_is_refused():
    with pytest.raises(RenderError, match="svg: expected an SVG document"):
        render_png("not an svg", 64)


def test_png_size_is_checked():
    with pytest.raises(RenderError, match="size: expected whole pixels"):
        render_png(draw_face({}), 0)


def test_grid_is_columns_wide_and_deterministic():
    faces = [{}, SMILE, {"jawOpen": 1.0}]
    wide = _picture(face_grid(faces, ["a", "b", "c"], 3, size=64)).size
    tall = _picture(face_grid(faces, ["a", "b", "c"], 1, size=64)).size
    assert wide[0] > 3 * 64 > tall[0]
    assert tall[1] > 3 * 64 > wide[1]
    assert face_grid(faces, ["a", "b", "c"], 2, size=64) == face_grid(
        faces, ["a", "b", "c"], 2, size=64
    )


def test_captions_and_titles_add_ink_below_and_above():
    bare = _picture(face_grid([{}], size=64)).size
    captioned = _picture(face_grid([{}], ["calm"], size=64)).size
    wrapped = _picture(face_grid([{}], ["calm and collected as can be"], size=64)).size
    titled = _picture(face_grid([{}], ["calm"], size=64, title="Faces")).size
    assert bare[1] < captioned[1] < wrapped[1]
    assert captioned[1] < titled[1]
    assert bare[0] == captioned[0] == wrapped[0]


def test_strip_is_one_row_of_an_array_of_faces():
    path = np.linspace(0, 1, 5)[:, None] * np.ones((1, 51))
    strip = _picture(face_strip(path, size=48))
    assert strip.width > 5 * 48
    assert strip.height < 2 * 48


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([],), "faces: expected at least one face, found none"),
        ((None,), "faces: expected a list of faces"),
        (([{}], ["a", "b"]), r"captions: expected one per face \(1\), found 2"),
        (([{}, {"jawOpen": 2.0}],), "face 2 of 2: blendshape jawOpen"),
        (([{}], None, 0), "columns: expected at least 1"),
    ],
)
def test_unusable_grids_are_refused(arguments, message):
    with pytest.raises(RenderError, match=message):
        face_grid(*arguments, size=32)


def test_gigantic_pictures_are_refused_before_drawing():
    with pytest.raises(RenderError, match="pixels is too large; lower size"):
        face_grid([{}] * 10_000, size=512)


def test_captions_wrap_to_the_width():
    font = caption_font(16)
    lines = wrap_caption("I was so happy that I could hardly keep still", font, 120)
    assert len(lines) > 1
    assert all(font.getlength(line) <= 120 for line in lines)
    assert " ".join(lines) == "I was so happy that I could hardly keep still"


def test_words_longer_than_a_line_are_cut_and_long_texts_end_in_an_ellipsis():
    font = caption_font(16)
    lines = wrap_caption("a" * 5000, font, 100)
    assert len(lines) == MAX_LINES
    assert lines[-1].endswith("...")
    assert all(font.getlength(line) <= 100 for line in lines)


def test_characters_without_a_glyph_are_folded():
    font = caption_font(16)
    assert drawable_text("naïve café — Łódź\nstraße\x1b", font) == "naive cafe - Lodz strasse"
    assert drawable_text("“quoted”", font) == "“quoted”"
    assert drawable_text("你好", font) == "??"


def test_a_file_that_is_no_font_is_refused(tmp_path):
    broken = tmp_path / "font.ttf"
    broken.write_bytes(b"no font")
    with pytest.raises(RenderError, match=r"font .*font.ttf: expected a TrueType"):
        face_grid([{}], ["a"], size=32, font=broken)


def test_one_face_is_saved_as_itself(tmp_path):
    svg = save_image(tmp_path / "face.svg", SMILE, "delighted")
    png = save_image(tmp_path / "face.PNG", SMILE, "delighted", size=64)
    assert svg.read_text(encoding="utf-8") == draw_face(SMILE, title="delighted")
    assert _picture(png.read_bytes()).size == (64, 64)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["face.PNG", "face.svg"]


@pytest.mark.parametrize("face", [[0.0] * 51, np.zeros(51), np.zeros((1, 51)), {}, [{}]])
def test_one_face_may_come_in_any_form(tmp_path, face):
    saved = save_image(tmp_path / "face.svg", face)
    assert saved.read_text(encoding="utf-8") == draw_face({})


def test_several_faces_are_saved_as_a_grid(tmp_path):
    png = save_image(tmp_path / "grid.png", [{}, SMILE], ["calm", "glad"], columns=2, size=48)
    assert _picture(png.read_bytes()).width > 2 * 48
    svg = save_image(
        tmp_path / "grid.svg", [{}, SMILE], ["<b>", "glad & well"], size=128, title="T"
    )
    root = ElementTree.fromstring(svg.read_bytes())
    texts = [element.text for element in root.iter(f"{SVG}text")]
    assert texts == ["T", "<b>", "glad & well"]
    assert len(root.findall(f"{SVG}svg")) == 2


def test_a_picture_file_says_in_words_what_it_shows(tmp_path):
    one = Image.open(save_image(tmp_path / "one.png", SMILE, "delighted\0 \u05e9", size=48))
    assert one.text["Title"] == "delighted  \u05e9"
    assert "mouthSmileLeft" in one.text["Description"]
    grid = Image.open(save_image(tmp_path / "grid.png", [{}, SMILE], ["calm", "glad"], size=48))
    assert "2 drawn faces, row by row: calm; glad." in grid.text["Description"]
    svg = save_image(tmp_path / "grid.svg", [{}, SMILE], ["<b>", "glad"], size=48)
    root = ElementTree.fromstring(svg.read_bytes())
    assert root.get("role") == "img"
    assert root.findtext(f"{SVG}title") == "Faces"
    assert "<b>; glad" in root.findtext(f"{SVG}desc")


def test_an_existing_file_is_replaced(tmp_path):
    target = tmp_path / "face.svg"
    target.write_text("old")
    assert save_image(target, {}).read_text(encoding="utf-8") == draw_face({})


@pytest.mark.parametrize("name", ["face.jpg", "face", "face.svg.gz"])
def test_unknown_suffix_is_refused(tmp_path, name):
    with pytest.raises(RenderError, match=r"expected a file name ending in .svg or .png"):
        save_image(tmp_path / name, {})


def test_missing_folder_is_named(tmp_path):
    with pytest.raises(RenderError, match=r"missing/face.svg: cannot write .*No such file"):
        save_image(tmp_path / "missing" / "face.svg", {})


def test_failed_write_leaves_nothing_behind(tmp_path):
    target = tmp_path / "face.png"
    target.mkdir()
    with pytest.raises(RenderError, match="cannot write the picture"):
        save_image(target, {}, size=16)
    assert [p.name for p in tmp_path.iterdir()] == ["face.png"]


def test_captions_of_one_face_must_match():
    with pytest.raises(RenderError, match="captions: expected one per face"):
        save_image(Path("face.svg"), {}, ["a", "b"])

"""The gallery of named expressions."""

import hashlib
import io
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import countenance.viewer.gallery as gallery_module
from countenance.errors import TableError
from countenance.viewer import draw_face, render_png
from countenance.viewer.gallery import load_gallery, main

BASIC = ["neutral", "joy", "sadness", "anger", "surprise", "fear", "disgust"]
GALLERY_FILE = Path(gallery_module.__file__).parent / "rigs" / "gallery-v1.json"
RELEASED = "df650d650714182489fdee9fd7e3cb0eab0e6333904123ea48ef12022cc70035"


def _thumbnail(weights):
    png = render_png(draw_face(weights), 96)
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), dtype=int)


def test_released_gallery_never_changes():
    assert hashlib.sha256(GALLERY_FILE.read_bytes()).hexdigest() == RELEASED


def test_gallery_has_the_basic_emotions_and_the_special_faces():
    assert list(load_gallery()) == [
        *BASIC,
        *("smirk", "wink", "pucker", "puffed cheeks", "snarl"),
    ]


def test_loader_returns_a_copy():
    load_gallery()["joy"].clear()
    assert load_gallery()["joy"]


@pytest.mark.parametrize(("one", "other"), list(combinations(BASIC, 2)))
def test_emotions_differ_plainly_at_96_pixels(one, other):
    faces = load_gallery()
    difference = np.abs(_thumbnail(faces[one]) - _thumbnail(faces[other])).sum(axis=2)
    assert (difference > 60).sum() > 100


def test_unknown_gallery_lists_the_known_ones():
    with pytest.raises(TableError, match="no gallery file named 'gallery-v9'; known: gallery-v1"):
        load_gallery("gallery-v9")


def test_command_writes_the_grid(tmp_path):
    target = tmp_path / "gallery.png"
    main(["--out", str(target), "--size", "32"])
    assert Image.open(target).width > 4 * 32


def test_command_reports_a_bad_target_in_one_line(tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--out", str(tmp_path / "gallery.gif")])
    assert stop.value.code == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_module_runs_as_documented(tmp_path):
    target = tmp_path / "gallery.svg"
    command = [sys.executable, "-m", "countenance.viewer.gallery", "--out", str(target)]
    subprocess.run([*command, "--size", "32"], check=True, cwd=tmp_path)
    assert target.read_text(encoding="utf-8").count("<svg") == 13

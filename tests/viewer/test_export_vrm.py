"""VRM 1.0 expressions: read by three-vrm, the reference loader in JavaScript."""

import json
import struct

import numpy as np
import pytest

from countenance.au_mapping import ARKIT_51
from countenance.viewer.export_head import parse_head, to_glb
from countenance.viewer.export_vrm import clip_vrm

# github.com/vrm-c/vrm-specification, VRMC_vrm-1.0/expressions.md
PRESETS = {
    *("happy", "angry", "sad", "relaxed", "surprised", "neutral"),
    *("aa", "ih", "ou", "ee", "oh", "blink", "blinkLeft", "blinkRight"),
    *("lookUp", "lookDown", "lookLeft", "lookRight"),
}
OVERRIDES = {"none", "block", "blend"}

LOAD = """
import { readFileSync } from "node:fs";
const modules = process.argv[2], file = process.argv[3];
const weights = JSON.parse(readFileSync(process.argv[4], "utf8")).animation.weights;
globalThis.self = globalThis;
const loaders = await import(modules + "/three/examples/jsm/loaders/GLTFLoader.js");
const vrm = await import(modules + "/@pixiv/three-vrm-core/lib/three-vrm-core.module.js");
const loader = new loaders.GLTFLoader();
loader.register((parser) => new vrm.VRMExpressionLoaderPlugin(parser));
const bytes = readFileSync(file);
const data = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
const gltf = await loader.parseAsync(data, "");
const manager = gltf.userData.vrmExpressionManager;
let mesh;
gltf.scene.traverse((object) => { if (object.morphTargetInfluences) mesh = object; });
const faces = [];
for (let frame = 0; frame < weights.jawOpen.length; frame++) {
  for (const name of Object.keys(weights)) manager.setValue(name, weights[name][frame]);
  manager.update();
  faces.push([...mesh.morphTargetInfluences]);
}
console.log(JSON.stringify({ custom: Object.keys(manager.customExpressionMap), faces }));
"""


def expressions_of(content):
    return content["extensions"]["VRMC_vrm"]["expressions"]["custom"]


@pytest.fixture
def moving(face_clip):
    return face_clip(fps=30, jawOpen=[0.25, 0.5, 1.0], mouthSmileLeft=[0, 0.5, 0.75])


def test_every_shape_is_a_custom_expression_of_its_name(moving):
    content = json.loads(clip_vrm(moving))
    assert content["extensions"]["VRMC_vrm"]["specVersion"] == "1.0"
    assert list(expressions_of(content)) == list(ARKIT_51)
    assert not set(ARKIT_51) & PRESETS  # "custom expressions cannot have names of presets"


def test_an_expression_object_is_as_the_specification_has_it(moving):
    for expression in expressions_of(json.loads(clip_vrm(moving))).values():
        assert set(expression) == {"isBinary", "overrideBlink", "overrideLookAt", "overrideMouth"}
        assert expression["isBinary"] is False
        assert {value for key, value in expression.items() if key != "isBinary"} <= OVERRIDES


def test_the_animation_has_a_weight_per_expression_and_frame(moving):
    animation = json.loads(clip_vrm(moving))["animation"]
    assert (animation["fps"], animation["frames"], animation["texts"]) == (30, 3, ["a face"])
    assert animation["weights"]["jawOpen"] == [0.25, 0.5, 1.0]
    assert list(animation["weights"]) == list(ARKIT_51)
    assert {len(track) for track in animation["weights"].values()} == {3}


def test_an_avatar_s_morph_targets_are_bound(head_bytes, moving):
    avatar = parse_head(head_bytes(["tongueOut", "JawOpen", "mouthSmile_L"]))
    custom = expressions_of(json.loads(clip_vrm(moving, avatar)))
    assert custom["jawOpen"]["morphTargetBinds"] == [{"node": 0, "index": 1, "weight": 1.0}]
    assert custom["mouthSmileLeft"]["morphTargetBinds"] == [{"node": 0, "index": 2, "weight": 1.0}]
    assert "morphTargetBinds" not in custom["cheekPuff"]  # the schema wants one bind or no list


def test_three_vrm_shows_the_weights(head_bytes, moving, node_tools, tmp_path):
    plain = head_bytes(ARKIT_51)
    size = struct.unpack_from("<I", plain, 12)[0]
    text = clip_vrm(moving, parse_head(plain))
    document = json.loads(plain[20 : 20 + size]) | {"extensionsUsed": ["VRMC_vrm"]}
    document["extensions"] = json.loads(text)["extensions"]
    (tmp_path / "avatar.vrm").write_bytes(to_glb(document, plain[28 + size :]))
    (tmp_path / "clip.json").write_text(text, "utf-8")
    shown = node_tools(
        LOAD, tmp_path / "avatar.vrm", tmp_path / "clip.json",
        needs=["three", "@pixiv/three-vrm-core"],
    )  # fmt: skip
    assert set(shown["custom"]) == set(ARKIT_51)
    np.testing.assert_allclose(shown["faces"], moving.weights, atol=1e-6)

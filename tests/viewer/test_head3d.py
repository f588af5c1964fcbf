"""The 3-D head: what each shape moves, mirror images, lids that shut, and a sound GLB file."""

import json
from pathlib import Path

import jsonschema
import numpy as np
import pygltflib
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

from countenance.au_mapping import ARKIT_51, mirrored_shape, side_of
from countenance.errors import RenderError, TableError
from countenance.viewer import head3d
from countenance.viewer.head3d import head_mesh, main, pose_head, write_head_glb
from countenance.viewer.head_raster import head_picture, rasterise

VIEWER = Path(head3d.__file__).parent
CORNER = 0.0255  # where the mouth ends, metres from the middle
# Region by the beginning of a name: lowest and highest y, and largest |x|, of what may move (m).
REGIONS = {
    "eyeLook": (-0.04, 0.045, 0.075),
    "eye": (-0.04, 0.06, 0.075),
    "jaw": (-0.16, 0.03, 0.09),
    "mouth": (-0.12, 0.01, 0.085),
    "brow": (-0.005, 0.075, 0.09),
    "cheekPuff": (-0.11, -0.015, 0.09),
    "cheekSquint": (-0.055, 0.03, 0.085),
    "nose": (-0.085, 0.045, 0.045),
}
weights = st.lists(st.floats(0, 1), min_size=51, max_size=51)


@pytest.fixture(scope="module")
def mesh():
    return head_mesh()


@pytest.fixture(scope="module")
def glb(tmp_path_factory):
    return write_head_glb(tmp_path_factory.mktemp("head") / "head.glb")


def target(mesh, name):
    return mesh.targets[mesh.names.index(name)]


def moved(mesh, name):
    """Vertices that a shape moves by more than a tenth of a millimetre, at rest."""
    return mesh.vertices[np.linalg.norm(target(mesh, name), axis=1) > 1e-4]


def region(name):
    return next(box for start, box in REGIONS.items() if name.startswith(start))


def test_the_head_is_a_small_mesh_in_metres_that_faces_forward(mesh):
    n = len(mesh.vertices)
    assert n < 8000
    assert mesh.targets.shape == (51, n, 3)
    assert mesh.targets.dtype == mesh.vertices.dtype == np.float32
    assert mesh.names == ARKIT_51
    high, wide, deep = np.ptp(mesh.vertices[mesh.materials["skin"][0]], axis=0)[[1, 0, 2]]
    assert 0.2 < high < 0.35
    assert 0.12 < wide < 0.25
    assert 0.15 < deep < 0.25
    nose = mesh.vertices[mesh.materials["skin"][0]][:, 2].argmax()
    assert abs(mesh.vertices[nose, 0]) < 0.005


def test_triangles_use_every_vertex_and_point_outwards(mesh):
    assert len(np.unique(mesh.triangles)) == len(mesh.vertices)
    for points, faces in mesh.materials.values():
        part = mesh.triangles[faces]
        assert part.min() >= points.start
        assert part.max() < points.stop
    eyes = mesh.materials["eyes"][0]
    left = mesh.vertices[eyes][mesh.vertices[eyes][:, 0] > 0]
    away = left - left.mean(0)
    normal = mesh.normals[eyes][mesh.vertices[eyes][:, 0] > 0]
    assert ((away * normal).sum(1) > 0).mean() > 0.95
    np.testing.assert_allclose(np.linalg.norm(mesh.normals, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("name", ARKIT_51)
def test_each_shape_moves_its_own_region_visibly(mesh, name):
    points = moved(mesh, name)
    farthest = np.linalg.norm(target(mesh, name), axis=1).max()
    assert len(points) > 20
    assert 0.002 < farthest < 0.05
    low, high, wide = region(name)
    assert points[:, 1].min() > low
    assert points[:, 1].max() < high
    assert np.abs(points[:, 0]).max() < wide


@pytest.mark.parametrize("name", [n for n in ARKIT_51 if side_of(n) and n[:4] != "jawL"])
def test_a_shape_of_one_side_moves_that_side(mesh, name):
    if name in ("jawLeft", "jawRight", "mouthLeft", "mouthRight"):
        sideways = target(mesh, name)[:, 0]
        sign = 1 if name.endswith("Left") else -1
        assert (sideways * sign).max() > 0.005
        assert (sideways * sign).min() > -0.001
        return
    sign = 1 if side_of(name) == "L" else -1
    assert (moved(mesh, name)[:, 0] * sign).min() > -0.0075


@pytest.mark.parametrize("name", ARKIT_51)
def test_left_and_right_are_mirror_images(mesh, name):
    flip = np.array([-1, 1, 1], dtype=np.float32)
    np.testing.assert_allclose(mesh.vertices[mesh.mirror] * flip, mesh.vertices, atol=1e-7)
    other = target(mesh, mirrored_shape(name))
    np.testing.assert_allclose(target(mesh, name)[mesh.mirror] * flip, other, atol=1e-7)


def test_what_hangs_on_the_skull_stays(mesh):
    for name, index in (("shirt", "cloth"), ("upper teeth", "teeth")):
        points = mesh.materials[index][0]
        fixed = mesh.vertices[points][:, 1] > (-1 if name == "shirt" else -0.0645)
        assert not mesh.targets[:, points][:, fixed].any(), name


def visible(mesh, face, material, turn=0.0):
    """How many pixels of a material are seen from the front."""
    points = pose_head(mesh, face).astype(float)
    cosine, sine = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    x = points[:, 0] * cosine + points[:, 2] * sine
    z = points[:, 2] * cosine - points[:, 0] * sine
    flat = np.column_stack([300 + x * 2000, 300 - points[:, 1] * 2000, z])
    seen = rasterise(flat, mesh.triangles, 600).triangle
    faces = mesh.materials[material][1]
    return int(((seen >= faces.start) & (seen < faces.stop)).sum())


@pytest.mark.parametrize("turn", [-40.0, 0.0, 40.0])
def test_shut_lids_cover_the_eyes(mesh, turn):
    shut = {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0}
    assert visible(mesh, {}, "eyes", turn) > 1500
    assert visible(mesh, shut, "eyes", turn) == 0


def test_wide_lids_show_more_and_narrow_ones_less(mesh):
    both = {
        name: visible(mesh, {f"{name}Left": 1.0, f"{name}Right": 1.0}, "eyes")
        for name in ("eyeWide", "eyeSquint", "eyeLookDown", "cheekSquint")
    }
    rest = visible(mesh, {}, "eyes")
    assert both["eyeWide"] > 1.15 * rest
    assert both["eyeSquint"] < 0.9 * rest
    assert both["eyeLookDown"] < 0.95 * rest
    assert both["cheekSquint"] < 0.97 * rest


@pytest.mark.parametrize("share", [0.25, 0.5, 0.75])
def test_half_shut_lids_stay_outside_the_eyeball(mesh, share):
    face = {"eyeBlinkLeft": share, "eyeBlinkRight": share}
    open_, shut = visible(mesh, {}, "eyes"), visible(mesh, face, "eyes")
    assert 0 < shut < 1.1 * (1 - share) * open_


def test_the_closed_mouth_hides_what_an_open_jaw_shows(mesh):
    for material in ("teeth", "throat"):
        assert visible(mesh, {}, material) == 0
        assert visible(mesh, {"jawOpen": 1.0}, material) > 500


def test_mouth_close_shuts_the_lips_over_an_open_jaw(mesh):
    gaping = visible(mesh, {"jawOpen": 0.6}, "throat")
    assert visible(mesh, {"jawOpen": 0.6, "mouthClose": 0.6}, "throat") < 0.02 * gaping


@pytest.mark.parametrize(
    ("name", "axis", "sign"),
    [("mouthSmileLeft", 1, 1), ("mouthFrownLeft", 1, -1), ("mouthStretchLeft", 0, 1)],
)
def test_the_corner_of_the_mouth_goes_where_it_should(mesh, name, axis, sign):
    corner = np.linalg.norm(mesh.vertices[:, :2] - (CORNER, -0.062), axis=1).argmin()
    assert target(mesh, name)[corner, axis] * sign > 0.005


def test_gaze_goes_to_the_named_side(mesh):
    eyes = mesh.materials["eyes"][0]
    front = mesh.vertices[eyes][:, 2] > mesh.vertices[eyes][:, 2].max() - 0.001
    left = front & (mesh.vertices[eyes][:, 0] > 0)
    go = {name: target(mesh, name)[eyes][left].mean(0) for name in ARKIT_51 if "Look" in name}
    assert go["eyeLookOutLeft"][0] > 0.005 > -0.005 > go["eyeLookInLeft"][0]
    assert go["eyeLookUpLeft"][1] > 0.004 > -0.004 > go["eyeLookDownLeft"][1]
    assert not go["eyeLookOutRight"].any()


@settings(max_examples=25, deadline=None)
@given(weights)
def test_any_face_is_the_sum_of_its_shapes(values):
    mesh = head_mesh()
    posed = pose_head(mesh, values)
    expected = mesh.vertices + np.einsum("s,snc->nc", np.array(values), mesh.targets)
    assert posed.dtype == np.float32
    np.testing.assert_allclose(posed, expected, atol=1e-6)
    assert np.isfinite(mesh.normals_of(posed)).all()


def test_bad_weights_are_refused_by_name(mesh):
    with pytest.raises(RenderError, match="tongueOut"):
        pose_head(mesh, {"tongueOut": 1.0})
    with pytest.raises(RenderError, match="jawOpen"):
        pose_head(mesh, {"jawOpen": 2.0})


def test_the_picture_shows_the_head_and_its_changes():
    rest, smile = (
        head_picture(face, size=96)
        for face in ({}, {"mouthSmileLeft": 1.0, "mouthSmileRight": 1.0})
    )
    assert rest.shape == (96, 96, 3)
    changed = np.argwhere(np.abs(rest.astype(int) - smile).max(axis=2) > 25)
    assert len(changed) > 20
    assert 55 < changed[:, 0].mean() < 75


def test_the_file_names_the_51_targets_in_each_primitive(glb, mesh):
    document = pygltflib.GLTF2().load(str(glb))
    head = document.meshes[0]
    assert head.extras["targetNames"] == list(ARKIT_51)
    assert [len(primitive.targets) for primitive in head.primitives] == [51] * 6
    assert [material.name for material in document.materials] == list(head3d.MATERIALS)
    assert glb.stat().st_size < 2_000_000


def test_trimesh_reads_back_the_vertices_and_triangles(glb, mesh):
    scene = trimesh.load(str(glb), process=False)
    read = list(scene.geometry.values())
    vertices = np.concatenate([part.vertices for part in read])
    np.testing.assert_allclose(vertices, mesh.vertices, atol=1e-7)
    assert sum(len(part.faces) for part in read) == len(mesh.triangles)


def test_a_sparse_target_read_back_by_hand_is_the_shape(glb, mesh):
    document = pygltflib.GLTF2().load(str(glb))
    blob = document.binary_blob()
    number = document.meshes[0].primitives[0].targets[17]["POSITION"]
    accessor = document.accessors[number]

    def view(index, kind, width):
        at = document.bufferViews[index]
        data = blob[at.byteOffset : at.byteOffset + at.byteLength]
        return np.frombuffer(data, kind).reshape(-1, width)

    read = np.zeros((accessor.count, 3), "<f4")
    rows = view(accessor.sparse.indices.bufferView, "<u2", 1)[:, 0]
    read[rows] = view(accessor.sparse.values.bufferView, "<f4", 3)
    np.testing.assert_array_equal(read, target(mesh, "jawOpen")[mesh.materials["skin"][0]])


def test_equal_heads_give_equal_bytes(glb, tmp_path):
    head_mesh.cache_clear()
    assert write_head_glb(tmp_path / "again.glb").read_bytes() == glb.read_bytes()


def test_the_khronos_validator_finds_nothing(glb, node_tools):
    script = """
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
const validator = createRequire(process.argv[2] + "/x.js")("gltf-validator");
const report = await validator.validateBytes(new Uint8Array(readFileSync(process.argv[3])));
console.log(JSON.stringify(report.issues));
"""
    issues = node_tools(script, glb, needs=["gltf-validator"])
    assert (issues["numErrors"], issues["numWarnings"]) == (0, 0), issues["messages"][:3]


def test_the_command_writes_the_file_and_says_so(tmp_path, capsys):
    main([str(tmp_path / "head.glb")])
    assert "vertices" in capsys.readouterr().out
    assert (tmp_path / "head.glb").read_bytes()[:4] == b"glTF"


@pytest.mark.parametrize(
    ("name", "message"),
    [("head.obj", "expected a name that ends in .glb"), ("no/head.glb", "cannot be written")],
)
def test_a_file_that_cannot_be_written_is_one_line(tmp_path, name, message):
    with pytest.raises(SystemExit) as caught:
        main([str(tmp_path / name)])
    assert message in str(caught.value)
    assert str(tmp_path / name) in str(caught.value)


def test_the_head_file_fits_its_schema_and_every_shape_has_a_note():
    content = json.loads((VIEWER / "heads" / "head-v1.json").read_text("utf-8"))
    schema = json.loads((VIEWER / "schemas" / "head.schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(content, schema)
    left = {name for name in ARKIT_51 if side_of(name) != "R"}
    assert set(content["shapes"]) == left
    assert all(len(shape["note"]) > 20 for shape in content["shapes"].values())


def test_an_unknown_head_lists_the_known_ones():
    with pytest.raises(TableError, match="known: head-v1"):
        head_mesh("head-v9")

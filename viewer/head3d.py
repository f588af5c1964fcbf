"""A 3-D head made by code: a mesh with the 51 ARKit shapes as morph targets.

    mesh = head_mesh()
    vertices = pose_head(mesh, {"mouthSmileLeft": 0.8, "mouthSmileRight": 0.8})
    write_head_glb("head.glb")

    python -m countenance.viewer.head3d head.glb

The face looks along +Z, Y is up, and the subject's left is at +X, as in glTF. Geometry and
movements are data: `heads/head-v1.json`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..au_mapping import ARKIT_51
from ..errors import CountenanceError, RenderError
from .data_files import read_data_file, write_whole
from .face import Blendshapes, blendshape_weights
from .head_moves import Mover, Rigged
from .head_parts import (
    build_brow,
    build_ear,
    build_eye,
    build_hair,
    build_lashes,
    build_teeth,
    build_throat,
    build_tube,
)
from .head_skin import EyeLids, MouthRings, Part, build_skin
from .head_surface import Surface, linear_colour

MATERIALS = ("skin", "eyes", "teeth", "throat", "hair", "cloth")
"""The head's materials; the points of one stand together, in this order."""

_STILL = 2e-5  # metres: a point that a shape moves less does not move


@dataclass(frozen=True, eq=False)
class HeadMesh:
    """The head at rest and its 51 shapes; all arrays are read-only, lengths in metres.

    Attributes:
        version: The head file's version.
        names: The 51 ARKit names in Apple's order.
        vertices: float32 (n, 3).
        normals: float32 (n, 3), unit length.
        triangles: int64 (m, 3), counterclockwise from outside.
        colours: float32 (n, 3), linear RGB.
        materials: material name to the slices of its vertices and of its triangles.
        targets: float32 (51, n, 3), displacement of each vertex when a shape is at 1.
        mirror: int64 (n,), the vertex on the other side of the face.
        seams: int64 (n,), the first vertex at the same place, where colours meet on an eye.
    """

    version: str
    names: tuple[str, ...]
    vertices: NDArray[np.float32]
    normals: NDArray[np.float32]
    triangles: NDArray[np.int64]
    colours: NDArray[np.float32]
    materials: dict[str, tuple[slice, slice]]
    targets: NDArray[np.float32]
    mirror: NDArray[np.int64]
    seams: NDArray[np.int64]

    def normals_of(self, vertices: NDArray[Any]) -> NDArray[np.float32]:
        """Unit normals (n, 3) of the head in a pose, smooth across seams of colour."""
        return vertex_normals(vertices, self.triangles, self.seams)


@cache
def head_mesh(version: str = "head-v1") -> HeadMesh:
    """Build the head; the same every time, and built once.

    Raises:
        TableError: the head file is unknown or malformed.
    """
    data = read_data_file(version, "head.schema.json", folder="heads")
    parts = _parts(data)
    full = [_mirrored(part) for part in parts]
    starts = np.cumsum([0, *[len(part.rest) for part, _ in full]])
    materials, slots = {}, [part.material for part in parts]
    triangles = np.concatenate([p.triangles + s for (p, _), s in zip(full, starts, strict=False)])
    counts = np.cumsum([0, *[len(part.triangles) for part, _ in full]])
    for name in MATERIALS:
        mine = [index for index, slot in enumerate(slots) if slot == name]
        first, last = mine[0], mine[-1] + 1
        materials[name] = (
            slice(int(starts[first]), int(starts[last])),
            slice(int(counts[first]), int(counts[last])),
        )
    rigged = _rigged(full, starts)
    mover = Mover(data, rigged)
    targets = np.stack([mover.shape(name) for name in ARKIT_51]) / 1000.0
    targets[np.linalg.norm(targets, axis=2) < _STILL] = 0.0
    vertices = _frozen(rigged.rest / 1000.0)
    seams = _seams(full, starts)
    for numbers in (triangles, seams, rigged.mirror):
        numbers.setflags(write=False)
    return HeadMesh(
        version=version,
        names=ARKIT_51,
        vertices=vertices,
        normals=_frozen(vertex_normals(vertices, triangles, seams)),
        triangles=triangles,
        colours=_frozen(np.concatenate([part.colours for part, _ in full]).clip(0, 1)),
        materials=materials,
        targets=_frozen(targets),
        mirror=rigged.mirror,
        seams=seams,
    )


def pose_head(mesh: HeadMesh, weights: Blendshapes) -> NDArray[np.float32]:
    """The vertices of the head under a face.

    Args:
        mesh: From `head_mesh`.
        weights: 51 weights in Apple's order, or a mapping from ARKit name to weight; see
            `blendshape_weights`.

    Returns:
        float32 (n, 3), metres.

    Raises:
        RenderError: the weights cannot be used; the message names the shape.
    """
    values = blendshape_weights(weights)
    return (mesh.vertices + np.tensordot(values, mesh.targets, axes=1)).astype(np.float32)


def write_head_glb(path: str | Path, mesh: HeadMesh | None = None) -> Path:
    """Write the head as a binary glTF file; equal heads give equal bytes.

    Args:
        path: The file, which must end in .glb; its folder must exist.
        mesh: From `head_mesh`; the packaged head by default.

    Returns:
        The path.

    Raises:
        RenderError: The name does not end in .glb, or the file cannot be written.
    """
    from .head_glb import head_glb

    target = Path(path)
    if target.suffix.lower() != ".glb":
        raise RenderError(f"{target}: expected a name that ends in .glb")
    content = head_glb(mesh or head_mesh())
    try:
        write_whole(target, content)
    except OSError as error:
        raise RenderError(f"{target}: cannot be written: {error.strerror or error}") from error
    return target


def vertex_normals(
    vertices: NDArray[Any], triangles: NDArray[np.int64], seams: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Unit normals, weighted by area; points with one number in `seams` share theirs."""
    points = np.asarray(vertices, dtype=np.float64)
    a, b, c = (points[triangles[:, corner]] for corner in range(3))
    face = np.cross(b - a, c - a)
    total = np.zeros_like(points)
    for corner in range(3):
        for axis in range(3):
            total[:, axis] += np.bincount(
                seams[triangles[:, corner]], face[:, axis], minlength=len(points)
            )
    total = total[seams]
    length = np.linalg.norm(total, axis=1, keepdims=True)
    upright = np.where(length > 1e-15, total / np.maximum(length, 1e-15), (0.0, 0.0, 1.0))
    return np.asarray(upright, dtype=np.float32)


def _parts(data: dict[str, Any]) -> list[Part]:
    """The left halves of all parts, sorted by material."""
    surface = Surface(data)
    lids = EyeLids(data, surface)
    skin, hue = linear_colour(data["colours"]["skin"]), data["colours"]
    under = linear_colour(hue["neck_shade"])
    cloth = np.array([linear_colour(hue[name]) for name in ("shirt_edge", "shirt", "shirt")])
    skin_part = build_skin(data, surface)
    return [
        skin_part,
        build_ear(data),
        build_tube(data["neck"]["rings"], "skin", np.array([under, under, skin * 0.92, skin])),
        build_eye(data, lids),
        build_teeth(data, "upper"),
        build_teeth(data, "lower"),
        build_throat(data, MouthRings(data, surface)),
        build_hair(data, surface),
        build_brow(data, surface),
        build_lashes(data, lids),
        build_tube(data["shirt"]["rings"], "cloth", cloth),
    ]


def _mirrored(part: Part) -> tuple[Part, NDArray[np.int64]]:
    """Both halves of a part, sharing the points on the midline, and each point's mirror."""
    middle = np.abs(part.rest[:, 0]) < 1e-9
    n, other = len(part.rest), np.flatnonzero(~middle)
    twin = np.arange(n)
    twin[other] = n + np.arange(len(other))
    flip = np.array([-1.0, 1.0, 1.0])
    rig = np.broadcast_to(np.asarray(part.rig), (n,))
    whole = Part(
        part.material,
        np.concatenate([part.rest, part.rest[other] * flip]),
        np.concatenate([part.triangles, twin[part.triangles][:, ::-1]]),
        np.concatenate([part.colours, part.colours[other]]),
        np.concatenate([rig, rig[other]]),
        np.concatenate([part.lip, part.lip[other]]),
        np.concatenate([part.lids, part.lids[other] * flip]),
        np.concatenate([part.follow, twin[part.follow[other]]]),
    )
    mirror = np.concatenate([twin, other])
    return whole, mirror


def _rigged(full: list[tuple[Part, NDArray[np.int64]]], starts: NDArray[np.int64]) -> Rigged:
    parts = [part for part, _ in full]
    return Rigged(
        rest=np.concatenate([part.rest for part in parts]),
        rig=np.concatenate([np.asarray(part.rig) for part in parts]),
        lip=np.concatenate([part.lip for part in parts]),
        lids=np.concatenate([part.lids for part in parts]),
        follow=np.concatenate([p.follow + s for p, s in zip(parts, starts, strict=False)]),
        mirror=np.concatenate([m + s for (_, m), s in zip(full, starts, strict=False)]),
    )


def _seams(
    full: list[tuple[Part, NDArray[np.int64]]], starts: NDArray[np.int64]
) -> NDArray[np.int64]:
    """For every point the first that stands in the same place; only within the eyes."""
    groups = []
    for (part, _), start in zip(full, starts, strict=False):
        own = np.arange(len(part.rest))
        if part.material == "eyes":
            _, first, back = np.unique(
                np.round(part.rest, 5), axis=0, return_index=True, return_inverse=True
            )
            own = first[back.ravel()]
        groups.append(own + start)
    return np.concatenate(groups)


def _frozen(array: NDArray[Any]) -> NDArray[np.float32]:
    result = np.asarray(array, dtype=np.float32)
    result.setflags(write=False)
    return result


def main(argv: Sequence[str] | None = None) -> None:
    """Command line of this module."""
    parser = argparse.ArgumentParser(
        prog="python -m countenance.viewer.head3d",
        description="Write the 3-D head as a GLB file.",
        epilog="Example: python -m countenance.viewer.head3d head.glb",
    )
    parser.add_argument("out", type=Path, help="the file to write, OUT.glb")
    try:
        path = write_head_glb(parser.parse_args(argv).out)
    except CountenanceError as error:
        sys.exit(f"error: {error}")
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB, {len(head_mesh().vertices)} vertices")


if __name__ == "__main__":
    main()

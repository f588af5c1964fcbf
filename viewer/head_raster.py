"""A small software renderer for the 3-D head: numpy in, a picture out, no graphics card.

It serves the pictures in the docs and the tests; the web page draws the head with three.js.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .face import Blendshapes
from .head3d import HeadMesh, head_mesh, pose_head

Floats = NDArray[np.float64]

_GLOSS = {"skin": 0.06, "eyes": 0.5, "teeth": 0.2, "hair": 0.05, "cloth": 0.03}
_KEY, _FILL, _RIM = (0.45, 0.62, 0.72), (-0.75, 0.12, 0.55), (-0.55, 0.45, -0.75)


@dataclass(frozen=True)
class Fragments:
    """What each pixel sees; -1 where it sees nothing.

    Attributes:
        triangle: int (height, width), number of the nearest triangle.
        weights: float (height, width, 3), how near each corner of that triangle is.
    """

    triangle: NDArray[np.int64]
    weights: Floats


def view_matrix(turn: float, tilt: float = 0.0) -> Floats:
    """Rotation (3, 3) that shows the head turned by degrees to its own right and tilted up."""
    a, b = np.radians(turn), np.radians(tilt)
    yaw = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    pitch = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    return np.asarray(pitch @ yaw)


def rasterise(points: Floats, triangles: NDArray[np.int64], size: int) -> Fragments:
    """Find the nearest front-facing triangle of every pixel.

    Args:
        points: (n, 3) pixel x, pixel y (downwards) and depth (larger is nearer).
        triangles: (m, 3), counterclockwise when seen from the front.
        size: width and height of the picture.
    """
    corners = points[triangles]
    a, b, c = corners[:, 0, :2], corners[:, 1, :2], corners[:, 2, :2]
    double = _cross(b - a, c - a)
    low = np.clip(np.ceil(corners[..., :2].min(1) - 0.5), 0, size).astype(np.int64)
    high = np.clip(np.floor(corners[..., :2].max(1) - 0.5) + 1, 0, size).astype(np.int64)
    wide, tall = (high - low).T
    count = np.where((double < -1e-9) & (wide > 0) & (tall > 0), wide * tall, 0)
    owner = np.repeat(np.arange(len(triangles)), count)
    nth = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    x, y = low[owner, 0] + nth % wide[owner], low[owner, 1] + nth // wide[owner]
    at = np.stack([x, y], 1) + 0.5
    u = _cross(c[owner] - b[owner], at - b[owner]) / double[owner]
    v = _cross(a[owner] - c[owner], at - c[owner]) / double[owner]
    weights = np.stack([u, v, 1 - u - v], 1)
    inside = (weights >= 0).all(1)
    owner, weights, pixel = owner[inside], weights[inside], (y * size + x)[inside]
    depth = (weights * corners[owner, :, 2]).sum(1)
    order = np.lexsort((depth, pixel))
    nearest = order[np.append(np.diff(pixel[order]) > 0, True)] if len(order) else order
    triangle, shares = np.full(size * size, -1), np.zeros((size * size, 3))
    triangle[pixel[nearest]], shares[pixel[nearest]] = owner[nearest], weights[nearest]
    return Fragments(triangle.reshape(size, size), shares.reshape(size, size, 3))


def shade(
    points: NDArray[Any],
    normals: NDArray[Any],
    colours: NDArray[Any],
    gloss: Floats,
    triangles: NDArray[np.int64],
    *,
    turn: float = 0.0,
    size: int = 320,
    backdrop: tuple[float, float, float] = (0.90, 0.80, 0.69),
) -> NDArray[np.uint8]:
    """Render the head as a picture.

    Args:
        points: (n, 3) in metres.
        normals: (n, 3) unit normals.
        colours: (n, 3) linear RGB.
        gloss: (n,) strength of the highlight.
        triangles: (m, 3).
        turn: degrees that the head turns to its own right (negative: left).
        size: pixels, width and height.
        backdrop: linear RGB behind the head.

    Returns:
        uint8 (size, size, 3), sRGB.
    """
    fine = size * 3
    view = view_matrix(turn, 3.0)
    eye_space = points @ view.T
    camera = 0.95  # metres; a portrait lens
    scale = (fine / 0.295) * camera / (camera - eye_space[:, 2])
    flat = np.stack(
        [fine / 2 + eye_space[:, 0] * scale, fine * 0.475 - eye_space[:, 1] * scale], axis=1
    )
    seen = rasterise(np.column_stack([flat, eye_space[:, 2]]), triangles, fine)
    hit = seen.triangle >= 0
    corner, weights = triangles[seen.triangle[hit]], seen.weights[hit][..., None]
    normal = (normals[corner] * weights).sum(1) @ view.T
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    albedo = (colours[corner] * weights).sum(1)
    shine = (gloss[corner] * weights[..., 0]).sum(1)
    image = np.empty((fine, fine, 3))
    image[:] = np.array(backdrop) * np.linspace(1.05, 0.9, fine)[:, None, None]
    image[hit] = _light(normal, albedo, shine)
    image = image.reshape(size, 3, size, 3, 3).mean((1, 3))
    srgb = np.where(
        image <= 0.0031308, image * 12.92, 1.055 * image.clip(1e-9) ** (1 / 2.4) - 0.055
    )
    return np.round(srgb.clip(0, 1) * 255).astype(np.uint8)


def head_picture(
    weights: Blendshapes, *, turn: float = 0.0, size: int = 320, mesh: HeadMesh | None = None
) -> NDArray[np.uint8]:
    """Render the head under a face.

    Args:
        weights: 51 weights in Apple's order, or a mapping from ARKit name to weight.
        turn: degrees that the head turns to its own right (negative: left).
        size: pixels, width and height.
        mesh: the head; the packaged one by default.

    Returns:
        uint8 (size, size, 3), sRGB.

    Raises:
        RenderError: the weights cannot be used.
    """
    head = mesh or head_mesh()
    posed = pose_head(head, weights)
    gloss = np.zeros(len(posed))
    for name, strength in _GLOSS.items():
        gloss[head.materials[name][0]] = strength
    normals = head.normals_of(posed)
    return shade(posed, normals, head.colours, gloss, head.triangles, turn=turn, size=size)


def _light(normal: Floats, albedo: Floats, shine: Floats) -> Floats:
    """A soft key from the upper right, a warm fill, a rim, and a highlight of the key."""
    key, fill, rim = (np.array(v) / np.linalg.norm(v) for v in (_KEY, _FILL, _RIM))
    front = np.clip((normal @ key + 0.28) / 1.28, 0, 1) ** 1.25
    soft = np.clip(normal @ fill * 0.5 + 0.5, 0, 1)
    sky = 0.5 + 0.5 * normal[:, 1]
    warm = np.stack([0.34 + 0.10 * soft, 0.27 + 0.09 * soft, 0.25 + 0.09 * soft], 1)
    lit = albedo * (front[:, None] * (0.80, 0.77, 0.72) + warm * (0.62 + 0.38 * sky[:, None]))
    edge = np.clip(normal @ rim, 0, 1) ** 2 * np.clip(1 - normal[:, 2], 0, 1)
    half = key + np.array([0.0, 0.0, 1.0])
    glint = np.clip(normal @ (half / np.linalg.norm(half)), 0, 1)
    return lit + 0.25 * edge[:, None] * albedo + (shine * glint**40)[:, None]


def _cross(a: Floats, b: Floats) -> Floats:
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]

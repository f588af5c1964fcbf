"""The skin of the 3-D head: rings round the eyes and the mouth, the rest filled by Delaunay.

The left half is built and mirrored. Rings make the lids and the lips clean edges that open; their
inner edges are turned in, so that lids have a thickness and lips lead into the mouth.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib.path import Path as Polygon
from numpy.typing import NDArray
from scipy.spatial import Delaunay

from .head_surface import Floats, Surface, smooth

_WIDE = 70.0  # mm of arc per radian, for distances on the unrolled surface


@dataclass
class Part:
    """A piece of the left half or of the middle of the head, in mm.

    Attributes:
        material: which of the head's materials paints it.
        rest: (n, 3) points.
        triangles: (m, 3), counterclockwise from outside.
        colours: (n, 3) linear RGB.
        rig: what moves it, for all points or (n,): "skin" (all fields), "jaw" (the jaw's turn),
            "gaze" or "none".
        lip: (n,) 1 on the upper lip, -1 on the lower one, 0 where the place alone decides.
        lid: (n, 3) angles that the closed upper lid, then the lower lid moves it: see head_moves.
        follow: (n,) the point whose displacement it takes; itself if it has its own.
    """

    material: str
    rest: Floats
    triangles: NDArray[np.int64]
    colours: Floats
    rig: str | NDArray[np.str_] = "none"
    lip: Floats = field(default_factory=lambda: np.zeros(0))
    lids: Floats = field(default_factory=lambda: np.zeros(0))
    follow: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    def __post_init__(self) -> None:
        n = len(self.rest)
        self.lip = self.lip if len(self.lip) else np.zeros(n)
        self.lids = self.lids if len(self.lids) else np.zeros((n, 2, 3))
        self.follow = self.follow if len(self.follow) else np.arange(n)


def ring_quads(rings: int, around: int, first: int, closed: bool) -> NDArray[np.int64]:
    """Triangles between rings of points that stand one after the other from `first`."""
    last = around if closed else around - 1
    ring, step = np.meshgrid(np.arange(rings - 1), np.arange(last), indexing="ij")
    a = first + ring * around + step
    b = first + ring * around + (step + 1) % around
    c, d = a + around, b + around
    quads = np.stack([np.stack([a, c, b], -1), np.stack([b, c, d], -1)], axis=2)
    return quads.reshape(-1, 3)


class EyeLids:
    """The rings round the left eye and where they go when the lids shut."""

    def __init__(self, data: Mapping[str, Any], surface: Surface) -> None:
        eye = data["eye"]
        self.centre = np.array(eye["centre"], float)
        self.around, self.rings = int(eye["stations"]), int(eye["rings"])
        radius = float(eye["radius"])
        turn = np.arange(self.around) / self.around * 2 * np.pi
        u, upper = np.cos(turn), np.sin(turn) >= -1e-9
        lean = 1 - np.abs((u - eye["peak"]) / (1 + np.sign(u - eye["peak"]) * -eye["peak"])) ** 2.3
        height = np.where(upper, eye["upper"], -eye["lower"]) * np.maximum(lean, 0.0)
        x = self.centre[0] + eye["half_width"] * u
        y = self.centre[1] + height + eye["tilt"] * u
        ox, oy, rx, ry = eye["outer"]
        outer = np.stack([ox + rx * u, oy + ry * np.sin(turn)], axis=1)
        gap = np.where(upper, eye["upper_gap"], eye["lower_gap"])
        gap = np.where(np.abs(u) > 0.99, eye["lower_gap"], gap)
        share = (np.arange(self.rings) / (self.rings - 1)) ** 1.15
        flat = np.stack([x, y], 1)[None] * (1 - share)[:, None, None]
        flat = flat + outer[None] * share[:, None, None]
        skin = surface.front(flat[..., 0], flat[..., 1])
        on_ball = flat - self.centre[:2]
        lid = radius + gap[None, :]
        depth = np.sqrt(np.maximum(lid**2 - (on_ball**2).sum(-1), 0.0)) + self.centre[2]
        blend = smooth(share / 0.62)[:, None]
        self.rest = skin.copy()
        self.rest[..., 2] = depth * (1 - blend) + skin[..., 2] * blend
        crease = np.exp(-(((share - 0.40) / 0.13) ** 2))[:, None] * np.where(upper, 1.8, 0.7)
        self.rest[..., 2] -= crease * np.abs(np.sin(turn)) ** 0.5
        self.flat = flat
        self.edge = np.stack([x, y], 1)
        self._shut(upper, lid, radius, float(eye["meet"]), share)

    def _shut(
        self, upper: NDArray[np.bool_], lid: Floats, radius: float, meet: float, share: Floats
    ) -> None:
        """Displacements of every ring when the upper, and when the lower lid shuts."""
        q = self.rest - self.centre
        rho = np.linalg.norm(q, axis=-1)
        side = np.arctan2(q[..., 0], q[..., 2])
        rise = np.arctan2(q[..., 1], np.hypot(q[..., 0], q[..., 2]))
        # the partner of station k on the other lid is station -k
        other = rise[0][(-np.arange(self.around)) % self.around]
        low, high = np.where(upper, other, rise[0]), np.where(upper, rise[0], other)
        line = low + meet * (high - low)
        line = np.where(upper, line - 0.02 * (high - low), line)
        last = self.rings - 2
        t = (share / share[last]).clip(0, 1)[:, None]
        held = rise[last]
        shut_rise = line + (held - line) * t**1.1
        shut_rho = np.maximum(lid + (rho[last] - lid) * t**2.5, lid)
        shut_rho = np.where(t < 1, shut_rho, rho)
        shut_rise = np.where(t < 1, shut_rise, rise)
        flat = np.cos(shut_rise)
        target = np.stack(
            [
                shut_rho * np.sin(side) * flat,
                shut_rho * np.sin(shut_rise),
                shut_rho * np.cos(side) * flat,
            ],
            -1,
        )
        move = (target - q) * (t < 1)[..., None]
        self.moves = np.zeros((*q.shape[:2], 2, 3))
        self.moves[:, upper, 0] = move[:, upper]
        self.moves[:, ~upper, 1] = move[:, ~upper]
        self.rim = self.centre + q[0] / rho[0][:, None] * (radius + 0.15)


class MouthRings:
    """The left half of the rings round the mouth, from the top middle to the bottom middle."""

    def __init__(self, data: Mapping[str, Any], surface: Surface) -> None:
        m = data["mouth"]
        self.around = int(m["stations"])
        turn = np.linspace(0, np.pi, self.around)
        u, v = np.sin(turn), np.cos(turn)  # u 0..1 towards the corner, v 1 above to -1 below
        u[[0, -1]] = 0.0
        half, cy = m["half_width"], m["at"][1]
        self.upper = v > 1e-9
        line = cy + m["line"] * (
            np.exp(-((u / 0.22) ** 2)) * -0.9 + 0.5 * np.exp(-(((u - 0.4) / 0.2) ** 2)) + 0.9 * u**4
        )
        top = m["upper"] * np.maximum(1 - u**2.0, 0) ** 0.85 - m["dip"] * np.exp(-((u / 0.13) ** 2))
        bottom = m["lower"] * np.maximum(1 - u**2.3, 0) ** 0.8
        border = np.stack([(half + 1.2) * u, cy + np.where(self.upper, top, -bottom)], 1)
        border[self.around // 2, 1] = line[self.around // 2]
        slit = np.stack([half * u, line], 1)
        n_lip = int(m["lip_rings"])
        share = np.linspace(0, 1, n_lip)
        flat = [slit * (1 - r) + border * r for r in share]
        lens = [
            np.stack([half * u, cy + np.sign(v) * 2.6 * (1 - u**2)], 1) * (1 - r) + border * r
            for r in share
        ]
        for wide in m["skin_rings"]:
            grown = border.copy()
            grown[:, 0] += wide * 0.9 * u
            grown[:, 1] += wide * v
            flat.append(grown)
            lens.append(grown)
        self.flat, self.lens = np.array(flat), np.array(lens)
        self.n_lip, self.rings = n_lip, len(flat)
        self.rest = surface.front(self.flat[..., 0], self.flat[..., 1])
        full = (1 - u**2.2).clip(0) ** 0.75
        bulge = np.where(self.upper, m["upper_bulge"], m["lower_bulge"])
        for j, r in enumerate(share):
            round_ = np.sin(np.pi * (0.10 + 0.78 * r)) ** 0.8
            self.rest[j, :, 2] += full * (bulge * round_ - (1 - r) * m["line_depth"])
        tuck = np.exp(-(((self.flat[..., 0] - half) / 6) ** 2)) * np.exp(
            -(((self.flat[..., 1] - cy) / 5) ** 2)
        )
        self.rest[..., 2] -= m["corner_tuck"] * tuck
        for j in range(n_lip, self.rings):
            fade = np.exp(-m["skin_rings"][j - n_lip] / 2.0)
            self.rest[j, :, 2] += full * bulge * 0.3 * fade
        self.sign = np.where(np.arange(self.around) == self.around // 2, 0.0, np.sign(v))
        self.share = share


def build_skin(data: Mapping[str, Any], surface: Surface) -> Part:
    """The left half of the skin, with lid rims and the inner sides of the lips."""
    eye, mouth = EyeLids(data, surface), MouthRings(data, surface)
    n_eye, n_mouth = eye.rings * eye.around, mouth.rings * mouth.around
    outer_eye, outer_mouth = eye.flat[-1], mouth.flat[-1]
    plane_rings = [
        _unroll(surface, eye.flat.reshape(-1, 2)),
        _unroll(surface, mouth.lens.reshape(-1, 2)),
    ]
    loose_plane, loose = _loose_points(surface, outer_eye, outer_mouth)
    ring_edges = [
        np.arange(n_eye - eye.around, n_eye),
        n_eye + np.arange(n_mouth - mouth.around, n_mouth),
    ]
    plane = np.concatenate([*plane_rings, loose_plane])
    rest = np.concatenate([eye.rest.reshape(-1, 3), mouth.rest.reshape(-1, 3), loose])
    used = np.concatenate([*ring_edges, np.arange(n_eye + n_mouth, len(plane))])
    fill = used[Delaunay(plane[used], qhull_options="Qbb Qc Qz Q12").simplices]
    centre = plane[fill].mean(axis=1)
    hole = Polygon(plane[ring_edges[0]]).contains_points(centre)
    hole |= Polygon(plane[ring_edges[1]]).contains_points(centre)
    fill = fill[~hole]
    a, b, c = (plane[fill[:, i]] for i in range(3))
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    fill[area > 0] = fill[area > 0][:, ::-1]
    fill = fill[np.abs(area) > 1e-6]
    triangles = [
        ring_quads(eye.rings, eye.around, 0, closed=True),
        ring_quads(mouth.rings, mouth.around, n_eye, closed=False)[:, ::-1],
        fill,
    ]
    n = len(rest)
    lip, lids, follow = np.zeros(n), np.zeros((n, 2, 3)), np.arange(n)
    lids[:n_eye] = eye.moves.reshape(-1, 2, 3)
    signs = np.repeat(mouth.sign[None], mouth.rings, 0)
    lip[n_eye : n_eye + n_mouth] = signs.reshape(-1)
    rims, rim_triangles, rim_of = _rims(eye, mouth, n, n_eye)
    colours = _paint(data, rest, mouth, n_eye)
    rim_colours = colours[rim_of].copy()
    rim_colours[eye.around :] *= np.repeat([0.9, 0.4, 0.15], mouth.around)[:, None]
    rim_colours[: eye.around] *= np.array([0.95, 0.72, 0.7])
    lips = np.zeros(len(rims))
    lips[eye.around :] = np.tile(mouth.sign, 3)
    part = Part(
        "skin",
        np.concatenate([rest, rims]),
        np.concatenate([*triangles, rim_triangles]),
        np.concatenate([colours, rim_colours]),
        "skin",
        np.concatenate([lip, lips]),
        np.concatenate([lids, lids[rim_of]]),
        np.concatenate([follow, rim_of]),
    )
    return weld_pole(part)


def _unroll(surface: Surface, flat: Floats) -> Floats:
    angle, height = surface.place(flat[:, 0], flat[:, 1])
    return np.stack([angle * _WIDE, height], axis=1)


def _loose_points(surface: Surface, eye: Floats, mouth: Floats) -> tuple[Floats, Floats]:
    """Points of the rest of the left half: on the plane (n, 2) and in space (n, 3)."""
    half = np.concatenate([mouth, mouth[::-1] * (-1, 1)])
    nose, face = (0.0, 23.0, -53.0, 20.0), (0.0, 62.0, -101.0, 52.0)
    fine = _grid(nose, 2.5, staggered=False)
    coarse = _grid(face, 4.4)
    coarse = coarse[~_within(coarse, nose, 1.2)]
    seen = np.concatenate([fine, coarse])
    gap = np.where(np.arange(len(seen)) < len(fine), 1.6, 2.6)
    keep = np.array(
        [not _near(point, (eye, half), near) for point, near in zip(seen, gap, strict=True)]
    )
    seen = seen[keep]
    plane = _unroll(surface, seen)
    back = _back_grid(surface, plane, (eye, half))
    angle = np.concatenate([plane[:, 0], back[:, 0]]) / _WIDE
    height = np.concatenate([plane[:, 1], back[:, 1]])
    return np.concatenate([plane, back]), surface.featured(surface.at(angle, height))


def _grid(box: tuple[float, float, float, float], step: float, *, staggered: bool = True) -> Floats:
    """A grid of rows in (left, right, low, high); every row starts on the midline."""
    x0, x1, y0, y1 = box
    rows = []
    for index, y in enumerate(np.arange(y0, y1, step * 0.9)):
        odd = staggered and index % 2 == 1
        x = np.arange(x0, x1, step) + (step / 2 if odd else 0.0)
        x = np.concatenate([[0.0], x]) if odd else x
        rows.append(np.stack([x, np.full_like(x, y)], 1))
    return np.concatenate(rows)


def _back_grid(surface: Surface, face: Floats, rings: tuple[Floats, ...]) -> Floats:
    """Coarse points, on the plane, wherever the face has none."""
    from scipy.spatial import cKDTree

    outline = np.concatenate([face, *[_unroll(surface, ring[ring[:, 0] >= 0]) for ring in rings]])
    tree = cKDTree(outline)
    rows = []
    for height in np.linspace(0.0, surface.length, 25):
        angle = np.linspace(0.0, np.pi, 15) * _WIDE
        rows.append(np.stack([angle, np.full_like(angle, height)], 1))
    points = np.concatenate(rows)
    far = tree.query(points)[0] > 6.5
    edge = (points[:, 1] < 1e-6) | (points[:, 1] > surface.length - 1e-6)
    return points[far | edge]


def _within(points: Floats, box: tuple[float, float, float, float], margin: float) -> Any:  # noqa: ANN401
    x, y = points.T
    return (x < box[1] + margin) & (y > box[2] - margin) & (y < box[3] + margin)


def _near(point: Floats, rings: tuple[Floats, ...], margin: float) -> bool:
    for ring in rings:
        if Polygon(ring).contains_points(point[None])[0]:
            return True
        if np.min(np.hypot(*(ring - point).T)) < margin:
            return True
    return False


def _rims(
    eye: EyeLids, mouth: MouthRings, start: int, n_eye: int
) -> tuple[Floats, NDArray[np.int64], NDArray[np.int64]]:
    """The edge of the lids turned in to the eyeball, and three rings into the mouth."""
    lid_of = np.arange(eye.around)
    lip_of = n_eye + np.arange(mouth.around)
    step = np.arange(eye.around)
    a, b = step, (step + 1) % eye.around
    lid = np.concatenate([np.stack([start + a, a, start + b], 1), np.stack([start + b, a, b], 1)])
    slit, rings = mouth.rest[0], []
    for back, apart in ((2.0, -0.9), (5.0, 2.0), (9.0, 5.0)):
        ring = slit.copy()
        ring[:, 2] -= back
        ring[:, 1] += apart * mouth.sign
        rings.append(ring)
    first = start + eye.around
    inner = ring_quads(3, mouth.around, first, closed=False)
    k = np.arange(mouth.around - 1)
    p, q = n_eye + k, n_eye + k + 1
    join = np.concatenate(
        [np.stack([p, first + k, q], 1), np.stack([q, first + k, first + k + 1], 1)]
    )
    points = np.concatenate([eye.rim, *rings])
    return points, np.concatenate([lid, join, inner]), np.concatenate([lid_of, np.tile(lip_of, 3)])


def _paint(data: Mapping[str, Any], rest: Floats, mouth: MouthRings, n_eye: int) -> Floats:
    """Colours of the skin: its own, the tints, then the lips."""
    from .head_surface import bell, linear_colour

    colours = np.tile(linear_colour(data["colours"]["skin"]), (len(rest), 1))
    for tint in data["tints"]:
        hue = linear_colour(tint["colour"])
        weight = bell(rest[:, 0], rest[:, 1], tint["at"], tint["size"]) * tint["strength"]
        weight = weight * (rest[:, 2] > 0)
        colours += weight[:, None] * (hue - colours)
    lip, line = linear_colour(data["colours"]["lips"]), linear_colour(data["colours"]["lip_line"])
    for j in range(mouth.n_lip):
        at = n_eye + j * mouth.around + np.arange(mouth.around)
        strength = np.full(mouth.around, 0.55 if j == mouth.n_lip - 1 else 0.95)
        hue = line if j == 0 else lip
        colours[at] += strength[:, None] * (hue - colours[at])
    return colours


def weld_pole(part: Part) -> Part:
    """Join the points that coincide at the crown and under the chin, and drop empty triangles."""
    keys = np.round(part.rest, 6)
    at_pole = (np.abs(keys[:, 0]) < 1e-9) & (
        np.bincount(part.triangles.ravel(), minlength=len(keys)) > 0
    )
    target = np.arange(len(keys))
    seen: dict[tuple[float, ...], int] = {}
    for index in np.flatnonzero(at_pole & (part.lip == 0)):
        target[index] = seen.setdefault(tuple(keys[index]), int(index))
    triangles = target[part.triangles]
    a, b, c = triangles.T
    triangles = triangles[(a != b) & (b != c) & (a != c)]
    used = np.unique(np.concatenate([triangles.ravel(), part.follow[triangles.ravel()]]))
    new = np.full(len(keys), -1)
    new[used] = np.arange(len(used))
    return Part(
        part.material,
        part.rest[used],
        new[triangles],
        part.colours[used],
        part.rig,
        part.lip[used],
        part.lids[used],
        new[part.follow[used]],
    )

"""Everything of the 3-D head that is not skin: eyes, brows, lashes, teeth, mouth, hair, neck."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline, PchipInterpolator

from .head_skin import EyeLids, MouthRings, Part, ring_quads
from .head_surface import Floats, Surface, linear_colour, smooth


def build_eye(data: Mapping[str, Any], lids: EyeLids) -> Part:
    """The left eyeball: rings round its axis, doubled where a colour ends, and a glint."""
    eye, colours = data["eye"], data["colours"]
    radius, iris, pupil = float(eye["radius"]), float(eye["iris"]), float(eye["pupil"])
    bands = [
        ("pupil", (0.0, pupil * 0.6, pupil)),
        ("iris_inner", (pupil,)),
        ("iris", (pupil + (iris - pupil) * 0.45, pupil + (iris - pupil) * 0.75)),
        ("iris_edge", (iris - 1.2, iris)),
        ("white", (iris, iris + 6, iris + 16, 62.0, 82.0, 105.0)),
    ]
    angles = np.radians([angle for _, part in bands for angle in part])
    names = [name for name, part in bands for _ in part]
    around = 28
    turn = np.arange(around) / around * 2 * np.pi
    ring = np.sin(angles)[:, None]
    unit = np.stack(
        [
            ring * np.cos(turn),
            ring * np.sin(turn),
            np.repeat(np.cos(angles)[:, None], around, 1),
        ],
        -1,
    )
    hues = np.repeat(np.array([linear_colour(colours[name]) for name in names])[:, None], around, 1)
    shadow = 1 - 0.30 * smooth((unit[..., 1] - 0.12) / 0.3)[..., None]
    ball = Part(
        "eyes",
        lids.centre + radius * unit.reshape(-1, 3),
        ring_quads(len(angles), around, 0, closed=True),
        (hues * shadow).reshape(-1, 3),
        "gaze",
    )
    return join([ball, _glint(data, lids.centre, radius)])


def _glint(data: Mapping[str, Any], centre: Floats, radius: float) -> Part:
    """A small white disc on the upper edge of the pupil: the light that makes an eye alive."""
    turn = np.arange(12) / 12 * 2 * np.pi
    rise, size = np.radians(12.0), np.radians(4.6)
    up = np.array([0, np.cos(rise), -np.sin(rise)])
    out = np.array([0, np.sin(rise), np.cos(rise)])
    rim = np.sin(size) * (np.cos(turn)[:, None] * (1, 0, 0) + np.sin(turn)[:, None] * up)
    rim = rim + np.cos(size) * out
    points = centre + (radius + 0.12) * np.concatenate([[out], rim])
    k = np.arange(12)
    triangles = np.stack([np.zeros(12, int), 1 + k, 1 + (k + 1) % 12], 1)
    hue = np.tile(linear_colour(data["colours"]["glint"]) * 1.0, (13, 1))
    return Part("eyes", points, triangles, hue, "gaze")


def build_brow(data: Mapping[str, Any], surface: Surface) -> Part:
    """The left brow: a rounded band that lies on the skin and moves with it."""
    brow = data["brow"]
    path = np.array(brow["path"])
    spline = CubicSpline(path[:, 0], path[:, 1:])
    x = np.linspace(path[0, 0], path[-1, 0], int(brow["columns"]))
    y, half = spline(x).T
    slope = spline(x, 1)[:, 0]
    across = np.stack([-slope, np.ones_like(slope)], 1) / np.hypot(1, slope)[:, None]
    rows, tall = np.array([1.0, 0.72, 0.0, -0.72, -1.0]), np.array([-0.5, 0.75, 1.0, 0.75, -0.5])
    flat = np.stack([x, y], 1)[None] + rows[:, None, None] * (half[:, None] * across)[None]
    rest = surface.front(flat[..., 0], flat[..., 1])
    ends = np.sin(np.linspace(0.12, np.pi - 0.05, len(x))) ** 0.4
    rest[..., 2] += tall[:, None] * brow["thickness"] * ends + 0.2
    hue = np.tile(linear_colour(data["colours"]["brow"]), (rest.shape[0] * rest.shape[1], 1))
    triangles = ring_quads(len(rows), len(x), 0, closed=False)
    return Part("hair", rest.reshape(-1, 3), triangles, hue, "skin")


def build_lashes(data: Mapping[str, Any], lids: EyeLids) -> Part:
    """A dark band along the edge of the upper left lid, moved as the edge is."""
    lash = data["lashes"]
    k = np.arange(lids.around // 2 + 1)
    edge = lids.rest[0][k]
    outward = np.clip((edge[:, 0] - lids.centre[0]) / float(data["eye"]["half_width"]), -1, 1)
    long = lash["length"] * (0.35 + 0.65 * smooth((outward + 1.0) / 1.2))
    wing = np.maximum(outward, 0.0) ** 2 * lash["wing"]
    tip = edge + np.stack([wing, long * lash["lift"] + wing * 0.45, long * 0 + lash["forward"]], 1)
    root = edge + np.array([0, 1.0, 0.9])
    under = edge + np.array([0, -0.35, 0.7])
    rest = np.concatenate([under, tip, root])
    triangles = ring_quads(3, len(k), 0, closed=False)
    hue = np.tile(linear_colour(data["colours"]["lash"]), (len(rest), 1))
    far = np.repeat([1.04, 1.0 + lash["droop"], 1.0], len(k))[:, None, None]
    moves = far * np.tile(lids.moves[0][k], (3, 1, 1))
    return Part("hair", rest, triangles, hue, "skin", lids=moves)


def build_teeth(data: Mapping[str, Any], row: str) -> Part:
    """The left half of a row of teeth with its gum; `row` is "upper" or "lower"."""
    teeth, colours = data["teeth"], data["colours"]
    gum_y, edge_y = teeth[row]
    gum_y, edge_y = (gum_y, edge_y) if row == "upper" else (edge_y, gum_y)
    inset = 0.0 if row == "upper" else float(teeth["inset"])
    count = int(teeth["count"]) // 2
    columns = np.array([i + f for i in range(count) for f in (0.0, 0.12, 0.5, 0.88)] + [count])
    share = columns / count
    x = teeth["half_width"] * (0.92 if inset else 1.0) * np.sin(share * 1.35) / np.sin(1.35)
    z = teeth["front"] - inset - teeth["curve"] * (1 - np.cos(share * 1.35)) / (1 - np.cos(1.35))
    inner = np.isclose(columns % 1, 0.5)
    gap = np.isclose(columns % 1, 0.0) & (columns > 0)
    down = -1.0 if row == "upper" else 1.0
    ends = 0.0 if row == "upper" else -teeth["drop"] * share**2
    depth = edge_y - gum_y
    levels = [
        (-0.55, -1.0, "gum"),
        (0.0, -0.4, "gum"),
        (0.0, 0.0, "tooth"),
        (0.5, 0.4, "tooth"),
        (0.9, 0.2, "tooth"),
        (1.0, -0.5, "tooth"),
        (0.95, -3.0, "tooth"),
        (0.1, -3.6, "tooth_gap"),
    ]
    points, hues = [], []
    for at, out, colour in levels:
        y = ends + gum_y + at * depth - down * 0.8 * np.where(gap & (at > 0.8), 1.0, 0.0)
        bulge = out + np.where(inner, 0.5, 0.0) - np.where(gap, 0.5, 0.0)
        points.append(np.stack([x, y * np.ones_like(x), z + bulge], 1))
        hue = np.tile(linear_colour(colours[colour]), (len(x), 1))
        if colour == "tooth":
            hue[gap] = linear_colour(colours["tooth_gap"])
        hues.append(hue * (1 - 0.55 * share[:, None] ** 2))
    triangles = ring_quads(len(levels), len(x), 0, closed=False)
    if row == "lower":
        triangles = triangles[:, ::-1]
    rig = "none" if row == "upper" else "jaw"
    part = Part("teeth", np.concatenate(points), triangles, np.concatenate(hues), rig)
    part.lip = np.full(len(part.rest), 1.0 if row == "upper" else -1.0)
    return part


def build_throat(data: Mapping[str, Any], mouth: MouthRings) -> Part:
    """The left half of the dark pocket behind the lips; its floor goes down with the jaw.

    It begins as a sleeve round the inner sides of the lips, which moves as they do.
    """
    throat, colours = data["throat"], data["colours"]
    y0, z0 = throat["at"]
    turn = np.linspace(0, np.pi, mouth.around)
    near, deep = linear_colour(colours["throat"]), linear_colour(colours["throat_deep"])
    behind, apart, wider = throat["sleeve"]
    rise: Floats = np.cos(turn)
    wide: Floats = np.sin(turn)
    wide[[0, -1]] = 0.0
    points = [mouth.rest[0] + np.stack([wider * wide, apart * rise, -behind + 0 * wide], 1)]
    rings = throat["rings"]
    for back, half, up, down in [*rings, [rings[-1][0], 0, 0, 0]]:
        y = y0 + np.where(rise > 0, up, down) * rise
        points.append(np.stack([half * wide, y, np.full_like(y, z0 + back)], 1))
    hues = [near + (deep - near) * min(index / 2, 1.0) for index in range(len(points))]
    rig = np.repeat(np.array(["skin"] + ["jaw"] * (len(points) - 1)), len(turn))
    return Part(
        "throat",
        np.concatenate(points),
        ring_quads(len(points), len(turn), 0, closed=False),
        np.repeat(np.array(hues), len(turn), 0),
        rig,
        np.concatenate([mouth.sign, *[rise] * (len(points) - 1)]),
    )


def build_hair(data: Mapping[str, Any], surface: Surface) -> Part:
    """The left half of a short cap of hair, thick in front, with strands towards the crown."""
    hair, colours = data["hair"], data["colours"]
    line = np.array(hair["line"], float)
    thick = np.array(hair["thickness"], float)
    columns, rows = int(hair["columns"]), int(hair["rows"])
    angle = np.linspace(0, np.pi, columns)
    low = PchipInterpolator(line[:, 0], line[:, 1])(np.degrees(angle))
    start = surface.place(np.zeros_like(low), low)[1]
    share = np.linspace(0, 1, rows) ** 1.25
    height = start[None] * (1 - share[:, None])
    around = np.repeat(angle[None], rows, 0)
    base = surface.at(around, height)
    step = 0.01
    d_angle = surface.at(around + step, height) - surface.at(around - step, height)
    d_height = surface.at(around, height + 0.5) - surface.at(around, np.maximum(height - 0.5, 0.0))
    normal = np.cross(d_height, d_angle)
    normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-9)
    normal[-1] = (0, 1, 0)
    full = PchipInterpolator(thick[:, 0], thick[:, 1])(np.degrees(angle))[None]
    full = full + (hair["crown"] - full) * smooth(share)[:, None]
    inside = (start[None] - height) / hair["edge"]
    depth, count = hair["strands"]
    strand = depth * np.cos(around * count) * np.sin(np.pi * share.clip(0, 0.98))[:, None] ** 0.5
    lift = full * np.sqrt(np.clip(1 - (1 - inside.clip(0, 1)) ** 2, 0, 1)) + strand * smooth(inside)
    rest = base + normal * (lift - 1.2 * (inside < 1e-6))[..., None]
    rest[..., 0] = np.maximum(rest[..., 0], 0.0)
    rest[:, [0, -1], 0] = 0.0
    dark, light = linear_colour(colours["hair"]), linear_colour(colours["hair_light"])
    mix = np.clip(strand / depth * 0.5 + 0.15, 0, 1)[..., None] * 0.8
    hue = dark + (light - dark) * mix
    triangles = ring_quads(rows, columns, 0, closed=False)[:, ::-1]
    return Part("hair", rest.reshape(-1, 3), triangles, hue.reshape(-1, 3))


def build_ear(data: Mapping[str, Any]) -> Part:
    """The left ear: a shallow cup with a rolled rim."""
    ear = data["ear"]
    around = 22
    turn = np.arange(around) / around * 2 * np.pi
    levels = [
        (0.02, -0.35),
        (0.35, -0.30),
        (0.60, 0.05),
        (0.80, 0.62),
        (0.96, 0.72),
        (1.04, 0.35),
        (0.95, -0.2),
        (0.6, -0.9),
    ]
    wide, tall = ear["size"]
    lobe = 1 - 0.26 * smooth((-np.sin(turn) - 0.1) / 0.9)
    points = []
    for share, out in levels:
        forward = np.where(np.cos(turn) > 0, 1 - 0.55 * smooth(np.cos(turn)), 1.0)
        points.append(
            np.stack(
                [
                    np.full_like(turn, out * ear["depth"]) * forward,
                    share * tall * np.sin(turn),
                    share * wide * np.cos(turn) * lobe,
                ],
                1,
            )
        )
    flare, lean = np.radians(ear["flare"]), np.radians(ear["lean"])
    rest = np.concatenate(points)
    spin = np.array([[1, 0, 0], [0, np.cos(lean), -np.sin(lean)], [0, np.sin(lean), np.cos(lean)]])
    spread = np.array(
        [[np.cos(flare), 0, -np.sin(flare)], [0, 1, 0], [np.sin(flare), 0, np.cos(flare)]]
    )
    rest = rest @ spin.T @ spread.T + ear["at"]
    skin = linear_colour(data["colours"]["skin"])
    shade = np.repeat([0.62, 0.68, 0.82, 0.98, 1.0, 0.98, 0.9, 0.8], around)[:, None]
    hue = skin * shade ** np.array([0.8, 1.25, 1.3])
    triangles = ring_quads(len(levels), around, 0, closed=True)[:, ::-1]
    return Part("skin", rest, triangles, hue)


def build_tube(rings: Sequence[Sequence[float]], material: str, hues: Floats) -> Part:
    """The left half of an upright tube; a ring is [y, half width, half depth, middle z]."""
    fine = PchipInterpolator(np.arange(len(rings)), np.array(rings, float))(
        np.linspace(0, len(rings) - 1, 2 * len(rings) - 1)
    )
    turn = np.linspace(0, np.pi, 19)
    points = [
        np.stack(
            [wide * np.sin(turn).clip(1e-12), np.full_like(turn, y), z + deep * np.cos(turn)], 1
        )
        for y, wide, deep, z in fine
    ]
    rest = np.concatenate(points)
    rest[np.abs(rest[:, 0]) < 1e-6, 0] = 0.0
    share = np.linspace(0, len(hues) - 1, len(fine))
    colours = np.stack([np.interp(share, np.arange(len(hues)), hues[:, i]) for i in range(3)], 1)
    triangles = ring_quads(len(fine), len(turn), 0, closed=False)
    return Part(material, rest, triangles, np.repeat(colours, len(turn), 0))


def join(parts: Sequence[Part]) -> Part:
    """Put parts of one material and rig behind one another."""
    starts = np.cumsum([0, *[len(part.rest) for part in parts]])
    pick: list[NDArray[np.int64]] = [p.triangles + s for p, s in zip(parts, starts, strict=False)]
    return Part(
        parts[0].material,
        np.concatenate([part.rest for part in parts]),
        np.concatenate(pick),
        np.concatenate([part.colours for part in parts]),
        parts[0].rig,
    )

"""Load a face rig: the drawing of a head as data (curves, layers, and what each shape moves).

A rig file (`rigs/face-v1.json`, checked against `schemas/rig.schema.json`) is written for the
subject's LEFT half, which is the right-hand half of the page; the other half is its mirror image
in the vertical line x = 0. This module unfolds that into flat arrays, so that posing the face is
one matrix product: points = rest + drive @ moves, where the drive is the 51 weights followed by
the smallest weight of each of the rig's `combinations` (how far it is reached).
`docs/viewer.md` explains the format.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import TableError
from .data_files import read_data_file

FloatArray = NDArray[np.float64]

_LEFT_AND_RIGHT = ("left", "right")


@dataclass(frozen=True)
class Curve:
    """A run of points `start:stop` of the rig; a `closed` curve returns to its first point."""

    name: str
    start: int
    stop: int
    closed: bool


@dataclass(frozen=True)
class Layer:
    """One thing to paint: `kind` says how, `path` along which curves (True: walked backwards)."""

    name: str
    kind: str
    path: tuple[tuple[Curve, bool], ...]
    paint: str
    widths: tuple[float, ...]
    offset: tuple[float, float]
    channel: int
    layers: tuple[Layer, ...]


@dataclass(frozen=True)
class Order:
    """Curve `above` stays `gap` units above `below`; `share` of a correction falls on `above`."""

    above: Curve
    below: Curve
    gap: float
    share: float


@dataclass(frozen=True)
class Bend:
    """Curves `first` and `second` share both ends and meet there in a bend: 0 corner, 1 round."""

    first: str
    second: str
    amount: float


@dataclass(frozen=True)
class Rig:
    """A rig ready to pose; all arrays are float64 and must not be written to.

    Attributes:
        version: the file's version, equal to its stem.
        view: x, y, width and height of the page in rig units (y grows downwards).
        blendshapes: the 51 ARKit names in Apple's order, which is the order of the weights.
        combinations: indices of the shapes that are corrected where they act together.
        rest: (points, 2), the neutral face.
        moves: (51 + combinations, points * 2), displacement at weight 1.
        tones: (2 * channels), opacity of every layer at rest, then width factor of every layer.
        tone_moves: (51 + combinations, 2 * channels), their change at weight 1.
        layers: what to paint, back to front.
        curves: every run of points.
        order: curves that may not cross.
        bends: curves that meet in a bend.
        paints: per name a colour, or a gradient as a description.
    """

    version: str
    view: tuple[float, float, float, float]
    blendshapes: tuple[str, ...]
    combinations: tuple[tuple[int, ...], ...]
    rest: FloatArray
    moves: FloatArray
    tones: FloatArray
    tone_moves: FloatArray
    layers: tuple[Layer, ...]
    curves: tuple[Curve, ...]
    order: tuple[Order, ...]
    bends: tuple[Bend, ...]
    paints: dict[str, str | dict[str, Any]]


@cache
def load_rig(version: str = "face-v1") -> Rig:
    """Load a packaged rig by name (read once per process).

    Raises:
        TableError: the rig is unknown or malformed; the message names the field.
    """
    return build_rig(read_data_file(version, "rig.schema.json"))


def build_rig(content: dict[str, Any]) -> Rig:
    """Unfold a rig description that follows the schema into a `Rig`.

    Raises:
        TableError: a curve, layer or shape that is named does not exist, or a list of moves or
            widths is not as long as its curve.
    """
    parts = _Parts(content)
    names = tuple(content["blendshapes"])
    shapes = dict(_sided_entries(content["shapes"]))
    if set(shapes) != set(names):
        wrong = ", ".join(sorted(set(shapes) ^ set(names)))
        raise parts.fail("shapes", f"not the same names as in blendshapes: {wrong}")
    drives = [shapes[name] for name in names]
    combinations = []
    for combination, (entry, side) in _sided_entries(content["combinations"], placeholder=True):
        combinations.append(parts.members(combination, names))
        drives.append((entry, side))
    rig = Rig(
        version=content["version"],
        view=tuple(content["view"]),
        blendshapes=names,
        combinations=tuple(combinations),
        rest=np.array(parts.points),
        moves=np.array([parts.moves(entry, side) for entry, side in drives]),
        tones=np.array(parts.tones).T.ravel(),
        tone_moves=np.array([parts.tone_moves(entry, side) for entry, side in drives]),
        layers=parts.layers,
        curves=tuple(parts.curves.values()),
        order=tuple(parts.order()),
        bends=tuple(parts.bends()),
        paints=content["paints"],
    )
    for array in (rig.rest, rig.moves, rig.tones, rig.tone_moves):
        array.setflags(write=False)
    return rig


def _sided_entries(
    entries: dict[str, Any], *, placeholder: bool = False
) -> Iterator[tuple[str, tuple[dict[str, Any], str]]]:
    """Yield (name, (entry, side)); a sided entry comes twice, named ...Left and ...Right."""
    for stem, entry in entries.items():
        if not entry.get("sided", False):
            yield stem, (entry, "left")
            continue
        for side in _LEFT_AND_RIGHT:
            tag = side.capitalize()
            yield (stem.replace("*", tag) if placeholder else f"{stem}{tag}"), (entry, side)


class _Parts:
    """The points, layers and channels of one rig while its two halves are unfolded."""

    def __init__(self, content: dict[str, Any]) -> None:
        self.content = content
        self.curves: dict[str, Curve] = {}
        self.points: list[tuple[float, float]] = []
        self.channels: dict[str, int] = {}
        self.tones: list[tuple[float, float]] = []
        for name, curve in content["curves"].items():
            self._add_curve(name, curve)
        self.layers = tuple(layer for entry in content["layers"] for layer in self._sides(entry))

    def fail(self, field: str, found: str) -> TableError:
        return TableError(f"rig {self.content['version']}: {field}: {found}")

    def members(self, combination: str, names: tuple[str, ...]) -> tuple[int, ...]:
        """Indices of the shapes in a combination such as `jawOpen + mouthClose`."""
        members = combination.split(" + ")
        for member in members:
            if member not in names:
                raise self.fail(f"combinations.{combination}", f"unknown blendshape {member!r}")
        return tuple(names.index(member) for member in members)

    # Curves: a pair is drawn twice, a span crosses the midline, a loop closes on it.

    def _add_curve(self, name: str, curve: dict[str, Any]) -> None:
        half = [(float(x), float(y)) for x, y in curve["points"]]
        mirrored = [(-x, y) for x, y in half]
        kind = curve["kind"]
        if kind in ("span", "loop") and (half[0][0] or (kind == "loop" and half[-1][0])):
            raise self.fail(f"curves.{name}", "a span starts, and a loop starts and ends, at x = 0")
        if kind == "pair":
            self._append(f"{name}.left", half, curve)
            self._append(f"{name}.right", mirrored, curve)
        elif kind == "span":
            self._append(name, [*reversed(mirrored[1:]), *half], curve)
        elif kind == "loop":
            self._append(name, [*reversed(mirrored[1:-1]), *half], {"closed": True})
        else:
            self._append(name, half, curve)

    def _append(
        self, name: str, points: list[tuple[float, float]], curve: dict[str, Any]
    ) -> None:  # fmt: skip
        start = len(self.points)
        self.points.extend(points)
        self.curves[name] = Curve(name, start, len(self.points), curve.get("closed", False))

    def _curve(self, name: str, side: str, field: str) -> Curve:
        curve = self.curves.get(name) or self.curves.get(f"{name}.{side}")
        if curve is None:
            raise self.fail(field, f"unknown curve {name!r}")
        return curve

    def order(self) -> Iterator[Order]:
        """The rules on curves that may not cross, once per side where they are pairs."""
        for entry in self.content["order"]:
            sides = _LEFT_AND_RIGHT if f"{entry['above']}.left" in self.curves else ("left",)
            for side in sides:
                above = self._curve(entry["above"], side, "order")
                below = self._curve(entry["below"], side, "order")
                if above.stop - above.start != below.stop - below.start:
                    raise self.fail("order", f"{above.name} and {below.name} differ in length")
                yield Order(above, below, float(entry["gap"]), float(entry["share"]))

    def bends(self) -> Iterator[Bend]:
        """The pairs of curves that meet in a bend."""
        for entry in self.content["round"]:
            first = self._curve(entry["first"], "left", "round")
            second = self._curve(entry["second"], "left", "round")
            yield Bend(first.name, second.name, float(entry["amount"]))

    # Layers: a layer on a pair is painted on the subject's right, then on the left.

    def _sides(self, entry: dict[str, Any]) -> list[Layer]:
        paired = any(f"{part.lstrip('-')}.left" in self.curves for part in entry["path"])
        sides = (entry["only"],) if "only" in entry else ("right", "left")
        return [self._layer(entry, side) for side in (sides if paired else ("",))]

    def _layer(self, entry: dict[str, Any], side: str) -> Layer:
        field = f"layers.{entry['name']}"
        path = tuple(
            (self._curve(part.lstrip("-"), side, field), part.startswith("-"))
            for part in entry["path"]
        )
        widths = tuple(float(width) for width in entry.get("widths", ()))
        if entry["kind"] == "ribbon":
            count = path[0][0].stop - path[0][0].start
            if len(widths) < count:  # a span: widths are written from the midline outwards
                widths = (*reversed(widths[1:]), *widths)
            if len(widths) != count:
                raise self.fail(field, f"widths do not fit the {count} points of the curve")
        channel = self._channel(f"{entry['name']}.{side}" if side else entry["name"], entry)
        children = entry.get("layers", [])
        inner = [
            layer
            for child in children
            for layer in ([self._layer(child, side)] if side else self._sides(child))
        ]
        return Layer(
            name=entry["name"],
            kind=entry["kind"],
            path=path,
            paint=entry.get("paint", ""),
            widths=widths,
            offset=tuple(entry.get("offset", (0, 0))),
            channel=channel,
            layers=tuple(inner),
        )

    def _channel(self, name: str, entry: dict[str, Any]) -> int:
        if name in self.channels:
            raise self.fail("layers", f"name {name!r} is used twice")
        self.channels[name] = len(self.tones)
        self.tones.append((float(entry.get("opacity", 1)), float(entry.get("width", 1))))
        return self.channels[name]

    # Shapes: `near` is the side in the shape's name, `far` the other, `both` a symmetric change.

    def moves(self, entry: dict[str, Any], side: str) -> FloatArray:
        """One row: the displacement (x, y) of every point, in the directions of the page."""
        row = np.zeros((len(self.points), 2))
        other = "left" if side == "right" else "right"
        flip = -1.0 if side == "right" else 1.0
        passes = [("near", side, flip), ("far", other, flip), ("both", "left", 1.0)]
        for part, acting, sign in [*passes, ("both", "right", -1.0)]:
            for name, vectors in entry.get(part, {}).get("move", {}).items():
                for i, (dx, dy) in enumerate(self._vectors(name, vectors)):
                    index, middle = self._point(name, i, acting)
                    if middle and (part == "far" or (part == "both" and acting == "right")):
                        continue  # a point on the midline belongs to the first of the two passes
                    row[index] += (0.0 if middle and part == "both" else dx * sign, dy)
        return row.ravel()

    def _vectors(self, name: str, vectors: Any) -> list[tuple[float, float]]:  # noqa: ANN401
        if name not in self.content["curves"]:
            raise self.fail("shapes", f"unknown curve {name!r}")
        count = len(self.content["curves"][name]["points"])
        if isinstance(vectors, dict):
            return [tuple(vectors["all"])] * count
        if len(vectors) != count:
            raise self.fail("shapes", f"{name} has {count} points but {len(vectors)} moves")
        return [tuple(vector) if vector else (0.0, 0.0) for vector in vectors]

    def _point(self, name: str, i: int, side: str) -> tuple[int, bool]:
        """Index of written point `i` of a curve on one side, and whether it is on the midline."""
        kind = self.content["curves"][name]["kind"]
        count = len(self.content["curves"][name]["points"])
        start = self._curve(name, side, "shapes").start
        if kind == "free":
            raise self.fail("shapes", f"{name} is a free curve and stays still")
        if kind == "pair":
            return start + i, False
        middle = start + count - (2 if kind == "loop" else 1)
        on_midline = i == 0 or (kind == "loop" and i == count - 1)
        return middle + (i if side == "left" or on_midline else -i), on_midline

    def tone_moves(self, entry: dict[str, Any], side: str) -> FloatArray:
        """One row: the change of every layer's opacity, then of every layer's width factor."""
        row = np.zeros((2, len(self.tones)))
        other = "left" if side == "right" else "right"
        for part, sides in (("near", (side,)), ("far", (other,)), ("both", _LEFT_AND_RIGHT)):
            for line, field in enumerate(("opacity", "width")):
                for name, change in entry.get(part, {}).get(field, {}).items():
                    for channel in self._layer_channels(name, sides):
                        row[line, channel] += change
        return row.ravel()

    def _layer_channels(self, name: str, sides: tuple[str, ...]) -> list[int]:
        if name in self.channels:
            return [self.channels[name]]
        sided = [f"{name}.{side}" for side in _LEFT_AND_RIGHT if f"{name}.{side}" in self.channels]
        if not sided:
            raise self.fail("shapes", f"unknown layer {name!r}")
        return [self.channels[key] for key in sided if key.rpartition(".")[2] in sides]

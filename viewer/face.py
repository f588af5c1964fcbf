"""Draw a face from 51 ARKit blendshape weights as an SVG picture.

    svg = draw_face({"mouthSmileLeft": 0.7, "mouthSmileRight": 0.7})

The geometry is data (`rigs/face-v1.json`); this module poses it and writes the SVG.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from html import escape
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import RenderError
from .paths import Line, Point, closed_curve, joined_curves, open_curve, ribbon
from .rig import Bend, Curve, FloatArray, Layer, Rig, load_rig

Blendshapes = Sequence[float] | Mapping[str, float] | NDArray[Any]

TOLERANCE = 1e-4
"""How far outside [0, 1] a weight may lie (the rounding of float32 and text) to be clamped."""

_INVISIBLE = 0.012
_MAX_SIZE = 8192


def blendshape_weights(blendshapes: Blendshapes, rig: Rig | None = None) -> FloatArray:
    """Check blendshape weights and bring them into the rig's order.

    Args:
        blendshapes: 51 weights in Apple's order, or a mapping from ARKit name to weight in which
            a missing name means 0. Each weight lies in [0, 1], give or take `TOLERANCE`.
        rig: the rig whose order counts; the packaged one by default.

    Returns:
        float64 array (51,), clamped to [0, 1].

    Raises:
        RenderError: unknown name, wrong length, a weight that is not a number or out of range;
            the message names the field.
    """
    names = (rig or load_rig()).blendshapes
    if isinstance(blendshapes, Mapping):
        unknown = [name for name in blendshapes if name not in names]
        if unknown:
            raise RenderError(
                f"unknown blendshape {unknown[0]!r}; expected ARKit names such as {names[0]!r} "
                f"(known: {', '.join(names)})"
            )
        values: list[Any] = [blendshapes.get(name, 0.0) for name in names]
    else:
        values = _flat_list(blendshapes, len(names))
    weights = [_weight(value, name) for value, name in zip(values, names, strict=True)]
    return np.array(weights)


def _flat_list(blendshapes: Any, count: int) -> list[Any]:  # noqa: ANN401
    shape = getattr(blendshapes, "shape", None)
    if shape is not None:
        if tuple(shape) != (count,):
            raise RenderError(f"expected {count} blendshape weights, found shape {tuple(shape)}")
        return list(blendshapes.tolist())
    if isinstance(blendshapes, str) or not isinstance(blendshapes, Sequence):
        found = type(blendshapes).__name__
        raise RenderError(f"expected {count} blendshape weights or a mapping, found {found}")
    if len(blendshapes) != count:
        raise RenderError(f"expected {count} blendshape weights, found {len(blendshapes)}")
    return list(blendshapes)


def _weight(value: object, name: str) -> float:
    number = float(value) if isinstance(value, Real) else math.nan
    if math.isnan(number):
        raise RenderError(f"blendshape {name}: expected a number in [0, 1], found {value!r}")
    if not -TOLERANCE <= number <= 1 + TOLERANCE:
        raise RenderError(f"blendshape {name}: expected a weight in [0, 1], found {number:g}")
    return min(max(number, 0.0), 1.0)


def draw_face(
    blendshapes: Blendshapes,
    *,
    size: int = 512,
    title: str | None = None,
    every_layer: bool = False,
) -> str:
    """Draw one face.

    Left and right are the SUBJECT's own, as in ARKit and FACS: `mouthSmileLeft` lifts the mouth
    corner on the RIGHT-hand side of the page, because the subject faces the reader.

    Args:
        blendshapes: 51 weights in Apple's order (sequence or array), or a mapping from ARKit name
            to weight; missing names are 0.
        size: width and height in pixels, 1 to 8192.
        title: accessible name of the picture (shown as a tooltip by browsers); any text.
        every_layer: write the layers that do not show, too, so that any two faces have the same
            elements in the same order and a program can move from one to the other.

    Returns:
        A complete SVG document. Equal arguments give equal text; ids inside it derive from the
        content, so that several faces can stand on one HTML page.

    Raises:
        RenderError: the weights or the size cannot be drawn; the message names the field.
    """
    rig = load_rig()
    weights = blendshape_weights(blendshapes, rig)
    check_size(size)
    if not isinstance(title, str | None):
        raise RenderError(f"title: expected text, found {type(title).__name__}")
    heading = xml_text("Face" if title is None else title)
    summary = xml_text(describe_weights(weights, rig))
    text = _Painter(rig, weights, every_layer=every_layer).paint()
    key = blake2b(f"{heading}|{text}".encode(), digest_size=5).hexdigest()
    x, y, width, height = rig.view
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{size}" height="{size}" '
        f'viewBox="{x:g} {y:g} {width:g} {height:g}" role="img" '
        f'aria-labelledby="t{key} d{key}">'
        f'<title id="t{key}">{heading}</title><desc id="d{key}">{summary}</desc>'
        + text.replace("@", key)
        + "</svg>\n"
    )


def describe_weights(weights: FloatArray, rig: Rig) -> str:
    """Say in one sentence which blendshapes are active, strongest first (for <desc>)."""
    active = [(-weight, name) for weight, name in zip(weights, rig.blendshapes, strict=True)]
    named = [f"{name} {-weight:.2f}" for weight, name in sorted(active) if weight <= -0.005]
    listing = ", ".join(named) if named else "none (neutral face)"
    return (
        "Drawing of a face seen from the front. Left and right are the subject's own: the "
        f"subject's left is on the right-hand side of the page. Active blendshapes: {listing}."
    )


def check_size(size: object) -> None:
    """Raise RenderError unless `size` is a whole number of pixels from 1 to 8192."""
    whole = isinstance(size, Integral) and not isinstance(size, bool)
    if not whole or not 1 <= size <= _MAX_SIZE:  # type: ignore[operator]
        raise RenderError(f"size: expected whole pixels from 1 to {_MAX_SIZE}, found {size!r}")


def xml_text(text: str) -> str:
    """Escape text for XML 1.0, which has no room for control characters, even as entities."""
    allowed = (c if c >= " " and c not in "\ufffe\uffff" else " " for c in text)
    clean = "".join(c for c in allowed if not "\ud800" <= c <= "\udfff")
    return escape(clean, quote=True)


class _Painter:
    """One posed face: moved points and tones, and the SVG text of the rig's layers."""

    def __init__(self, rig: Rig, weights: FloatArray, *, every_layer: bool = False) -> None:
        together = [min(weights[index] for index in shapes) for shapes in rig.combinations]
        drive = np.concatenate([weights, together])
        moved = rig.rest + (drive @ rig.moves).reshape(rig.rest.shape)
        for rule in rig.order:
            _keep_order(moved, rule.above, rule.below, rule.gap, rule.share)
        tones = rig.tones + drive @ rig.tone_moves
        self.rig, self.every_layer = rig, every_layer
        points: list[Point] = [(x, y) for x, y in moved.tolist()]
        self.lines = {c.name: _line(points[c.start : c.stop]) for c in rig.curves}
        for bend in rig.bends:
            self._go_round(bend)
        half = len(tones) // 2
        self.opacity = np.clip(tones[:half], 0.0, 1.0).tolist()
        self.width = np.clip(tones[half:], 0.0, 4.0).tolist()

    def _go_round(self, bend: Bend) -> None:
        """Let the ends of two lines that meet lean on each other, so that they meet in a bend."""
        first, second = self.lines[bend.first], self.lines[bend.second]
        for line, other in ((first, second), (second, first)):
            self.lines[bend.first if line is first else bend.second] = Line(
                line.points,
                _between(line.points[0], other.points[1], bend.amount),
                _between(line.points[-1], other.points[-2], bend.amount),
            )

    def paint(self) -> str:
        """SVG text of all layers; '@' stands where the id prefix of the picture goes."""
        definitions: list[str] = [_gradients(self.rig)]
        body = [self._layer(layer, definitions) for layer in self.rig.layers]
        return f"<defs>{''.join(definitions)}</defs>{''.join(body)}"

    def _layer(self, layer: Layer, definitions: list[str]) -> str:
        opacity = self.opacity[layer.channel]
        hidden = opacity < _INVISIBLE
        if hidden and not self.every_layer:
            return ""
        if layer.kind == "clip":
            name = f"@c{layer.channel}"
            definitions.append(
                f'<clipPath id="{name}"><path d="{self._outline(layer)}"/></clipPath>'
            )
            inner = "".join(self._layer(child, definitions) for child in layer.layers)
            unseen = ' visibility="hidden"' if hidden else ""
            return f'<g clip-path="url(#{name})"{unseen}>{inner}</g>'
        # fill-opacity, not opacity: the latter makes renderers paint each layer off-screen first.
        paint = "stroke" if layer.kind == "line" else "fill"
        faded = "" if opacity > 1 - _INVISIBLE else f' {paint}-opacity="{opacity:.2f}"'
        return f"<{self._shape(layer)}{faded}/>"

    def _shape(self, layer: Layer) -> str:
        paint = self.rig.paints[layer.paint]
        fill = paint if isinstance(paint, str) else f"url(#@{layer.paint})"
        width = self.width[layer.channel]
        if layer.kind == "ellipse":
            (x, y), (rx, ry) = self._line(*layer.path[0]).points[0], layer.widths
            x, y = x + layer.offset[0], y + layer.offset[1]
            return (
                f'ellipse cx="{x:.1f}" cy="{y:.1f}" rx="{rx * width:.1f}" '
                f'ry="{ry * width:.1f}" fill="{fill}"'
            )
        if layer.kind == "ribbon":
            return (
                f'path d="{ribbon(self._line(*layer.path[0]), layer.widths, width)}" fill="{fill}"'
            )
        if layer.kind == "line":
            return (
                f'path d="{self._outline(layer)}" fill="none" stroke="{fill}" '
                f'stroke-width="{layer.widths[0] * width:.1f}" stroke-linecap="round" '
                'stroke-linejoin="round"'
            )
        dx, dy = layer.offset
        shift = f' transform="translate({dx:g} {dy:g})"' if dx or dy else ""
        return f'path d="{self._outline(layer)}" fill="{fill}"{shift}'

    def _outline(self, layer: Layer) -> str:
        if len(layer.path) > 1:
            return joined_curves([self._line(curve, back) for curve, back in layer.path])
        curve, backwards = layer.path[0]
        line = self._line(curve, backwards)
        return closed_curve(line.points) if curve.closed else open_curve(line)

    def _line(self, curve: Curve, backwards: bool) -> Line:
        line = self.lines[curve.name]
        return line.backwards() if backwards else line


def _line(points: list[Point]) -> Line:
    return Line(points, points[0], points[-1])


def _between(start: Point, stop: Point, amount: float) -> Point:
    return (start[0] + (stop[0] - start[0]) * amount, start[1] + (stop[1] - start[1]) * amount)


def _keep_order(points: FloatArray, above: Curve, below: Curve, gap: float, share: float) -> None:
    """Push two curves apart in y wherever `below` is not at least `gap` under `above`."""
    upper = points[above.start : above.stop, 1]
    lower = points[below.start : below.stop, 1]
    excess = np.maximum(upper + gap - lower, 0.0)
    upper -= share * excess
    lower += (1.0 - share) * excess


def _gradients(rig: Rig) -> str:
    text = []
    for name, paint in rig.paints.items():
        if isinstance(paint, str):
            continue
        stops = "".join(
            f'<stop offset="{offset:g}" stop-color="{colour}" stop-opacity="{opacity:g}"/>'
            for offset, colour, opacity in paint["stops"]
        )
        kind = paint["kind"]
        place = "".join(f' {key}="{value:g}"' for key, value in paint.get("at", {}).items())
        units = ' gradientUnits="userSpaceOnUse"' if paint.get("page", False) else ""
        text.append(f'<{kind}Gradient id="@{name}"{units}{place}>{stops}</{kind}Gradient>')
    return "".join(text)

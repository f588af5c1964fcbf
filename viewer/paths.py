"""Turn moved control points into SVG path text: smooth curves and tapered ribbons.

Pure functions on lists of (x, y) pairs. Plain floats on purpose: a face has some hundred short
curves, and for so few points per curve Python arithmetic is several times faster than NumPy calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot

Point = tuple[float, float]


@dataclass(frozen=True)
class Line:
    """An open curve; `before` and `after` are the points that its ends lean on.

    An end that leans on itself leaves straight for the next point, which makes a corner where two
    lines meet; an end that leans on the other line's next point goes round the bend.
    """

    points: Sequence[Point]
    before: Point
    after: Point

    def backwards(self) -> Line:
        """The same curve walked from its end to its start."""
        return Line(self.points[::-1], self.after, self.before)


def _segments(before: Point, points: Sequence[Point], after: Point) -> str:
    """Cubic Bezier segments through `points` (uniform Catmull-Rom; ends lean on the neighbours)."""
    text = []
    padded = [before, *points, after]
    for i in range(1, len(points)):
        (ax, ay), (bx, by), (cx, cy), (dx, dy) = padded[i - 1 : i + 3]
        text.append(
            f"C{bx + (cx - ax) / 6:.1f} {by + (cy - ay) / 6:.1f} "
            f"{cx - (dx - bx) / 6:.1f} {cy - (dy - by) / 6:.1f} {cx:.1f} {cy:.1f}"
        )
    return "".join(text)


def closed_curve(points: Sequence[Point]) -> str:
    """Path text of a smooth closed curve through all points."""
    x, y = points[0]
    return f"M{x:.1f} {y:.1f}{_segments(points[-1], [*points, points[0]], points[1])}Z"


def open_curve(line: Line) -> str:
    """Path text of a smooth open curve through all points."""
    (x, y), points = line.points[0], line.points
    return f"M{x:.1f} {y:.1f}{_segments(line.before, points, line.after)}"


def joined_curves(lines: Sequence[Line]) -> str:
    """Path text of a closed outline made of open curves, with a corner where two of them meet."""
    x, y = lines[0].points[0]
    text = [f"M{x:.1f} {y:.1f}"]
    for number, line in enumerate(lines):
        x, y = line.points[0]
        if number and (x, y) != lines[number - 1].points[-1]:
            text.append(f"L{x:.1f} {y:.1f}")
        text.append(_segments(line.before, line.points, line.after))
    return "".join(text) + "Z"


def ribbon(line: Line, widths: Sequence[float], scale: float = 1.0) -> str:
    """Path text of a brush stroke along a curve, `widths[i] * scale` units wide at its point i."""
    spine = line.points
    last = len(spine) - 1
    near: list[Point] = []
    far: list[Point] = []
    for i, (x, y) in enumerate(spine):
        ax, ay = spine[max(i - 1, 0)]
        bx, by = spine[min(i + 1, last)]
        length = hypot(bx - ax, by - ay) or 1.0
        half = widths[i] * scale / 2
        nx, ny = (ay - by) / length * half, (bx - ax) / length * half
        near.append((x + nx, y + ny))
        far.append((x - nx, y - ny))
    far.reverse()
    x, y = near[0]
    return (
        f"M{x:.1f} {y:.1f}{_segments(line.before, near, line.after)}{_cap(near[-1], far[0])}"
        f"{_segments(line.after, far, line.before)}{_cap(far[-1], near[0])}Z"
    )


def _cap(start: Point, stop: Point) -> str:
    """Close the end of a ribbon: a half circle, or a straight line where the end is a tip."""
    radius = hypot(stop[0] - start[0], stop[1] - start[1]) / 2
    if radius < 1.5:
        return f"L{stop[0]:.1f} {stop[1]:.1f}"
    return f"A{radius:.1f} {radius:.1f} 0 0 0 {stop[0]:.1f} {stop[1]:.1f}"

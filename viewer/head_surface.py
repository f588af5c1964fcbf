"""The bare surface of the 3-D head: an egg lofted through stations, with bumps for its features.

Everything here is in millimetres, in the head's own frame: x to the subject's left, y up, z
forward, the line of the eyes at y = 0. The numbers come from `heads/head-v1.json`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline, PchipInterpolator

Floats = NDArray[np.float64]


class Surface:
    """The skull and face before anything is cut into it.

    A point is named by its angle round the vertical axis (0 in front, pi/2 at the left ear, pi at
    the back) and its height, the distance in mm along the stations from the crown (0) downwards.

    Args:
        data: The head file's content.
    """

    def __init__(self, data: Mapping[str, Any]) -> None:
        rows = np.array(data["profile"]["stations"])
        y, width, front, middle, back, square = rows.T
        steps = np.hypot(np.hypot(np.diff(y), np.diff(width)), np.diff(front) * 0.5)
        along = np.concatenate([[0.0], np.cumsum(steps)])
        self.length = float(along[-1])
        self._y = PchipInterpolator(along, y)
        self._station = CubicSpline(along, np.stack([width, front, middle, back, square], axis=1))
        table = np.linspace(0.0, self.length, 2000)
        self._table = (self._y(table)[::-1], table[::-1])
        ridge = np.array(data["nose"]["ridge"])
        self._ridge = PchipInterpolator(ridge[::-1, 0], ridge[::-1, 1:])
        self._ridge_span = (float(ridge[-1, 0]), float(ridge[0, 0]))
        self._sharpness = float(data["nose"]["sharpness"])
        self._bumps = data["bumps"]

    def at(self, angle: Floats, height: Floats) -> Floats:
        """Points of the plain egg, without features; arrays of one shape -> (..., 3)."""
        width, front, middle, back, square = np.moveaxis(self._station(height), -1, 0)
        sine, cosine = np.abs(np.sin(angle)), np.cos(angle)
        power = 2.0 / np.where(cosine > 0, square, 2.0)
        depth = np.where(cosine > 0, front - middle, middle - back)
        x = width * np.sign(np.sin(angle)) * sine**power
        z = middle + np.sign(cosine) * np.maximum(depth, 0.0) * np.abs(cosine) ** power
        return np.stack([np.where(np.isclose(sine, 0), 0.0, x), self._y(height), z], axis=-1)

    def place(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Angle and height of the point of the front half that is seen at (x, y)."""
        height = np.interp(y, *self._table)
        width, square = self._station(height)[..., 0], self._station(height)[..., 4]
        share = np.clip(np.abs(x) / np.maximum(width, 1e-6), 0.0, 1.0)
        return np.sign(x) * np.arcsin(share ** (square / 2.0)), height

    def front(self, x: Floats, y: Floats) -> Floats:
        """Points of the featured face seen at (x, y): (..., 3)."""
        return self.featured(self.at(*self.place(np.asarray(x, float), np.asarray(y, float))))

    def featured(self, points: Floats) -> Floats:
        """Add the nose and the bumps to points (n, 3) of the egg, fading out towards the ears."""
        x, y = points[..., 0], points[..., 1]
        facing = smooth((points[..., 2] - 5.0) / 30.0)
        moved = points.copy()
        moved[..., 2] += facing * self._nose(x, y)
        for bump in self._bumps:
            moved += facing[..., None] * self._bump(bump, x, y)
        return moved

    def _nose(self, x: Floats, y: Floats) -> Floats:
        low, high = self._ridge_span
        height, width = np.moveaxis(self._ridge(np.clip(y, low, high)), -1, 0)
        inside = (y > low) & (y < high)
        return inside * height * np.exp(-((np.abs(x) / width) ** self._sharpness))

    def _bump(self, bump: Mapping[str, Any], x: Floats, y: Floats) -> Floats:
        total = np.zeros((*x.shape, 3))
        centre = float(bump["at"][0])
        for side in (1.0, -1.0) if centre > 0 else (1.0,):
            weight = bell(x, y, (side * centre, bump["at"][1]), bump["size"])
            total += weight[..., None] * np.array(bump["push"]) * (side, 1.0, 1.0)
        return total


def smooth(value: Floats) -> Floats:
    """The smooth step from 0 at 0 to 1 at 1."""
    t = np.clip(value, 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def bell(x: Floats, y: Floats, at: Any, size: Any) -> Floats:  # noqa: ANN401 - two numbers each
    """A round hill of height 1 that ends at twice its `size`, exactly."""
    far = ((x - at[0]) / (2 * size[0])) ** 2 + ((y - at[1]) / (2 * size[1])) ** 2
    return np.maximum(1.0 - far, 0.0) ** 4


def linear_colour(text: str) -> Floats:
    """A web colour such as #e8b08c as linear RGB (3,), which is what glTF wants."""
    srgb = np.array([int(text[i : i + 2], 16) for i in (1, 3, 5)]) / 255.0
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)

"""What each ARKit shape does to the 3-D head: fields over the face, from the head file.

A shape is a list of moves, and its displacement is their sum. The kinds of moves:

- `push`: everything near a place goes the same way.
- `squeeze`: everything near a place comes nearer to it (or goes away), in x and y.
- `turn`: the jaw turns round its hinge.
- `undo`: the lips take back what the jaw's turn did, the lower one by `share`.
- `lids`: the lids shut by a fraction (1: they meet; negative: they open wide).
- `gaze`: the eyeball turns.

`on` narrows a move to what hangs on the upper or the lower lip and jaw.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .head_surface import Floats, bell, smooth

Move = Mapping[str, Any]

_TOUCH = 1.2  # mm: the line on which the lips meet is that near to its height


@dataclass(frozen=True)
class Rigged:
    """The whole head as the moves see it; n points in mm.

    Attributes:
        rest: (n, 3).
        rig: (n,) text: "skin", "jaw", "gaze" or "none".
        lip: (n,) 1 upper lip, -1 lower, 0 elsewhere.
        lids: (n, 2, 3) displacement when the upper, the lower lid shuts.
        follow: (n,) whose displacement a point takes.
        mirror: (n,) the point on the other side.
    """

    rest: Floats
    rig: NDArray[np.str_]
    lip: Floats
    lids: Floats
    follow: NDArray[np.int64]
    mirror: NDArray[np.int64]


class Mover:
    """Displacements of one head.

    Args:
        data: The head file's content.
        head: Its points.
    """

    def __init__(self, data: Mapping[str, Any], head: Rigged) -> None:
        self._data, self._head = data, head
        self._x, self._y, self._z = head.rest.T
        self._skin = head.rig == "skin"
        self._jaw = (head.rig == "jaw") | self._skin
        self._lower = self._lower_share()
        self._kinds: dict[str, Callable[[Move, float], Floats]] = {
            "push": self._push,
            "squeeze": self._squeeze,
            "turn": self._turn,
            "undo": self._undo,
            "lids": self._lids,
            "gaze": self._gaze,
        }

    def shape(self, name: str) -> Floats:
        """Displacement (n, 3) in mm of one shape at weight 1."""
        shapes = self._data["shapes"]
        if name in shapes:
            moves = shapes[name]["moves"]
            if name.endswith("Left"):
                total = self._sum(moves, (1.0,)) * self._near_share(moves)[:, None]
            else:
                total = self._sum(moves, (1.0, -1.0))
            return total[self._head.follow]
        return self.shape(name.removesuffix("Right") + "Left")[self._head.mirror] * (-1, 1, 1)

    def _sum(self, moves: list[Move], sides: tuple[float, ...]) -> Floats:
        total = np.zeros_like(self._head.rest)
        for move in moves:
            central = "at" not in move or move["at"][0] == 0
            for side in sides[:1] if central and move["kind"] not in ("lids", "gaze") else sides:
                total += self._kinds[move["kind"]](move, side)
        return total

    def _near_share(self, moves: list[Move]) -> Floats:
        """1 on the left, 0 on the right, for shapes of one side; 1 for what moves the midline."""
        if any(move.get("across") for move in moves):
            return np.ones_like(self._x)
        return smooth((self._x + 7.0) / 14.0)

    def _lower_share(self) -> Floats:
        """0 for what hangs on the skull, 1 on the jaw; the corner of the mouth is half."""
        half, middle = self._data["mouth"]["half_width"], self._data["mouth"]["at"][1]
        wide = np.abs(self._x)
        line = middle + 0.85 * np.maximum(wide - half, 0.0)
        reach = 0.5 + 0.9 * np.maximum(wide - half + 5.0, 0.0)
        above = np.clip((self._y - line) / reach, -1.0, 1.0)
        sure = smooth((half + 0.3 - wide) / 7.0)
        lip = self._head.lip
        above = np.where(lip == 0, above, above * (1.0 - sure) + np.sign(lip) * sure)
        inner = (self._head.rig == "jaw") & (lip != 0)
        above = np.where(inner, np.clip(lip * 1.5, -1, 1), above)
        return (1.0 - smooth((above + 1.0) / 2.0)) * smooth((self._z + 20.0) / 45.0)

    def _weight(self, move: Move, side: float) -> Floats:
        share = np.where(self._jaw if move.get("on") == "jaw" else self._skin, 1.0, 0.0)
        if move.get("on") in ("lower", "jaw"):
            share = share * self._lower
        elif move.get("on") == "upper":
            share = share * (1.0 - self._lower)
        if "at" not in move:
            return share
        at = (side * move["at"][0], move["at"][1])
        if move.get("flat"):
            far = np.hypot((self._x - at[0]) / move["size"][0], (self._y - at[1]) / move["size"][1])
            return share * (1.0 - smooth(far - 1.0)) * (self._z > 0)
        return share * bell(self._x, self._y, at, move["size"]) * (self._z > 0)

    def _push(self, move: Move, side: float) -> Floats:
        return self._weight(move, side)[:, None] * np.array(move["by"]) * (side, 1.0, 1.0)

    def _squeeze(self, move: Move, side: float) -> Floats:
        weight = self._weight(move, side)
        kx, ky = move["by"]
        pull = np.zeros_like(self._head.rest)
        pull[:, 0] = -kx * weight * (self._x - side * move["at"][0])
        rise = self._y - move["at"][1]
        # one lip alone: where the lips touch, it stays, or a gap would open
        held = _TOUCH if "on" in move else 0.0
        pull[:, 1] = -ky * weight * np.sign(rise) * np.maximum(np.abs(rise) - held, 0.0)
        return pull

    def _turned(self) -> Floats:
        """How the jaw's turn would move every point, had the jaw all of them."""
        jaw = self._data["jaw"]
        angle = np.radians(jaw["degrees"])
        y, z = self._y - jaw["hinge"][0], self._z - jaw["hinge"][1]
        down = y * np.cos(angle) - z * np.sin(angle) - y
        back = y * np.sin(angle) + z * np.cos(angle) - z
        return np.stack([np.zeros_like(y), down, back], axis=1)

    def _turn(self, move: Move, side: float) -> Floats:
        return (self._lower * self._jaw * move["share"])[:, None] * self._turned()

    def _undo(self, move: Move, side: float) -> Floats:
        weight = self._weight(move, side)
        share = float(move["share"])
        part = (1.0 - share) * (1.0 - self._lower) - share * self._lower
        return (weight * part)[:, None] * self._turned()

    def _lids(self, move: Move, side: float) -> Floats:
        here = (np.sign(self._x) == side)[:, None]
        return here * (
            move["upper"] * self._head.lids[:, 0] + move["lower"] * self._head.lids[:, 1]
        )

    def _gaze(self, move: Move, side: float) -> Floats:
        eye = np.array(self._data["eye"]["centre"]) * (side, 1.0, 1.0)
        here = (self._head.rig == "gaze") & (np.sign(self._x) == side)
        yaw, pitch = np.radians(move["yaw"]) * side, np.radians(move["pitch"])
        turn = np.array(
            [[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]]
        ) @ np.array(
            [[1, 0, 0], [0, np.cos(pitch), np.sin(pitch)], [0, -np.sin(pitch), np.cos(pitch)]]
        )
        from_eye = self._head.rest - eye
        return here[:, None] * (from_eye @ turn.T - from_eye)

"""The vocabulary of the room: FACS codes, intensity letters, and the shapes of the ARKit rig.

Both lists are data (``tables/facs-v1.json``, ``tables/arkit-51.json``) with their sources.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from .table_files import TABLES, read_table


@dataclass(frozen=True)
class FacsCode:
    """One code that an action unit may carry.

    Attributes:
        code: The FACS number as text, or ``MS``, a code of ours.
        name: Its FACS name.
        no_shape: Why no ARKit blendshape can show it, or None.
    """

    code: str
    name: str
    no_shape: str | None = None


@dataclass(frozen=True)
class Intensity:
    """One FACS intensity letter.

    Attributes:
        letter: ``A`` to ``E``.
        value: What it is worth, in (0, 1].
        low: The weakest strength that is read back as this letter.
        high: The strongest one.
    """

    letter: str
    value: float
    low: float
    high: float


_FACS = read_table(TABLES / "facs-v1.json", "facs-vocabulary")
_RIG = read_table(TABLES / "arkit-51.json", "rig")

FACS_CODES: Mapping[str, FacsCode] = MappingProxyType(
    {row["code"]: FacsCode(row["code"], row["name"], row.get("no_shape")) for row in _FACS["codes"]}
)
"""Every code that can be written, by its text (``"12"``)."""

INTENSITY_BANDS: tuple[Intensity, ...] = tuple(
    Intensity(row["letter"], row["value"], *row["band"]) for row in _FACS["intensities"]
)
"""The five letters from weakest to strongest. Source: ``tables/facs-v1.json``."""

INTENSITIES: Mapping[str, float] = MappingProxyType(
    {intensity.letter: intensity.value for intensity in INTENSITY_BANDS}
)
"""Letter to value: A .10, B .30, C .55, D .80, E 1.0 (facs-v1: the middle of each band)."""

FULL_INTENSITY = 1.0
"""The value of an action unit without a letter: full weight, as in the paper."""

ARKIT_51: tuple[str, ...] = tuple(_RIG["blendshapes"])
"""The 51 blendshapes in the order of Apple's documentation, eyeBlinkLeft to noseSneerRight."""

_SUFFIXES = {"L": "Left", "R": "Right"}


def side_of(blendshape: str) -> str | None:
    """The side of a blendshape: ``"L"``, ``"R"``, or None for a shape on the midline.

    jawLeft and mouthLeft count as left: they move the midline to that side.
    """
    return next((side for side, end in _SUFFIXES.items() if blendshape.endswith(end)), None)


def mirrored_shape(blendshape: str) -> str:
    """The blendshape that a mirror shows: Left and Right swapped, midline shapes unchanged."""
    side = side_of(blendshape)
    if side is None:
        return blendshape
    other = "R" if side == "L" else "L"
    return blendshape.removesuffix(_SUFFIXES[side]) + _SUFFIXES[other]

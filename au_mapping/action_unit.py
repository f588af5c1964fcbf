"""An action unit as it is written: ``AU12``, ``AU12B``, ``AUL12B``.

Grammar: ``[AU|AD] [L|R] code [A-E]``, without spaces, in upper or lower case. The prefix may be
left out, and AD (FACS's word for an action *descriptor*) means the same as AU. The code is a FACS
number, with a leading zero if it must (``AU06``, as OpenFace prints it), or ``MS``, our own code
for a shift of the mouth, which has no FACS number. Canonical text is upper case, with the prefix AU
(none for MS) and without leading zeros; ``str`` prints it and ``parse`` reads it back.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from ..errors import ActionUnitError
from .vocabulary import FACS_CODES, FULL_INTENSITY, INTENSITIES

_PATTERN = re.compile(r"(?:A[UD])?([LR])?(MS|[0-9]{1,3})([A-Z])?", re.IGNORECASE | re.ASCII)
_SIDES = ("L", "R")
_HOW_TO_WRITE = "write for example AU12, AU12B or AUL12B"


@dataclass(frozen=True, slots=True)
class ActionUnit:
    """One FACS action unit with its intensity and its side.

    Attributes:
        code: The FACS number as text without leading zeros (``"12"``; an int is taken too), or
            ``"MS"``.
        intensity: FACS letter ``"A"`` (trace) to ``"E"`` (maximum), or None for full weight.
        side: ``"L"`` or ``"R"``, the subject's own left or right, or None for both.

    Raises:
        ActionUnitError: A field is none of these.
    """

    code: str
    intensity: str | None = None
    side: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "code", str(self.code))
        if self.code not in FACS_CODES:
            raise ActionUnitError(f"{self.code!r} is not the number of a FACS action unit")
        if self.intensity is not None and self.intensity not in INTENSITIES:
            raise _bad_letter(str(self.intensity), self.code)
        if self.side is not None and self.side not in _SIDES:
            raise ActionUnitError(f"bad side {self.side!r}: expected 'L', 'R' or None for both")

    @classmethod
    def parse(cls, text: str) -> ActionUnit:
        """Read an action unit from text; see the module for the grammar.

        Raises:
            ActionUnitError: The text is no action unit, its number is not FACS's, or its letter
                is not one of A to E.
        """
        if not isinstance(text, str):
            raise ActionUnitError(
                f"not an action unit: {_shown(text)} is not text; {_HOW_TO_WRITE}"
            )
        return _parse(text)

    @property
    def id(self) -> str:
        """The unit without intensity and side, as tables list it: ``"AU12"`` (``"MS"``)."""
        return unit_id(self.code)

    @property
    def value(self) -> float:
        """Intensity in (0, 1]: A .10, B .30, C .55, D .80, E 1.0; 1.0 without a letter."""
        return FULL_INTENSITY if self.intensity is None else INTENSITIES[self.intensity]

    def __str__(self) -> str:
        prefix = "AU" if self.code.isdigit() else ""
        return f"{prefix}{self.side or ''}{self.code}{self.intensity or ''}"


def unit_id(code: str) -> str:
    """The id of a code: ``"12"`` gives ``"AU12"``, ``"MS"`` stays."""
    return f"AU{code}" if code.isdigit() else code


# Bounded, because the texts that parse are many but finite while those that fail are not cached.
@lru_cache(maxsize=8192)
def _parse(text: str) -> ActionUnit:
    match = _PATTERN.fullmatch(text)
    if match is None:
        raise ActionUnitError(f"not an action unit: {_shown(text)}; {_HOW_TO_WRITE}")
    side, code, letter = (part.upper() if part else None for part in match.groups())
    assert code is not None
    code = code.lstrip("0") or "0"
    if code not in FACS_CODES:
        raise ActionUnitError(
            f"unknown action unit {_shown(text)}: FACS has no number {code}; FACS has "
            f"{', '.join(_number_ranges())}"
        )
    if letter is not None and letter not in INTENSITIES:
        raise _bad_letter(letter, text)
    return ActionUnit(code, letter, side)


def _bad_letter(letter: str, text: str) -> ActionUnitError:
    return ActionUnitError(
        f"bad intensity letter {letter!r} in {_shown(text)}: "
        "expected A (trace) to E (maximum), or none for full weight"
    )


def _number_ranges() -> list[str]:
    """The FACS numbers as short ranges: 1-2, 4-46, ..."""
    numbers = sorted(int(code) for code in FACS_CODES if code.isdigit())
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return [f"{first}-{last}" if last > first else f"{first}" for first, last in ranges]


def _shown(value: object) -> str:
    """The value as an error message quotes it: one line, at most 40 characters."""
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."

"""Set captions under faces: drawable characters, pixel widths and line breaks.

The font is the one that Pillow brings along (Aileron, a subset with ASCII and little more), so
that no system font is needed. Characters it lacks are folded to their plain letter where there is
one (e for é, - for a dash) and shown as ? otherwise; pass another font file for other scripts.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from pathlib import Path

from PIL import ImageFont

from ..errors import RenderError

CaptionFont = ImageFont.FreeTypeFont

MAX_LINES = 6
"""Captions longer than this many lines end in an ellipsis."""

_DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212"
_FOLDS = {
    **dict.fromkeys(map(ord, _DASHES), "-"),
    **str.maketrans({"ß": "ss", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "æ": "ae", "Æ": "AE"}),
}


@lru_cache(maxsize=32)
def caption_font(size: int, font: str | Path | None = None) -> CaptionFont:
    """Pillow's bundled font, or a font file, at `size` pixels.

    Raises:
        RenderError: the file is not a readable font.
    """
    try:
        loaded = ImageFont.truetype(font, size) if font else ImageFont.load_default(size)
    except OSError as error:
        raise RenderError(f"font {font}: expected a TrueType or OpenType file ({error})") from error
    if not isinstance(loaded, ImageFont.FreeTypeFont):
        raise RenderError("Pillow was built without FreeType; install a Pillow wheel from PyPI")
    return loaded


@lru_cache(maxsize=4096)
def _has_glyph(font: CaptionFont, character: str) -> bool:
    if character == " ":
        return True
    missing = font.getmask("\U0010fffe")
    found = font.getmask(character)
    return (found.size, bytes(found)) != (missing.size, bytes(missing))


def drawable_text(text: str, font: CaptionFont) -> str:
    """Replace what the font cannot draw, and fold line ends and control characters to spaces."""
    plain = "".join(c if unicodedata.category(c)[0] not in "CZ" else " " for c in text)
    if not plain.isascii():
        pieces = [c if _has_glyph(font, c) else _folded(c, font) for c in plain]
        plain = "".join(pieces)
    return " ".join(plain.split())


def _folded(character: str, font: CaptionFont) -> str:
    base = unicodedata.normalize("NFKD", character.translate(_FOLDS))
    if all(unicodedata.combining(c) for c in base):
        return ""
    letters = "".join(c for c in base if not unicodedata.combining(c))
    return letters if all(_has_glyph(font, c) for c in letters) else "?"


def wrap_caption(text: str, font: CaptionFont, width: float) -> list[str]:
    """Break a caption into lines at most `width` pixels wide; words longer than a line are cut."""
    lines: list[str] = []
    line = ""
    for word in drawable_text(text, font).split():
        wider = f"{line} {word}".strip()
        if font.getlength(wider) <= width:
            line = wider
            continue
        if line:
            lines.append(line)
        *full, line = _cut(word, font, width)
        lines.extend(full)
        if len(lines) > MAX_LINES:
            break
    if line:
        lines.append(line)
    if len(lines) > MAX_LINES:
        lines = [*lines[: MAX_LINES - 1], _shortened(lines[MAX_LINES - 1], font, width)]
    return lines


def _cut(word: str, font: CaptionFont, width: float) -> list[str]:
    pieces = [""]
    for character in word:
        if pieces[-1] and font.getlength(pieces[-1] + character) > width:
            pieces.append("")
        pieces[-1] += character
    return pieces


def _shortened(line: str, font: CaptionFont, width: float) -> str:
    while line and font.getlength(line + "...") > width:
        line = line[:-1]
    return line.rstrip() + "..."

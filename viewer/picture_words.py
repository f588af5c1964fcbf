"""Words inside a picture file: what it shows, for those who do not see it.

    described_png(png, "A warm smile", "Drawing of a face seen from the front. ...")

A PNG carries them as its `Title` and `Description` (iTXt, UTF-8), where exiftool, browsers'
downloads and picture archives find them.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER_END = len(_SIGNATURE) + 25  # length, type, 13 bytes and checksum of IHDR
_LONGEST = 2_000


def described_png(png: bytes, title: str, description: str) -> bytes:
    """The same picture with a title and a description; an empty one is left out.

    Args:
        png: PNG bytes.
        title: Any text; cut at 2,000 characters.
        description: Any text; cut at 2,000 characters.
    """
    words = (("Title", title), ("Description", description))
    chunks = b"".join(_text_chunk(name, text) for name, text in words if text)
    return png[:_HEADER_END] + chunks + png[_HEADER_END:]


def faces_in_words(captions: Sequence[str] | None, count: int) -> str:
    """What a grid of faces shows, in a sentence or two; captions are optional."""
    named = "; ".join(caption for caption in captions or () if caption)
    faces = "One drawn face" if count == 1 else f"{count} drawn faces"
    sides = "Left and right are the subject's own."
    return f"{faces}, row by row: {named}. {sides}" if named else f"{faces}. {sides}"


def _text_chunk(keyword: str, text: str) -> bytes:
    clean = text[:_LONGEST].replace("\0", " ").encode("utf-8", "replace")
    body = b"iTXt" + keyword.encode() + b"\0\0\0\0\0" + clean
    return struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))

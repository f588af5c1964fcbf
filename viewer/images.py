"""Faces as PNG, and several faces in one captioned picture (PNG or SVG), written atomically."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from numbers import Real
from pathlib import Path
from typing import Any, cast

import resvg_py
from PIL import Image, ImageDraw

from ..errors import RenderError
from .captions import CaptionFont, caption_font, wrap_caption
from .data_files import write_whole
from .face import (
    Blendshapes,
    blendshape_weights,
    check_size,
    describe_weights,
    draw_face,
    xml_text,
)
from .picture_words import described_png, faces_in_words
from .rig import load_rig

Faces = Sequence[Blendshapes]

_PAPER = "#fffaf2"
_INK = "#3b2733"
_MAX_PIXELS = 120_000_000


def render_png(svg: str, size: int = 512) -> bytes:
    """Turn an SVG picture without text into PNG bytes, `size` pixels wide.

    Runs in process (resvg), with no system library and no system font: SVG <text> is not drawn.

    Raises:
        RenderError: the text is not an SVG document, or the size is out of range.
    """
    check_size(size)
    try:
        return resvg_py.svg_to_bytes(svg_string=svg, width=size, skip_system_fonts=True)
    except ValueError as error:
        raise RenderError(f"svg: expected an SVG document, found: {error}") from error


@dataclass(frozen=True)
class _Layout:
    """Where the faces and captions of a grid go, in pixels."""

    size: int
    gap: int
    cells: list[tuple[int, int, list[str]]]
    title: list[str]
    font: CaptionFont
    title_font: CaptionFont
    width: int
    height: int

    @property
    def line_height(self) -> int:
        return round(self.font.size * 1.3)

    @property
    def title_height(self) -> int:
        return round(self.title_font.size * 1.3)


def face_grid(
    faces: Faces,
    captions: Sequence[str] | None = None,
    columns: int | None = None,
    *,
    size: int = 256,
    title: str | None = None,
    font: str | Path | None = None,
) -> bytes:
    """Draw faces row by row, each with its caption below, as one PNG.

    Args:
        faces: blendshape weights of each face (see `draw_face`), or an array (n, 51).
        captions: one text per face; long ones are wrapped, at most six lines are shown.
        columns: faces per row; about square by default.
        size: width and height of one face in pixels.
        title: a heading above the grid.
        font: a TrueType file for scripts that the bundled Latin font lacks.

    Returns:
        PNG bytes (RGB).

    Raises:
        RenderError: no faces, captions that do not match them, or a face that cannot be drawn; the
            message says which.
    """
    layout = _grid_layout(_count(faces), captions, columns, size, title, font)
    picture = Image.new("RGB", (layout.width, layout.height), _PAPER)
    pen = ImageDraw.Draw(picture)
    mask = _rounded_mask(size)
    for line, y in _title_lines(layout):
        pen.text((layout.width / 2, y), line, fill=_INK, font=layout.title_font, anchor="ma")
    for svg, (x, y, lines) in zip(_drawn(faces, size, None), layout.cells, strict=True):
        tile = Image.open(io.BytesIO(render_png(svg, size))).convert("RGB")
        picture.paste(tile, (x, y), mask)
        for number, line in enumerate(lines):
            place = (x + size / 2, y + size + layout.gap // 2 + number * layout.line_height)
            pen.text(place, line, fill=_INK, font=layout.font, anchor="ma")
    stream = io.BytesIO()
    picture.save(stream, "PNG", optimize=True)
    return stream.getvalue()


def face_strip(
    faces: Faces,
    captions: Sequence[str] | None = None,
    *,
    size: int = 160,
    title: str | None = None,
    font: str | Path | None = None,
) -> bytes:
    """Draw faces in one row, as for a path through latent space; see `face_grid`."""
    return face_grid(faces, captions, _count(faces), size=size, title=title, font=font)


def save_image(
    path: str | Path,
    faces: Blendshapes | Faces,
    captions: str | Sequence[str] | None = None,
    *,
    columns: int | None = None,
    size: int | None = None,
    title: str | None = None,
) -> Path:
    """Write one face, or several as a grid, to a .svg or .png file (through a temporary file).

    Either file says in words what it shows: an SVG in <title> and <desc>, a PNG in its `Title` and
    `Description`.

    Args:
        path: the file to write; an existing one is replaced.
        faces: the weights of one face, or of several (see `face_grid`).
        captions: one text per face. With a single face it becomes the SVG's title.
        columns: faces per row of a grid.
        size: pixels per face; 512 for one face, 256 in a grid.
        title: a heading above a grid, or the accessible name of a single face.

    Returns:
        The path written.

    Raises:
        RenderError: unknown suffix, unwritable folder, or a face that cannot be drawn.
    """
    target = Path(path)
    suffix = target.suffix.lower()
    if suffix not in (".svg", ".png"):
        raise RenderError(f"{target}: expected a file name ending in .svg or .png")
    group = cast(Faces, [faces] if _is_one_face(faces) else faces)
    texts = [captions] if isinstance(captions, str) else captions
    if _count(group) == 1 and title is None:
        _check_captions(texts, 1)
        content = _one_face(group[0], suffix, size or 512, texts[0] if texts else None)
    else:
        content = _many_faces(group, texts, suffix, columns, size or 256, title)
    _write(target, content)
    return target


def _one_face(face: Blendshapes, suffix: str, size: int, title: str | None) -> bytes:
    svg = draw_face(face, size=size, title=title)
    if suffix == ".svg":
        return svg.encode()
    shown = describe_weights(blendshape_weights(face), load_rig())
    return described_png(render_png(svg, size), title or "Face", shown)


def _many_faces(
    faces: Faces,
    captions: Sequence[str] | None,
    suffix: str,
    columns: int | None,
    size: int,
    title: str | None,
) -> bytes:
    if suffix == ".svg":
        return _grid_svg(faces, captions, columns, size, title).encode()
    png = face_grid(faces, captions, columns, size=size, title=title)
    return described_png(png, title or "Faces", faces_in_words(captions, len(faces)))


def _is_one_face(faces: Any) -> bool:  # noqa: ANN401
    if hasattr(faces, "keys"):
        return True
    if hasattr(faces, "shape"):
        return len(faces.shape) == 1
    return isinstance(faces, Sequence) and len(faces) > 0 and isinstance(faces[0], Real)


def _count(faces: Faces) -> int:
    try:
        count = len(faces)
    except TypeError as error:
        raise RenderError(f"faces: expected a list of faces, found {faces!r:.60}") from error
    if count == 0:
        raise RenderError("faces: expected at least one face, found none")
    return count


def _check_captions(captions: Sequence[str] | None, count: int) -> None:
    if captions is not None and len(captions) != count:
        raise RenderError(f"captions: expected one per face ({count}), found {len(captions)}")


def _drawn(faces: Faces, size: int, captions: Sequence[str] | None) -> list[str]:
    """SVG of every face; an error says which face it is about."""
    drawn = []
    for number in range(len(faces)):
        try:
            title = captions[number] if captions else None
            drawn.append(draw_face(faces[number], size=size, title=title))
        except RenderError as error:
            raise RenderError(f"face {number + 1} of {len(faces)}: {error}") from error
    return drawn


def _grid_layout(
    count: int,
    captions: Sequence[str] | None,
    columns: int | None,
    size: int,
    title: str | None,
    font: str | Path | None = None,
) -> _Layout:
    check_size(size)
    _check_captions(captions, count)
    columns = math.ceil(math.sqrt(count)) if columns is None else columns
    if columns < 1:
        raise RenderError(f"columns: expected at least 1, found {columns}")
    columns = min(columns, count)
    gap = max(6, size // 16)
    text = caption_font(max(11, size // 14), font)
    heading = caption_font(max(14, size // 10), font)
    width = columns * size + (columns + 1) * gap
    title_lines = wrap_caption(title, heading, width - 2 * gap) if title else []
    wrapped = [wrap_caption(c, text, size) for c in captions] if captions else [[]] * count
    y = gap + (round(heading.size * 1.3) * len(title_lines) + gap if title_lines else 0)
    cells: list[tuple[int, int, list[str]]] = []
    for start in range(0, count, columns):
        row = wrapped[start : start + columns]
        cells += [(gap + i * (size + gap), y, lines) for i, lines in enumerate(row)]
        tallest = max(len(lines) for lines in row)
        y += size + gap + (tallest * round(text.size * 1.3) + gap // 2 if tallest else 0)
    if width * y > _MAX_PIXELS:
        raise RenderError(f"picture of {width} x {y} pixels is too large; lower size ({size})")
    return _Layout(size, gap, cells, title_lines, text, heading, width, y)


def _title_lines(layout: _Layout) -> list[tuple[str, int]]:
    return [(t, layout.gap + i * layout.title_height) for i, t in enumerate(layout.title)]


def _rounded_mask(size: int) -> Image.Image:
    large = Image.new("L", (size * 4, size * 4), 0)
    corners = (0, 0, size * 4 - 1, size * 4 - 1)
    ImageDraw.Draw(large).rounded_rectangle(corners, radius=size // 4, fill=255)
    return large.resize((size, size), Image.Resampling.LANCZOS)


def _grid_svg(
    faces: Faces,
    captions: Sequence[str] | None,
    columns: int | None,
    size: int,
    title: str | None,
) -> str:
    """The grid as one SVG: faces stay vectors, captions are text in the reader's own font."""
    layout = _grid_layout(len(faces), captions, columns, size, title)
    heading, words = xml_text(title or "Faces"), xml_text(faces_in_words(captions, len(faces)))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{layout.width}" height="{layout.height}" '
        f'viewBox="0 0 {layout.width} {layout.height}" font-family="sans-serif" '
        f'text-anchor="middle" fill="{_INK}" role="img" aria-label="{heading}. {words}">'
        f"<title>{heading}</title><desc>{words}</desc>"
        f'<rect width="{layout.width}" height="{layout.height}" fill="{_PAPER}"/>'
    ]
    for line, y in _title_lines(layout):
        parts.append(_svg_text(layout.width / 2, y, line, layout.title_font.size))
    for svg, (x, y, lines) in zip(_drawn(faces, size, captions), layout.cells, strict=True):
        parts.append(svg.replace("<svg ", f'<svg x="{x}" y="{y}" ', 1))
        for number, line in enumerate(lines):
            below = y + size + layout.gap // 2 + number * layout.line_height
            parts.append(_svg_text(x + size / 2, below, line, layout.font.size))
    return "".join(parts) + "</svg>\n"


def _svg_text(x: float, y: float, line: str, size: float) -> str:
    return f'<text x="{x:g}" y="{y + size:g}" font-size="{size:g}">{escape(line)}</text>'


def _write(target: Path, content: bytes) -> None:
    try:
        write_whole(target, content)
    except OSError as error:
        reason = error.strerror or error
        raise RenderError(
            f"{target}: cannot write the picture ({reason}); check the folder"
        ) from error

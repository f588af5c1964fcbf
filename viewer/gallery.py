"""Draw the gallery of named expressions (`rigs/gallery-v1.json`) as one captioned picture.

python -m countenance.viewer.gallery --out docs/images/emotions.png
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from ..errors import CountenanceError, RenderError
from .data_files import read_data_file
from .face import blendshape_weights
from .images import save_image


@cache
def _expressions(version: str) -> tuple[tuple[str, tuple[tuple[str, float], ...]], ...]:
    content = read_data_file(version, "gallery.schema.json")
    expressions = []
    for entry in content["expressions"]:
        weights = _both_sides(entry["blendshapes"])
        try:
            blendshape_weights(weights)
        except RenderError as error:
            raise RenderError(f"{version}: expression {entry['caption']!r}: {error}") from error
        expressions.append((entry["caption"], tuple(weights.items())))
    return tuple(expressions)


def load_gallery(version: str = "gallery-v1") -> dict[str, dict[str, float]]:
    """Blendshape weights of the gallery's expressions, by caption, in the gallery's order.

    Raises:
        TableError: the gallery is unknown or malformed.
        RenderError: an expression names an unknown blendshape.
    """
    return {caption: dict(weights) for caption, weights in _expressions(version)}


def _both_sides(weights: Mapping[str, float]) -> dict[str, float]:
    """Spell out `mouthSmile*` as mouthSmileLeft and mouthSmileRight."""
    spelled: dict[str, float] = {}
    for name, weight in weights.items():
        sides = ("Left", "Right") if name.endswith("*") else ("",)
        spelled.update({name.rstrip("*") + side: weight for side in sides})
    return spelled


def save_gallery(path: str | Path, *, columns: int = 4, size: int = 224) -> Path:
    """Write the gallery as a grid (.png or .svg); see `save_image`."""
    gallery = load_gallery()
    title = "Named expressions, each drawn from its blendshape weights"
    return save_image(
        path, list(gallery.values()), list(gallery), columns=columns, size=size, title=title
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Command line of this module."""
    parser = argparse.ArgumentParser(
        prog="python -m countenance.viewer.gallery", description=__doc__
    )
    parser.add_argument("--out", required=True, help="file to write, .png or .svg")
    parser.add_argument("--columns", type=int, default=4, help="faces per row (default 4)")
    parser.add_argument("--size", type=int, default=224, help="pixels per face (default 224)")
    options = parser.parse_args(argv)
    try:
        save_gallery(options.out, columns=options.columns, size=options.size)
    except CountenanceError as error:
        parser.exit(1, f"{error}\n")


if __name__ == "__main__":
    main()

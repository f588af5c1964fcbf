"""The figures of an evaluation, as PNG: errors by method, texts on a plane, faces along paths."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from ..model.evaluation_data import KIND_NAMES
from ..model.evaluation_markdown import method_label
from .images import face_strip

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from ..model.evaluation_map import LatentMap

_PAPER = "#fffaf2"
_KIND_COLOURS = {"t": "#c8553d", "e": "#2a7f9e", "d": "#e0a72e", "cues": "#6b8f3f"}
_KIND_MARKERS = {"t": "o", "e": "s", "d": "^", "cues": "D"}
_TAGS_SHOWN = 9
_POINTS_OF_STRIP = 9
_PATHS_SHOWN = 3


def error_figure(metrics: dict[str, Any]) -> bytes:
    """MAE from text with 95 % intervals, by method, one panel per kind of text.

    Args:
        metrics: The content of ``metrics.json``.

    Returns:
        PNG bytes.
    """
    kinds = list(metrics["text_to_expression"])
    figure = _figure(2.6 * len(kinds) + 2.2, 3.6)
    panels = figure.subplots(1, len(kinds), sharey=True, squeeze=False)[0]
    methods = ["model", *metrics["baselines"]]
    for panel, kind in zip(panels, kinds, strict=True):
        for row, method in enumerate(methods):
            found = (
                metrics["text_to_expression"][kind]
                if method == "model"
                else metrics["baselines"][method].get(kind)
            )
            if found is None:
                continue
            mae = found["mae"]
            colour = "#c8553d" if method == "model" else "#2a7f9e"
            panel.plot([mae["low"], mae["high"]], [row, row], color=colour, linewidth=3, alpha=0.5)
            panel.plot(mae["value"], row, "o", color=colour, markersize=5)
        panel.set_title(kind, fontsize=10)
        panel.set_xlim(left=0)
        panel.grid(axis="x", alpha=0.3)
    panels[0].set_yticks(range(len(methods)), [method_label(name, metrics) for name in methods])
    panels[0].invert_yaxis()
    figure.suptitle("Error from text to expression, by method and kind of text", fontsize=11)
    figure.supxlabel(
        "mean absolute error of the blendshape weights, each 0 to 1 (95 % intervals)", fontsize=9
    )
    return _png(figure)


def map_figure(latent_map: LatentMap) -> bytes:
    """Two panels of the same t-SNE: texts coloured by kind, and by emotion tag.

    Args:
        latent_map: The texts on a plane.

    Returns:
        PNG bytes.
    """
    figure = _figure(12.5, 5.4)
    by_kind, by_tag = figure.subplots(1, 2)
    kinds, tags = np.array(latent_map.kinds), np.array(latent_map.tags)
    for kind in dict.fromkeys(latent_map.kinds):
        _scatter(by_kind, latent_map.coordinates, kinds == kind, kind, _KIND_COLOURS[kind], 14)
    by_kind.set_title("by kind of text", fontsize=10)
    common = [tag for tag, _ in Counter(filter(None, latent_map.tags)).most_common(_TAGS_SHOWN)]
    colours = _tag_colours(len(common))
    for kind in dict.fromkeys(latent_map.kinds):
        other = (kinds == kind) & ~np.isin(tags, common)
        _scatter(by_tag, latent_map.coordinates, other, kind, "#cfc6bb", 10, label="")
        for tag, colour in zip(common, colours, strict=True):
            chosen = (kinds == kind) & (tags == tag)
            _scatter(by_tag, latent_map.coordinates, chosen, kind, colour, 14, label="")
    for tag, colour in [*zip(common, colours, strict=True), ("other or none", "#cfc6bb")]:
        by_tag.plot([], [], "o", color=colour, label=tag, markersize=5)
    by_tag.set_title("by first emotion tag (marker: kind of text)", fontsize=10)
    figure.suptitle("Test texts in the latent space, laid out by t-SNE", fontsize=11)
    for panel in (by_kind, by_tag):
        panel.set_xticks([])
        panel.set_yticks([])
        panel.set_xlabel("t-SNE 1 (no unit: only nearness counts)", fontsize=8)
        panel.set_ylabel("t-SNE 2 (no unit)", fontsize=8)
        panel.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    return _png(figure)


def path_strips(paths: NDArray[np.float32], title: str) -> bytes:
    """Faces along the first few paths, a row each.

    Args:
        paths: float32 (paths, steps, size), decoded.
        title: Heading.

    Returns:
        PNG bytes.
    """
    points = np.unique(np.linspace(0, paths.shape[1] - 1, _POINTS_OF_STRIP).round().astype(int))
    captions = [f"{point / (paths.shape[1] - 1):.2f}" for point in points]
    rows = []
    for number, path in enumerate(paths[:_PATHS_SHOWN]):
        heading = f"{title}; captions: share of the way" if number == 0 else None
        rows.append(face_strip(list(path[points]), captions, size=112, title=heading))
    return _stacked(rows)


def _stacked(rows: Sequence[bytes]) -> bytes:
    pictures = [Image.open(io.BytesIO(row)) for row in rows]
    size = max(p.width for p in pictures), sum(p.height for p in pictures)
    whole = Image.new("RGB", size, _PAPER)
    top = 0
    for picture in pictures:
        whole.paste(picture, (0, top))
        top += picture.height
    stream = io.BytesIO()
    whole.save(stream, "PNG", optimize=True)
    return stream.getvalue()


def _figure(width: float, height: float) -> Figure:
    # Figure without pyplot: no global state, no display, safe in threads.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=120, facecolor=_PAPER, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _scatter(
    panel: Axes,
    points: NDArray[np.float32],
    chosen: NDArray[np.bool_],
    kind: str,
    colour: Any,  # noqa: ANN401
    size: float,
    label: str | None = None,
) -> None:
    panel.scatter(
        points[chosen, 0],
        points[chosen, 1],
        s=size,
        color=colour,
        marker=_KIND_MARKERS[kind],
        alpha=0.75,
        linewidths=0,
        label=KIND_NAMES[kind] if label is None else label or None,
    )


def _tag_colours(count: int) -> list[Any]:
    from matplotlib import colormaps

    return [colormaps["tab10"](number) for number in range(count)]


def _png(figure: Figure) -> bytes:
    stream = io.BytesIO()
    # Without the library's version in it, the same figures give the same bytes.
    figure.savefig(stream, format="png", metadata={"Software": None})
    return stream.getvalue()

"""The card's pictures, PNG in ``images/``: the same figures give the same bytes.

Charts are drawn by matplotlib with its own style and font, whatever the user's settings, and
without a date. The faces are drawn by the caller, because drawing is not this room's business.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from .item_table import FaceWeights, ItemTable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FOLDER = "images"
FACES = 12
_NAMED = 5
_DOTS_PER_INCH = 110
_INK, _BAR, _SECOND = "#3b2733", "#c8553d", "#e9c46a"


class DrawFaces(Protocol):
    """Makes a PNG from faces, each (n_blendshapes,), and their captions: ``viewer.face_grid``."""

    def __call__(self, faces: list[np.ndarray], captions: Sequence[str], /, *, title: str) -> bytes:
        """Draw them below a title."""


def write_card_images(
    folder: Path,
    statistics: Mapping[str, Any],
    rows: ItemTable | Sequence[Mapping[str, Any]],
    weights: FaceWeights | np.ndarray,
    *,
    draw_faces: DrawFaces | None = None,
    seed: int = 0,
) -> list[dict[str, str]]:
    """Draw the pictures of a dataset.

    Args:
        folder: The dataset folder; ``images`` is made in it.
        statistics: With ``tags``, ``action_units`` and ``co_occurrence``.
        rows: Annotation records (config ``default``), in the dataset's order, or their table.
        weights: float32 (n_rows, n_blendshapes), their blendshapes.
        draw_faces: Draws the grid of faces; None leaves that picture out.
        seed: Seed of the choice of the faces.

    Returns:
        ``file`` (relative to the folder), ``title`` and ``alt`` of each picture, in order.
    """
    place = folder / FOLDER
    place.mkdir(exist_ok=True)
    pictures = []
    if draw_faces is not None:
        table = ItemTable.of(rows)
        chosen = _typical_faces(statistics, table, seed)
        captions = [f"{tag}: {' '.join(table.action_units[row])}" for tag, row in chosen]
        title = "One item, drawn at random, of each of the commonest tags"
        drawn = draw_faces([weights[row] for _, row in chosen], captions, title=title)
        (place / "faces.png").write_bytes(drawn)
        tags = ", ".join(tag for tag, _ in chosen)
        alt = f"Drawn faces for {tags}"
        pictures.append({"file": f"{FOLDER}/faces.png", "title": title, "alt": alt})
    for name, draw, title, alt in (
        ("tags", _draw_tags, "Items per tag, train and test", _tags_in_words(statistics)),
        (
            "action_units",
            _draw_action_units,
            "Items that show each action unit",
            _units_in_words(statistics),
        ),
        (
            "co_occurrence",
            _draw_co_occurrence,
            "Action units that appear together",
            "Matrix: of the items with one action unit, the share in percent that shows another",
        ),
    ):
        _save(place / f"{name}.png", draw, statistics, title)
        pictures.append({"file": f"{FOLDER}/{name}.png", "title": title, "alt": f"{title}. {alt}"})
    return pictures


def _tags_in_words(statistics: Mapping[str, Any]) -> str:
    most = ", ".join(f"{row['tag']} {row['items']}" for row in statistics["tags"][:_NAMED])
    return f"Bars; the commonest: {most}"


def _units_in_words(statistics: Mapping[str, Any]) -> str:
    rows = statistics["action_units"][:_NAMED]
    most = ", ".join(f"{row['action_unit']} {row['percent']:.1f} %" for row in rows)
    return f"Bars; the first: {most}"


def _typical_faces(
    statistics: Mapping[str, Any], table: ItemTable, seed: int
) -> list[tuple[str, int]]:
    """The commonest tags, each with an item that carries it first and moves the face."""
    draws = np.random.default_rng(seed)
    moves = table.action_units.where(bool)
    first = {labels[0] for labels in table.emotions.take(moves).used()}
    tags = [row["tag"] for row in statistics["tags"] if row["tag"] in first][:FACES]
    return [(tag, int(draws.choice(_carriers(table, moves, tag)))) for tag in tags]


def _carriers(table: ItemTable, moves: np.ndarray, tag: str) -> np.ndarray:
    return np.flatnonzero(moves & table.emotions.where(lambda labels: labels[0] == tag))


def _save(
    path: Path,
    draw: Callable[[Mapping[str, Any]], Figure],
    facts: Mapping[str, Any],
    title: str,
) -> None:
    import matplotlib.style
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    with matplotlib.style.context("default", after_reset=True):
        figure = draw(facts)
        figure.suptitle(title, color=_INK, fontsize=11)
        FigureCanvasAgg(figure)
        figure.savefig(path, format="png", dpi=_DOTS_PER_INCH, metadata={"Software": None})


def _draw_tags(statistics: Mapping[str, Any]) -> Figure:
    rows = statistics["tags"][::-1]
    names = [row["tag"] for row in rows]
    counts = np.array([row["items"] for row in rows])
    test = np.array([row["items"] * row["test_percent"] / 100 for row in rows])
    figure, axes = _bars(names, "items")
    axes.barh(names, counts - test, color=_BAR, label="train")
    axes.barh(names, test, left=counts - test, color=_SECOND, label="test")
    axes.legend(frameon=False, loc="lower right")
    return figure


def _draw_action_units(statistics: Mapping[str, Any]) -> Figure:
    rows = statistics["action_units"][::-1]
    names = [f"{row['name']}  {row['action_unit']}" for row in rows]
    figure, axes = _bars(names, "items, %")
    percent = np.array([row["percent"] for row in rows])
    sided = np.array([row["one_sided_percent"] for row in rows])
    axes.barh(names, percent - sided, color=_BAR, label="both sides")
    axes.barh(names, sided, left=percent - sided, color=_SECOND, label="one side")
    axes.legend(frameon=False, loc="lower right")
    return figure


def _bars(names: Sequence[str], unit: str) -> tuple[Figure, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 0.24 * len(names) + 0.8), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=9, colors=_INK)
    axes.margins(y=0.01)
    axes.set_xlabel(unit, color=_INK)
    return figure, axes


def _draw_co_occurrence(statistics: Mapping[str, Any]) -> Figure:
    from matplotlib.figure import Figure

    units = statistics["co_occurrence"]["action_units"]
    share = np.array(
        [[np.nan if cell is None else cell for cell in row] for row in _percent(statistics)],
        dtype=float,
    )
    figure = Figure(figsize=(8, 7), layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(share, cmap="magma_r", vmin=0, vmax=100)
    axes.set_xticks(range(len(units)), units, rotation=90, fontsize=8, color=_INK)
    axes.set_yticks(range(len(units)), units, fontsize=8, color=_INK)
    axes.set_xlabel("... that also show this one", color=_INK)
    axes.set_ylabel("of the items with this action unit ...", color=_INK)
    figure.colorbar(image, label="%", shrink=0.7)
    return figure


def _percent(statistics: Mapping[str, Any]) -> list[list[float | None]]:
    rows: list[list[float | None]] = statistics["co_occurrence"]["percent"]
    return rows

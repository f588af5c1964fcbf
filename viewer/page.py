"""What the web page shows for a text: the drawn face, active shapes and action units, times.

    page = open_page()
    view = page.show(Ask("a wide grin", strength=1.2))
    view.svg, view.shapes, view.units, view.milliseconds

Pure: no browser, no gradio, no file. `page_html` writes it down, `web` lays it out.
"""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..au_mapping import ARKIT_51, load_mapping
from ..errors import ExportError
from .export_clip import ClipLabel, ExpressionClip, TextToFace, make_clip
from .face import draw_face
from .page_items import Neighbour, Neighbours, load_neighbours

Weights = NDArray[np.float32]

MAX_CHARACTERS = 1_000
"""How much of a text the model reads: as much as one thread encodes in under 100 ms."""
MAX_LINES = 20
"""How many prompts a timeline holds."""
ACTIVE = 0.05
"""A shape below this weight is not listed."""

_KEPT = "\n\t"
_REMEMBERED = 512


@dataclass(frozen=True)
class Ask:
    """What a visitor asks for.

    Attributes:
        text: The first prompt; any text, empty for the neutral face.
        strength: 0 to 2, scale from the neutral face.
        second: The second prompt; empty for none.
        blend: 0 (first prompt) to 1 (second one).
        added: Per ARKit name, -1 to 1, what is added to the weight.
    """

    text: str = ""
    strength: float = 1.0
    second: str = ""
    blend: float = 0.0
    added: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class View:
    """What the page shows.

    Attributes:
        text: The face's name: the prompt, or both, cleaned and short.
        weights: float32 (51,) in [0, 1], Apple's order.
        svg: The drawn face.
        shapes: Active shapes (name, weight), strongest first.
        units: Action units (code with intensity, name, strength in [0, 1]).
        items: The nearest items of the dataset, if there is one.
        notes: Sentences on what was left out of the texts.
        milliseconds: How long each part took: model, drawing, units, items, and all.
    """

    text: str
    weights: Weights
    svg: str
    shapes: tuple[tuple[str, float], ...]
    units: tuple[tuple[str, str, float], ...]
    items: tuple[Neighbour, ...]
    notes: tuple[str, ...]
    milliseconds: dict[str, float]


class Page:
    """Answers what visitors ask; holds no state of theirs but remembered latents of texts.

    Args:
        model: An `ExpressionModel` that speaks of ARKit's 51.
        model_name: Which one it is, for exports.
        neighbours: The items of a dataset to compare with.

    Raises:
        ExportError: The model's shapes are not ARKit's 51.
    """

    def __init__(
        self,
        model: TextToFace,
        *,
        model_name: str = "",
        neighbours: Neighbours | None = None,
    ) -> None:
        if tuple(model.config.blendshape_names or ()) != ARKIT_51:
            raise ExportError(
                "the page needs a model that speaks of ARKit's 51 blendshapes; train it on v1"
            )
        self.model, self.model_name, self.neighbours = model, model_name, neighbours
        self.mapping = load_mapping(str(model.config.mapping_version))
        self._latent = lru_cache(_REMEMBERED)(lambda text: model.encode_text([text]))

    def show(self, ask: Ask) -> View:
        """The face that is asked for, drawn and read."""
        watch = _Watch()
        (first, second), notes = clean_all([ask.text, ask.second])
        weights = watch("model", lambda: self._weights(first, second, ask))
        return self._view(weights, _name(first, second, ask.blend), notes, watch)

    def view(self, weights: Weights, name: str, *, every_layer: bool = False) -> View:
        """What the page shows for weights (51,) that are there already, such as a clip's frame.

        `every_layer` is the drawing's (`draw_face`).
        """
        return self._view(weights, name, (), _Watch(), every_layer)

    def _view(
        self,
        weights: Weights,
        name: str,
        notes: tuple[str, ...],
        watch: _Watch,
        every_layer: bool = False,
    ) -> View:
        title = name or "neutral face"
        svg = watch("drawing", lambda: draw_face(weights, title=title, every_layer=every_layer))
        units = watch("units", lambda: self._units(weights))
        items: tuple[Neighbour, ...] = ()
        if self.neighbours is not None:
            near = self.neighbours
            items = watch("items", lambda: near.nearest(weights))
        watch.times["all"] = 1000 * (time.perf_counter() - watch.started)
        return View(name, weights, svg, active_shapes(weights), units, items, notes, watch.times)

    def weights(self, ask: Ask) -> Weights:
        """Only the weights that are asked for, float32 (51,)."""
        (first, second), _ = clean_all([ask.text, ask.second])
        return self._weights(first, second, ask)

    def still(self, ask: Ask) -> ExpressionClip:
        """The shown face as a clip of one frame."""
        (first, second), _ = clean_all([ask.text, ask.second])
        label = ClipLabel(_name(first, second, ask.blend) or "neutral face", 0, 0)
        return ExpressionClip(
            ARKIT_51,
            self._weights(first, second, ask)[None],
            60,
            (label,),
            self.mapping.version,
            self.model_name,
        )

    def motion(self, texts: list[str], ask: Ask, *, fps: int = 60) -> ExpressionClip:
        """Texts one after the other, in the strength and with the sliders of `ask`.

        Raises:
            ExportError: No text is left, or there are more than `MAX_LINES`.
        """
        cleaned, _ = clean_all(texts)
        lines = [line for line in cleaned if line]
        if not lines:
            raise ExportError("there is no prompt yet; write one first")
        if len(lines) > MAX_LINES:
            raise ExportError(f"a timeline holds {MAX_LINES} prompts, found {len(lines)}")
        clip = make_clip(
            self.model,
            lines,
            fps=fps,
            hold_seconds=1.0,
            blend_seconds=1.0,
            strength=_within(ask.strength, 0, 2, 1),
            model_name=self.model_name,
        )
        return replace(clip, weights=np.clip(clip.weights + added_weights(ask.added), 0, 1))

    def _weights(self, first: str, second: str, ask: Ask) -> Weights:
        blend = _within(ask.blend, 0, 1, 0) if first and second else float(not first)
        if not first and not second:
            face: Any = np.zeros(len(ARKIT_51), dtype=np.float32)
        else:
            start = self._latent(first or second)
            latent = start + (self._latent(second or first) - start) * blend
            face = self.model.decode(latent)[0].cpu().numpy()
        face = np.clip(face * _within(ask.strength, 0, 2, 1), 0, 1)
        result: Weights = np.clip(face + added_weights(ask.added), 0, 1).astype(np.float32)
        return result

    def _units(self, weights: Weights) -> tuple[tuple[str, str, float], ...]:
        units = self.mapping.to_action_units(weights, tolerance=0.1)
        return tuple((str(unit), self.mapping.info(unit).name, unit.value) for unit in units)


def open_page(model: str | None = None, dataset: str | None = None) -> Page:
    """The page of a checkpoint.

    Args:
        model: Checkpoint folder or Hub name; the packaged one by default.
        dataset: Folder or Hub name of the dataset whose nearest items are shown; none by default.

    Raises:
        ModelError: The checkpoint cannot be loaded.
        DatasetError: The dataset cannot be opened.
    """
    from ..model import PACKAGED_CHECKPOINT, load_model

    loaded = load_model(model or PACKAGED_CHECKPOINT)
    name = f"default of countenance {version('countenance')}"
    if model:  # a local folder's name, but not where it lies
        name = Path(model).name if Path(model).is_dir() else model
    items = load_neighbours(dataset) if dataset else None
    page = Page(loaded, model_name=name, neighbours=items)
    page.show(Ask("a slight, knowing smile"))  # warm: the first answer costs half a second
    return page


def active_shapes(weights: Weights) -> tuple[tuple[str, float], ...]:
    """Name and weight of the shapes that show, strongest first."""
    ranked = sorted(zip((-weights).tolist(), ARKIT_51, strict=True))
    return tuple((name, -weight) for weight, name in ranked if -weight >= ACTIVE)


def added_weights(added: Mapping[str, float]) -> Weights:
    """What the shapes' sliders add, float32 (51,); an unknown name or no number adds 0."""
    return np.array([_within(added.get(n, 0), -1, 1, 0) for n in ARKIT_51], dtype=np.float32)


def clean(text: object) -> str:
    """A text without control characters and lone surrogates, cut at `MAX_CHARACTERS`."""
    given = text if isinstance(text, str) else ""
    kept = (
        c if c in _KEPT or unicodedata.category(c) not in ("Cc", "Cs") else " "
        for c in given[: MAX_CHARACTERS + 1]
    )
    return "".join(kept)[:MAX_CHARACTERS].strip()


def clean_all(texts: list[str]) -> tuple[list[str], tuple[str, ...]]:
    """Texts cleaned, and what there is to say about it."""
    long = any(isinstance(text, str) and len(text) > MAX_CHARACTERS for text in texts)
    note = f"Only the first {MAX_CHARACTERS:,} characters of a prompt are read."
    return [clean(text) for text in texts], (note,) if long else ()


def timeline_lines(text: object) -> list[str]:
    """The prompts of a timeline, one per line, without empty ones; at most one too many."""
    most = (MAX_LINES + 1) * (MAX_CHARACTERS + 1)
    lines = (text if isinstance(text, str) else "")[:most].splitlines()
    return [line for line in map(clean, lines) if line][: MAX_LINES + 1]


def _name(first: str, second: str, blend: float) -> str:
    short = [text if len(text) <= 120 else text[:119] + "…" for text in (first, second)]
    if first and second:
        return f"{short[0]} → {short[1]}, {round(100 * _within(blend, 0, 1, 0))} %"
    return short[0] or short[1]


def _within(value: object, low: float, high: float, otherwise: float) -> float:
    """A number in a range; what is none counts as `otherwise`."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        return otherwise
    return float(min(max(value, low), high))


class _Watch:
    def __init__(self) -> None:
        self.started = time.perf_counter()
        self.times: dict[str, float] = {}

    def __call__(self, name: str, work: Callable[[], Any]) -> Any:  # noqa: ANN401
        started = time.perf_counter()
        result = work()
        self.times[name] = 1000 * (time.perf_counter() - started)
        return result

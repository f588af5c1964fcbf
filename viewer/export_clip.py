"""A moving expression: weights frame by frame, made from texts, ready for any export.

    clip = make_clip(model, ["calm", "a wide grin"], fps=60, hold_seconds=1.0, blend_seconds=0.5)
    clip.weights                                    # float32 (150, 51), in [0, 1]

Each text is held, and between two texts the face goes from one to the other along a straight line
in the model's latent space (as `model.interpolate` does), slowly at both ends (smoothstep).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..au_mapping import ARKIT_51
from ..errors import ExportError

Weights = NDArray[np.float32]

MAX_FPS = 240
MAX_FRAMES = 36_000
"""Ten minutes at 60 frames a second."""

_TOLERANCE = 1e-4
_FRAMES_AT_A_TIME = 512


class TextToFace(Protocol):
    """What `make_clip` needs of a model: see `ExpressionModel`."""

    config: Any

    def encode_text(self, texts: Sequence[str], batch_size: int = 64) -> Any:  # noqa: ANN401
        """Texts to latents (n, latent_size)."""

    def decode(self, latent: Any) -> Any:  # noqa: ANN401
        """Latents (n, latent_size) to weights (n, 51) in [0, 1]."""


@dataclass(frozen=True)
class ClipLabel:
    """A text and the frames in which the face is wholly its own, the last one included."""

    text: str
    first_frame: int
    last_frame: int


@dataclass(frozen=True, eq=False)
class ExpressionClip:
    """Blendshape weights over time.

    Attributes:
        names: The 51 ARKit names in Apple's order; the columns of `weights`.
        weights: float32 (frames, 51) in [0, 1], read-only; 1e-4 outside is clamped.
        fps: Frames per second, 1 to 240.
        labels: Which text is held when, in order.
        mapping_version: AU table that the model learnt from ("v1").
        model: Which model made it, in words.

    Raises:
        ExportError: A field does not fit; the message names it, with frame and shape.
    """

    names: tuple[str, ...]
    weights: Weights
    fps: int
    labels: tuple[ClipLabel, ...] = ()
    mapping_version: str = ""
    model: str = ""

    def __post_init__(self) -> None:
        if tuple(self.names) != ARKIT_51:
            raise ExportError("names: expected the 51 ARKit names in Apple's order")
        check_fps(self.fps)
        object.__setattr__(self, "weights", _checked_weights(self.weights, self.names))
        for label in self.labels:
            if not 0 <= label.first_frame <= label.last_frame < self.frames:
                raise ExportError(
                    f"label {label.text[:40]!r}: frames {label.first_frame} to {label.last_frame} "
                    f"lie outside the clip of {self.frames} frames"
                )

    @property
    def frames(self) -> int:
        """How many frames there are; at least 1."""
        return len(self.weights)

    @property
    def seconds(self) -> float:
        """How long the clip plays: frames / fps."""
        return self.frames / self.fps

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts in the order in which they are shown."""
        return tuple(label.text for label in self.labels)


def make_clip(
    model: TextToFace,
    texts: Sequence[str],
    *,
    fps: int = 60,
    hold_seconds: float | None = None,
    blend_seconds: float = 0.5,
    strength: float = 1.0,
    model_name: str = "",
) -> ExpressionClip:
    """Express texts one after the other.

    Args:
        model: An `ExpressionModel` (or anything with `encode_text`, `decode` and `config`).
        texts: One text gives a still or a hold, several a path from text to text.
        fps: Frames per second, 1 to 240.
        hold_seconds: How long each text is held, at least one frame. None: one frame for a single
            text (a still), one second each for several.
        blend_seconds: How long it takes from one text to the next; 0 cuts.
        strength: Scale from the neutral face, 0 to 2; 1 is as learnt.
        model_name: Which model it is, for the record.

    Raises:
        ExportError: An argument is out of range, a text empty or not Unicode, the clip longer than
            `MAX_FRAMES`, or the model's shapes are not ARKit's 51.
    """
    _check_texts(texts)
    check_fps(fps)
    if hold_seconds is None:
        hold_seconds = 0.0 if len(texts) == 1 else 1.0
    _check_number("hold_seconds", hold_seconds, 0, 3600)
    _check_number("blend_seconds", blend_seconds, 0, 3600)
    _check_number("strength", strength, 0, 2)
    hold, blend = max(1, round(hold_seconds * fps)), round(blend_seconds * fps)
    _check_length(len(texts) * hold + (len(texts) - 1) * blend, fps)
    names = tuple(model.config.blendshape_names or ())
    if names != ARKIT_51:
        raise ExportError(
            "the model does not speak of ARKit's 51 blendshapes; train it on mapping v1 or extended"
        )
    try:
        latents = model.encode_text(list(texts))
    except ValueError as error:
        raise ExportError(str(error)) from error
    keys = _decoded(model, latents)
    parts, labels, start = [], [], 0
    for number, text in enumerate(texts):
        if number and blend:
            parts.append(_blend(model, latents[number - 1], latents[number], blend))
            start += blend
        parts.append(np.repeat(keys[number : number + 1], hold, axis=0))
        labels.append(ClipLabel(text, start, start + hold - 1))
        start += hold
    weights = np.clip(np.concatenate(parts) * np.float32(strength), 0.0, 1.0)
    return ExpressionClip(
        names, weights, fps, tuple(labels), str(model.config.mapping_version), model_name
    )


def check_fps(fps: object) -> None:
    """Raise ExportError unless `fps` is a whole number from 1 to 240."""
    if isinstance(fps, bool) or not isinstance(fps, int) or not 1 <= fps <= MAX_FPS:
        raise ExportError(f"fps: expected a whole number from 1 to {MAX_FPS}, found {fps!r}")


def ease(steps: int) -> Weights:
    """`steps` positions strictly between 0 and 1, close together at both ends: float32 (steps,)."""
    even = np.arange(1, steps + 1, dtype=np.float32) / np.float32(steps + 1)
    return even * even * (3 - 2 * even)


def _blend(model: TextToFace, start: Any, end: Any, steps: int) -> Weights:  # noqa: ANN401
    """The frames between two latents, without the two themselves: float32 (steps, 51)."""
    along = start.new_tensor(ease(steps).tolist()).unsqueeze(1)
    return _decoded(model, start + (end - start) * along)


def _decoded(model: TextToFace, latents: Any) -> Weights:  # noqa: ANN401
    parts = [model.decode(part).cpu().numpy() for part in latents.split(_FRAMES_AT_A_TIME)]
    return np.concatenate(parts)


def _check_texts(texts: Sequence[str]) -> None:
    if isinstance(texts, str) or not texts:
        raise ExportError("texts: expected a list of at least one text")
    for number, text in enumerate(texts, start=1):
        if not isinstance(text, str) or not text.strip():
            raise ExportError(
                f"text {number} of {len(texts)} is empty; say what the face shall show"
            )


def _check_number(name: str, value: float, low: float, high: float) -> None:
    if not (math.isfinite(value) and low <= value <= high):
        raise ExportError(f"{name}: expected a number from {low:g} to {high:g}, found {value!r}")


def _check_length(frames: int, fps: int) -> None:
    if frames > MAX_FRAMES:
        raise ExportError(
            f"the clip would have {frames} frames ({frames / fps:.0f} s at {fps} per second), at "
            f"most {MAX_FRAMES} are written; give fewer texts, shorter holds or a lower --fps"
        )


def _checked_weights(weights: object, names: Sequence[str]) -> Weights:
    try:
        array = np.array(weights, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise ExportError(f"weights: expected numbers, found {weights!r:.40}") from error
    if array.ndim != 2 or array.shape[1] != len(names) or not len(array):
        raise ExportError(
            f"weights: expected shape (frames, {len(names)}) with a frame or more, found "
            f"{array.shape}"
        )
    if len(array) > MAX_FRAMES:
        raise ExportError(f"weights: at most {MAX_FRAMES} frames are written, found {len(array)}")
    wrong = ~((array >= -_TOLERANCE) & (array <= 1 + _TOLERANCE))  # not a number is wrong, too
    if wrong.any():
        frame, shape = np.argwhere(wrong)[0]
        raise ExportError(
            f"weights: frame {frame}, {names[shape]}: expected a weight in [0, 1], found "
            f"{array[frame, shape]:g}"
        )
    array = np.clip(array, 0.0, 1.0)
    array.setflags(write=False)
    return array

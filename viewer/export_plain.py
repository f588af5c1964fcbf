"""A clip as plain JSON or NPZ: names, weights, rate and texts, and where they come from.

The JSON is described by `viewer/schemas/clip.schema.json`; the NPZ holds the same under the same
names, as arrays without pickles (`numpy.load(file)` opens it).
"""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np

from .export_clip import ExpressionClip

CLIP_FORMAT = "countenance-clip"
CLIP_VERSION = 1


def clip_facts(clip: ExpressionClip) -> dict[str, Any]:
    """All that a clip says apart from its names and weights, as JSON has it."""
    return {
        "fps": clip.fps,
        "frames": clip.frames,
        "texts": list(clip.texts),
        "labels": [
            {"text": label.text, "first_frame": label.first_frame, "last_frame": label.last_frame}
            for label in clip.labels
        ],
        "mapping_version": clip.mapping_version,
        "model": clip.model,
    }


def rounded_rows(clip: ExpressionClip) -> list[list[float]]:
    """The weights frame by frame, with six decimals."""
    return [[round(weight, 6) for weight in row] for row in clip.weights.tolist()]


def clip_json(clip: ExpressionClip) -> str:
    """The clip as one JSON object, in ASCII."""
    content = {"format": CLIP_FORMAT, "version": CLIP_VERSION, **clip_facts(clip)}
    content |= {"names": list(clip.names), "weights": rounded_rows(clip)}
    return json.dumps(content, allow_nan=False) + "\n"


def clip_npz(clip: ExpressionClip) -> bytes:
    """The clip as a compressed NPZ; equal clips give equal bytes.

    Arrays: `weights` float32 (frames, 51), `names` (51), `fps`, `texts` and the `first_frame` and
    `last_frame` of each (all of one length), `mapping_version`, `model`, `format`, `version`.
    """
    stream = io.BytesIO()
    arrays: dict[str, Any] = {
        "weights": clip.weights,
        "names": np.array(clip.names),
        "fps": np.array(clip.fps),
        "texts": np.array(clip.texts, dtype=str),
        "first_frame": np.array([label.first_frame for label in clip.labels], dtype=np.int64),
        "last_frame": np.array([label.last_frame for label in clip.labels], dtype=np.int64),
        "mapping_version": np.array(clip.mapping_version),
        "model": np.array(clip.model),
        "format": np.array(CLIP_FORMAT),
        "version": np.array(CLIP_VERSION),
    }
    np.savez_compressed(stream, allow_pickle=False, **arrays)
    return stream.getvalue()

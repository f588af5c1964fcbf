"""Readings of many transcripts, kept in the cache: what a calibration head is fitted on.

Reading 40,000 lines takes half an hour, so every reading is kept under the model, the prompt and
the text's hash: a fit that was stopped goes on, and one over other lines reads only those that are
new. The files hold figures and no text.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from ..cache import cache_folder, cached_file
from ..progress import Progress
from .scoring import Reading, Scorer, read_in_order
from .transcripts import Transcript

# The first byte of a text's hash names its file: 256 files, each written whole.
_KEY_BYTES = 16


@dataclass(frozen=True, slots=True)
class Features:
    """Readings of transcripts, row by row.

    Attributes:
        transcripts: Those that fit the model's context, in the given order.
        tag_scores: float64 (n, n_tags), log-probabilities.
        strength_scores: float64 (n,).
        hidden_states: float32 (n, hidden_size).
    """

    transcripts: list[Transcript]
    tag_scores: np.ndarray
    strength_scores: np.ndarray
    hidden_states: np.ndarray


@dataclass(frozen=True, slots=True)
class Examples:
    """What a part of the head is fitted on.

    Attributes:
        features: float64 (n, n_features), see ``head_input``.
        labels: Human tags of each row.
        strengths: float64 (n,), human ratings in [0, 1]; NaN where there is none.
    """

    features: np.ndarray
    labels: Sequence[tuple[str, ...]]
    strengths: np.ndarray


def read_features(
    scorers: Sequence[Scorer], transcripts: Sequence[Transcript], *, show_progress: bool = False
) -> Features:
    """Read transcripts, or find them already read.

    Args:
        scorers: Engines of one model and prompt, with hidden states.
        transcripts: What to read; one too long for the context is left out.
        show_progress: Show on stderr how far it is.

    Raises:
        OSError: The cache cannot be written.
    """
    scorer = scorers[0]
    folder = cache_folder() / "readings" / _folder_name(scorer)
    folder.mkdir(parents=True, exist_ok=True)
    groups: dict[int, dict[bytes, Transcript]] = defaultdict(dict)
    keys = [hashlib.sha256(item.text.encode()).digest()[:_KEY_BYTES] for item in transcripts]
    for key, item in zip(keys, transcripts, strict=True):
        groups[key[0]][key] = item
    known: dict[bytes, Reading | None] = {}
    with Progress("read", len(transcripts), enabled=show_progress) as progress:
        for first, group in sorted(groups.items()):
            known |= _read_group(scorers, group, folder / f"{first:02x}.safetensors")
            progress.update(len(group))
    pairs = [(item, known[key]) for key, item in zip(keys, transcripts, strict=True)]
    kept = [(item, reading) for item, reading in pairs if reading is not None]
    width, tags = scorer.engine.hidden_size, len(scorer.prompt.tags)
    return Features(
        transcripts=[item for item, _ in kept],
        tag_scores=np.array([r.tag_scores for _, r in kept]).reshape(-1, tags),
        strength_scores=np.array([r.strength_score for _, r in kept]),
        hidden_states=np.array([r.hidden_state for _, r in kept], np.float32).reshape(-1, width),
    )


def _folder_name(scorer: Scorer) -> str:
    engine = scorer.engine
    return f"{engine.file.sha256[:16]}-{engine.build}-{scorer.prompt.digest()[:16]}"


def _read_group(
    scorers: Sequence[Scorer], group: dict[bytes, Transcript], path: Path
) -> dict[bytes, Reading | None]:
    known = _load_group(path) if path.exists() else {}
    new = [key for key in group if key not in known]
    if new:
        answers = read_in_order(scorers, [group[key] for key in new])
        known |= {key: reading for key, (_, reading) in zip(new, answers, strict=True)}
        _save_group(path, known, scorers[0])
    return known


def _load_group(path: Path) -> dict[bytes, Reading | None]:
    tensors = load_file(path)
    return {
        key.tobytes(): Reading(scores, float(strength), hidden) if fits else None
        for key, fits, scores, strength, hidden in zip(
            tensors["keys"],
            tensors["fits"],
            tensors["tag_scores"],
            tensors["strength_scores"],
            tensors["hidden_states"],
            strict=True,
        )
    }


def _save_group(path: Path, known: dict[bytes, Reading | None], scorer: Scorer) -> None:
    width, tags = scorer.engine.hidden_size, len(scorer.prompt.tags)
    nothing = Reading(np.zeros(tags), 0.0, np.zeros(width, np.float32))
    filled = [reading or nothing for reading in known.values()]
    with cached_file(path) as file:
        save_file(
            {
                "keys": np.frombuffer(b"".join(known), np.uint8).reshape(-1, _KEY_BYTES),
                "fits": np.array([reading is not None for reading in known.values()], np.uint8),
                "tag_scores": np.stack([reading.tag_scores for reading in filled]),
                "strength_scores": np.array([reading.strength_score for reading in filled]),
                "hidden_states": np.stack([reading.hidden_state for reading in filled]),
            },
            file,
        )

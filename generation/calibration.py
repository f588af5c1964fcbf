"""From a model's raw answers to tags and a strength: the calibration of the ``score`` strategy.

A small model has favourite answers whatever the text (generation/LOG.md), so every figure is taken
relative to its mean over a fixed sample, stored with the run. It never depends on the other items
that are being scored.

The sample is the packaged transcripts: fixed, ours, and balanced over the emotions, so that no
tag's prior is that of some corpus. The outcome depends on the model and the prompt alone and is
kept in the cache under both, because asking takes a quarter of a minute.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ..cache import cache_folder
from ..errors import RunError, TableError
from ..progress import Progress
from .corpora import CorpusSpec, read_corpora
from .model_files import GgufModel
from .run_files import write_json
from .scoring import Reading, ScorePrompt, Scorer, read_in_order
from .tables_reading import NEUTRAL, read_table

SAMPLE = "samples/transcripts-v1"
TAGGING_TABLE = "tagging-v1"


@dataclass(frozen=True, slots=True)
class TaggingSettings:
    """How the LLM's own answers become tags (``tables/tagging-*.json``).

    Attributes:
        version: The table.
        max_tags: Most tags of an item.
        spread_exponent: How far a tag's spread over the sample is divided out, 0 to 1.
        second_tag_margin: A further tag joins where its evidence is this close to the best.
        neutral_offset: Added to neutral's evidence, for real transcripts are neutral more often
            than the sample, which is balanced over the tags.
    """

    version: str
    max_tags: int
    spread_exponent: float
    second_tag_margin: float
    neutral_offset: float

    @classmethod
    @cache
    def load(cls, version: str = TAGGING_TABLE) -> TaggingSettings:
        """Read a packaged table.

        Raises:
            TableError: Unknown version, or a file that breaks its schema.
        """
        data = dict(read_table(version, "tagging"))
        del data["source"]
        return cls(**data)


@dataclass(frozen=True)
class Calibration:
    """The model's answers on the calibration sample, which every later answer is compared with.

    Attributes:
        prompt_version: Prompt that was asked.
        model_sha256: Model that answered.
        sample: Name of the calibration sample.
        tag_means: Mean log-probability of each tag.
        tag_deviations: Standard deviation of each tag's log-probability.
        strength_scores: The sample's strength scores, sorted; their ranks make the strength scale.
    """

    prompt_version: str
    model_sha256: str
    sample: str
    tag_means: tuple[float, ...]
    tag_deviations: tuple[float, ...]
    strength_scores: tuple[float, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain lists and numbers, as stored beside the run."""
        return asdict(self)

    def digest(self) -> str:
        """SHA-256 over the canonical JSON, for the run's identity."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    def standardise(self, tag_scores: np.ndarray, exponent: float = 1.0) -> np.ndarray:
        """Log-probabilities (..., n_tags) relative to the model's habit.

        Args:
            tag_scores: As in ``Reading``.
            exponent: How far each tag's spread is divided out: 0 not at all, 1 wholly.
        """
        spread = np.array(self.tag_deviations) ** exponent
        standardised: np.ndarray = (tag_scores - np.array(self.tag_means)) / spread
        return standardised

    def strength(self, reading: Reading) -> float:
        """Strength in [0, 1]: the share of the calibration sample that reads weaker."""
        ranks = np.linspace(0.0, 1.0, len(self.strength_scores))
        return float(np.interp(reading.strength_score, self.strength_scores, ranks))

    @classmethod
    def from_readings(
        cls, readings: Sequence[Reading], prompt: ScorePrompt, model_sha256: str, sample: str
    ) -> Calibration:
        """Fit the calibration on readings of the sample.

        Raises:
            TableError: Fewer than two readings, which have no spread.
        """
        if len(readings) < 2:
            raise TableError(f"calibration sample {sample}: needs at least 2 usable transcripts")
        scores = np.stack([reading.tag_scores for reading in readings])
        deviations = np.maximum(scores.std(axis=0), 1e-6)
        return cls(
            prompt_version=prompt.version,
            model_sha256=model_sha256,
            sample=sample,
            tag_means=tuple(scores.mean(axis=0).tolist()),
            tag_deviations=tuple(deviations.tolist()),
            strength_scores=tuple(sorted(reading.strength_score for reading in readings)),
        )

    @classmethod
    def load(cls, path: Path, prompt: ScorePrompt, model_sha256: str) -> Calibration:
        """Read a stored calibration of this prompt and model.

        Raises:
            RunError: The file is damaged or belongs to another prompt or model.
        """
        try:
            data: dict[str, Any] = json.loads(path.read_text("utf-8"))
            calibration = cls.from_dict(data, prompt, model_sha256)
        except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
            raise RunError(
                f"{path}: damaged calibration ({error}); delete it, it is made anew"
            ) from None
        return calibration

    @classmethod
    def from_dict(
        cls, data: Mapping[str, Any], prompt: ScorePrompt, model_sha256: str
    ) -> Calibration:
        """The calibration that ``as_dict`` gave.

        Raises:
            ValueError: Its figures do not fit the prompt and the model.
        """
        fields: dict[str, Any] = {
            name: tuple(map(float, value)) if isinstance(value, list | tuple) else value
            for name, value in data.items()
        }
        calibration = cls(**fields)
        calibration._check(prompt, model_sha256)
        return calibration

    def _check(self, prompt: ScorePrompt, model_sha256: str) -> None:
        tables = (self.tag_means, self.tag_deviations)
        sound = (
            (self.prompt_version, self.model_sha256) == (prompt.version, model_sha256)
            and all(len(table) == len(prompt.tags) for table in tables)
            and len(self.strength_scores) > 1
            and all(np.isfinite(table).all() for table in (*tables, self.strength_scores))
            and min(self.tag_deviations) > 0
        )
        if not sound:
            raise ValueError("its figures do not fit the prompt and the model")


def tag_evidence(
    calibration: Calibration, tag_scores: np.ndarray, tags: Sequence[str], settings: TaggingSettings
) -> np.ndarray:
    """Evidence per tag, float64 (..., n_tags): 0 is no more than the model's habit."""
    offsets = [settings.neutral_offset if tag == NEUTRAL else 0.0 for tag in tags]
    evidence = calibration.standardise(tag_scores, settings.spread_exponent) + np.array(offsets)
    return evidence


def choose_tags(
    evidence: np.ndarray, tags: Sequence[str], settings: TaggingSettings
) -> tuple[str, ...]:
    """The best tag always, and those that come close to it.

    Neutral stands alone: it is dropped beside an emotion, and keeps no emotion beside it.

    Args:
        evidence: float64 (n_tags,) from ``tag_evidence``.
        tags: Their names.
        settings: Margin and most tags.
    """
    order = np.argsort(-evidence, kind="stable")
    if tags[order[0]] == NEUTRAL:
        return (NEUTRAL,)
    nearest = evidence[order[0]] - settings.second_tag_margin
    close = [tags[i] for i in order if evidence[i] >= nearest and tags[i] != NEUTRAL]
    return tuple(close[: settings.max_tags])


def calibrate(
    scorers: Sequence[Scorer],
    model: GgufModel,
    *,
    show_progress: bool = False,
) -> Calibration:
    """The calibration of a model and prompt, from the cache or by asking.

    Raises:
        TableError: The sample has too few transcripts that fit the model's context.
    """
    prompt = scorers[0].prompt
    sample = SAMPLE.rpartition("/")[2]
    name = f"{model.sha256[:16]}-{prompt.version}-{sample}-{scorers[0].engine.build}.json"
    path = cache_folder() / "calibration" / name
    if path.exists():
        with suppress(RunError):  # a damaged file is made anew
            return Calibration.load(path, prompt, model.sha256)
    transcripts = read_corpora([CorpusSpec("samples")], min_words=1).transcripts
    readings = []
    with Progress("calibrate", len(transcripts), enabled=show_progress) as progress:
        for _, reading in read_in_order(scorers, transcripts):
            progress.update()
            if reading is not None:
                readings.append(reading)
    calibration = Calibration.from_readings(readings, prompt, model.sha256, SAMPLE)
    with suppress(OSError):  # a cache that cannot be written costs time, not the run
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, calibration.as_dict())
    return calibration

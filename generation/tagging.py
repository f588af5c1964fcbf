"""From a reading to tags and a strength: by the LLM's answers alone, or through a fitted head."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from ..errors import EngineError, TableError
from .calibration import Calibration, TaggingSettings, choose_tags, tag_evidence
from .head import HEADS, CalibrationHead, head_input
from .labels import ModelTags
from .model_files import GgufModel
from .scoring import Reading, ScorePrompt

LLM = "llm"
HEAD = "head"
PACKAGED_HEAD = "head-v1"


class Tagger(Protocol):
    """Turns readings into tags.

    Attributes:
        name: Written into every record.
        tags: The order of ``ModelTags.evidence``.
        calibration: The model's habits, which every reading is compared with.
        fitted_on: Corpus splits whose human labels it was fitted on.
        identity: What decides its word, for the run's manifest.
    """

    name: str
    tags: tuple[str, ...]
    calibration: Calibration
    fitted_on: frozenset[str]
    identity: dict[str, str]

    def say(self, reading: Reading) -> ModelTags:
        """Tags and strength of one transcript, human labels unseen."""
        ...

    def strength(self, reading: Reading, emotions: Sequence[str]) -> float:
        """The strength, in [0, 1], of emotions that are known."""
        ...


class LlmTagger:
    """The LLM's own word: standardised log-probabilities, the best and those close to it."""

    def __init__(self, calibration: Calibration, tags: Sequence[str]) -> None:
        self.name = LLM
        self.tags = tuple(tags)
        self.calibration = calibration
        self.fitted_on: frozenset[str] = frozenset()
        self._settings = TaggingSettings.load()
        self.identity = {"tagging_table": self._settings.version}

    def say(self, reading: Reading) -> ModelTags:
        """Tags and strength of one transcript."""
        evidence = tag_evidence(self.calibration, reading.tag_scores, self.tags, self._settings)
        emotions = choose_tags(evidence, self.tags, self._settings)
        return ModelTags(emotions, evidence, self.calibration.strength(reading))

    def strength(self, reading: Reading, emotions: Sequence[str]) -> float:
        """The strength; the LLM's word does not depend on the emotion."""
        return self.calibration.strength(reading)


class HeadTagger:
    """A calibration head over the LLM's answers.

    Args:
        head: Fitted on readings of the same model and prompt.
        calibration: Standardises the log-probabilities.
    """

    def __init__(self, head: CalibrationHead, calibration: Calibration) -> None:
        self.name = head.name
        self.tags = head.tags
        self.calibration = calibration
        self.fitted_on = frozenset(head.about["fitted_on"])
        self.identity = {"head_sha256": head.about["weights_sha256"]}
        self._head = head

    def say(self, reading: Reading) -> ModelTags:
        """Tags and strength of one transcript."""
        features = self.features(reading)
        probabilities = self._head.tag_probabilities(features)
        return ModelTags(
            self._head.choose_tags(probabilities), probabilities, self._head.strength(features)
        )

    def strength(self, reading: Reading, emotions: Sequence[str]) -> float:
        """The strength of emotions that are known."""
        return self._head.strength(self.features(reading), emotions)

    def features(self, reading: Reading) -> np.ndarray:
        """The head's input, float64 (n_features,)."""
        return head_input(self.calibration.standardise(reading.tag_scores), reading.hidden_state)


def packaged_head_fits(model: GgufModel, prompt_version: str) -> bool:
    """Whether the packaged head was fitted on this model and prompt."""
    head = CalibrationHead.load(HEADS / PACKAGED_HEAD)
    return (model.sha256, prompt_version) == (
        head.about["model_sha256"],
        head.about["prompt_version"],
    )


def open_tagger(
    name: str | None, model: GgufModel, prompt: ScorePrompt, calibration: Calibration
) -> Tagger:
    """Open a tagger.

    Args:
        name: ``llm``, ``head`` (the packaged one), or the folder of another head. None takes the
            packaged head where it was fitted on this model and prompt, else ``llm``.
        model: The model that reads.
        prompt: The prompt that is asked.
        calibration: The model's habits.

    Raises:
        EngineError: The head was fitted on another model or prompt.
        TableError: No such head.
    """
    if name is None:
        name = HEAD if packaged_head_fits(model, prompt.version) else LLM
    if name == LLM:
        return LlmTagger(calibration, prompt.tags)
    folder = HEADS / PACKAGED_HEAD if name == HEAD else Path(name)
    if name != HEAD and not folder.is_dir():
        raise TableError(
            f"unknown tagger {name!r}: expected '{LLM}', '{HEAD}' or the folder of a head"
        )
    head = CalibrationHead.load(folder)
    about = head.about
    if (about["model_sha256"], about["prompt_sha256"]) != (model.sha256, prompt.digest()):
        raise EngineError(
            f"{folder}: this head was fitted on another model or prompt ({about['prompt_version']} "
            f"of a model with hash {about['model_sha256'][:12]}); take --tagger {LLM}, or fit one "
            "with 'countenance fit-head'"
        )
    if set(head.tags) != set(prompt.tags):
        raise EngineError(f"{folder}: its tags are not those of prompt {prompt.version}")
    return HeadTagger(head, calibration)

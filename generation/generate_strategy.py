"""The ``generate`` strategy as a run uses it: what the model wrote, beside what people said."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial

import numpy as np

from ..au_mapping import AUMapping
from .answer_engine import AnswerEngine, GeneratedFace
from .chat_annotator import ChatAnnotator
from .chat_model import ChatModel
from .generate import GenerateAnnotator
from .generate_prompt import GeneratePrompt
from .generate_sampling import GenerateSettings
from .labels import Feeling, LabelUse, ModelTags, human_emotions
from .model_files import GgufModel
from .strategy import Face
from .transcripts import Transcript

MAX_EMOTIONS = 3


class GenerateStrategy:
    """Free annotation under a schema; human tags, where they count, are given to the model.

    Args:
        annotator: The opened engine.
        labels: What human labels are used for.
    """

    tagger = "llm"
    fitted_on: frozenset[str] = frozenset()

    def __init__(self, annotator: AnswerEngine, labels: LabelUse) -> None:
        self._annotator = annotator
        self._labels = labels
        self.identity = annotator.identity()
        self.documents: dict[str, object] = {}

    def faces(self, transcripts: Iterable[Transcript]) -> Iterator[tuple[Transcript, Face | str]]:
        """Annotate in the given order."""
        given = partial(_given, use=self._labels)
        for transcript, written in self._annotator.annotate(transcripts, given):
            if isinstance(written, str):
                yield transcript, written
            else:
                yield transcript, self._face(transcript, written)

    def _face(self, transcript: Transcript, written: GeneratedFace) -> Face:
        human = bool(human_emotions(transcript, self._labels))
        rating = transcript.intensity if self._labels is LabelUse.use else None
        return Face(
            feeling=Feeling(
                emotions=tuple(written.emotions),
                emotions_from="human" if human else "model",
                strength=None if rating is None else round(rating, 4),
                strength_from="none" if rating is None else "human",
            ),
            # Tags that were given to the model are not its word.
            said=None if human else ModelTags(tuple(written.emotions), np.zeros(0), None),
            description=written.description,
            action_units=written.action_units,
        )


def _given(transcript: Transcript, use: LabelUse) -> tuple[str, ...]:
    return human_emotions(transcript, use)[:MAX_EMOTIONS]


@contextmanager
def open_generate_strategy(
    model: GgufModel,
    mapping: AUMapping,
    *,
    prompt_version: str,
    settings: GenerateSettings,
    labels: LabelUse,
    seed: int,
    threads: int,
    gpu_layers: int = 0,
) -> Iterator[GenerateStrategy]:
    """Load the model with its chat template and the prompt.

    Raises:
        EngineError: The model cannot be loaded or has no usable chat template.
        TableError: Unknown prompt.
    """
    prompt = GeneratePrompt.load(prompt_version)
    with GenerateAnnotator(
        model, prompt, settings, seed, mapping, gpu_layers=gpu_layers, threads=threads
    ) as annotator:
        yield GenerateStrategy(annotator, labels)


@contextmanager
def open_chat_strategy(
    open_chat: Callable[[], ChatModel],
    mapping: AUMapping,
    *,
    prompt_version: str,
    settings: GenerateSettings,
    labels: LabelUse,
    seed: int,
    concurrency: int = 1,
) -> Iterator[GenerateStrategy]:
    """Load a chat model or reach its server, and see that it can do the task.

    Raises:
        EngineError: See ``ChatAnnotator``.
        MissingDependencyError: A server, and the extra ``openai`` is not installed.
        TableError: Unknown prompt.
    """
    prompt = GeneratePrompt.load(prompt_version)
    with ChatAnnotator(open_chat(), prompt, settings, seed, mapping, concurrency) as annotator:
        yield GenerateStrategy(annotator, labels)

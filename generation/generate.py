"""The ``generate`` strategy: the model writes emotions, description and action units itself.

transcripts ─► prompt (the model's chat template) ─► batched drawing under a grammar ─► checks ─►
faces. An item's answer depends on the model, the prompt, the settings, the seed and its own text:
not on the number of slots, nor on the order, nor on what else is in the batch.
"""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from ..au_mapping import AUMapping
from ..closing import Closing
from ..errors import EngineError
from .answer_engine import GeneratedFace, HumanEmotions
from .batch_engine import BatchEngine
from .chat_template import prompt_tokens
from .emotion_table import load_emotion_table
from .generate_checks import TABLES, AnswerChecker
from .generate_prompt import GeneratePrompt
from .generate_sampling import Drawing, GenerateSettings
from .grammar import GrammarCompiler
from .llama_engine import LlamaWeights
from .model_files import GgufModel
from .tables_reading import load_emotions
from .transcripts import Transcript, transcript_id

STRATEGY = "generate"
TOO_LONG = "too_many_tokens"


@dataclass
class _Item:
    number: int
    transcript: Transcript
    prompt: list[int]
    emotions: tuple[str, ...] | None
    attempt: int = 0


class GenerateAnnotator(Closing):
    """Asks one chat model for whole annotations, many at a time.

    Args:
        weights_or_model: The loaded weights, or the file to load.
        prompt: The task.
        settings: Sampling, limits, slots.
        seed: Run seed; each attempt draws from a generator seeded with it, the item and itself.
        mapping: Table that the action units belong to.
        gpu_layers: Layers to offload, when a file is given.
        threads: CPU threads.

    Raises:
        EngineError: The model cannot be loaded or has no usable chat template, or the prompt does
            not fit it.
        TableError: The mapping has too many units.
    """

    def __init__(
        self,
        weights_or_model: LlamaWeights | GgufModel,
        prompt: GeneratePrompt,
        settings: GenerateSettings,
        seed: int,
        mapping: AUMapping,
        gpu_layers: int = 0,
        threads: int = 1,
    ) -> None:
        self.prompt = prompt
        self.settings = settings
        self.seed = seed
        self.mapping = mapping
        exclusions = load_emotion_table().exclusions
        self._checker = AnswerChecker(prompt, mapping, exclusions)
        self._labels = frozenset(emotion.name for emotion in load_emotions())
        with ExitStack() as stack:
            weights = weights_or_model
            if isinstance(weights, GgufModel):
                weights = LlamaWeights(weights, gpu_layers=gpu_layers)
                stack.callback(weights.close)
            self._open(weights, exclusions, threads, stack)
            self._stack = stack.pop_all()

    def _open(
        self,
        weights: LlamaWeights,
        exclusions: tuple[tuple[str, str], ...],
        threads: int,
        stack: ExitStack,
    ) -> None:
        vocabulary = weights.vocabulary()
        tokens = prompt_tokens(vocabulary, self.prompt.messages(self.mapping))
        needed = len(tokens.head) + self.settings.transcript_tokens + self.settings.max_tokens
        if needed > vocabulary.training_context():
            raise EngineError(
                f"{vocabulary.name}: prompt {self.prompt.version} takes {len(tokens.head)} tokens "
                f"and {needed} with the longest item, and the model reads at most "
                f"{vocabulary.training_context()}; take a shorter prompt or lower max_tokens"
            )
        self._tokens = tokens
        self._vocabulary = vocabulary
        self._compiler = GrammarCompiler(vocabulary, self.prompt, self.mapping, exclusions)
        self.engine = BatchEngine(weights, slots=self.settings.slots, cells=needed, threads=threads)
        stack.callback(self.engine.close)
        self.engine.set_prefix(tokens.head)

    def close(self) -> None:
        """Free the engine, and the weights if they were loaded here."""
        self._stack.close()

    def identity(self) -> dict[str, Any]:
        """Everything here that decides what a record says, for the run's manifest.

        ``slots`` is left out: it changes nothing on a CPU, and a run may go on with another.
        """
        settings = self.settings.as_dict()
        del settings["slots"]
        return {
            "strategy": STRATEGY,
            "annotator": self.engine.file.annotator,
            "model_sha256": self.engine.file.sha256,
            "engine": self.engine.build,
            "prompt_version": self.prompt.version,
            "prompt_tokens_sha256": _digest([self._tokens.head, self._tokens.tail]),
            "mapping_version": self.mapping.version,
            **TABLES,
            "settings": settings,
            "seed": self.seed,
        }

    def annotate(
        self,
        transcripts: Iterable[Transcript],
        human_emotions: HumanEmotions | None = None,
    ) -> Iterator[tuple[Transcript, GeneratedFace | str]]:
        """Annotate transcripts, in the given order.

        Args:
            transcripts: Read only as far ahead as there are slots.
            human_emotions: Tags that are known for a transcript (or none): the answer takes them
                over, and the model writes the rest.

        Yields:
            Each transcript with its face, or with the reason why there is none:
            ``"unfinished: ..."``, ``"check: ..."`` or ``"too_many_tokens"``.

        Raises:
            EngineError: llama.cpp failed.
        """
        results: dict[int, tuple[Transcript, GeneratedFace | str]] = {}
        following = 0
        for number, transcript, outcome in self._outcomes(transcripts, human_emotions):
            results[number] = transcript, outcome
            while following in results:
                yield results.pop(following)
                following += 1

    def _outcomes(
        self, transcripts: Iterable[Transcript], human_emotions: HumanEmotions | None
    ) -> Iterator[tuple[int, Transcript, GeneratedFace | str]]:
        """Outcomes as they come: the batch refills each slot as soon as it is free."""
        source = enumerate(transcripts)
        again: deque[_Item] = deque()
        busy: dict[int, tuple[_Item, Drawing]] = {}
        try:
            while True:
                for slot in range(self.engine.slots):
                    while slot not in busy:
                        if again:
                            item = again.popleft()
                        elif (row := next(source, None)) is None:
                            break
                        else:
                            started = self._item(*row, human_emotions)
                            if isinstance(started, str):
                                yield *row, started
                                continue
                            item = started
                        busy[slot] = item, self._drawing(item)
                if not busy:
                    return
                for slot in self._advance(busy):
                    item, drawing = busy.pop(slot)
                    self.engine.release(slot)
                    outcome = self._outcome(item, drawing)
                    if isinstance(outcome, str) and item.attempt < self.settings.retries:
                        item.attempt += 1
                        again.append(item)
                    else:
                        yield item.number, item.transcript, outcome
        finally:
            for slot in busy:
                self.engine.release(slot)

    def _item(
        self, number: int, transcript: Transcript, human_emotions: HumanEmotions | None
    ) -> _Item | str:
        given = human_emotions(transcript) if human_emotions else ()
        unknown = [tag for tag in given if tag not in self._labels]
        if unknown:
            return f"check: unknown emotion {unknown[0][:40]!r} given"
        prompt = [*self._vocabulary.tokenize(transcript.text), *self._tokens.tail]
        if len(prompt) > self.settings.transcript_tokens:
            return TOO_LONG
        return _Item(number, transcript, prompt, tuple(dict.fromkeys(given)) or None)

    def _drawing(self, item: _Item) -> Drawing:
        identifier = int(transcript_id(item.transcript), 16)
        seed = (self.seed, identifier, item.attempt)
        return Drawing(item.prompt, self._compiler, item.emotions, seed, self.settings)

    def _advance(self, busy: dict[int, tuple[_Item, Drawing]]) -> list[int]:
        """Decode one token of every busy slot; the slots whose answers are finished."""
        wanted = {slot for slot, (_, drawing) in busy.items() if drawing.wants_logits}
        tokens = {slot: drawing.pending.popleft() for slot, (_, drawing) in busy.items()}
        logits = self.engine.step(tokens, wanted)
        for slot in sorted(wanted):
            busy[slot][1].take(logits[slot])
        return [slot for slot in sorted(wanted) if busy[slot][1].finished]

    def _outcome(self, item: _Item, drawing: Drawing) -> GeneratedFace | str:
        if drawing.fault is not None:
            return drawing.fault
        text = self._compiler.text(drawing.answer)
        answer = self._checker.parse(text, item.transcript.text, item.emotions)
        if isinstance(answer, str):
            return answer
        return GeneratedFace(*answer, attempts=item.attempt + 1)


def _digest(value: Any) -> str:  # noqa: ANN401 - any JSON value
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()

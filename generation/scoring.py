"""The ``score`` strategy's reading of a transcript: closed questions, no token-by-token decoding.

The model reads the transcript once, after a shared prefix, and the distribution of the next token
is the answer: the log-probability of each emotion's name gives the tags, and that of strong against
weak words gives the strength. ``calibration.py`` turns both into tags and a strength.
"""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from queue import SimpleQueue

import numpy as np

from ..errors import EngineError
from .llama_engine import LlamaEngine, LlamaWeights
from .model_files import GgufModel
from .tables_reading import PROMPTS, read_table
from .transcripts import Transcript

CONTEXT_TOKENS = 1024
_READ_AHEAD_PER_WORKER = 8


@dataclass(frozen=True)
class ScorePrompt:
    """A versioned closed-question prompt (``prompts/score-*.json``).

    Attributes:
        version: The file's stem, written into every record.
        prefix: Text before the transcript; decoded once.
        stem: Text after the transcript, up to the answer.
        answers: Emotion tag to the answer's text, with its leading space.
        strong: Answers that speak for a strong emotion.
        weak: Answers that speak for a weak one.
    """

    version: str
    prefix: str
    stem: str
    answers: dict[str, str]
    strong: tuple[str, ...]
    weak: tuple[str, ...]

    @classmethod
    def load(cls, version: str = "score-v2") -> ScorePrompt:
        """Read and check a packaged prompt.

        Raises:
            TableError: Unknown version, or a file that breaks its schema.
        """
        data = read_table(version, "score", PROMPTS)
        return cls(
            version=data["version"],
            prefix=data["prefix"],
            stem=data["stem"],
            answers=dict(data["answers"]),
            strong=data["intensity"]["strong"],
            weak=data["intensity"]["weak"],
        )

    def digest(self) -> str:
        """SHA-256 (hex) of what the model is asked, for caches of its answers."""
        asked = asdict(self)
        del asked["version"]
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()

    @property
    def tags(self) -> tuple[str, ...]:
        """The emotion tags, in the order of ``Reading.tag_scores``."""
        return tuple(self.answers)


@dataclass(frozen=True)
class Reading:
    """What the model answered about one transcript, before calibration.

    Attributes:
        tag_scores: float64 (n_tags,), log-probability of each tag's first answer token.
        strength_score: Mean log-probability of the strong answers less that of the weak ones.
        hidden_state: float32 (hidden_size,), the model's last layer where it answered; empty where
            the engine keeps none.
    """

    tag_scores: np.ndarray
    strength_score: float
    hidden_state: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))


class Scorer:
    """Asks one prompt of many transcripts through one engine.

    Args:
        engine: A loaded model; its prefix is set here.
        prompt: The questions.

    Raises:
        EngineError: Two tags begin with the same token in this model's vocabulary, so that their
            answers could not be told apart.
    """

    def __init__(self, engine: LlamaEngine, prompt: ScorePrompt) -> None:
        self.engine = engine
        self.prompt = prompt
        self._tag_tokens = self._first_tokens(prompt.answers.values())
        if len(set(self._tag_tokens)) < len(self._tag_tokens):
            raise EngineError(
                f"{engine.file.path}: two answers of prompt {prompt.version} begin with the same "
                "token in this vocabulary; write a prompt whose answers differ in their first token"
            )
        self._strong = self._first_tokens(prompt.strong)
        self._weak = self._first_tokens(prompt.weak)
        # The prompt is ours: a chat's special tokens in it are meant. A transcript's never are.
        self._stem = engine.tokenize(prompt.stem, special=True)
        engine.set_prefix([*engine.begin_tokens(), *engine.tokenize(prompt.prefix, special=True)])

    def _first_tokens(self, answers: Iterable[str]) -> list[int]:
        return [self.engine.tokenize(answer)[0] for answer in answers]

    def read(self, transcript: str) -> Reading | None:
        """The model's answers about one transcript; None when it does not fit the context.

        The transcript is data: its characters never become special tokens.
        """
        item = [*self.engine.tokenize(transcript), *self._stem]
        if len(item) > self.engine.room_for_item():
            return None
        answer = self.engine.next_token_log_probabilities(item)
        return Reading(
            tag_scores=answer[self._tag_tokens],
            strength_score=float(answer[self._strong].mean() - answer[self._weak].mean()),
            hidden_state=self._hidden_state(),
        )

    def count_tokens(self, transcript: str) -> int:
        """How many tokens are decoded for one transcript, the shared prefix not counted."""
        return len(self.engine.tokenize(transcript)) + len(self._stem)

    def _hidden_state(self) -> np.ndarray:
        if not self.engine.hidden_size:
            return np.zeros(0, np.float32)
        return self.engine.last_hidden_state()


@contextmanager
def open_scorers(
    model: GgufModel, prompt: ScorePrompt, workers: int, gpu_layers: int = 0
) -> Iterator[list[Scorer]]:
    """Load the weights once and open ``workers`` engines on them."""
    with ExitStack() as stack:
        weights = LlamaWeights(model, gpu_layers=gpu_layers)
        stack.callback(weights.close)
        engines = [
            stack.enter_context(
                LlamaEngine(weights, context_tokens=CONTEXT_TOKENS, hidden_states=True)
            )
            for _ in range(workers)
        ]
        yield [Scorer(engine, prompt) for engine in engines]


def read_in_order(
    scorers: Sequence[Scorer], transcripts: Iterable[Transcript]
) -> Iterator[tuple[Transcript, Reading | None]]:
    """Read transcripts on all engines at once, handing the answers on in the given order."""
    idle: SimpleQueue[Scorer] = SimpleQueue()
    for scorer in scorers:
        idle.put(scorer)

    def read(transcript: Transcript) -> Reading | None:
        scorer = idle.get()
        try:
            return scorer.read(transcript.text)
        finally:
            idle.put(scorer)

    waiting: deque[tuple[Transcript, Future[Reading | None]]] = deque()
    pool = ThreadPoolExecutor(len(scorers), thread_name_prefix="engine")
    try:
        for transcript in transcripts:
            waiting.append((transcript, pool.submit(read, transcript)))
            if len(waiting) >= _READ_AHEAD_PER_WORKER * len(scorers):
                first, answer = waiting.popleft()
                yield first, answer.result()
        while waiting:
            first, answer = waiting.popleft()
            yield first, answer.result()
    finally:
        # Without this a Ctrl-C would wait for the whole read-ahead.
        pool.shutdown(cancel_futures=True)

"""Drawing one answer: the state of an item between two calls of the batch engine."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..errors import RunError
from .batch_engine import MAX_SLOTS
from .grammar import GrammarCompiler


@dataclass(frozen=True)
class GenerateSettings:
    """How answers are drawn; everything but ``slots`` decides what a record says.

    Attributes:
        temperature: Of the softmax over the allowed tokens; 0 always takes the likeliest.
        min_p: Tokens less likely than this share of the likeliest (before temperature) are out.
        max_tokens: Most tokens of an answer, forced ones included.
        transcript_tokens: Most tokens of a transcript with what follows it in the prompt; a longer
            transcript is set aside.
        retries: How often an item whose answer fails a check is drawn again, with another seed.
        slots: Items decoded side by side, 1 to 128.

    Raises:
        RunError: A value is out of its range.
    """

    temperature: float = 0.8
    min_p: float = 0.05
    max_tokens: int = 160
    transcript_tokens: int = 224
    retries: int = 2
    slots: int = 32

    def __post_init__(self) -> None:
        ranges = {
            "temperature": (0.0, 5.0),
            "min_p": (0.0, 1.0),
            "max_tokens": (16, 4096),
            "transcript_tokens": (8, 32768),
            "retries": (0, 100),
            "slots": (1, MAX_SLOTS),
        }
        for name, (least, most) in ranges.items():
            value = getattr(self, name)
            if not (least <= value <= most and math.isfinite(value)):
                raise RunError(f"{name}: expected {least} to {most}, found {value}")

    def as_dict(self) -> dict[str, Any]:
        """All settings, for the run's manifest."""
        return asdict(self)


def draw_token(
    logits: np.ndarray, allowed: np.ndarray, uniform: float, settings: GenerateSettings
) -> int:
    """Draw one of the allowed tokens.

    Args:
        logits: float32 (vocabulary,).
        allowed: Ids, ascending, at least one.
        uniform: A number in [0, 1).
        settings: Temperature and ``min_p``.

    Returns:
        The id at which the cumulative probability, in the order of the ids, passes ``uniform``.
    """
    values = logits[allowed].astype(np.float64)
    values -= values.max()
    if settings.temperature == 0.0:
        return int(allowed[int(values.argmax())])
    if settings.min_p > 0.0:
        kept = values >= math.log(settings.min_p)
        allowed, values = allowed[kept], values[kept]
    cumulative = np.cumsum(np.exp(values / settings.temperature))
    place = int(np.searchsorted(cumulative, uniform * cumulative[-1], side="right"))
    return int(allowed[min(place, len(allowed) - 1)])


class Drawing:
    """One attempt at one item's answer.

    Args:
        prompt: The item's own prompt tokens, at least one.
        compiler: The grammar.
        emotions: Given tags, or None.
        seed: Whole numbers that decide the draws: run seed, item, attempt.
        settings: How tokens are drawn.

    Attributes:
        pending: Tokens that the engine must still decode before the next draw.
        answer: The answer's tokens so far.
        fault: Why the answer cannot be finished, or None.
    """

    def __init__(
        self,
        prompt: Sequence[int],
        compiler: GrammarCompiler,
        emotions: Sequence[str] | None,
        seed: Sequence[int],
        settings: GenerateSettings,
    ) -> None:
        self._compiler = compiler
        self._matcher = compiler.matcher(emotions)
        self._uniforms = np.random.default_rng(list(seed))
        self._settings = settings
        self.pending = deque(prompt)
        self.answer: list[int] = []
        self.fault: str | None = None
        self._take_forced()

    @property
    def finished(self) -> bool:
        """Whether the answer is complete or has failed."""
        return self.fault is not None or bool(self._matcher.is_stopped())

    @property
    def wants_logits(self) -> bool:
        """Whether the next token is drawn after the first pending one."""
        return len(self.pending) == 1

    def take(self, logits: np.ndarray) -> None:
        """Draw the next token from the logits, and what the grammar forces after it."""
        allowed = self._compiler.allowed(self._matcher)
        if not len(allowed) or not np.isfinite(logits[allowed].max()):
            self.fault = "check: the model gave no usable probabilities"
            return
        token = draw_token(logits, allowed, self._uniforms.random(), self._settings)
        self._matcher.consume_token(token)
        self.answer.append(token)
        self.pending.append(token)
        self._take_forced()
        if not self.finished and len(self.answer) >= self._settings.max_tokens:
            self.fault = f"unfinished: no end after {len(self.answer)} tokens"

    def _take_forced(self) -> None:
        forced = [] if self._matcher.is_stopped() else self._matcher.compute_ff_tokens()
        if forced:
            self._matcher.consume_tokens(forced)
            self.answer += forced
            self.pending += forced
        if self._matcher.is_error():
            self.fault = f"check: grammar: {' '.join(self._matcher.get_error().split())[:160]}"

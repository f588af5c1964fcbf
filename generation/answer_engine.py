"""The one thing that ``generate`` asks of an engine: whole annotations, in order, with reasons.

Two classes keep to it: ``GenerateAnnotator`` (llama.cpp in batches, in this process) and
``ChatAnnotator`` (a chat model: an OpenAI-compatible server, or llama.cpp as such a server uses
it). Everything around them (human tags, records, the run folder) does not know which it has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from .transcripts import Transcript

HumanEmotions = Callable[[Transcript], tuple[str, ...]]


class NamedModel(Protocol):
    """Which model annotates, as records and manifest name it."""

    @property
    def annotator(self) -> str:
        """The provenance name in every record."""
        ...

    @property
    def sha256(self) -> str | None:
        """Hex digest of the model file's bytes, or None where no file is at hand."""
        ...


@dataclass(frozen=True)
class GeneratedFace:
    """What the model wrote about one transcript, checked.

    Attributes:
        emotions: Tags, the given ones where there were any.
        description: One sentence.
        action_units: Units such as ``"AU12B"``; empty only for a neutral face.
        attempts: How many answers were drawn, 1 to ``retries`` + 1.
    """

    emotions: list[str]
    description: str
    action_units: list[str]
    attempts: int


class AnswerEngine(Protocol):
    """An opened engine."""

    def identity(self) -> Mapping[str, Any]:
        """Everything here that decides what a record says, for the run's manifest."""
        ...

    def annotate(
        self,
        transcripts: Iterable[Transcript],
        human_emotions: HumanEmotions | None = None,
    ) -> Iterator[tuple[Transcript, GeneratedFace | str]]:
        """Annotate in the given order; a string in the place of a face is the reason why none.

        Raises:
            EngineError: The engine itself failed; no item is to blame.
        """
        ...

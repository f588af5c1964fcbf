"""What every way to annotate gives, and what it must say of itself: ``score`` and ``generate``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from .labels import Feeling, ModelTags
from .transcripts import Transcript


@dataclass(frozen=True, slots=True)
class Face:
    """What an annotator makes of one transcript.

    Attributes:
        feeling: Emotions and strength, and on whose word.
        said: What the model said of them, used or not; None where it was not asked.
        description: d.
        action_units: FACS action units.
    """

    feeling: Feeling
    said: ModelTags | None
    description: str
    action_units: list[str]


class Strategy(Protocol):
    """A way to annotate, opened with its model."""

    @property
    def identity(self) -> Mapping[str, Any]:
        """Everything of its own that decides what a record says; goes into the manifest."""
        ...

    @property
    def tagger(self) -> str:
        """What gives the tags, written into every record."""
        ...

    @property
    def fitted_on(self) -> frozenset[str]:
        """Corpus splits (``go_emotions/train``) that the tagger was fitted on."""
        ...

    @property
    def documents(self) -> Mapping[str, Any]:
        """File name to JSON value, kept beside the run (the calibration)."""
        ...

    def faces(self, transcripts: Iterable[Transcript]) -> Iterator[tuple[Transcript, Face | str]]:
        """Annotate in the given order; a string in the place of a face is the reason why none."""
        ...

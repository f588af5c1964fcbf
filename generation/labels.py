"""Whose word counts: the corpus' human tags and ratings, or the model's.

``use``      human tags become e and a human rating the strength, where a corpus has them; the model
             says the rest. The default: labels that exist are better than a small model's.
``compare``  everything is the model's; the human tags stand beside it, and agreement is measured.
``ignore``   everything is the model's, and the corpus' tags are not looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from .tables_reading import NEUTRAL
from .transcripts import Transcript

MAX_EMOTIONS = 5


class LabelUse(StrEnum):
    """What human labels are used for, ``--labels``."""

    ignore = "ignore"
    use = "use"
    compare = "compare"


@dataclass(frozen=True, slots=True)
class ModelTags:
    """What a tagger says of one transcript.

    Attributes:
        emotions: Tags, best first; neutral only alone.
        evidence: float64 (n_tags,), larger where a tag fits better; orders human tags.
        strength: How strongly the emotion is felt, in [0, 1]; None where it was not asked.
    """

    emotions: tuple[str, ...]
    evidence: np.ndarray
    strength: float | None


@dataclass(frozen=True, slots=True)
class Feeling:
    """What a face is to show, and on whose word.

    Attributes:
        emotions: One to ``MAX_EMOTIONS`` tags, best first.
        emotions_from: ``human`` or ``model``.
        strength: In [0, 1], to four decimals, or None where nobody said.
        strength_from: ``human``, ``model`` or ``none``.
    """

    emotions: tuple[str, ...]
    emotions_from: str
    strength: float | None
    strength_from: str


def as_seen(transcript: Transcript, use: LabelUse) -> Transcript:
    """The transcript with its human labels, or without them where they shall be ignored."""
    return replace(transcript, labels=(), intensity=None) if use is LabelUse.ignore else transcript


def human_emotions(transcript: Transcript, use: LabelUse) -> tuple[str, ...]:
    """The human tags that count, in the corpus' order; none unless they are to be used.

    Neutral beside an emotion is dropped: raters disagreed whether there is any, and a face at rest
    cannot show one.
    """
    if use is not LabelUse.use:
        return ()
    emotions = tuple(tag for tag in transcript.labels if tag != NEUTRAL)
    return emotions or transcript.labels


def settle_feeling(
    transcript: Transcript, use: LabelUse, said: ModelTags, tags: Sequence[str], strength: float
) -> Feeling:
    """Decide between human and model, field by field.

    Args:
        transcript: With its human labels.
        use: Whether they count.
        said: The tagger's word.
        tags: Names of the places of ``said.evidence``; human tags come in its order, best first.
        strength: What the tagger says of the strength, now that the emotions are known.
    """
    human = human_emotions(transcript, use)
    place = {tag: index for index, tag in enumerate(tags)}
    ranked = sorted(human, key=lambda tag: (-said.evidence[place[tag]], tag))
    rating = transcript.intensity if use is LabelUse.use else None
    return Feeling(
        emotions=tuple(ranked[:MAX_EMOTIONS]) or said.emotions,
        emotions_from="human" if ranked else "model",
        strength=round(strength if rating is None else rating, 4),
        strength_from="model" if rating is None else "human",
    )

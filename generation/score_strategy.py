"""The ``score`` strategy: closed questions to the LLM, then seeded composition from tables.

transcript ─► reading ─► tagger: tags, strength ─► action units ─► description
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..au_mapping import ActionUnit
from ..errors import CountenanceError, TableError
from .action_unit_draw import draw_action_units
from .calibration import Calibration, calibrate
from .composition_checks import describes, face_fault
from .description import compose_description
from .emotion_table import EMOTION_TABLE
from .labels import LabelUse, human_emotions, settle_feeling
from .model_files import GgufModel
from .phrases import PHRASES_TABLE
from .scoring import Reading, ScorePrompt, Scorer, open_scorers, read_in_order
from .strategy import Face
from .tagging import Tagger, open_tagger
from .transcripts import Transcript, transcript_id

TOO_LONG = "too_many_tokens"
CALIBRATION = "calibration.json"
# A face whose own description cannot be read back to it is drawn again; some in a thousand are.
_DRAWS = 5


class ScoreStrategy:
    """Closed questions and seeded composition.

    Args:
        scorers: Engines that read side by side.
        tagger: Turns a reading into tags and a strength.
        labels: What human labels are used for.
        seed: Run seed; each item draws from its own generator, seeded with this and its id.
    """

    def __init__(
        self, scorers: Sequence[Scorer], tagger: Tagger, labels: LabelUse, seed: int
    ) -> None:
        self._scorers = scorers
        self._tagger = tagger
        self._labels = labels
        self._seed = seed
        self.tagger = tagger.name
        self.fitted_on = tagger.fitted_on
        self.documents = {CALIBRATION: tagger.calibration.as_dict()}
        self.identity = {
            "engine": scorers[0].engine.build,
            "emotion_table": EMOTION_TABLE,
            "phrase_table": PHRASES_TABLE,
            "calibration_sha256": tagger.calibration.digest(),
            **tagger.identity,
        }

    def faces(self, transcripts: Iterable[Transcript]) -> Iterator[tuple[Transcript, Face | str]]:
        """Read on all engines, compose in the given order."""
        for transcript, reading in read_in_order(self._scorers, transcripts):
            if reading is None:
                yield transcript, TOO_LONG
                continue
            try:
                yield transcript, self.compose(transcript, reading)
            except CountenanceError as error:
                yield transcript, f"composition: {error}"

    def compose(self, transcript: Transcript, reading: Reading) -> Face:
        """Compose the face of one transcript from the model's answers about it.

        Raises:
            CountenanceError: The tables cannot say anything about these emotions.
        """
        said = self._tagger.say(reading)
        human = human_emotions(transcript, self._labels)
        strength = self._tagger.strength(reading, human)
        feeling = settle_feeling(transcript, self._labels, said, self._tagger.tags, strength)
        assert feeling.strength is not None
        for attempt in range(_DRAWS):
            draws = np.random.default_rng([self._seed, int(transcript_id(transcript), 16), attempt])
            units = draw_action_units(feeling.emotions, feeling.strength, draws)
            description = compose_description(units, list(feeling.emotions), draws)
            fault = _inconsistency(feeling.emotions, units, description)
            if fault is None:
                break
        else:
            raise TableError(fault)
        return Face(feeling, said, description, [str(unit) for unit in units])


def _inconsistency(
    emotions: Sequence[str], units: Sequence[ActionUnit], description: str
) -> str | None:
    """Why emotions, action units and description do not belong together, or None."""
    names = [str(unit) for unit in units]
    if fault := face_fault(emotions, names):
        return fault
    return None if describes(description, names) else "the description says other action units"


@contextmanager
def open_score_strategy(
    model: GgufModel,
    *,
    prompt_version: str,
    tagger: str | None,
    labels: LabelUse,
    seed: int,
    workers: int,
    gpu_layers: int = 0,
    calibration: Mapping[str, Any] | None = None,
    show_progress: bool = False,
) -> Iterator[ScoreStrategy]:
    """Load the model, calibrate it unless a calibration is given, and open the tagger.

    Raises:
        EngineError: The model cannot be loaded, or the head was fitted on another one.
        TableError: Unknown prompt or head.
    """
    prompt = ScorePrompt.load(prompt_version)
    with open_scorers(model, prompt, workers, gpu_layers) as scorers:
        if calibration is None:
            habit = calibrate(scorers, model, show_progress=show_progress)
        else:
            habit = Calibration.from_dict(calibration, prompt, model.sha256)
        yield ScoreStrategy(scorers, open_tagger(tagger, model, prompt, habit), labels, seed)

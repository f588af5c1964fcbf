"""Annotate corpora with a local LLM into a run folder: ``countenance annotate``.

transcripts ─► readings (llama.cpp) ─► tags, strength ─► action units ─► description ─► record

Each record depends only on its own transcript, the seed and the versions named in the run's
manifest: neither the order, nor the number of workers, nor a kill and a resume in between changes
a bit of it.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..au_mapping import AUMapping, load_mapping
from ..errors import CountenanceError, RunError
from ..progress import Progress
from .action_unit_draw import draw_action_units
from .agreement import tag_agreement
from .calibration import Calibration, calibrate, choose_tags
from .corpora import CorpusReading, CorpusSpec, read_corpora
from .description import compose_description
from .emotion_table import EMOTION_TABLE
from .model_files import PACKAGED, GgufModel, resolve_model
from .phrases import PHRASES_TABLE
from .record import AnnotationRecord, record_fault
from .run_store import (
    STATISTICS,
    RunStore,
    check_run_folder,
    read_run_statistics,
    write_json,
)
from .scoring import Reading, ScorePrompt, Scorer, open_scorers, read_in_order
from .transcripts import Transcript, normalise, transcript_id

STRATEGY = "score"
# The packaged transcripts' tags are their writer's, who also chose the calibration sample.
SAMPLES_NAME = "samples"
MAX_SEED = 2**32 - 1
_FLUSH_EVERY = 64


def usable_cores() -> int:
    """CPU cores that this process may use; Linux knows what a scheduler has taken away."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True)
class AnnotationConfig:
    """What to annotate, with what, and where to.

    Attributes:
        corpora: Where the transcripts come from; several add up.
        out: The run folder; an unfinished run with the same settings is continued.
        model: ``packaged`` or the path of a GGUF file.
        limit: Most transcripts to take; None takes all.
        seed: Decides which action units and words are drawn, item by item; 0 to 2**32 - 1.
        workers: Engines that read transcripts side by side, one CPU thread each.
        gpu_layers: Model layers to offload, where llama.cpp was built for a GPU.
        prompt_version: Packaged prompt.
        mapping_version: Table of action units that the records may use.
    """

    corpora: tuple[CorpusSpec, ...]
    out: Path
    model: str = PACKAGED
    limit: int | None = None
    seed: int = 0
    workers: int = field(default_factory=usable_cores)
    gpu_layers: int = 0
    prompt_version: str = "score-v1"
    mapping_version: str = "v1"

    def __post_init__(self) -> None:
        if not 0 <= self.seed <= MAX_SEED:
            raise RunError(f"seed: expected 0 to {MAX_SEED}, found {self.seed}")
        if self.workers < 1:
            raise RunError(f"workers: expected 1 or more, found {self.workers}")


class ScoreAnnotator:
    """The ``score`` strategy: closed questions to the LLM, then seeded composition from tables.

    Args:
        calibration: The model's habits, to compare each reading with.
        tags: Emotion tags in the order of the readings.
        annotator: Provenance name of the model.
        seed: Run seed; each item draws from its own generator, seeded with this and its id.
        mapping: Table that the action units belong to.
    """

    def __init__(
        self,
        calibration: Calibration,
        tags: Sequence[str],
        annotator: str,
        seed: int,
        mapping: AUMapping,
    ) -> None:
        self.calibration = calibration
        self.tags = tuple(tags)
        self.annotator = annotator
        self.seed = seed
        self.mapping = mapping

    def annotate(self, transcript: Transcript, reading: Reading) -> AnnotationRecord:
        """Compose the record of one transcript from the model's answers about it."""
        identifier = transcript_id(transcript)
        draws = np.random.default_rng([self.seed, int(identifier, 16)])
        emotions = choose_tags(self.calibration.tag_evidence(reading), self.tags)
        action_units = draw_action_units(emotions, self.calibration.strength(reading), draws)
        return AnnotationRecord(
            id=identifier,
            transcript=transcript.text,
            emotions=emotions,
            description=compose_description(action_units, emotions, draws),
            action_units=[str(unit) for unit in action_units],
            source=transcript.source,
            source_id=transcript.source_id,
            annotator=self.annotator,
            strategy=STRATEGY,
            prompt_version=self.calibration.prompt_version,
            mapping_version=self.mapping.version,
            seed=self.seed,
        )


def annotate(config: AnnotationConfig, *, show_progress: bool = False) -> dict[str, Any]:
    """Annotate all transcripts that the run folder does not hold yet.

    Args:
        config: What to do.
        show_progress: Show on stderr how far it is.

    Returns:
        The statistics that are also written to ``RUN/stats.json``.

    Raises:
        CorpusError: A corpus cannot be read.
        EngineError: The model cannot be loaded.
        RunError: The run folder cannot be used.
    """
    try:
        return _annotate(config, show_progress)
    except OSError as error:
        raise RunError(
            f"{config.out}: cannot write this run ({error.strerror}); free the disk or choose "
            "another --out; what is written already is kept"
        ) from error


def _annotate(config: AnnotationConfig, show_progress: bool) -> dict[str, Any]:
    check_run_folder(config.out)
    mapping = load_mapping(config.mapping_version)
    prompt = ScorePrompt.load(config.prompt_version)
    corpus = read_corpora(config.corpora, limit=config.limit)
    model = resolve_model(config.model)
    with open_scorers(model, prompt, config.workers, config.gpu_layers) as scorers:
        calibration = calibrate(scorers, model, show_progress=show_progress)
        identity = _identity(config, model, calibration, scorers[0].engine.build)
        annotator = ScoreAnnotator(calibration, prompt.tags, model.annotator, config.seed, mapping)
        with RunStore(config.out, identity) as store:
            write_json(config.out / "calibration.json", calibration.as_dict())
            left = _left_to_do(store, corpus.transcripts)
            started = time.perf_counter()
            with Progress("annotate", len(left), enabled=show_progress) as progress:
                _annotate_into(store, left, scorers, annotator, progress)
            seconds = time.perf_counter() - started
            statistics = _statistics(store, corpus)
            statistics["last_session"] = {
                "items": len(left),
                "limit": config.limit,
                "workers": config.workers,
                "seconds": round(seconds, 3),
                "items_per_second": round(len(left) / seconds, 2) if left else 0.0,
                "lines_repaired": store.repaired,
            }
            write_json(config.out / STATISTICS, statistics)
    return statistics


def _left_to_do(store: RunStore, transcripts: Sequence[Transcript]) -> list[Transcript]:
    """Transcripts without an outcome yet.

    A run may grow by another corpus that repeats a text of an earlier one: that text has its record
    under the earlier source and is not annotated again.
    """
    finished = store.finished_ids
    texts = {normalise(record["transcript"]) for record in store.records()}
    return [
        item
        for item in transcripts
        if transcript_id(item) not in finished and normalise(item.text) not in texts
    ]


def _annotate_into(
    store: RunStore,
    transcripts: Sequence[Transcript],
    scorers: Sequence[Scorer],
    annotator: ScoreAnnotator,
    progress: Progress,
) -> None:
    labels = frozenset(annotator.tags)
    try:
        for count, (transcript, reading) in enumerate(read_in_order(scorers, transcripts), 1):
            _settle(store, transcript, reading, annotator, labels)
            if count % _FLUSH_EVERY == 0:
                store.flush()
            progress.update(1, f"{len(store.rejected_ids)} set aside")
    finally:
        store.flush()


def _settle(
    store: RunStore,
    transcript: Transcript,
    reading: Reading | None,
    annotator: ScoreAnnotator,
    labels: frozenset[str],
) -> None:
    """Accept the transcript's record, or set the transcript aside with the reason."""
    if reading is None:
        store.reject(_reject_entry(transcript, "too_many_tokens"))
        return
    try:
        record = annotator.annotate(transcript, reading)
        fault = record_fault(record, labels, annotator.mapping)
    except CountenanceError as error:
        store.reject(_reject_entry(transcript, f"composition: {error}"))
        return
    if fault:
        store.reject(_reject_entry(transcript, fault))
    else:
        store.append(record)


def _reject_entry(transcript: Transcript, reason: str) -> dict[str, str]:
    return {
        "id": transcript_id(transcript),
        "reason": reason,
        "transcript": transcript.text,
        "source": transcript.source,
        "source_id": transcript.source_id,
    }


def _identity(
    config: AnnotationConfig, model: GgufModel, calibration: Calibration, build: str
) -> dict[str, Any]:
    """Everything that decides what a transcript's record says."""
    return {
        "strategy": STRATEGY,
        "annotator": model.annotator,
        "model_sha256": model.sha256,
        "engine": build,
        "prompt_version": config.prompt_version,
        "mapping_version": config.mapping_version,
        "emotion_table": EMOTION_TABLE,
        "phrase_table": PHRASES_TABLE,
        "calibration_sha256": calibration.digest(),
        "seed": config.seed,
    }


def _statistics(store: RunStore, corpus: CorpusReading) -> dict[str, Any]:
    """Counts over the whole run; of a source read in several sessions, the fullest reading."""
    reasons = Counter(entry["reason"].partition(":")[0] for entry in store.rejects())
    tagged = [item for item in corpus.transcripts if item.source != SAMPLES_NAME]
    before = _earlier_statistics(store)
    return {
        "accepted": len(store.accepted_ids),
        "rejected": dict(sorted(reasons.items())),
        "corpora": _fullest(before.get("corpora", {}), corpus.counts_as_dict(), "read"),
        "agreement": _fullest(
            before.get("agreement", {}), tag_agreement(store.records(), tagged), "items"
        ),
    }


def _earlier_statistics(store: RunStore) -> dict[str, Any]:
    try:
        return read_run_statistics(store.folder)
    except RunError:  # the first session, or a file that is remade now
        return {}


def _fullest(before: dict[str, Any], now: dict[str, Any], size: str) -> dict[str, Any]:
    merged = dict(before)
    for source, figures in now.items():
        if source not in before or figures[size] >= before[source][size]:
            merged[source] = figures
    return dict(sorted(merged.items()))

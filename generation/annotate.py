"""Annotate corpora with a local LLM into a run folder: ``countenance annotate``.

transcripts ─► strategy (score or generate): emotions, strength, action units, description ─► record

Each record depends only on its own transcript and human labels, the seed and the versions named in
the run's manifest: neither the order, nor the number of workers, nor a kill and a resume in between
changes a bit of it (``generate`` on a CPU: see docs/generate.md).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from ..au_mapping import AUMapping, load_mapping
from ..errors import RunError
from ..progress import Progress
from .agreement import agreement
from .annotation_config import AnnotationConfig, open_strategy
from .consistency import item_faults
from .corpora import CorpusReading, read_corpora
from .id_set import NumberSet, text_number
from .labels import LabelUse, as_seen
from .model_files import GgufModel, resolve_model
from .record import AnnotationRecord
from .run_store import (
    STATISTICS,
    RunStore,
    check_run_folder,
    part_checksums,
    read_run_statistics,
    write_json,
)
from .strategy import Face, Strategy
from .transcripts import Transcript, normalise, transcript_id

# The packaged transcripts' tags are their writer's, who also chose the calibration sample.
SAMPLES_NAME = "samples"
_FLUSH_EVERY = 64


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
    corpus = read_corpora(config.corpora, limit=config.limit)
    model = resolve_model(config.model)
    with open_strategy(config, model, mapping, show_progress=show_progress) as strategy:
        records = _RecordMaker(config, model, mapping, strategy)
        with RunStore(config.out, records.identity()) as store:
            for name, document in strategy.documents.items():
                write_json(config.out / name, document)
            left = _left_to_do(store, corpus.transcripts)
            started = time.perf_counter()
            with Progress("annotate", len(left), enabled=show_progress) as progress:
                _annotate_into(store, left, strategy, records, progress)
            seconds = time.perf_counter() - started
            statistics = _statistics(store, corpus, strategy, config.labels)
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


class _RecordMaker:
    """Puts a face and its provenance together, and checks the outcome."""

    def __init__(
        self, config: AnnotationConfig, model: GgufModel, mapping: AUMapping, strategy: Strategy
    ) -> None:
        self._config = config
        self._model = model
        self._mapping = mapping
        self._strategy = strategy

    def identity(self) -> dict[str, Any]:
        """Everything that decides what a transcript's record says."""
        return {
            "strategy": self._config.strategy,
            "annotator": self._model.annotator,
            "model_sha256": self._model.sha256,
            "tagger": self._strategy.tagger,
            "labels": self._config.labels.value,
            "prompt_version": self._config.prompt_version,
            "mapping_version": self._config.mapping_version,
            "seed": self._config.seed,
            **self._strategy.identity,
        }

    def record_or_reason(self, transcript: Transcript, face: Face) -> AnnotationRecord | str:
        """The record, or why it may not enter the run."""
        seen = as_seen(transcript, self._config.labels)
        said, feeling = face.said, face.feeling
        record = AnnotationRecord(
            id=transcript_id(transcript),
            transcript=transcript.text,
            emotions=list(feeling.emotions),
            emotions_from=feeling.emotions_from,
            strength=feeling.strength,
            strength_from=feeling.strength_from,
            description=face.description,
            action_units=face.action_units,
            human_emotions=list(seen.labels),
            human_strength=seen.intensity,
            model_emotions=list(said.emotions) if said else [],
            model_strength=round(said.strength, 4) if said and said.strength is not None else None,
            source=transcript.source,
            source_id=transcript.source_id,
            annotator=self._model.annotator,
            tagger=self._strategy.tagger,
            strategy=self._config.strategy,
            prompt_version=self._config.prompt_version,
            mapping_version=self._mapping.version,
            seed=self._config.seed,
        )
        faults = item_faults(record, self._mapping)
        return faults[0] if faults else record


def _left_to_do(store: RunStore, transcripts: Sequence[Transcript]) -> list[Transcript]:
    """Transcripts without an outcome yet.

    A run may grow by another corpus that repeats a text of an earlier one: that text has its record
    under the earlier source and is not annotated again.
    """
    finished = store.finished_ids
    texts = NumberSet()
    for record in store.records():
        texts.add(text_number(normalise(record["transcript"])))
    return [
        item
        for item in transcripts
        if transcript_id(item) not in finished and text_number(normalise(item.text)) not in texts
    ]


def _annotate_into(
    store: RunStore,
    transcripts: Sequence[Transcript],
    strategy: Strategy,
    records: _RecordMaker,
    progress: Progress,
) -> None:
    try:
        for count, (transcript, face) in enumerate(strategy.faces(transcripts), 1):
            outcome = face if isinstance(face, str) else records.record_or_reason(transcript, face)
            if isinstance(outcome, str):
                store.reject(_reject_entry(transcript, outcome))
            else:
                store.append(outcome)
            if count % _FLUSH_EVERY == 0:
                store.flush()
            progress.update(1, f"{len(store.rejected_ids)} set aside")
    finally:
        store.flush()


def _reject_entry(transcript: Transcript, reason: str) -> dict[str, str]:
    return {
        "id": transcript_id(transcript),
        "reason": reason,
        "transcript": transcript.text,
        "source": transcript.source,
        "source_id": transcript.source_id,
    }


def _statistics(
    store: RunStore, corpus: CorpusReading, strategy: Strategy, labels: LabelUse
) -> dict[str, Any]:
    """Counts over the whole run; of a source read in several sessions, the fullest reading."""
    reasons = Counter(entry["reason"].partition(":")[0] for entry in store.rejects())
    seen = [as_seen(item, labels) for item in corpus.transcripts if item.source != SAMPLES_NAME]
    before = _earlier_statistics(store)
    now = agreement(store.records(), seen, strategy.fitted_on)
    return {
        "accepted": len(store.accepted_ids),
        "rejected": dict(sorted(reasons.items())),
        "corpora": _fullest(before.get("corpora", {}), corpus.counts_as_dict(), "read"),
        "agreement": _fullest(before.get("agreement", {}), now, "items"),
        "parts": part_checksums(store.folder),
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

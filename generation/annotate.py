"""Annotate corpora with an LLM into a run folder: ``countenance annotate``.

transcripts ─► strategy (score or generate): emotions, strength, action units, description ─► record

Each record depends only on its own transcript and human labels, the seed and the versions named in
the run's manifest: neither the order, nor the number of workers, nor a kill and a resume in between
changes a bit of it (``generate`` on a CPU: see docs/generate.md).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any, Protocol

from ..au_mapping import AUMapping, load_mapping
from ..errors import EngineError, RunError
from ..progress import Progress
from .agreement import agreement
from .annotation_config import AnnotationConfig, open_strategy, resolve_annotator
from .answer_engine import NamedModel
from .consistency import item_faults
from .corpora import CorpusReading, read_corpora
from .id_set import NumberSet, text_number
from .labels import LabelUse, as_seen
from .ray_settings import RaySettings
from .record import AnnotationRecord
from .run_files import STATISTICS, is_passing, part_checksums, read_run_statistics, write_json
from .run_store import RunStore, check_run_folder
from .strategy import Face, Strategy
from .transcripts import Transcript, normalise, transcript_id
from .waiting_parts import WaitingParts

# The packaged transcripts' tags are their writer's, who also chose the calibration sample.
SAMPLES_NAME = "samples"
_FLUSH_EVERY = 64
# So many without an answer in a row are no accident of their texts.
_MOST_REFUSED = 20


def annotate(
    config: AnnotationConfig, *, ray: RaySettings | None = None, show_progress: bool = False
) -> dict[str, Any]:
    """Annotate all transcripts that the run folder does not hold yet.

    Args:
        config: What to do.
        ray: Do it on a Ray cluster; None does it in this process. The run's files come out equal.
        show_progress: Show on stderr how far it is.

    Returns:
        The statistics that are also written to ``RUN/stats.json``.

    Raises:
        CorpusError: A corpus cannot be read.
        EngineError: The model cannot be loaded.
        MissingDependencyError: ``ray`` without the extra ``ray``.
        RunError: The run folder or the Ray cluster cannot be used.
    """
    try:
        return _annotate(config, ray, show_progress)
    except OSError as error:
        raise RunError(
            f"{config.out}: cannot write this run ({error.strerror}); free the disk or choose "
            "another --out; what is written already is kept"
        ) from error


def _annotate(
    config: AnnotationConfig, ray: RaySettings | None, show_progress: bool
) -> dict[str, Any]:
    check_run_folder(config.out)
    load_mapping(config.mapping_version)
    corpus = read_corpora(config.corpora, limit=config.limit)
    with (
        _open_annotator(config, ray, show_progress) as annotator,
        RunStore(config.out, annotator.identity) as store,
    ):
        for name, document in annotator.documents.items():
            write_json(config.out / name, document)
        waiting = WaitingParts(config.out, annotator.identity)
        left = _left_to_do(store, corpus.transcripts)
        started = time.perf_counter()
        with Progress("annotate", len(left), enabled=show_progress) as progress:
            _annotate_into(store, left, annotator, waiting, progress)
        seconds = time.perf_counter() - started
        waiting.remove_all()
        statistics = _statistics(store, corpus, annotator, config.labels)
        statistics["last_session"] = {
            "items": len(left),
            "limit": config.limit,
            **_engine_width(config),
            "seconds": round(seconds, 3),
            "items_per_second": round(len(left) / seconds, 2) if left else 0.0,
            "lines_repaired": store.repaired,
            "parts_discarded": waiting.discarded,
            **annotator.session,
        }
        write_json(config.out / STATISTICS, statistics)
    return statistics


def _engine_width(config: AnnotationConfig) -> dict[str, int]:
    """What one engine did side by side: its threads, or the requests to a server with its own."""
    if config.server is not None:
        return {"concurrency": config.server.concurrency}
    return {"workers": config.workers}


class Annotator(Protocol):
    """Whatever makes outcomes of transcripts: an engine in this process, or actors elsewhere."""

    @property
    def identity(self) -> Mapping[str, Any]:
        """Everything that decides what a record says; goes into the manifest."""
        ...

    @property
    def fitted_on(self) -> frozenset[str]:
        """Corpus splits that the tagger was fitted on."""
        ...

    @property
    def documents(self) -> Mapping[str, Any]:
        """File name to JSON value, kept beside the run."""
        ...

    @property
    def session(self) -> Mapping[str, Any]:
        """What the statistics shall say of this session."""
        ...

    def outcomes(
        self, transcripts: Sequence[Transcript], waiting: WaitingParts
    ) -> Iterator[Mapping[str, Any]]:
        """One per transcript, in their order: a record, or an entry with a ``reason``.

        Args:
            transcripts: What to annotate.
            waiting: Where outcomes are noted that come in out of order.
        """
        ...


@contextmanager
def _open_annotator(
    config: AnnotationConfig, ray: RaySettings | None, show_progress: bool
) -> Iterator[Annotator]:
    if ray is None:
        with open_local_annotator(config, show_progress=show_progress) as here:
            yield here
    else:
        from .ray_annotator import open_ray_annotator

        with open_ray_annotator(config, ray, show_progress=show_progress) as there:
            yield there


class LocalAnnotator:
    """Annotates in this process.

    Args:
        strategy: The opened strategy.
        records: Puts its faces and their provenance together.
    """

    def __init__(self, strategy: Strategy, records: _RecordMaker) -> None:
        self.identity = records.identity()
        self.fitted_on = strategy.fitted_on
        self.documents = strategy.documents
        self.session: dict[str, Any] = {}
        self._strategy = strategy
        self._records = records

    def outcomes(
        self, transcripts: Iterable[Transcript], waiting: WaitingParts | None = None
    ) -> Iterator[Mapping[str, Any]]:
        """Records, or entries with a ``reason``, in the given order."""
        for transcript, face in self._strategy.faces(transcripts):
            made = (
                face if isinstance(face, str) else self._records.record_or_reason(transcript, face)
            )
            yield _reject_entry(transcript, made) if isinstance(made, str) else made


@contextmanager
def open_local_annotator(
    config: AnnotationConfig,
    *,
    documents: Mapping[str, Any] | None = None,
    show_progress: bool = False,
) -> Iterator[LocalAnnotator]:
    """Load the model in this process.

    Args:
        config: What to do.
        documents: Those of the same run where another process opened it before, so that the
            calibration is computed once.
        show_progress: Show on stderr how far it is.

    Raises:
        EngineError: The model cannot be loaded.
        TableError: Unknown prompt, head or mapping.
    """
    mapping = load_mapping(config.mapping_version)
    model = resolve_annotator(config)
    with open_strategy(
        config, model, mapping, documents=documents, show_progress=show_progress
    ) as strategy:
        yield LocalAnnotator(strategy, _RecordMaker(config, model, mapping, strategy))


class _RecordMaker:
    """Puts a face and its provenance together, and checks the outcome."""

    def __init__(
        self, config: AnnotationConfig, model: NamedModel, mapping: AUMapping, strategy: Strategy
    ) -> None:
        self._config = config
        self._model = model
        self._mapping = mapping
        self._strategy = strategy

    def identity(self) -> dict[str, Any]:
        """Everything that decides what a transcript's record says."""
        digest = self._model.sha256
        return {
            "strategy": self._config.strategy,
            "annotator": self._model.annotator,
            **({"model_sha256": digest} if digest else {}),
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
    annotator: Annotator,
    waiting: WaitingParts,
    progress: Progress,
) -> None:
    refused = 0
    try:
        # Closed at once where writing fails, so that no engine goes on for nothing.
        with closing(_in_order(transcripts, annotator, waiting)) as outcomes:
            for count, outcome in enumerate(outcomes, 1):
                if "reason" in outcome:
                    store.reject(outcome)
                    refused = _refused_in_a_row(store, outcome, refused)
                else:
                    store.append(outcome)
                    refused = 0
                if count % _FLUSH_EVERY == 0:
                    store.flush()
                    waiting.remove_taken()
                progress.update(1, f"{len(store.rejected_ids)} set aside")
    finally:
        store.flush()
    waiting.remove_taken()


def _refused_in_a_row(store: RunStore, entry: Mapping[str, Any], before: int) -> int:
    """How many transcripts in a row got no answer, this one included.

    Those that an earlier session had set aside do not count: they were tried again because of it.

    Raises:
        EngineError: Too many.
    """
    if not is_passing(entry):
        return 0
    if entry["id"] in store.retried_ids:
        return before
    if before + 1 >= _MOST_REFUSED:
        raise EngineError(
            f"{store.folder}: {_MOST_REFUSED} transcripts in a row got no answer, the last with "
            f"{entry['reason']!r}; what is annotated is kept; mend the server or model, and the "
            "same command tries them again"
        )
    return before + 1


def _in_order(
    transcripts: Sequence[Transcript], annotator: Annotator, waiting: WaitingParts
) -> Generator[Mapping[str, Any], None, None]:
    """Outcomes in the order of the transcripts, those of a killed Ray run not made again.

    The order makes the run's files the same bytes wherever and however often it was continued.
    """
    identifiers = [transcript_id(transcript) for transcript in transcripts]
    arrived = {identifier for identifier in identifiers if identifier in waiting}
    rest = [
        transcript
        for transcript, identifier in zip(transcripts, identifiers, strict=True)
        if identifier not in arrived
    ]
    fresh = iter(annotator.outcomes(rest, waiting) if rest else ())
    for identifier in identifiers:
        yield waiting.take(identifier) if identifier in arrived else next(fresh)


def _reject_entry(transcript: Transcript, reason: str) -> dict[str, str]:
    return {
        "id": transcript_id(transcript),
        "reason": reason,
        "transcript": transcript.text,
        "source": transcript.source,
        "source_id": transcript.source_id,
    }


def _statistics(
    store: RunStore, corpus: CorpusReading, annotator: Annotator, labels: LabelUse
) -> dict[str, Any]:
    """Counts over the whole run; of a source read in several sessions, the fullest reading."""
    reasons = Counter(entry["reason"].partition(":")[0] for entry in store.rejects())
    seen = [as_seen(item, labels) for item in corpus.transcripts if item.source != SAMPLES_NAME]
    before = _earlier_statistics(store)
    now = agreement(store.records(), seen, annotator.fitted_on)
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

"""From corpora to annotation records: readers, prompts, the engine, composition, the run store."""

from .annotate import AnnotationConfig, annotate
from .corpora import CorpusReading, CorpusSpec, parse_corpus_option, read_corpora
from .corpora_tables import describe_corpus, emotion_names, known_corpora
from .record import RECORD_KEYS, AnnotationRecord, record_fault
from .run_store import read_manifest, read_records, read_run_statistics, write_json
from .transcripts import Transcript, transcript_id

__all__ = [
    "RECORD_KEYS",
    "AnnotationConfig",
    "AnnotationRecord",
    "CorpusReading",
    "CorpusSpec",
    "Transcript",
    "annotate",
    "describe_corpus",
    "emotion_names",
    "known_corpora",
    "parse_corpus_option",
    "read_corpora",
    "read_manifest",
    "read_records",
    "read_run_statistics",
    "record_fault",
    "transcript_id",
    "write_json",
]

"""From corpora to annotation records: readers, prompts, the engine, composition, the run store."""

from .annotate import annotate
from .annotation_config import AnnotationConfig, parse_settings
from .chat_server import ServerSettings, parse_server_options
from .consistency import item_faults
from .corpora import CorpusReading, CorpusSpec, parse_corpus_option, read_corpora
from .corpora_tables import describe_corpus, emotion_names, known_corpora
from .estimate import estimate
from .fit_head import HeadFitConfig, fit_head
from .generate_sampling import GenerateSettings
from .labels import LabelUse
from .ray_settings import RaySettings, parse_ray_option
from .record import RECORD_KEYS, AnnotationRecord, record_fault
from .reference import ReferenceItem, load_reference
from .reference_annotation import reference_table, score_on_reference
from .reference_scoring import score_annotations
from .run_files import (
    check_parts,
    part_checksums,
    read_manifest,
    read_records,
    read_run_statistics,
    write_json,
)
from .transcripts import Transcript, transcript_id

__all__ = [
    "RECORD_KEYS",
    "AnnotationConfig",
    "AnnotationRecord",
    "CorpusReading",
    "CorpusSpec",
    "GenerateSettings",
    "HeadFitConfig",
    "LabelUse",
    "RaySettings",
    "ReferenceItem",
    "ServerSettings",
    "Transcript",
    "annotate",
    "check_parts",
    "describe_corpus",
    "emotion_names",
    "estimate",
    "fit_head",
    "item_faults",
    "known_corpora",
    "load_reference",
    "parse_corpus_option",
    "parse_ray_option",
    "parse_server_options",
    "parse_settings",
    "part_checksums",
    "read_corpora",
    "read_manifest",
    "read_records",
    "read_run_statistics",
    "record_fault",
    "reference_table",
    "score_annotations",
    "score_on_reference",
    "transcript_id",
    "write_json",
]

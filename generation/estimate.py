"""How long a corpus will take here: ``countenance annotate --estimate``. Writes no run."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from ..au_mapping import load_mapping
from .annotation_config import SCORE, AnnotationConfig, open_strategy, resolve_annotator
from .corpora import read_corpora
from .run_files import finished_ids
from .run_store import check_run_folder
from .transcripts import transcript_id

_SAMPLE = {SCORE: 96}
_SLOW_SAMPLE = 24


def estimate(config: AnnotationConfig, *, show_progress: bool = False) -> dict[str, Any]:
    """Annotate a few transcripts, throw them away, and reckon how long all of them will take.

    Args:
        config: The run that would be started or continued.
        show_progress: Show on stderr how far loading is.

    Returns:
        ``transcripts`` in all, ``finished`` already, ``left``; ``sampled`` and their
        ``items_per_second`` here; ``seconds`` for those that are left, loading not counted.

    Raises:
        CorpusError: A corpus cannot be read.
        EngineError: The model cannot be loaded.
        RunError: ``config.out`` is not a place for a run.
    """
    check_run_folder(config.out)
    corpus = read_corpora(config.corpora, limit=config.limit)
    finished = finished_ids(config.out)
    left = [item for item in corpus.transcripts if transcript_id(item) not in finished]
    size = min(_SAMPLE.get(config.strategy, _SLOW_SAMPLE), len(left))
    chosen = np.random.default_rng(config.seed).choice(len(left), size, replace=False)
    sample = [left[index] for index in chosen]
    rate = _rate(config, sample, show_progress) if sample else None
    return {
        "transcripts": len(corpus.transcripts),
        "finished": len(corpus.transcripts) - len(left),
        "left": len(left),
        "sampled": len(sample),
        "items_per_second": round(rate, 2) if rate else None,
        "seconds": round(len(left) / rate) if rate else 0,
    }


def _rate(config: AnnotationConfig, sample: list[Any], show_progress: bool) -> float:
    model = resolve_annotator(config)
    mapping = load_mapping(config.mapping_version)
    with open_strategy(config, model, mapping, show_progress=show_progress) as strategy:
        started = time.perf_counter()
        for _ in strategy.faces(sample):
            pass
        return len(sample) / (time.perf_counter() - started)

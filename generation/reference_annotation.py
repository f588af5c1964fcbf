"""Annotating the reference transcripts with the real annotator, and the table of its scores."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from .annotate import annotate
from .annotation_config import AnnotationConfig
from .corpora import CorpusSpec
from .labels import LabelUse
from .reference import TEST, ReferenceItem, load_reference
from .reference_baselines import compare
from .reference_scoring import annotations_of
from .run_files import read_manifest, read_records

_FILE = "reference.jsonl"
_TAG_FIGURES = {
    "micro_f1": "micro",
    "macro_f1": "macro",
    "first_in_set": "first",
    "jaccard": "Jaccard",
}
_UNIT_FIGURES = {
    "micro_f1": "micro",
    "macro_f1": "macro",
    "agreement": "FACS",
    "jaccard": "Jaccard",
    "within_one_letter_f1": "+-1",
    "weighted_f1": "wtd",
}
# Of the run's identity.
_TOLD = ("annotator", "tagger", "strategy", "prompt_version", "mapping_version", "seed")


def score_on_reference(
    config: AnnotationConfig,
    *,
    half: str = TEST,
    limit: int | None = None,
    show_progress: bool = False,
) -> dict[str, Any]:
    """Annotate reference transcripts as any others, and score the outcome beside the baselines.

    Args:
        config: How to annotate; its ``corpora``, ``out``, ``labels`` and ``limit`` are not used:
            the transcripts are those of the reference set, in a run of their own that is thrown
            away, and no human tags are shown.
        half: ``test``; what is scored on ``train`` is no evidence, because prompts and baselines
            were made from it.
        limit: Most transcripts, the first ones.
        show_progress: Show on stderr how far it is.

    Returns:
        ``half``, ``items``, what the run was made with, and ``rows``, see ``compare``.

    Raises:
        EngineError, RunError, TableError: As of ``annotate`` and ``load_reference``.
    """
    items = load_reference(half)[:limit]
    with TemporaryDirectory(prefix="countenance-reference-") as folder:
        made, records = _annotated(config, items, Path(folder), show_progress)
    return {
        "half": half,
        "items": len(items),
        **{name: made[name] for name in _TOLD},
        "rows": compare(annotations_of(records, items), items, seed=config.seed),
    }


def _annotated(
    config: AnnotationConfig, items: Sequence[ReferenceItem], folder: Path, show_progress: bool
) -> tuple[Mapping[str, Any], list[Mapping[str, Any]]]:
    texts = folder / _FILE
    lines = (json.dumps({"text": item.transcript}, ensure_ascii=False) for item in items)
    texts.write_text("\n".join(lines) + "\n", encoding="utf-8")
    out = folder / "run"
    corpora = (CorpusSpec("jsonl", texts),)
    run = replace(config, corpora=corpora, out=out, labels=LabelUse.ignore, limit=None)
    annotate(run, show_progress=show_progress)
    return read_manifest(out)["identity"], list(read_records(out))


def reference_table(result: Mapping[str, Any]) -> str:
    """The scores of ``score_on_reference`` as text: a row per annotator, then one per unit."""
    names = (
        "micro",
        "macro",
        "first",
        "Jaccard",
        "micro",
        "macro",
        "FACS",
        "Jaccard",
        "+-1",
        "wtd",
    )
    head = f"{'':<40} {'tags':<31} action units\n{'':<40}" + "".join(f"{n:>8}" for n in names)
    lines = [head]
    for name, row in result["rows"].items():
        tags, units = row["tags"], row["action_units"]
        figures = [tags[key] for key in _TAG_FIGURES] if tags else [None] * len(_TAG_FIGURES)
        figures += [units[key] for key in _UNIT_FIGURES]
        shown = (f"{'given' if value is None else f'{value:.3f}':>8}" for value in figures)
        lines.append(f"{name:<40}" + "".join(shown))
    annotator = next(iter(result["rows"].values()))
    lines += ["", f"{'unit':<8}{'here':>6}{'said':>6}{'both':>6}{'F1':>8}{'letters stronger':>18}"]
    for row in annotator["action_units"]["per_action_unit"]:
        stronger = row["letters_stronger"]
        lines.append(
            f"{row['action_unit']:<8}{row['reference']:>6}{row['annotated']:>6}{row['both']:>6}"
            f"{row['f1']:>8.3f}{'-' if stronger is None else f'{stronger:+.2f}':>18}"
        )
    missing = len(annotator["missing"])
    lines.append(
        f"{result['half']} half: {result['items']} transcripts, {missing} without an annotation; "
        f"{result['annotator']}, {result['tagger']}, {result['strategy']}, "
        f"{result['prompt_version']}, seed {result['seed']}"
    )
    return "\n".join(lines)

"""Fit a calibration head: ``countenance fit-head``.

Train files only: GoEmotions' tags teach the tags, the tweets' ratings teach the strength. Dev files
that lie beside them are scored for the report, and nothing is chosen on them; test files are not
read. The outcome is the same bytes for the same corpora, model, prompt and library versions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import CorpusError
from ..progress import Progress
from .agreement import corpus_split, strength_agreement, tag_agreement
from .annotation_config import usable_cores
from .calibration import Calibration, calibrate
from .corpora import CorpusSpec, corpus_files, read_corpora
from .head import CalibrationHead, head_input, pack_tensors
from .head_features import Examples, Features, read_features
from .model_files import PACKAGED, resolve_model
from .scoring import ScorePrompt, open_scorers
from .tables_reading import NEUTRAL, load_emotions
from .transcripts import Transcript, normalise

# A basic emotion that nobody rated, and the rated one whose face is nearest to it.
_NEAREST_RATED = {"disgust": "anger"}
TRAIN, DEV = "train", "dev"
_MAX_TAGS = 3
_FEWEST = 20


@dataclass(frozen=True)
class HeadFitConfig:
    """What to fit a head on.

    Attributes:
        corpora: Known corpora with human tags (for the tags) and ratings (for the strength).
        version: Name of the head, ``head-v1``.
        model: ``packaged`` or the path of a GGUF file.
        prompt_version: Prompt that the readings answer.
        limit: Most train transcripts of each kind, drawn by ``seed``; None takes all.
        seed: Seed of that draw and of the folds.
        workers: Engines side by side.
        gpu_layers: Model layers to put on the GPU.
    """

    corpora: tuple[CorpusSpec, ...]
    version: str = "head-v1"
    model: str = PACKAGED
    prompt_version: str = "score-v2"
    limit: int | None = None
    seed: int = 0
    workers: int = field(default_factory=usable_cores)
    gpu_layers: int = 0


def fit_head(config: HeadFitConfig, *, show_progress: bool = False) -> CalibrationHead:
    """Read the corpora's train files and fit the head.

    Raises:
        CorpusError: No train file with tags, or none with ratings.
        EngineError: The model cannot be loaded.
    """
    # scikit-learn takes a second to import, and no other command needs it.
    from .head_fitting import fit_second_tag, fit_tensors, summarise

    prompt = ScorePrompt.load(config.prompt_version)
    model = resolve_model(config.model)
    held_out = published_transcripts(config, DEV)
    seen_in_dev = {normalise(item.text) for item in held_out}
    tagged, rated = (
        [item for item in items if normalise(item.text) not in seen_in_dev]
        for items in training_sets(published_transcripts(config, TRAIN), config)
    )
    with open_scorers(model, prompt, config.workers, config.gpu_layers) as scorers:
        calibration = calibrate(scorers, model, show_progress=show_progress)
        tagged_examples, rated_examples, unseen = (
            _examples(read_features(scorers, items, show_progress=show_progress), calibration)
            for items in (tagged, rated, held_out)
        )
    rated_names = sorted({labels[0] for labels in rated_examples.labels})
    with Progress("fit", len(prompt.tags) + 2, enabled=show_progress) as progress:
        tensors = fit_tensors(
            tagged_examples, rated_examples, prompt.tags, rated_names, config.seed, progress.update
        )
    about: dict[str, Any] = {
        "version": config.version,
        "model_sha256": model.sha256,
        "prompt_version": prompt.version,
        "prompt_sha256": prompt.digest(),
        "weights_sha256": hashlib.sha256(pack_tensors(tensors)).hexdigest(),
        "tags": list(prompt.tags),
        "rated": rated_names,
        "strength_groups": _strength_groups(rated_names),
        "second_tag": 1.0,
        "max_tags": _MAX_TAGS,
        "fitted_on": sorted({split_name(item) for item in (*tagged, *rated)}),
        "report": {"annotator": model.annotator, "seed": config.seed},
    }
    head = CalibrationHead(about, tensors)
    threshold = fit_second_tag(
        head.tag_probabilities(tagged_examples.features),
        tagged_examples.labels,
        prompt.tags,
        _MAX_TAGS,
    )
    about["second_tag"] = threshold.pop("second_tag")
    about["report"] |= {
        "train": {
            "tagged": len(tagged_examples.labels),
            "rated": len(rated_examples.labels),
            "tags": summarise(tagged_examples.labels, prompt.tags),
            "second_tag": threshold,
        },
        "dev": head_report(head, unseen),
    }
    return head


def split_name(transcript: Transcript) -> str:
    """Corpus and published split, ``go_emotions/train``."""
    return f"{transcript.source}/{corpus_split(transcript.part)}"


def head_report(head: CalibrationHead, unseen: Examples) -> dict[str, Any]:
    """What a head reaches on rows that it was not fitted on.

    Returns:
        ``without_neutral``: agreement of the best three tags where neutral is no candidate and
        purely neutral rows are left out; ``with_neutral``: of the tags that it would give;
        ``strength``: rank correlation with the ratings, all emotions together.
    """
    probabilities = head.tag_probabilities(unseen.features)
    unrated = np.isnan(unseen.strengths)
    tagged = [i for i, labels in enumerate(unseen.labels) if labels and unrated[i]]
    chosen = [(head.choose_tags(probabilities[i]), unseen.labels[i]) for i in tagged]
    strengths = [
        (head.strength(unseen.features[i]), float(unseen.strengths[i]))
        for i in np.flatnonzero(~unrated)
    ]
    return {
        "without_neutral": without_tables(
            tag_agreement(
                best_emotions(probabilities[tagged], [unseen.labels[i] for i in tagged], head.tags)
            )
        ),
        "with_neutral": without_tables(tag_agreement(chosen)),
        "strength": strength_agreement(strengths),
    }


def best_emotions(
    evidence: np.ndarray, labels: Sequence[tuple[str, ...]], tags: Sequence[str]
) -> list[tuple[Sequence[str], Sequence[str]]]:
    """The best three emotions beside the human ones, neutral aside on both sides."""
    columns = [index for index, tag in enumerate(tags) if tag != NEUTRAL]
    order = np.argsort(-evidence[:, columns], axis=1, kind="stable")[:, :3]
    pairs: list[tuple[Sequence[str], Sequence[str]]] = []
    for best, found in zip(order, labels, strict=True):
        human = [tag for tag in found if tag != NEUTRAL]
        if human:
            pairs.append(([tags[columns[place]] for place in best], human))
    return pairs


def without_tables(figures: dict[str, Any]) -> dict[str, Any]:
    """An agreement without its table per tag and its confusion counts."""
    return {name: value for name, value in figures.items() if name not in ("tags", "confusion")}


def published_transcripts(config: HeadFitConfig, split: str) -> list[Transcript]:
    """All transcripts of the corpora's files of one published split; no other file is opened."""
    specs = [
        CorpusSpec(spec.name, file, spec.text_column)
        for spec in config.corpora
        for file in corpus_files(spec)
        if corpus_split(file.stem) == split
    ]
    return read_corpora(specs).transcripts if specs else []


def training_sets(
    train: Sequence[Transcript], config: HeadFitConfig
) -> tuple[list[Transcript], list[Transcript]]:
    """Rows with tags, and rows with one rated emotion; each at most ``limit``, drawn by seed."""
    rated = [item for item in train if item.intensity is not None and len(item.labels) == 1]
    tagged = [item for item in train if item.intensity is None and item.labels]
    for kind, items in (("human tags", tagged), ("one rated emotion", rated)):
        if len(items) < _FEWEST:
            raise CorpusError(
                f"fit-head: {len(items)} train transcripts with {kind}, at least {_FEWEST} are "
                "needed; give --corpus go_emotions=PATH and --corpus tweet_intensity=PATH with "
                "their train files"
            )
    return _drawn(tagged, config), _drawn(rated, config)


def _drawn(items: list[Transcript], config: HeadFitConfig) -> list[Transcript]:
    if config.limit is None or config.limit >= len(items):
        return items
    chosen = np.random.default_rng(config.seed).choice(len(items), config.limit, replace=False)
    return [items[index] for index in sorted(chosen)]


def _examples(features: Features, calibration: Calibration) -> Examples:
    ratings = [item.intensity for item in features.transcripts]
    return Examples(
        features=head_input(calibration.standardise(features.tag_scores), features.hidden_states),
        labels=[item.labels for item in features.transcripts],
        strengths=np.array([np.nan if rating is None else rating for rating in ratings]),
    )


def _strength_groups(rated: Sequence[str]) -> dict[str, str]:
    """Tag to the rated emotion of its basic emotion; surprise and neutral have none and mix."""
    basic = {emotion.name: emotion.ekman for emotion in load_emotions()}
    nearest = {name: _NEAREST_RATED.get(group, group) for name, group in basic.items()}
    return {name: group for name, group in nearest.items() if group in rated}

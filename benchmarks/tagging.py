"""How well do tags and strengths agree with people? ``python -m benchmarks.tagging --corpora DIR``.

The tables of generation/LOG.md: what the LLM says alone, under several calibrations; where the
margin for a second tag lies on the train files; and calibration heads over several inputs. Heads
are fitted on train files; every figure is of the dev files, without neutral as in issue 3 unless it
says otherwise. Test files are never opened. Readings come from the cache where they are there.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from countenance.generation import CorpusSpec, HeadFitConfig
from countenance.generation.agreement import strength_agreement, tag_agreement
from countenance.generation.calibration import (
    Calibration,
    TaggingSettings,
    calibrate,
    choose_tags,
    tag_evidence,
)
from countenance.generation.fit_head import (
    DEV,
    TRAIN,
    best_emotions,
    published_transcripts,
    training_sets,
    without_tables,
)
from countenance.generation.head import CalibrationHead, head_input
from countenance.generation.head_features import Examples, Features, read_features
from countenance.generation.head_fitting import Penalties, fit_tensors
from countenance.generation.model_files import resolve_model
from countenance.generation.scoring import ScorePrompt, open_scorers
from countenance.generation.transcripts import Transcript
from countenance.model.configuration_countenance import ExpressionConfig
from countenance.model.features import embed_texts

CORPORA = Path(__file__).parents[2] / "shared" / "data" / "corpora"
EXPONENTS = (0.0, 0.25, 0.5, 0.75, 1.0)
MARGINS = tuple(np.round(np.arange(0.0, 1.01, 0.1), 2))
OFFSETS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5)
TAG_PENALTIES = (0.0003, 0.001, 0.003, 0.01, 0.03)
RATED_PENALTIES = (0.001, 0.003, 0.01)
STRENGTH_PENALTIES = (300.0, 1000.0, 3000.0)
PRIORS = (0.0, 0.25, 0.5, 0.75, 1.0)
INPUTS = {
    "answers": ("answers",),
    "hidden state": ("hidden",),
    "sentence encoder": ("encoder",),
    "answers + hidden state": ("answers", "hidden"),
    "answers + sentence encoder": ("answers", "encoder"),
    "all three": ("answers", "hidden", "encoder"),
}

Tags = tuple[str, ...]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpora", type=Path, default=CORPORA)
    parser.add_argument("--limit", type=int, default=2000, help="train transcripts of each kind")
    parser.add_argument("--heads", action="store_true", help="also fit heads over several inputs")
    parser.add_argument("--penalties", action="store_true", help="also fit under other penalties")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if not arguments.corpora.is_dir():
        print(f"skipped: no corpora in {arguments.corpora}; give their folder with --corpora")
        return
    specs = [
        CorpusSpec(name, arguments.corpora / name) for name in ("go_emotions", "tweet_intensity")
    ]
    config = HeadFitConfig(tuple(specs), limit=arguments.limit)
    prompt, model = ScorePrompt.load(), resolve_model()
    tagged, rated = training_sets(published_transcripts(config, TRAIN), config)
    dev = published_transcripts(config, DEV)
    with open_scorers(model, prompt, config.workers) as scorers:
        calibration = calibrate(scorers, model)
        read = [read_features(scorers, items, show_progress=True) for items in (tagged, rated, dev)]
    tables = {
        "LLM alone, dev": llm_alone(read[2], calibration, prompt.tags),
        "second tag and neutral, train": margins(read[0], calibration, prompt.tags),
    }
    if arguments.heads:
        tables["heads, dev"] = heads(read, calibration, prompt.tags, config.seed)
    if arguments.penalties:
        tables["penalties, dev"] = penalties(read, calibration, prompt.tags, config.seed)
    if arguments.json:
        print(json.dumps(tables))
        return
    for title, rows in tables.items():
        print(f"\n{title}")
        print("  ".join(rows[0]))
        for row in rows:
            print("  ".join(str(value) for value in row.values()))


def llm_alone(dev: Features, calibration: Calibration, tags: Tags) -> list[dict[str, object]]:
    """Agreement of the LLM's own answers, by how far the spread is divided out."""
    labels = [item.labels for item in dev.transcripts]
    chosen = np.array([bool(item.labels) and item.intensity is None for item in dev.transcripts])
    rows: list[dict[str, object]] = []
    raw = best_emotions(dev.tag_scores[chosen], _where(labels, chosen), tags)
    rows.append({"calibration": "none", **_short(tag_agreement(raw))})
    for exponent in EXPONENTS:
        evidence = calibration.standardise(dev.tag_scores[chosen], exponent)
        pairs = best_emotions(evidence, _where(labels, chosen), tags)
        rows.append({"calibration": f"spread^{exponent}", **_short(tag_agreement(pairs))})
    settings = TaggingSettings.load()
    evidence = tag_evidence(calibration, dev.tag_scores[chosen], tags, settings)
    said = [choose_tags(row, tags, settings) for row in evidence]
    with_neutral = tag_agreement(list(zip(said, _where(labels, chosen), strict=True)))
    rows.append({"calibration": "as shipped, with neutral", **_short(with_neutral)})
    rated = ~chosen
    strengths = strength_agreement(
        [
            (float(score), float(item.intensity))
            for score, item, wanted in zip(dev.strength_scores, dev.transcripts, rated, strict=True)
            if wanted and item.intensity is not None
        ]
    )
    rows.append({"calibration": "strength", **strengths})
    return rows


def margins(train: Features, calibration: Calibration, tags: Tags) -> list[dict[str, object]]:
    """Mean Jaccard index of the tags with the human ones, all of train, neutral a candidate."""
    labels = [set(item.labels) for item in train.transcripts]
    rows: list[dict[str, object]] = []
    for offset in OFFSETS:
        for margin in MARGINS:
            settings = TaggingSettings("trial", 3, 0.5, float(margin), offset)
            evidence = tag_evidence(calibration, train.tag_scores, tags, settings)
            said = [choose_tags(row, tags, settings) for row in evidence]
            pairs = list(zip(map(set, said), labels, strict=True))
            rows.append(
                {
                    "neutral_offset": offset,
                    "margin": float(margin),
                    "jaccard": round(
                        float(np.mean([len(a & b) / len(a | b) for a, b in pairs])), 4
                    ),
                    "tags_per_item": round(float(np.mean([len(a) for a in said])), 3),
                    "neutral_share": round(float(np.mean([a == ("neutral",) for a in said])), 3),
                }
            )
    return rows


def heads(
    read: list[Features], calibration: Calibration, tags: Tags, seed: int
) -> list[dict[str, object]]:
    """Heads over several inputs, fitted on train."""
    parts = [_inputs(features, calibration) for features in read]
    return [
        {
            "input": name,
            **_head_row(
                [
                    _examples(features.transcripts, np.hstack([part[key] for key in wanted]))
                    for features, part in zip(read, parts, strict=True)
                ],
                tags,
                seed,
                Penalties(),
            ),
        }
        for name, wanted in INPUTS.items()
    ]


def penalties(
    read: list[Features], calibration: Calibration, tags: Tags, seed: int
) -> list[dict[str, object]]:
    """The shipped input under other penalties, fitted on train."""
    examples = [
        _examples(
            features.transcripts,
            head_input(calibration.standardise(features.tag_scores), features.hidden_states),
        )
        for features in read
    ]
    trials = [Penalties(tag=tag) for tag in TAG_PENALTIES]
    trials += [Penalties(rated=rated) for rated in RATED_PENALTIES]
    trials += [Penalties(strength=strength) for strength in STRENGTH_PENALTIES]
    trials += [Penalties(prior=prior) for prior in PRIORS]
    return [
        {**asdict(trial), **_head_row(examples, tags, seed, trial)}
        for trial in dict.fromkeys(trials)
    ]


def _head_row(
    examples: list[Examples], tags: Tags, seed: int, chosen: Penalties
) -> dict[str, object]:
    tagged, rated, dev = examples
    rated_names = sorted({labels[0] for labels in rated.labels})
    tensors = fit_tensors(tagged, rated, tags, rated_names, seed, lambda: None, chosen)
    head = CalibrationHead({"tags": tags, "rated": rated_names, "strength_groups": {}}, tensors)
    unrated = np.isnan(dev.strengths)
    labels = _where(dev.labels, unrated)
    probabilities = head.tag_probabilities(dev.features[unrated])
    best = np.array(tags)[probabilities.argmax(axis=1)]
    strengths = [
        (head.strength(row), float(rating))
        for row, rating in zip(dev.features[~unrated], dev.strengths[~unrated], strict=True)
    ]
    return {
        "fitted_on": len(tagged.labels),
        **_short(tag_agreement(best_emotions(probabilities, labels, tags))),
        **_with_neutral(best, labels),
        "spearman": strength_agreement(strengths)["spearman"],
    }


def _with_neutral(best: np.ndarray, labels: list[Tags]) -> dict[str, float]:
    agreement = tag_agreement(
        [((str(tag),), found) for tag, found in zip(best, labels, strict=True)]
    )
    return {
        "first_with_neutral": agreement["first_tag_percent"],
        "macro_f1_with_neutral": agreement["macro_f1"],
        "neutral_percent": round(100 * float(np.mean(best == "neutral")), 1),
    }


def _inputs(features: Features, calibration: Calibration) -> dict[str, np.ndarray]:
    texts = [item.text for item in features.transcripts]
    distinct = list(dict.fromkeys(texts))
    place = {text: index for index, text in enumerate(distinct)}
    encoded = np.asarray(embed_texts(distinct, ExpressionConfig()))
    return {
        "answers": calibration.standardise(features.tag_scores),
        "hidden": features.hidden_states.astype(np.float64),
        "encoder": encoded[[place[text] for text in texts]].astype(np.float64),
    }


def _examples(transcripts: list[Transcript], features: np.ndarray) -> Examples:
    ratings = [item.intensity for item in transcripts]
    return Examples(
        features,
        [item.labels for item in transcripts],
        np.array([np.nan if rating is None else rating for rating in ratings]),
    )


def _where(labels: list[Tags], chosen: np.ndarray) -> list[Tags]:
    return [found for found, wanted in zip(labels, chosen, strict=True) if wanted]


def _short(figures: dict[str, object]) -> dict[str, object]:
    return without_tables(figures)


if __name__ == "__main__":
    main()

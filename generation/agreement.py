"""How far the annotator's tags and strengths agree with human ones, corpus by corpus.

Figures are kept apart by corpus and by its published split, because a calibration head is fitted on
some corpora's train files: what it says about those is no evidence, and is marked ``fitted_on``.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from .corpora_tables import emotion_names
from .tables_reading import load_emotions
from .transcripts import Transcript, transcript_id

_SPLIT = re.compile("train|dev|valid|test")


def corpus_split(part: str) -> str:
    """The published split that a corpus file belongs to, by its name: ``train``, ``dev``, ``test``.

    ``anger_train`` and ``train_sent_emo`` are both ``train``; a file that says nothing is ``all``.
    """
    found = _SPLIT.search(part.casefold())
    return found.group() if found else "all"


def agreement(
    records: Iterable[Mapping[str, Any]],
    transcripts: Iterable[Transcript],
    fitted_on: Collection[str] = (),
) -> dict[str, dict[str, Any]]:
    """Compare what the tagger said with what people said.

    Args:
        records: Annotation records; their ``model_emotions`` and ``model_strength`` are compared.
        transcripts: The transcripts that they were made from, human tags beside them.
        fitted_on: Corpus splits (``go_emotions/train``) that the tagger was fitted on.

    Returns:
        Per corpus split that has human tags or strengths: ``fitted_on``, and what
        ``tag_agreement`` and ``strength_agreement`` say.
    """
    human = {
        transcript_id(item): item
        for item in transcripts
        if item.labels or item.intensity is not None
    }
    tags: dict[str, list[tuple[Sequence[str], Sequence[str]]]] = defaultdict(list)
    strengths: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for record in records:
        item = human.get(record["id"])
        if item is None:
            continue
        name = f"{record['source']}/{corpus_split(item.part)}"
        if item.labels and record["model_emotions"]:
            tags[name].append((record["model_emotions"], item.labels))
        if item.intensity is not None and record["model_strength"] is not None:
            strengths[name].append((record["model_strength"], item.intensity))
    return {
        name: {
            "fitted_on": name in fitted_on,
            **tag_agreement(tags[name]),
            "strength": strength_agreement(strengths[name]),
        }
        for name in sorted({*tags, *strengths})
    }


def tag_agreement(pairs: Sequence[tuple[Sequence[str], Sequence[str]]]) -> dict[str, Any]:
    """Compare tags with human tags.

    Args:
        pairs: The tagger's tags, best first, and the human tags of the same item; neither is empty.

    Returns:
        ``items``; ``first_tag_percent``, the share whose first tag is among the human ones;
        ``any_tag_percent``, whose tags hold any of them; ``first_group_percent``, whose first tag
        belongs to the same basic emotion (GoEmotions' own grouping); ``commonest_percent``, what
        always giving the commonest human tag would reach; ``macro_f1`` over the first tags, in
        [0, 1]; ``tags``, a row per human tag (``taken_for``: the tag that it is most often
        mistaken for); ``confusion``, see ``confusion_counts``.
    """
    if not pairs:
        return {"items": 0}
    group = {emotion.name: emotion.ekman for emotion in load_emotions()}
    confusion = confusion_counts(pairs)
    rows = _tag_rows(pairs, np.array(confusion["counts"]))
    commonest = Counter(tag for _, human in pairs for tag in set(human)).most_common(1)[0][1]

    def percent(hits: Iterable[bool]) -> float:
        return round(100 * sum(hits) / len(pairs), 2)

    return {
        "items": len(pairs),
        "first_tag_percent": percent(found[0] in human for found, human in pairs),
        "any_tag_percent": percent(not set(found).isdisjoint(human) for found, human in pairs),
        "first_group_percent": percent(
            group[found[0]] in {group[tag] for tag in human} for found, human in pairs
        ),
        "commonest_percent": round(100 * commonest / len(pairs), 2),
        "macro_f1": round(float(np.mean([row["f1"] for row in rows])), 4),
        "tags": rows,
        "confusion": confusion,
    }


def _tag_rows(
    pairs: Sequence[tuple[Sequence[str], Sequence[str]]], counts: np.ndarray
) -> list[dict[str, Any]]:
    """Per human tag: precision, recall and F1 of the first tag, and its commonest mistake."""
    human_items = Counter(tag for _, human in pairs for tag in set(human))
    said = Counter(found[0] for found, _ in pairs)
    right = Counter(found[0] for found, human in pairs if found[0] in human)
    names = emotion_names()
    rows = []
    for place, tag in enumerate(names):
        if not human_items[tag]:
            continue
        wrong = np.where(np.arange(len(names)) == place, 0, counts[place])
        rows.append(
            {
                "tag": tag,
                "items": human_items[tag],
                "said": said[tag],
                "precision": round(right[tag] / said[tag], 4) if said[tag] else 0.0,
                "recall": round(right[tag] / human_items[tag], 4),
                "f1": round(2 * right[tag] / (said[tag] + human_items[tag]), 4),
                "taken_for": names[int(wrong.argmax())] if wrong.any() else None,
            }
        )
    return rows


def confusion_counts(pairs: Sequence[tuple[Sequence[str], Sequence[str]]]) -> dict[str, Any]:
    """Human tag against the first tag: ``tags`` and a square of ``counts``, one count an item.

    Of several human tags the one that was found stands for the item, or else the first of them.
    """
    names = emotion_names()
    place = {tag: index for index, tag in enumerate(names)}
    counts = np.zeros((len(names), len(names)), dtype=int)
    for found, human in pairs:
        truth = found[0] if found[0] in human else human[0]
        counts[place[truth], place[found[0]]] += 1
    return {"tags": list(names), "counts": counts.tolist()}


def strength_agreement(pairs: Sequence[tuple[float, float]]) -> dict[str, Any]:
    """Spearman's rank correlation of strengths with human ones; None where it is undefined."""
    from scipy.stats import spearmanr  # half a second, and only needed at a run's end

    said, human = np.array(pairs, dtype=float).T if pairs else (np.zeros(0), np.zeros(0))
    undefined = len(pairs) < 3 or np.ptp(said) == 0 or np.ptp(human) == 0
    return {
        "items": len(pairs),
        "spearman": None if undefined else round(float(spearmanr(said, human).statistic), 4),
    }

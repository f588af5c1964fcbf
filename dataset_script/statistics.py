"""The figures of a dataset, as plain numbers: what the card prints and what a reader may check."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..au_mapping import ActionUnit, AUMapping
from ..generation import describe_corpus, known_corpora

Row = Mapping[str, Any]


def dataset_statistics(
    rows: Sequence[Row], in_test: np.ndarray, weights: np.ndarray, mapping: AUMapping
) -> dict[str, Any]:
    """Count what is in the dataset.

    Args:
        rows: Annotation records in the dataset's order.
        in_test: bool (n_rows,), the split.
        weights: float32 (n_rows, n_blendshapes) in [0, 1].
        mapping: The table that made the weights.
    """
    words = np.array([len(row["transcript"].split()) for row in rows])
    return {
        "items": len(rows),
        "train_items": int((~in_test).sum()),
        "test_items": int(in_test.sum()),
        "distinct_transcripts": len({row["transcript"] for row in rows}),
        "distinct_descriptions": len({row["description"] for row in rows}),
        "distinct_action_unit_sets": len({tuple(row["action_units"]) for row in rows}),
        "transcript_words": {
            "mean": round(float(words.mean()), 2),
            "median": float(np.median(words)),
            "longest": int(words.max()),
        },
        "action_units_per_item": round(
            float(np.mean([len(row["action_units"]) for row in rows])), 3
        ),
        "whose_word": _whose_word(rows),
        "tags": _tag_table(rows, in_test),
        "action_units": _action_unit_table(rows, mapping),
        "blendshapes": _blendshape_table(weights, mapping),
    }


def source_table(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Items per source, with the licence under which its transcripts stand."""
    table = []
    for source, count in sorted(Counter(row["source"] for row in rows).items()):
        known = describe_corpus(source) if source in known_corpora() else None
        table.append(
            {
                "source": source,
                "items": count,
                "title": known.title if known else "a file of the builder's own",
                "licence": known.licence if known else "not known to us",
            }
        )
    return table


def _whose_word(rows: Sequence[Row]) -> dict[str, dict[str, float]]:
    """Share of the items, in percent, whose tags and strength are human, a model's, or nobody's."""
    table = {}
    for field in ("emotions", "strength"):
        counts = Counter(row[f"{field}_from"] for row in rows)
        table[field] = {
            who: round(100 * counts[who] / len(rows), 2) for who in ("human", "model", "none")
        }
    return table


def _tag_table(rows: Sequence[Row], in_test: np.ndarray) -> list[dict[str, Any]]:
    total: Counter[str] = Counter()
    test: Counter[str] = Counter()
    for row, is_test in zip(rows, in_test, strict=True):
        total.update(row["emotions"])
        if is_test:
            test.update(row["emotions"])
    return [
        {"tag": tag, "items": count, "test_percent": round(100 * test[tag] / count, 2)}
        for tag, count in sorted(total.items(), key=lambda pair: (-pair[1], pair[0]))
    ]


def _action_unit_table(rows: Sequence[Row], mapping: AUMapping) -> list[dict[str, Any]]:
    counts: Counter[str] = Counter()
    one_sided: Counter[str] = Counter()
    for row in rows:
        units = [ActionUnit.parse(text) for text in row["action_units"]]
        counts.update({unit.id for unit in units})
        one_sided.update({unit.id for unit in units if unit.side})
    return [
        {
            "action_unit": identifier,
            "name": mapping.info(identifier).name,
            "percent": round(100 * counts[identifier] / len(rows), 2),
            "one_sided_percent": round(100 * one_sided[identifier] / len(rows), 2),
        }
        for identifier in mapping.action_units
    ]


def _blendshape_table(weights: np.ndarray, mapping: AUMapping) -> list[dict[str, Any]]:
    active = weights > 0
    return [
        {
            "blendshape": name,
            "active_percent": round(100 * float(active[:, index].mean()), 2),
            "mean_when_active": round(float(weights[active[:, index], index].mean()), 3)
            if active[:, index].any()
            else 0.0,
        }
        for index, name in enumerate(mapping.blendshapes)
    ]

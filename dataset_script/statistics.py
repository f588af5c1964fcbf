"""The figures of a dataset, as plain numbers: what the card prints and what a reader may check."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..au_mapping import ActionUnit, AUMapping
from ..generation import describe_corpus, known_corpora
from .split import Split

COMMON_ITEMS = 100
"""From so many items on a label's share in test is promised to be near that of all items."""

Row = Mapping[str, Any]


def dataset_statistics(
    rows: Sequence[Row], split: Split, weights: np.ndarray, mapping: AUMapping
) -> dict[str, Any]:
    """Count what is in the dataset.

    Args:
        rows: Annotation records in the dataset's order.
        split: Where each goes.
        weights: float32 (n_rows, n_blendshapes) in [0, 1].
        mapping: The table that made the weights.
    """
    words = np.array([len(row["transcript"].split()) for row in rows])
    return {
        "items": len(rows),
        **_sizes(split),
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
        "split": _split_quality([row["emotions"] for row in rows], split),
        "tags": _label_table("tag", [row["emotions"] for row in rows], split),
        "action_units": _action_unit_table(rows, mapping),
        "blendshapes": _blendshape_table(weights, mapping),
    }


def cue_statistics(
    rows: Sequence[Row], split: Split, weights: np.ndarray, mapping: AUMapping
) -> dict[str, Any]:
    """Count what is in config ``cues``; arguments as for ``dataset_statistics``."""
    units = [sorted({ActionUnit.parse(text).id for text in row["action_units"]}) for row in rows]
    return {
        "items": len(rows),
        **_sizes(split),
        "distinct_descriptions": len({row["description"] for row in rows}),
        "distinct_cues": len({row["cue"] for row in rows}),
        "kinds": dict(sorted(Counter(row["kind"] for row in rows).items())),
        "forms": dict(sorted(Counter(row["form"] for row in rows).items())),
        "cues_versions": sorted({row["cues_version"] for row in rows}),
        "split": _split_quality(units, split),
        "units": _label_table("action_unit", units, split),
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


def _sizes(split: Split) -> dict[str, int]:
    return {
        "train_items": int((~split.in_test).sum()),
        "test_items": int(split.in_test.sum()),
        "validation_items": int(split.in_validation.sum()),
    }


def _split_quality(labels: Sequence[Sequence[str]], split: Split) -> dict[str, Any]:
    """How whole the groups are, and how far the labels' shares in test are from that of all items.

    ``straddling_groups`` counts groups with items in train and test, ``straddling_validation``
    those with items in both parts of train; both are counted, not assumed.
    """
    sizes = np.bincount(split.groups)
    part = np.where(split.in_test, 2, split.in_validation)
    in_test, in_train = set(split.groups[part == 2]), set(split.groups[part < 2])
    held, trained = set(split.groups[part == 1]), set(split.groups[part == 0])
    percent = 100 * float(split.in_test.mean())
    common = [row for row in _label_table("label", labels, split) if row["items"] >= COMMON_ITEMS]
    deviations = {row["label"]: abs(row["test_percent"] - 20) for row in common}
    worst = max(deviations, key=lambda name: deviations[name], default=None)
    return {
        "test_percent": round(percent, 3),
        "groups": int((sizes > 0).sum()),
        "groups_of_several": int((sizes > 1).sum()),
        "items_in_groups_of_several": int(sizes[sizes > 1].sum()),
        "largest_group": int(sizes.max()),
        "straddling_groups": len(in_test & in_train),
        "straddling_validation": len(held & trained),
        "labels_of_100_items": len(common),
        "worst_label": worst,
        "worst_deviation_points": round(deviations[worst], 3) if worst else None,
    }


def _label_table(key: str, labels: Sequence[Sequence[str]], split: Split) -> list[dict[str, Any]]:
    """Items per label, the share of them in test, and the share of the train ones in validation."""
    total: Counter[str] = Counter()
    test: Counter[str] = Counter()
    validation: Counter[str] = Counter()
    for item, is_test, is_held in zip(labels, split.in_test, split.in_validation, strict=True):
        total.update(item)
        if is_test:
            test.update(item)
        if is_held:
            validation.update(item)
    return [
        {
            key: label,
            "items": count,
            "test_items": test[label],
            "test_percent": round(100 * test[label] / count, 2),
            "validation_percent": round(100 * validation[label] / max(count - test[label], 1), 2),
        }
        for label, count in sorted(total.items(), key=lambda pair: (-pair[1], pair[0]))
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

"""The figures of a dataset, as plain numbers: what the card prints and what a reader may check."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..au_mapping import ActionUnit, AUMapping
from ..generation import describe_corpus, known_corpora
from .coded import Coded
from .item_table import FaceWeights, ItemTable
from .split import Split

COMMON_ITEMS = 100
"""From so many items on a label's share in test is promised to be near that of all items."""

Row = Mapping[str, Any]


def dataset_statistics(
    items: ItemTable, split: Split, weights: FaceWeights, mapping: AUMapping
) -> dict[str, Any]:
    """Count what is in the dataset.

    Args:
        items: Annotation records in the dataset's order.
        split: Where each goes.
        weights: Their blendshapes.
        mapping: The table that made the weights.
    """
    words, units = items.words, items.action_units
    units_each = np.array([len(labels) for labels in units.values])[units.codes]
    return {
        "items": len(items),
        **_sizes(split),
        "distinct_transcripts": items.transcripts,
        "distinct_descriptions": items.descriptions,
        "distinct_action_unit_sets": len(units.values),
        "transcript_words": {
            "mean": round(float(words.mean()), 2),
            "median": float(np.median(words)),
            "longest": int(words.max()),
        },
        "action_units_per_item": round(float(np.mean(units_each)), 3),
        "whose_word": _whose_word(items),
        "split": _split_quality(items.emotions, split),
        "tags": _label_table("tag", items.emotions, split),
        "action_units": _action_unit_table(units, mapping),
        "blendshapes": _blendshape_table(weights, mapping),
    }


def cue_statistics(
    rows: Sequence[Row], split: Split, weights: FaceWeights, mapping: AUMapping
) -> dict[str, Any]:
    """Count what is in config ``cues``, from its rows; the rest as for ``dataset_statistics``."""
    units = Coded.of(
        sorted({ActionUnit.parse(text).id for text in row["action_units"]}) for row in rows
    )
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
        "action_units": _action_unit_table(Coded.of(row["action_units"] for row in rows), mapping),
        "blendshapes": _blendshape_table(weights, mapping),
    }


def source_table(items: ItemTable) -> list[dict[str, Any]]:
    """Items per source, with the licence under which its transcripts stand."""
    table = []
    for source, count in sorted(items.sources.items()):
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


def _whose_word(items: ItemTable) -> dict[str, dict[str, float]]:
    """Share of the items, in percent, whose tags and strength are human, a model's, or nobody's."""
    table = {}
    for field in ("emotions", "strength"):
        counts = items.whose[f"{field}_from"]
        table[field] = {
            who: round(100 * counts[who] / len(items), 2) for who in ("human", "model", "none")
        }
    return table


def _sizes(split: Split) -> dict[str, int]:
    return {
        "train_items": int((~split.in_test).sum()),
        "test_items": int(split.in_test.sum()),
        "validation_items": int(split.in_validation.sum()),
    }


def _split_quality(labels: Coded, split: Split) -> dict[str, Any]:
    """How whole the groups are, and how far the labels' shares in test are from that of all items.

    ``straddling_groups`` counts groups with items in train and test, ``straddling_validation``
    those with items in both parts of train; both are counted, not assumed.
    """
    sizes = np.bincount(split.groups)
    part = np.where(split.in_test, 2, split.in_validation)
    in_test, in_train = _groups_of(split, part == 2), _groups_of(split, part < 2)
    held, trained = _groups_of(split, part == 1), _groups_of(split, part == 0)
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
        "straddling_groups": int(np.count_nonzero(in_test & in_train)),
        "straddling_validation": int(np.count_nonzero(held & trained)),
        "labels_of_100_items": len(common),
        "worst_label": worst,
        "worst_deviation_points": round(deviations[worst], 3) if worst else None,
    }


def _groups_of(split: Split, chosen: np.ndarray) -> np.ndarray:
    """Bool (n_groups,): which groups have one of the chosen items."""
    has = np.zeros(int(split.groups.max()) + 1, dtype=bool)
    has[split.groups[chosen]] = True
    return has


def _label_table(key: str, labels: Coded, split: Split) -> list[dict[str, Any]]:
    """Items per label, the share of them in test, and the share of the train ones in validation."""
    total = labels.label_counts()
    test = labels.label_counts(split.in_test)
    validation = labels.label_counts(split.in_validation)
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


def _action_unit_table(faces: Coded, mapping: AUMapping) -> list[dict[str, Any]]:
    counts: Counter[str] = Counter()
    one_sided: Counter[str] = Counter()
    for face, items in zip(faces.values, faces.counts().tolist(), strict=True):
        units = [ActionUnit.parse(text) for text in face]
        for identifier in {unit.id for unit in units}:
            counts[identifier] += items
        for identifier in {unit.id for unit in units if unit.side}:
            one_sided[identifier] += items
    return [
        {
            "action_unit": identifier,
            "name": mapping.info(identifier).name,
            "percent": round(100 * counts[identifier] / len(faces), 2),
            "one_sided_percent": round(100 * one_sided[identifier] / len(faces), 2),
        }
        for identifier in mapping.action_units
    ]


def _blendshape_table(weights: FaceWeights, mapping: AUMapping) -> list[dict[str, Any]]:
    table = []
    for index, name in enumerate(mapping.blendshapes):
        column = weights.column(index)
        active = column > 0
        table.append(
            {
                "blendshape": name,
                "active_percent": round(100 * float(active.mean()), 2),
                "mean_when_active": round(float(column[active].mean()), 3) if active.any() else 0.0,
            }
        )
    return table

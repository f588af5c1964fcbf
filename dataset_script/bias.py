"""What the annotation says about texts that mention groups of people: the card's bias tables.

A text counts for a group when it holds one of the group's words (``bias_groups-v1.json``). That is
a mention, not an author and not a person: names are not used, nothing is guessed about anybody.
Groups with few items get no rates, because those would be noise about people.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import binomtest

from ..au_mapping import ActionUnit
from ..generation.tables_reading import load_emotions
from .coded import Coded
from .item_table import ItemTable

Row = Mapping[str, Any]

_SHOWN_ACTION_UNITS = 3
_Z = 1.96  # 95 %


def bias_tables(rows: ItemTable | Iterable[Row], action_units: Sequence[str]) -> dict[str, Any]:
    """Tags, action units and strengths of the texts that mention each group, and of all texts.

    Args:
        rows: Annotation records, or their table.
        action_units: Ids of the units that may stand in them, in the order to show them.

    Returns:
        ``version``, ``least_items``, ``emotions`` (the basic emotions, in order), ``all``, and
        ``dimensions``: each with ``title``, ``groups`` and ``compare`` (None without a pair). A
        group has ``title``, ``items``, ``words`` and, from ``least_items`` on, ``strength`` (the
        mean), ``emotions`` (percent of the items whose first tag belongs to it) and
        ``action_units`` (where the share differs most from all items, in points); else None there.
    """
    table = ItemTable.of(rows)
    words = table.mentions.words
    facts = _Facts(table, action_units)
    everybody = np.ones(len(table), dtype=bool)
    dimensions = []
    for dimension in words["dimensions"]:
        mentions = {
            group["name"]: table.mentions.of_group(dimension["title"], group["name"])
            for group in dimension["groups"]
        }
        dimensions.append(
            {
                "title": dimension["title"],
                "groups": [
                    {
                        "title": group["title"],
                        "words": list(group["words"]),
                        "left_out": group["left_out"],
                        **facts.group(mentions[group["name"]], words["least_items"]),
                    }
                    for group in dimension["groups"]
                ],
                "compare": facts.compare(dimension, mentions, words["least_items"]),
            }
        )
    return {
        "version": words["version"],
        "source": words["source"],
        "least_items": words["least_items"],
        "emotions": facts.basic_emotions,
        "all": facts.group(everybody, 1),
        "dimensions": dimensions,
    }


class _Facts:
    """Who carries which tag, basic emotion and action unit."""

    def __init__(self, table: ItemTable, action_units: Sequence[str]) -> None:
        emotions = load_emotions()
        basic = {emotion.name: emotion.ekman for emotion in emotions}
        self.basic_emotions = list(dict.fromkeys(basic.values()))
        firsts = [self.basic_emotions.index(basic[tags[0]]) for tags in table.emotions.values]
        self.first = np.array(firsts, dtype=np.int8)[table.emotions.codes]
        self.strength = table.strength
        self.emotions, self.faces = table.emotions, table.action_units
        self.tags = _columns(self.emotions.values, [emotion.name for emotion in emotions])
        found = [{ActionUnit.parse(text).id for text in face} for face in self.faces.values]
        self.units = _columns(found, action_units)

    def group(self, member: np.ndarray, least: int) -> dict[str, Any]:
        items = int(member.sum())
        if items < least:
            return {"items": items, "strength": None, "emotions": None, "action_units": None}
        shares = np.bincount(self.first[member], minlength=len(self.basic_emotions)) / items
        felt = self.strength[member]
        felt = felt[~np.isnan(felt)]
        return {
            "items": items,
            "strength": round(float(felt.mean()), 3) if len(felt) else None,
            "emotions": {
                name: round(100 * float(share), 1)
                for name, share in zip(self.basic_emotions, shares, strict=True)
            },
            "action_units": self._most_different(member),
        }

    def _most_different(self, member: np.ndarray) -> list[dict[str, Any]]:
        """The units whose share differs most from the other items', beyond chance at 95 %."""
        here, others = int(member.sum()), int((~member).sum())
        if not others:
            return []
        found: list[dict[str, Any]] = []
        inside = _hits(self.units, self.faces.counts(member))
        every = _hits(self.units, self.faces.counts())
        for name in self.units:
            share = np.float64(inside[name] / here)
            rest = np.float64((every[name] - inside[name]) / others)
            error = np.sqrt(share * (1 - share) / here + rest * (1 - rest) / others)
            if abs(share - rest) > _Z * error:
                points = round(100 * float(share - rest), 1)
                percent = round(100 * float(share), 1)
                found.append({"action_unit": name, "percent": percent, "points": points})
        found.sort(key=lambda row: -abs(row["points"]))
        return found[:_SHOWN_ACTION_UNITS]

    def compare(
        self, dimension: Mapping[str, Any], mentions: Mapping[str, np.ndarray], least: int
    ) -> dict[str, Any] | None:
        """Two groups side by side, over the texts that mention only one of them."""
        if len(dimension["compare"]) != 2:
            return None
        titles = {group["name"]: group["title"] for group in dimension["groups"]}
        first, second = dimension["compare"]
        pair = (mentions[first] & ~mentions[second], mentions[second] & ~mentions[first])
        items = [int(member.sum()) for member in pair]
        enough = min(items) >= least
        return {
            "titles": [titles[first], titles[second]],
            "items": items,
            "tags": _side_by_side(self.tags, self.emotions, pair, "tag") if enough else None,
            "action_units": _side_by_side(self.units, self.faces, pair, "action_unit")
            if enough
            else None,
        }


def _columns(values: Sequence[Collection[str]], names: Sequence[str]) -> dict[str, np.ndarray]:
    """By name, bool (n_values,): which of the different lists hold it."""
    sets = [frozenset(found) for found in values]
    return {name: np.array([name in found for found in sets], dtype=bool) for name in names}


def _hits(columns: Mapping[str, np.ndarray], counts: np.ndarray) -> dict[str, int]:
    """By name, how many items hold it, of which so many have each of the different lists."""
    return {name: int(counts[column].sum()) for name, column in columns.items()}


def _side_by_side(
    columns: Mapping[str, np.ndarray],
    labels: Coded,
    pair: tuple[np.ndarray, np.ndarray],
    key: str,
) -> list[dict[str, Any]]:
    rows = []
    sizes = [int(member.sum()) for member in pair]
    hits = [_hits(columns, labels.counts(member)) for member in pair]
    for name in columns:
        shares = [_share(found[name], size) for found, size in zip(hits, sizes, strict=True)]
        apart = shares[0]["low"] > shares[1]["high"] or shares[1]["low"] > shares[0]["high"]
        if any(share["percent"] for share in shares):
            rows.append({key: name, "shares": shares, "apart": apart})
    return rows


def _share(hits: int, items: int) -> dict[str, float]:
    """A share in percent with its Wilson interval at 95 %."""
    interval = binomtest(hits, items).proportion_ci(0.95, method="wilson")
    return {
        "percent": round(100 * hits / items, 1),
        "low": round(100 * float(interval.low), 1),
        "high": round(100 * float(interval.high), 1),
    }

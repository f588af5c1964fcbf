"""How far the annotator's tags agree with human tags, where a corpus has any."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from .transcripts import Transcript, transcript_id


def tag_agreement(
    records: Iterable[Mapping[str, Any]], transcripts: Iterable[Transcript]
) -> dict[str, dict[str, float]]:
    """Compare tags with human tags, source by source.

    Args:
        records: Annotation records.
        transcripts: The transcripts that they were made from, human tags beside them.

    Returns:
        Per source that has human tags: ``items`` compared; ``first_tag_percent``, the share whose
        first tag is among the human ones; ``any_tag_percent``, the share that has any of them.
    """
    human = {transcript_id(item): frozenset(item.labels) for item in transcripts if item.labels}
    hits: dict[str, list[tuple[bool, bool]]] = defaultdict(list)
    for record in records:
        tags = human.get(record["id"])
        if tags:
            found = record["emotions"]
            hits[record["source"]].append((found[0] in tags, not tags.isdisjoint(found)))
    return {
        source: {
            "items": len(pairs),
            "first_tag_percent": round(100 * sum(first for first, _ in pairs) / len(pairs), 2),
            "any_tag_percent": round(100 * sum(some for _, some in pairs) / len(pairs), 2),
        }
        for source, pairs in sorted(hits.items())
    }

"""Review of a run by eye: a seeded random sample, a verdict on each relation of each item.

    items = draw_sample(records, count=100, seed=0)
    with Review(items, Path("runs/dev/review.jsonl"), Sample(count=100, seed=0)) as review:
        review.judge({"id": ..., "relation": "t-e", "verdict": "accept"})
        review.summary()

``review_server`` puts it on a page, ``review_summary`` counts. Records come in as plain
dictionaries, because this room does not know the one that writes them.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from hashlib import blake2b
from heapq import nsmallest
from pathlib import Path
from typing import Any

from ..au_mapping import ActionUnit, AUMapping, load_mapping
from ..closing import Closing
from ..errors import ActionUnitError, ReviewError
from .data_files import check_against_schema
from .face import draw_face
from .review_summary import summarise
from .review_verdicts import (
    MOST_NOTE_CHARACTERS,
    RELATIONS,
    VERDICTS,
    Verdict,
    VerdictFile,
    VerdictLines,
    read_verdicts,
)

PAGE = Path(__file__).parent / "review_page"
REASONS = "reasons-v1"
_FACE_PIXELS = 480
_JUDGED = ("transcript", "emotions", "strength", "description", "action_units", "mapping_version")
_PROVENANCE = ("source", "source_id", "annotator", "tagger", "strategy", "prompt_version")
_DEGREES = {"A": "trace", "B": "slight", "C": "marked", "D": "severe", "E": "maximum"}
_SIDES = {"L": "left", "R": "right", None: "both"}


@dataclass(frozen=True)
class Sample:
    """Which items are under review.

    Attributes:
        count: How many were asked for, 1 or more.
        seed: Seed of the draw.

    Raises:
        ReviewError: No item is asked for.
    """

    count: int = 100
    seed: int = 0

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ReviewError(f"sample: expected 1 item or more, found {self.count}")


def draw_sample(
    records: Iterable[Mapping[str, Any]], sample: Sample | None = None
) -> list[dict[str, Any]]:
    """Draw records at random, without replacement.

    A record's place depends on the seed and its id alone. So the order of the records does not
    matter, and a larger sample of the same seed begins with the smaller one.

    Args:
        records: Records with an ``id`` each; read once, kept in memory only where drawn.
        sample: How many, and the seed.

    Returns:
        At most ``sample.count`` records, in the order in which they are shown.
    """
    wanted = sample or Sample()
    drawn = nsmallest(
        wanted.count,
        records,
        key=lambda record: blake2b(f"{wanted.seed}:{record['id']}".encode()).digest(),
    )
    return [dict(record) for record in drawn]


def last_sample(path: Path) -> Sample | None:
    """The sample that a verdict file was last written for, or None if it holds no verdict.

    Raises:
        ReviewError: The file cannot be read, or is no verdict file.
    """
    verdicts = read_verdicts(path).verdicts
    return Sample(verdicts[-1]["items"], verdicts[-1]["seed"]) if verdicts else None


@cache
def load_reasons() -> tuple[Mapping[str, Any], ...]:
    """The three relations with their key, name, question and reasons, as the page shows them.

    Raises:
        TableError: The packaged file breaks its schema.
    """
    path = PAGE / f"{REASONS}.json"
    table = json.loads(path.read_text("utf-8"))
    check_against_schema(table, "reasons.schema.json", str(path))
    return tuple(table["relations"])


def fingerprint(record: Mapping[str, Any]) -> str:
    """16 hexadecimal digits of what a reviewer judges in a record."""
    judged = json.dumps([record.get(name) for name in _JUDGED], sort_keys=True)
    return blake2b(judged.encode(), digest_size=8).hexdigest()


class Review(Closing):
    """The items of a review and the verdicts on them; may be used from several threads.

    Args:
        items: Records as ``draw_sample`` gives them.
        path: The verdict file.
        sample: How the items were drawn; written into each verdict.
        read_only: Look at the verdicts without opening the file for writing.

    Raises:
        ReviewError: No items, an item that cannot be shown, or an unusable verdict file.
    """

    def __init__(
        self,
        items: Sequence[Mapping[str, Any]],
        path: Path,
        sample: Sample,
        *,
        read_only: bool = False,
    ) -> None:
        if not items:
            raise ReviewError("nothing to review: the run holds no record")
        self.items = tuple(dict(item) for item in items)
        self.sample = sample
        self._place = {item["id"]: index for index, item in enumerate(self.items)}
        self._prints = [fingerprint(item) for item in self.items]
        self._mappings = {
            name: load_mapping(name) for name in {item["mapping_version"] for item in self.items}
        }
        self._pages = [self._page(item) for item in self.items]
        self._file = None if read_only else VerdictFile(path)
        self._lock = threading.Lock()
        lines = self._file.lines if self._file else read_verdicts(path)
        self.verdicts: dict[tuple[str, str], Verdict] = {}
        self.skipped = self._take_up(lines)

    def _take_up(self, lines: VerdictLines) -> dict[str, int]:
        skipped = {"other_items": 0, "changed_items": 0, "damaged_lines": len(lines.damaged)}
        # The last line counts first, then whether the item is still what it was about.
        last = {(verdict["id"], verdict["relation"]): verdict for verdict in lines.verdicts}
        for key, verdict in last.items():
            place = self._place.get(verdict["id"])
            if place is None:
                skipped["other_items"] += 1
            elif verdict["fingerprint"] != self._prints[place]:
                skipped["changed_items"] += 1
            else:
                self.verdicts[key] = verdict
        return skipped

    def judge(self, change: Mapping[str, Any]) -> Verdict:
        """Save one verdict; when this returns it is on the disk.

        Args:
            change: ``id``, ``relation``, ``verdict``, and for a rejection ``reason`` and ``note``,
                which may be missing or empty.

        Returns:
            The line as written.

        Raises:
            ReviewError: A field is unknown or out of its list, or the disk refused the line.
        """
        if self._file is None:
            raise ReviewError("this review is open for reading only")
        _check_change(change, self._place)
        place = self._place[change["id"]]
        with self._lock:
            verdict = Verdict(
                id=change["id"],
                relation=change["relation"],
                verdict=change["verdict"],
                reason=change.get("reason", ""),
                note=change.get("note", "").strip(),
                time=datetime.now(UTC).isoformat(timespec="seconds"),
                fingerprint=self._prints[place],
                seed=self.sample.seed,
                items=self.sample.count,
            )
            self._file.append(verdict)
            self.verdicts[verdict["id"], verdict["relation"]] = verdict
        return verdict

    def state(self) -> dict[str, Any]:
        """What the page needs to begin: ids, relations, verdicts so far, and where to go on."""
        with self._lock:
            verdicts = dict(self.verdicts)
        shown: dict[str, dict[str, Any]] = {item["id"]: {} for item in self.items}
        for (name, relation), verdict in verdicts.items():
            kept = {field: verdict[field] for field in ("verdict", "reason", "note")}
            shown[name][relation] = kept
        return {
            "ids": [item["id"] for item in self.items],
            "relations": load_reasons(),
            "verdicts": shown,
            "first": self._first_open(verdicts),
            "most_note_characters": MOST_NOTE_CHARACTERS,
        }

    def _first_open(self, verdicts: Mapping[tuple[str, str], Verdict]) -> int:
        for index, item in enumerate(self.items):
            given = [verdicts.get((item["id"], relation)) for relation in RELATIONS]
            if any(verdict is None or verdict["verdict"] == "open" for verdict in given):
                return index
        return 0

    def page(self, index: int) -> dict[str, Any]:
        """One item as the page shows it, with its action units in words."""
        return self._pages[index]

    def face(self, index: int) -> str:
        """The drawn face of one item, as an SVG document."""
        item = self.items[index]
        weights = self._mapping(item).to_blendshapes(item["action_units"])
        return draw_face(weights.tolist(), size=_FACE_PIXELS, title="Drawn face")

    def summary(self) -> dict[str, Any]:
        """Acceptance rates and what was rejected; see ``review_summary.summarise``."""
        with self._lock:
            verdicts = dict(self.verdicts)
        result = summarise(self.items, verdicts)
        sample = {"items": self.sample.count, "drawn": len(self.items), "seed": self.sample.seed}
        return {"sample": sample, "skipped": self.skipped, "reasons_version": REASONS, **result}

    def _mapping(self, item: Mapping[str, Any]) -> AUMapping:
        return self._mappings[item["mapping_version"]]

    def _page(self, item: Mapping[str, Any]) -> dict[str, Any]:
        mapping = self._mapping(item)
        try:
            units = [_unit_in_words(unit, mapping) for unit in item["action_units"]]
            mapping.to_blendshapes(item["action_units"])
        except ActionUnitError as error:
            raise ReviewError(f"item {item['id']}: field action_units: {error}") from error
        shown = ("id", "transcript", "emotions", "description")
        optional = ("emotions_from", "strength", "strength_from", "human_strength")
        return {
            **{name: item[name] for name in shown},
            **{name: item.get(name) for name in optional},
            "human_emotions": item.get("human_emotions", []),
            "units": units,
            "provenance": {name: item[name] for name in _PROVENANCE if name in item},
        }

    def close(self) -> None:
        """Close the verdict file and give up its lock."""
        if self._file:
            self._file.close()


def _unit_in_words(text: str, mapping: AUMapping) -> dict[str, Any]:
    unit = ActionUnit.parse(text)
    return {
        "code": str(unit),
        "name": mapping.info(unit).name,
        "degree": _DEGREES[unit.intensity] if unit.intensity else "full",
        "side": _SIDES[unit.side],
        "value": unit.value,
    }


def _check_change(change: Mapping[str, Any], known: Mapping[str, int]) -> None:
    fields = ("id", "relation", "verdict", "reason", "note")
    if not isinstance(change, Mapping) or not set(change) <= set(fields):
        raise ReviewError(f"verdict: expected an object with {', '.join(fields)}")
    if not all(isinstance(change.get(name, ""), str) for name in fields):
        raise ReviewError("verdict: every field is text")
    if change.get("id") not in known:
        raise ReviewError("verdict: field id: not an item of this review; reload the page")
    relations = {relation["id"]: relation for relation in load_reasons()}
    if change.get("relation") not in relations:
        raise ReviewError(f"verdict: field relation: expected one of {', '.join(RELATIONS)}")
    if change.get("verdict") not in VERDICTS:
        raise ReviewError(f"verdict: field verdict: expected one of {', '.join(VERDICTS)}")
    reason, note = change.get("reason", ""), change.get("note", "")
    reasons = [row["id"] for row in relations[change["relation"]]["reasons"]]
    if reason and reason not in reasons:
        raise ReviewError(f"verdict: field reason: expected one of {', '.join(reasons)}")
    if (reason or note) and change["verdict"] != "reject":
        raise ReviewError("verdict: only a rejection has a reason and a note")
    if len(note) > MOST_NOTE_CHARACTERS:
        raise ReviewError(f"verdict: field note: more than {MOST_NOTE_CHARACTERS} characters")

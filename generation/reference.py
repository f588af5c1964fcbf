"""The reference set: transcripts that were written and annotated one by one for this project.

reference/README.md tells how. Annotators are scored on its test half (``score_annotations``); the
worked examples of the prompts and the baselines come from its training half.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from ..au_mapping import load_mapping
from ..errors import ActionUnitError, TableError
from .corpora_tables import emotion_names
from .tables_reading import SCHEMAS, reject
from .transcripts import normalise

REFERENCE = Path(__file__).parent / "reference" / "reference-v1.jsonl"
TRAIN = "train"
TEST = "test"


@dataclass(frozen=True, slots=True)
class ReferenceItem:
    """One transcript with its hand annotation.

    Attributes:
        id: ``r001`` to ``r224``.
        transcript: t.
        emotions: e, one to three GoEmotions names, best first.
        action_units: The face, ``AU12B`` or ``AUL12B``, sorted by number; units of table ``v1``,
            each with its intensity letter. Empty for a face at rest.
        description: d, one sentence that says exactly these units.
        half: ``train`` or ``test``.
        changed_in_review: Whether the second pass over the whole set changed this row.
    """

    id: str
    transcript: str
    emotions: tuple[str, ...]
    action_units: tuple[str, ...]
    description: str
    half: str
    changed_in_review: bool


def load_reference(
    half: str | None = None, path: str | Path = REFERENCE
) -> tuple[ReferenceItem, ...]:
    """Read and check the reference set.

    Any 28 consecutive items, counted from the first, hold every tag once as their first tag, so a
    small part of it is still balanced.

    Args:
        half: ``train``, ``test``, or None for all.
        path: The packaged set, or a file of the same form.

    Raises:
        TableError: Unknown half, an unreadable file, or a line that breaks the schema or the closed
            lists; the message names the file, the line and the field.
    """
    if half not in (None, TRAIN, TEST):
        raise TableError(f"reference half {half!r}: expected {TRAIN!r}, {TEST!r} or None")
    return tuple(item for item in _read(Path(path)) if half in (None, item.half))


@lru_cache(maxsize=4)
def _read(path: Path) -> tuple[ReferenceItem, ...]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        schema = json.loads((SCHEMAS / "reference.schema.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TableError(f"{path}: cannot be read ({error}); give a JSONL file in UTF-8") from error
    validator = Draft202012Validator(schema)
    items: list[ReferenceItem] = []
    seen: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        item = _read_line(path, number, line, validator)
        for key in (item.id, normalise(item.transcript)):
            if key in seen:
                reject(path, f"line {number}", f"{item.id} repeats the id or text of {seen[key]}")
            seen[key] = item.id
        items.append(item)
    return tuple(items)


def _read_line(
    path: Path, number: int, line: str, validator: Draft202012Validator
) -> ReferenceItem:
    try:
        row: Any = json.loads(line)
    except (ValueError, RecursionError) as error:
        reject(path, f"line {number}", f"not JSON ({error})")
    problem = next(validator.iter_errors(row), None)
    if problem is not None:
        reject(path, f"line {number}, {problem.json_path}", " ".join(problem.message.split())[:200])
    unknown = [tag for tag in row["emotions"] if tag not in emotion_names()]
    if unknown:
        reject(path, f"line {number}, $.emotions", f"{unknown[0]!r} is no GoEmotions label")
    try:
        load_mapping("v1").to_blendshapes(row["action_units"])
    except ActionUnitError as error:
        reject(path, f"line {number}, $.action_units", str(error))
    lists = {name: tuple(row[name]) for name in ("emotions", "action_units")}
    return ReferenceItem(**{**row, **lists})

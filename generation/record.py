"""The annotation record: what an annotator writes for one transcript, and the checks it must pass.

The record is a contract: ``dataset_script`` builds its columns from it and a test pins its keys.
The blendshapes are not in it, because they follow from ``action_units`` and ``mapping_version``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, TypedDict

import fastjsonschema
from jsonschema import Draft202012Validator

from ..au_mapping import AUMapping
from ..errors import ActionUnitError
from .strict_schema import strict_validator

_SCHEMA_FILE = "record-v2.schema.json"


class AnnotationRecord(TypedDict):
    """One annotated transcript: t, e, d, the action units, and where each of them came from.

    Attributes:
        id: 16 hexadecimal digits, see ``transcript_id``.
        transcript: t.
        emotions: e, one to five GoEmotions names, best first.
        emotions_from: ``human`` where the corpus' own tags were used, else ``model``.
        strength: How strongly the emotion is felt, in [0, 1], to four decimals; None where nobody
            said.
        strength_from: ``human``, ``model`` or ``none``.
        description: d.
        action_units: Parts of the face that move, ``AU12B``; see au_mapping.
        human_emotions: The corpus' own tags; empty where it has none.
        human_strength: The corpus' own rating in [0, 1], or None.
        model_emotions: What the tagger said, whether it was used or not.
        model_strength: What it said of the strength, or None.
        source: Corpus.
        source_id: The corpus' own id of the row.
        annotator: Model file and the start of its hash.
        tagger: What turned the model's answers into tags: ``llm`` or ``head-v1@hash``.
        strategy: ``score`` or ``generate``.
        prompt_version: Prompt file.
        mapping_version: Table of action units.
        seed: Seed of the run.
    """

    id: str
    transcript: str
    emotions: list[str]
    emotions_from: str
    strength: float | None
    strength_from: str
    description: str
    action_units: list[str]
    human_emotions: list[str]
    human_strength: float | None
    model_emotions: list[str]
    model_strength: float | None
    source: str
    source_id: str
    annotator: str
    tagger: str
    strategy: str
    prompt_version: str
    mapping_version: str
    seed: int


RECORD_KEYS: tuple[str, ...] = tuple(AnnotationRecord.__annotations__)


@cache
def _schema() -> dict[str, Any]:
    text = (files(__package__) / "schemas" / _SCHEMA_FILE).read_text("utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


@cache
def _validator() -> Draft202012Validator:
    return strict_validator(_schema())


@cache
def _compiled() -> Callable[[object], object]:
    # Its newest draft is 7; the record's schema uses no keyword that has changed since.
    compiled: Callable[[object], object] = fastjsonschema.compile(
        {key: value for key, value in _schema().items() if key != "$schema"},
        use_default=False,
        detailed_exceptions=False,
    )
    return compiled


def _is_surely_sound(record: object) -> bool:
    """Whether the schema, compiled to plain Python, passes a record: nine times as fast.

    What it refuses, ``jsonschema`` looks at again: its word counts, and its messages are shown.
    """
    try:
        _compiled()(record)
    except fastjsonschema.JsonSchemaException:
        return False
    return True


def record_fault(
    record: Mapping[str, Any], labels: frozenset[str], mapping: AUMapping
) -> str | None:
    """Why a record may not enter the dataset, or None if it may.

    Args:
        record: A candidate, from an annotator or read back from disk.
        labels: The closed set of emotion tags.
        mapping: The table that its action units must belong to.

    Returns:
        ``"schema: FIELD: what"``, ``"unknown_emotion: NAME"`` or ``"action_unit: what"``; None
        means that the record is sound.
    """
    sound = _is_surely_sound(record)
    error = None if sound else next(_validator().iter_errors(record), None)
    if error is not None:
        field = "/".join(str(part) for part in error.absolute_path) or "record"
        return f"schema: {field}: {error.message[:160]}"
    tags = (*record["emotions"], *record["human_emotions"], *record["model_emotions"])
    unknown = [tag for tag in tags if tag not in labels]
    if unknown:
        return f"unknown_emotion: {unknown[0][:40]}"
    if record["mapping_version"] != mapping.version:
        return f"mapping_version: {record['mapping_version'][:40]} is not {mapping.version}"
    try:
        mapping.check(record["action_units"])
    except ActionUnitError as error:
        return f"action_unit: {error}"
    return None

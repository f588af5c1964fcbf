"""Reading this room's data: versioned JSON in ``tables/`` and ``prompts/``, checked by schema."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn

from ..errors import TableError

_HERE = Path(__file__).parent
TABLES = _HERE / "tables"
PROMPTS = _HERE / "prompts"
SCHEMAS = _HERE / "schemas"
EMOTIONS_TABLE = "emotions-v1"
NEUTRAL = "neutral"


@dataclass(frozen=True, slots=True)
class Emotion:
    """One of the 28 labels.

    Attributes:
        name: GoEmotions' name.
        ekman: The basic emotion (or neutral) that GoEmotions files it under.
    """

    name: str
    ekman: str


@lru_cache(maxsize=4)
def load_emotions(name_or_path: str | Path = EMOTIONS_TABLE) -> tuple[Emotion, ...]:
    """Return the labels in the order of their class indices, neutral last.

    Args:
        name_or_path: A packaged table's name or the path of a JSON file.

    Raises:
        TableError: The table is unknown or malformed.
    """
    table = read_table(name_or_path, "emotions")
    return tuple(Emotion(row["name"], row["ekman"]) for row in table["emotions"])


def check_emotions(emotions: tuple[str, ...], known: Collection[str], table: str) -> None:
    """Refuse an emotion that a table does not list.

    Raises:
        TableError: The message names the first unknown emotion and lists the known ones.
    """
    for emotion in emotions:
        if emotion not in known:
            raise TableError(
                f"unknown emotion {emotion!r}: table {table} has {', '.join(sorted(known))}"
            )


def read_table(name_or_path: str | Path, kind: str, folder: Path = TABLES) -> Mapping[str, Any]:
    """Read one table and validate it.

    Args:
        name_or_path: A packaged table's name ("phrases-v1") or the path of a JSON file.
        kind: Stem of the schema, ``schemas/<kind>.schema.json``, and of the packaged tables' names.
        folder: Where the packaged tables of this kind lie.

    Returns:
        The parsed table, read-only: objects as mappings, arrays as tuples.

    Raises:
        TableError: Unknown name, unreadable file, a field that breaks the schema, or a version that
            is not the file's stem.
    """
    path = _resolve(name_or_path, kind, folder)
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise TableError(f"{path}: cannot be read as JSON ({error})") from error
    from jsonschema import Draft202012Validator

    schema = json.loads((SCHEMAS / f"{kind}.schema.json").read_text(encoding="utf-8"))
    problems = Draft202012Validator(schema).iter_errors(table)
    first = min(problems, key=lambda problem: problem.json_path, default=None)
    if first is not None:
        message = " ".join(first.message.split())
        reject(path, first.json_path, message if len(message) < 200 else message[:197] + "...")
    if table["version"] != path.stem:
        reject(
            path, "$.version", f"expected the file's stem {path.stem!r}, found {table['version']!r}"
        )
    frozen: Mapping[str, Any] = _freeze(table)
    return frozen


def _freeze(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, dict):
        return MappingProxyType({key: _freeze(item) for key, item in value.items()})
    return tuple(map(_freeze, value)) if isinstance(value, list) else value


def reject(path: Path | str, field: str, problem: str) -> NoReturn:
    """Raise the TableError for one field of one table."""
    raise TableError(f"{path}: {field}: {problem}")


def _resolve(name_or_path: str | Path, kind: str, folder: Path) -> Path:
    if isinstance(name_or_path, Path) or str(name_or_path).endswith(".json"):
        return Path(name_or_path)
    path = folder / f"{name_or_path}.json"
    known = sorted(table.stem for table in folder.glob(f"{kind}-v*.json"))
    if name_or_path not in known:
        raise TableError(
            f"unknown table {name_or_path!r}: expected one of {', '.join(known)}, or a path"
        )
    return path

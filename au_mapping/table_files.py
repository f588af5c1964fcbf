"""Reading the versioned JSON files of this room and checking them against their schemas.

A file is read once, as strict UTF-8 JSON without repeated keys or NaN, and validated with
jsonschema; whatever is wrong becomes one ``TableError`` that names the file and the field.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

from ..errors import TableError

_HERE = Path(__file__).parent
TABLES = _HERE / "tables"
_SCHEMAS = _HERE / "schemas"
_LONGEST_MESSAGE = 200


def read_table(path: Path, kind: str) -> dict[str, Any]:
    """Read one table file and validate it.

    Args:
        path: The file; its stem must equal the table's ``version``.
        kind: Which schema it must fit: ``au-mapping``, ``facs-vocabulary`` or ``rig``.

    Returns:
        The document, owned by the caller.

    Raises:
        TableError: The file cannot be read, is not JSON, or breaks the schema.
    """
    document = _parse(path)
    error = _first_error(document, kind)
    if error is not None:
        reject(path, *error)
    if document["version"] != path.stem:
        reject(path, "version", f"{document['version']!r} must equal the file's stem {path.stem!r}")
    return document


def reject(path: Path, field: str, problem: str) -> NoReturn:
    """Raise the TableError for one field of one file."""
    raise TableError(f"{path}: {field}: {problem}")


@cache
def mapping_names() -> tuple[str, ...]:
    """Names of the packaged AU tables, sorted: what ``load_mapping`` knows."""
    kinds = {path.stem: _parse(path).get("kind") for path in TABLES.glob("*.json")}
    return tuple(sorted(stem for stem, kind in kinds.items() if kind == "au-mapping"))


def mapping_path(name_or_path: str | Path) -> Path:
    """Resolve the name of a packaged AU table, or the path of a table file.

    A ``str`` is a path when it ends in ``.json`` or holds a path separator, else a name.

    Raises:
        TableError: No packaged table has that name.
    """
    text = str(name_or_path)
    if isinstance(name_or_path, Path) or text.endswith(".json") or "/" in text or "\\" in text:
        return Path(name_or_path)
    known = mapping_names()
    if text not in known:
        raise TableError(
            f"unknown AU table {text!r}; known tables: {', '.join(known)}"
            " (or give the path of a .json file)"
        )
    return TABLES / f"{text}.json"


def _parse(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
        document = json.loads(text, object_pairs_hook=_unique_keys, parse_constant=_no_constant)
    except OSError as error:
        raise TableError(f"{path}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise TableError(f"{path}: is not UTF-8 text (byte {error.start})") from error
    except json.JSONDecodeError as error:
        raise TableError(
            f"{path}: is not JSON: line {error.lineno} column {error.colno}: {error.msg}"
        ) from error
    except (ValueError, RecursionError) as error:
        raise TableError(f"{path}: is not a table: {error}") from error
    if not isinstance(document, dict):
        raise TableError(f"{path}: is not a table: expected a JSON object at the top")
    return document


def _unique_keys(items: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a repeated key: JSON would silently keep the last one."""
    result = dict(items)
    if len(result) < len(items):
        keys = [key for key, _ in items]
        repeated = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {repeated!r} stands twice in one object")
    return result


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a number that JSON allows")


@cache
def _validator(kind: str) -> Any:  # noqa: ANN401 - jsonschema carries no types
    from jsonschema import Draft202012Validator

    schema = json.loads((_SCHEMAS / f"{kind}.schema.json").read_text(encoding="utf-8"))
    return Draft202012Validator(schema)


def _first_error(document: dict[str, Any], kind: str) -> tuple[str, str] | None:
    """The field and the message of the error to mend first, or None."""
    errors = sorted(_validator(kind).iter_errors(document), key=_urgency)
    if not errors:
        return None
    error = errors[0]
    message = " ".join(error.message.split())
    if len(message) > _LONGEST_MESSAGE:
        # jsonschema prints the whole offending value first; the broken rule says it shorter.
        message = f"breaks the rule {error.validator}: {str(error.validator_value)[:80]}"
    return field_name(error.absolute_path), message


def _urgency(error: Any) -> tuple[int, list[str | int]]:  # noqa: ANN401 - a ValidationError
    """A table of another kind first, then by field; what other errors entail comes last."""
    path = list(error.absolute_path)
    if path == ["kind"]:
        return 0, path
    return (2 if error.validator == "unevaluatedProperties" else 1), path


def field_name(steps: Iterable[str | int]) -> str:
    """Write a JSON path the way Python would index it: ``action_units[3].weights.jawOpen``."""
    text = ""
    for step in steps:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text or "top level"

"""Read the room's versioned JSON files and check them against their JSON Schemas."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from ..errors import TableError

_ROOM = Path(__file__).parent


def read_data_file(version: str, schema: str, folder: str = "rigs") -> dict[str, Any]:
    """Read `viewer/<folder>/<version>.json` and check it against `viewer/schemas/<schema>`.

    Raises:
        TableError: the name is unknown, the file is not JSON, breaks its schema, or its version
            field is not its own stem.
    """
    path = _ROOM / folder / f"{version}.json"
    family = version.split("-")[0]
    known = sorted(other.stem for other in path.parent.glob(f"{family}-v*.json"))
    if version not in known:
        raise TableError(f"no {family} file named {version!r}; known: {', '.join(known) or 'none'}")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise TableError(f"{path}: not readable as JSON ({error}); restore the file") from error
    check_against_schema(content, schema, str(path))
    if content["version"] != version:
        raise TableError(f"{path}: field version is {content['version']!r}, expected {version!r}")
    return content


def check_against_schema(content: object, schema: str, source: str) -> None:
    """Raise TableError naming the first field of `content` that breaks the named schema."""
    rules = json.loads((_ROOM / "schemas" / schema).read_text(encoding="utf-8"))
    error = best_match(Draft202012Validator(rules).iter_errors(content))
    if error is not None:
        told = error.message if len(error.message) <= 160 else f"...{error.message[-120:]}"
        raise TableError(f"{source}: field {error.json_path}: {told}")


def write_whole(target: Path, content: bytes) -> None:
    """Write to a temporary name beside the target, then rename: a file is there whole or not.

    Raises:
        OSError: It cannot be written; nothing is left behind.
    """
    temporary = target.with_name(f".countenance-{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content)
        temporary.replace(target)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise

"""Loading this room's versioned data files: one file per version, checked against its schema."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

from jsonschema import Draft202012Validator

from ..errors import TableError


def load_versioned(folder: str, version: str, schema_file: str) -> dict[str, Any]:
    """Read ``FOLDER/VERSION.json`` of this room; every call returns a fresh object.

    Args:
        folder: ``prompts`` or ``tables``.
        version: File stem.
        schema_file: Name of the JSON Schema in ``schemas/``.

    Raises:
        TableError: No such version (the known ones are listed), not JSON, or against the schema.
    """
    room = files(__package__)
    path = room / folder / f"{version}.json"
    if not path.is_file():
        family = version.split("-")[0]
        names = [entry.name.removesuffix(".json") for entry in (room / folder).iterdir()]
        known = sorted(name for name in names if name.startswith(family)) or sorted(names)
        raise TableError(f"{folder}: no version {version!r}; there are: {', '.join(known)}")
    try:
        data: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise TableError(f"{path}: not JSON ({error})") from None
    schema = json.loads((room / "schemas" / schema_file).read_text("utf-8"))
    fault = next(Draft202012Validator(schema).iter_errors(data), None)
    if fault is not None:
        field = "/".join(str(part) for part in fault.absolute_path) or "the whole file"
        raise TableError(f"{path}: field {field}: {fault.message[:200]}")
    if data["version"] != version:
        raise TableError(f"{path}: field version is {data['version']!r}, expected {version!r}")
    return data

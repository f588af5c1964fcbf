"""The SHA-256 of every file of a dataset folder, in ``checksums.json``.

    {"sha256": {"README.md": "9f86...", "data/train-00000-of-00001.parquet": "60ae..."}}

Paths are relative to the folder, with "/". The file itself and hidden files (``.gitattributes``,
``.cache``: the Hub's and git's own) are left out.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from ..generation import write_json

CHECKSUMS = "checksums.json"
_HOW_TO_REPAIR = "fetch it again, or rebuild the dataset with 'countenance build'"


def write_checksums(folder: Path) -> dict[str, str]:
    """Write ``checksums.json`` over all that a dataset folder holds now.

    Args:
        folder: The finished dataset folder; call this last.

    Returns:
        Hexadecimal SHA-256 by relative path.
    """
    sums = _sums(folder)
    write_json(folder / CHECKSUMS, {"sha256": sums})
    return sums


def check_checksums(folder: Path) -> list[tuple[str, str]]:
    """Compare a dataset folder with its ``checksums.json``.

    Returns:
        Relative path and fault of each file that is not as it was written; empty if all are.
    """
    try:
        expected = json.loads((folder / CHECKSUMS).read_text("utf-8"))["sha256"]
        if not isinstance(expected, dict):
            raise TypeError(f"'sha256' is {type(expected).__name__}, no object")
    except FileNotFoundError:
        message = "missing: made by an older version; rebuild the dataset with 'countenance build'"
        return [(CHECKSUMS, message)]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        return [(CHECKSUMS, f"cannot be read ({error!r}); {_HOW_TO_REPAIR}")]
    found = _sums(folder)
    faults = []
    for name in sorted({*expected, *found}):
        if name not in found:
            faults.append((name, f"missing, but listed in {CHECKSUMS}; {_HOW_TO_REPAIR}"))
        elif name not in expected:
            faults.append((name, f"not listed in {CHECKSUMS}; take it out of the folder"))
        elif found[name] != expected[name]:
            faults.append((name, f"not as it was written (SHA-256 differs); {_HOW_TO_REPAIR}"))
    return faults


def _sums(folder: Path) -> dict[str, str]:
    sums = {}
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in relative.parts)
        if path.is_file() and not hidden and relative.as_posix() != CHECKSUMS:
            with path.open("rb") as file:
                sums[relative.as_posix()] = hashlib.file_digest(file, "sha256").hexdigest()
    return sums

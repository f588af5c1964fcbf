"""The files of a run folder: how they are written whole, sealed line by line, and read again.

Every line carries the CRC-32 of its entry, so that a line that a kill cut short or that a disk
damaged is known. ``run_store`` says what lies where.
"""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Container, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..errors import RunError
from .id_set import IdSet

# 2: the record says whose word its tags and its strength are.
FORMAT = 2
MANIFEST = "manifest.json"
STATISTICS = "stats.json"
REJECTS = "rejects.jsonl"
PARTS = "parts"
# They blame a state of the engine, not the text: such items are tried again by the next session.
_PASSING = ("server:", "engine:")


def write_json(path: Path, value: Any) -> None:  # noqa: ANN401
    """Write JSON with sorted keys to ``path``, whole or not at all."""
    temporary = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    write_whole(temporary, path, [text])


def write_whole(temporary: Path, path: Path, lines: Iterable[str]) -> None:
    """Write text under another name of the same folder, then give it its own."""
    try:
        with temporary.open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(lines)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def seal(entry: Mapping[str, Any]) -> str:
    """An entry as a line with its checksum."""
    # ASCII escapes keep U+2028 and its like from looking like line ends to other readers.
    text = json.dumps(entry, sort_keys=True, separators=(",", ":"))
    return f"{_opening(text)}{text}}}\n"


def _opening(text: str) -> str:
    return f'{{"crc32":"{zlib.crc32(text.encode()):08x}","entry":'


def unseal(line: str) -> dict[str, Any] | None:
    """The entry of a line that ``seal`` made; None for any other."""
    if not line.endswith("}\n"):
        return None
    text = line[_OPENING_LENGTH:-2]
    if line[:_OPENING_LENGTH] != _opening(text):
        return None
    try:
        entry = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return entry if isinstance(entry, dict) and isinstance(entry.get("id"), str) else None


_OPENING_LENGTH = len(_opening(""))


def sealed_entries(path: Path) -> Iterator[dict[str, Any] | None]:
    """What one file holds, line by line; None for a damaged line."""
    with path.open(encoding="utf-8", errors="replace", newline="\n") as file:
        yield from map(unseal, file)


def read_manifest(run: Path) -> dict[str, Any]:
    """The manifest of a run folder.

    Raises:
        RunError: ``run`` is not a run folder, or its manifest is damaged.
    """
    path = run / MANIFEST
    try:
        manifest = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise RunError(
            f"{run}: not a run folder (no {MANIFEST}); make one with 'countenance annotate'"
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{path}: cannot be read ({error}); restore it or start a new run") from None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise RunError(
            f"{path}: field 'format' is not {FORMAT}; made by another version, rebuild it"
        )
    identity = manifest.get("identity")
    if not isinstance(identity, dict) or not isinstance(identity.get("mapping_version"), str):
        raise RunError(f"{path}: field 'identity' is missing or cut; start a new run")
    return manifest


def read_run_statistics(run: Path) -> dict[str, Any]:
    """The counts that a run wrote when it last came to its end.

    Raises:
        RunError: The run has never come to its end, or the file is damaged.
    """
    path = run / STATISTICS
    try:
        statistics: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise RunError(
            f"{run}: unfinished run (no {STATISTICS}); finish it with the same "
            "'countenance annotate'"
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{path}: cannot be read ({error}); annotate again to remake it") from None
    missing = {"accepted", "rejected", "corpora", "agreement", "parts"}
    if isinstance(statistics, dict):
        missing -= statistics.keys()
    if missing:
        raise RunError(f"{path}: no field {min(missing)!r}; annotate again to remake it")
    return statistics


def finished_ids(run: Path) -> IdSet:
    """Ids that a run need not do again, read without opening it for writing; empty if none."""
    paths = [*part_files(run), run / REJECTS]
    entries = (entry for path in paths if path.exists() for entry in sealed_entries(path))
    return IdSet(entry["id"] for entry in entries if entry and not is_passing(entry))


def part_checksums(run: Path) -> dict[str, dict[str, Any]]:
    """Per record file its ``bytes`` and ``sha256`` (hex): what a finished run must still hold."""
    checksums = {}
    for path in part_files(run):
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        checksums[path.name] = {"bytes": path.stat().st_size, "sha256": digest}
    return checksums


def check_parts(run: Path) -> None:
    """Compare the record files of a finished run with the checksums in its statistics.

    Raises:
        RunError: The run is unfinished, or a file was changed, lost or added since.
    """
    expected, found = read_run_statistics(run)["parts"], part_checksums(run)
    for name in sorted({*expected, *found}):
        if expected.get(name) != found.get(name):
            raise RunError(
                f"{run / PARTS / name}: not as the run left it (its checksum is in {STATISTICS}); "
                "finish the run with the same 'countenance annotate'"
            )


def part_files(run: Path) -> list[Path]:
    """The record files of a run, in the order in which they were written."""
    return sorted((run / PARTS).glob("part-[0-9][0-9][0-9][0-9][0-9].jsonl"))


def read_records(run: Path) -> Iterator[dict[str, Any]]:
    """Yield every accepted record of a finished or unfinished run; changes nothing on disk.

    Raises:
        RunError: Not a run folder, or a damaged line (which ``countenance annotate`` would redo).
    """
    read_manifest(run)
    for path in part_files(run):
        try:
            lines = list(sealed_entries(path))
        except OSError as error:
            raise RunError(f"{path}: cannot be read ({error.strerror})") from None
        entries = [entry for entry in lines if entry]
        if damaged := len(lines) - len(entries):
            raise RunError(
                f"{path}: {damaged} damaged line(s); run the same 'countenance annotate' again, "
                "which takes them out and annotates their transcripts anew"
            )
        yield from entries


def rewrite_without(path: Path, without: Container[int]) -> None:
    """Write a file anew without some of its lines."""
    temporary = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    with path.open(encoding="utf-8", errors="replace", newline="\n") as file:
        kept = (line for number, line in enumerate(file) if number not in without)
        write_whole(temporary, path, kept)


def is_passing(entry: Mapping[str, Any]) -> bool:
    """Whether an item was set aside for a state of the engine and not for its text."""
    return str(entry.get("reason", "")).startswith(_PASSING)


def sync_folder(folder: Path) -> None:
    """Hand a folder's names to the disk: a power cut must not leave bytes without a name."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

"""The run folder: append-only, checksummed, safe to kill at any moment and to continue.

    RUN/manifest.json            what decides a record's content; written first, whole or not at all
    RUN/calibration.json         the answer prior that the score strategy subtracts
    RUN/parts/part-00000.jsonl   accepted records, one {"crc32": ..., "entry": {...}} per line
    RUN/rejects.jsonl            transcripts set aside, with the reason, in the same envelope
    RUN/stats.json               counts and part checksums of the finished run

Every line carries the CRC-32 of its entry. Opening a run reads all lines back; a line that a kill
cut short or that a disk damaged is taken out, and its transcript is simply annotated again. The set
of finished ids decides what is left to do, so nothing is lost and nothing is written twice.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from ..errors import RunError
from .id_set import IdSet, UnionOfIds

# 2: the record says whose word its tags and its strength are.
FORMAT = 2
MANIFEST = "manifest.json"
STATISTICS = "stats.json"
REJECTS = "rejects.jsonl"
PARTS = "parts"
_LOCK = "run.lock"
RECORDS_PER_PART = 10_000


def write_json(path: Path, value: Any) -> None:  # noqa: ANN401
    """Write JSON with sorted keys to ``path``, whole or not at all."""
    temporary = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    _write_whole(temporary, path, [text])


def _write_whole(temporary: Path, path: Path, lines: Iterable[str]) -> None:
    try:
        with temporary.open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(lines)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _seal(entry: Mapping[str, Any]) -> str:
    # ASCII escapes keep U+2028 and its like from looking like line ends to other readers.
    text = json.dumps(entry, sort_keys=True, separators=(",", ":"))
    return f"{_opening(text)}{text}}}\n"


def _opening(text: str) -> str:
    return f'{{"crc32":"{zlib.crc32(text.encode()):08x}","entry":'


def _unseal(line: str) -> dict[str, Any] | None:
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


def _read_entries(path: Path) -> tuple[list[dict[str, Any]], int]:
    """All sound entries of one file, and how many lines were damaged."""
    entries, damaged = [], 0
    with path.open(encoding="utf-8", errors="replace", newline="\n") as file:
        for line in file:
            entry = _unseal(line)
            if entry is None:
                damaged += 1
            else:
                entries.append(entry)
    return entries, damaged


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
    return IdSet(entry["id"] for path in paths if path.exists() for entry in _read_entries(path)[0])


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
            entries, damaged = _read_entries(path)
        except OSError as error:
            raise RunError(f"{path}: cannot be read ({error.strerror})") from None
        if damaged:
            raise RunError(
                f"{path}: {damaged} damaged line(s); run the same 'countenance annotate' again, "
                "which takes them out and annotates their transcripts anew"
            )
        yield from entries


class RunStore:
    """A run folder opened for writing by exactly one process.

    Args:
        folder: The run folder; created when absent.
        identity: What decides a record's content (model hash, prompt, tables, seed ...). A run that
            was started with another identity is refused, because it would mix two annotators.

    Raises:
        RunError: Not writable, in use, of another identity, or not a run folder.
    """

    def __init__(self, folder: Path, identity: Mapping[str, Any]) -> None:
        self.folder = folder
        self.repaired = 0
        self._opened = ExitStack()
        try:
            check_run_folder(folder)
            (folder / PARTS).mkdir(parents=True, exist_ok=True)
            self._opened.enter_context(_lock_folder(folder))
            self._remove_temporaries()
            self._check_identity(identity)
            self.accepted_ids = self._recover(part_files(folder))
            self.rejected_ids = self._recover([folder / REJECTS])
            self._open_for_append()
        except OSError as error:
            self.close()
            raise RunError(
                f"{folder}: cannot write this run ({error.strerror}); choose another --out"
            ) from error
        except RunError:
            self.close()
            raise

    def _remove_temporaries(self) -> None:
        """What a kill left of files that were being written whole; under the lock nobody writes."""
        for folder in (self.folder, self.folder / PARTS):
            for path in folder.glob(".*.tmp-*"):
                path.unlink(missing_ok=True)

    def _check_identity(self, identity: Mapping[str, Any]) -> None:
        if not (self.folder / MANIFEST).exists():
            write_json(self.folder / MANIFEST, {"format": FORMAT, "identity": dict(identity)})
            return
        found = read_manifest(self.folder)["identity"]
        changed = sorted(key for key in {*found, *identity} if found.get(key) != identity.get(key))
        if changed:
            key = changed[0]
            raise RunError(
                f"{self.folder}: this run was started with other settings ({key}: "
                f"{found.get(key)!r}, now {identity.get(key)!r}); choose another --out"
            )

    def _recover(self, paths: Sequence[Path]) -> IdSet:
        """Finished ids; damaged lines and second copies of an id are taken out of the files."""
        finished = IdSet()
        for path in paths:
            if not path.exists():
                continue
            entries, damaged = _read_entries(path)
            fresh = []
            for entry in entries:
                if entry["id"] not in finished:
                    finished.add(entry["id"])
                    fresh.append(entry)
            faults = damaged + len(entries) - len(fresh)
            if faults:
                self.repaired += faults
                _rewrite(path, fresh)
        return finished

    def _open_for_append(self) -> None:
        parts = part_files(self.folder)
        number = int(parts[-1].stem.removeprefix("part-")) if parts else 0
        path = self._part_path(number)
        self._part_number = number
        self._part_count = len(_read_entries(path)[0]) if path.exists() else 0
        self._part = self._append_to(path)
        self._reject_file = self._append_to(self.folder / REJECTS)

    def _append_to(self, path: Path) -> IO[str]:
        return self._opened.enter_context(path.open("a", encoding="utf-8", newline="\n"))

    def _part_path(self, number: int) -> Path:
        return self.folder / PARTS / f"part-{number:05d}.jsonl"

    @property
    def finished_ids(self) -> Set[str]:
        """Ids that need no further work: accepted or set aside."""
        return UnionOfIds(self.accepted_ids, self.rejected_ids)

    def append(self, record: Mapping[str, Any]) -> None:
        """Add an accepted record; durable after the next ``flush``."""
        if self._part_count >= RECORDS_PER_PART:
            self.flush()
            self._part.close()
            self._part_number, self._part_count = self._part_number + 1, 0
            self._part = self._append_to(self._part_path(self._part_number))
        self._part.write(_seal(record))
        self._part_count += 1
        self.accepted_ids.add(record["id"])

    def reject(self, entry: Mapping[str, Any]) -> None:
        """Set a transcript aside; ``entry`` holds ``id`` and ``reason`` among its fields."""
        self._reject_file.write(_seal(entry))
        self.rejected_ids.add(entry["id"])

    def flush(self) -> None:
        """Hand all that was appended to the disk."""
        for file in (self._part, self._reject_file):
            file.flush()
            os.fsync(file.fileno())

    def records(self) -> Iterator[dict[str, Any]]:
        """All records accepted so far."""
        self._part.flush()
        for path in part_files(self.folder):
            yield from _read_entries(path)[0]

    def rejects(self) -> list[dict[str, Any]]:
        """All entries set aside so far."""
        self._reject_file.flush()
        return _read_entries(self.folder / REJECTS)[0]

    def close(self) -> None:
        """Close the files and give up the lock."""
        self._opened.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def check_run_folder(folder: Path) -> None:
    """Refuse a place that holds anything but a run of ours; creates nothing.

    Raises:
        RunError: A file, a folder with other files, or a run of another format.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise RunError(f"{folder}: is a file; --out must name a folder for the run")
    ours = {MANIFEST, PARTS, _LOCK}
    names = {entry.name for entry in folder.iterdir() if not entry.name.startswith(".")}
    if MANIFEST in names:
        read_manifest(folder)
    elif not names <= ours:
        raise RunError(
            f"{folder}: holds other files and no {MANIFEST}; choose a new or empty folder for --out"
        )


def _lock_folder(folder: Path) -> IO[str]:
    lock = (folder / _LOCK).open("a+", encoding="utf-8")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        owner = lock.read().strip() or "unknown"
        lock.close()
        raise RunError(
            f"{folder}: process {owner} is writing this run; wait for it or choose another --out"
        ) from None
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def _rewrite(path: Path, entries: Sequence[Mapping[str, Any]]) -> None:
    temporary = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    _write_whole(temporary, path, (_seal(entry) for entry in entries))

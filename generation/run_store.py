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
import os
import socket
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

from ..closing import Closing
from ..errors import RunError
from .id_set import IdSet, UnionOfIds
from .run_files import (
    FORMAT,
    MANIFEST,
    PARTS,
    REJECTS,
    is_passing,
    part_files,
    read_manifest,
    rewrite_without,
    seal,
    sealed_entries,
    sync_folder,
    write_json,
)

RECORDS_PER_PART = 10_000
_LOCK = "run.lock"


class RunStore(Closing):
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
            self.retried_ids = IdSet()
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
        """Finished ids; damaged lines and second copies of an id are taken out of the files.

        So are items that were set aside for a passing reason: they are tried again.
        """
        finished = IdSet()
        for path in paths:
            if not path.exists():
                continue
            faults, passing = set(), set()
            for number, entry in enumerate(sealed_entries(path)):
                if entry is None or entry["id"] in finished:
                    faults.add(number)
                elif is_passing(entry):
                    passing.add(number)
                    self.retried_ids.add(entry["id"])
                else:
                    finished.add(entry["id"])
            if faults or passing:
                self.repaired += len(faults)
                rewrite_without(path, faults | passing)
        return finished

    def _open_for_append(self) -> None:
        parts = part_files(self.folder)
        number = int(parts[-1].stem.removeprefix("part-")) if parts else 0
        path = self._part_path(number)
        self._part_number = number
        self._part_count = sum(1 for _ in sealed_entries(path)) if path.exists() else 0
        self._part = self._append_to(path)
        self._reject_file = self._append_to(self.folder / REJECTS)
        sync_folder(self.folder / PARTS)
        sync_folder(self.folder)

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
            full = self._part
            # Opened before the other is closed: there may be no room for it.
            self._part = self._append_to(self._part_path(self._part_number + 1))
            full.close()
            self._part_number, self._part_count = self._part_number + 1, 0
            sync_folder(self.folder / PARTS)
        self._part.write(seal(record))
        self._part_count += 1
        self.accepted_ids.add(record["id"])

    def reject(self, entry: Mapping[str, Any]) -> None:
        """Set a transcript aside; ``entry`` holds ``id`` and ``reason`` among its fields."""
        self._reject_file.write(seal(entry))
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
            yield from filter(None, sealed_entries(path))

    def rejects(self) -> Iterator[dict[str, Any]]:
        """All entries set aside so far."""
        self._reject_file.flush()
        yield from filter(None, sealed_entries(self.folder / REJECTS))

    def close(self) -> None:
        """Close the files and give up the lock."""
        self._opened.close()


def check_run_folder(folder: Path) -> None:
    """Refuse a place that holds anything but a run of ours; creates nothing.

    Raises:
        RunError: A file, a folder with other files, or a run of another format.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise RunError(f"{folder}: is a file; --out must name a folder for the run")
    names = {entry.name for entry in folder.iterdir() if not entry.name.startswith(".")}
    if MANIFEST in names:
        read_manifest(folder)
    elif any(path.stat().st_size for path in part_files(folder)):
        raise RunError(
            f"{folder}: holds records, but its {MANIFEST} is gone; restore it from a copy, or "
            "choose another --out"
        )
    elif not names <= {PARTS, REJECTS, _LOCK}:
        raise RunError(
            f"{folder}: holds other files and no {MANIFEST}; choose a new or empty folder for --out"
        )


def _lock_folder(folder: Path) -> IO[str]:
    lock = (folder / _LOCK).open("a+", encoding="utf-8")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        owner, _, host = lock.read().strip().partition(" ")
        owner = owner or "unknown"
        if host and host != socket.gethostname():
            owner += f" on {host}"
        lock.close()
        raise RunError(
            f"{folder}: process {owner} is writing this run; wait for it or choose another --out"
        ) from None
    lock.truncate(0)
    lock.write(f"{os.getpid()} {socket.gethostname()}")
    lock.flush()
    return lock

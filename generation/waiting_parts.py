"""Outcomes that came in as Parquet parts and do not stand in the run's own files yet.

    RUN/ray/todo/todo-00000.parquet     transcripts that were left when a Ray run began
    RUN/ray/parts/part-<sha256>.parquet what an actor made of one such file

An actor writes a part under another name and renames it, so that it appears whole or not at all;
its name is the start of the SHA-256 of its bytes, so that a damaged part is known and a batch that
was done twice gives the same part. The process that holds the run's lock takes the outcomes over
into the run's own files, in the order of the transcripts, and then removes the part. A run that was
killed keeps its parts; whoever continues it, with Ray or without, takes them first.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints
from uuid import uuid4

from ..errors import RunError
from .record import AnnotationRecord
from .run_files import is_passing

if TYPE_CHECKING:
    import pyarrow as pa

FOLDER = "ray"
TODO = f"{FOLDER}/todo"
PARTS = f"{FOLDER}/parts"
_IDENTITY = b"countenance_identity"
_REASON = "reason"
_REJECT_FIELDS = ("id", _REASON, "transcript", "source", "source_id")
_DIGEST_LENGTH = 32


def identity_digest(identity: Mapping[str, Any]) -> str:
    """SHA-256 (hex) of a run's identity, which every part carries."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def write_scratch_table(path: Path, table: pa.Table) -> None:
    """Write a Parquet file that is made anew after a power cut, so nothing waits for the disk.

    Raises:
        OSError: The disk is full, or the folder cannot be written.
    """
    _write_bytes(path, _as_parquet(table), durable=False)


def write_part(run: Path, outcomes: Sequence[Mapping[str, Any]], identity: str) -> str:
    """Write the outcomes of one batch as a part.

    Args:
        run: The run folder, on a disk that all machines share.
        outcomes: Records, and entries with a ``reason`` for what was set aside.
        identity: ``identity_digest`` of the run.

    Returns:
        The part's file name.

    Raises:
        OSError: The disk is full, or the folder cannot be written.
    """
    import pyarrow as pa

    schema = _part_schema().with_metadata({_IDENTITY: identity})
    content = _as_parquet(pa.Table.from_pylist(list(outcomes), schema=schema))
    name = f"part-{hashlib.sha256(content).hexdigest()[:_DIGEST_LENGTH]}.parquet"
    _write_bytes(run / PARTS / name, content, durable=True)
    return name


class WaitingParts:
    """The parts of a run that were not taken over yet.

    Args:
        run: The run folder, opened for writing by this process.
        identity: The run's identity; a part of another one is discarded.
    """

    def __init__(self, run: Path, identity: Mapping[str, Any]) -> None:
        self.discarded = 0
        self._run = run
        self._identity = identity_digest(identity)
        self._place: dict[str, str] = {}
        self._open: dict[str, dict[str, dict[str, Any]]] = {}
        self._taken: list[str] = []
        for path in sorted((run / PARTS).glob("part-*.parquet")):
            self._add(path.name, is_passing)

    def add(self, name: str) -> None:
        """Note a part that has come in; a damaged one is counted and removed, to be done again."""
        self._add(name, lambda outcome: False)

    def _add(self, name: str, again: Callable[[Mapping[str, Any]], bool]) -> None:
        outcomes = self._read(name)
        if outcomes is None:
            self.discarded += 1
            (self._run / PARTS / name).unlink(missing_ok=True)
            return
        # What a session before set aside for a passing reason is tried again.
        self._place.update({key: name for key, value in outcomes.items() if not again(value)})

    def __contains__(self, identifier: str) -> bool:
        return identifier in self._place

    def take(self, identifier: str) -> dict[str, Any]:
        """The outcome of a transcript, once: a record, or an entry with a ``reason``.

        Raises:
            RunError: Somebody else changed the part since it came in.
        """
        name = self._place[identifier]
        if name not in self._open:
            found = self._read(name)
            if found is None:
                raise RunError(
                    f"{self._run / PARTS / name}: was changed or removed by somebody else; start "
                    "the same command again"
                )
            self._open[name] = {key: found[key] for key in found if self._place.get(key) == name}
        del self._place[identifier]
        part = self._open[name]
        outcome = part.pop(identifier)
        if not part:
            del self._open[name]
            self._taken.append(name)
        return outcome

    def remove_taken(self) -> None:
        """Remove the parts that were taken whole; only after their outcomes were flushed."""
        for name in self._taken:
            (self._run / PARTS / name).unlink(missing_ok=True)
        self._taken.clear()

    def remove_all(self) -> None:
        """Remove the folder of a run that is finished."""
        shutil.rmtree(self._run / FOLDER, ignore_errors=True)

    def _read(self, name: str) -> dict[str, dict[str, Any]] | None:
        """Id to outcome; None for a part that is damaged, or of another run or version."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            content = (self._run / PARTS / name).read_bytes()
            if f"part-{hashlib.sha256(content).hexdigest()[:_DIGEST_LENGTH]}.parquet" != name:
                return None
            table = pq.read_table(pa.BufferReader(content))
        except (FileNotFoundError, pa.ArrowException):
            return None
        if (table.schema.metadata or {}).get(_IDENTITY) != self._identity.encode():
            return None
        if not table.schema.equals(_part_schema()):  # of a version that had other fields
            return None
        return {row["id"]: _outcome(row) for row in table.to_pylist()}


def _outcome(row: dict[str, Any]) -> dict[str, Any]:
    if row[_REASON] is not None:
        return {field: row[field] for field in _REJECT_FIELDS}
    del row[_REASON]
    return row


def _part_schema() -> pa.Schema:
    """Columns of a part: the record's own fields, and the reason of what was set aside."""
    import pyarrow as pa

    kinds = {
        str: pa.string(),
        int: pa.int64(),
        float | None: pa.float64(),
        list[str]: pa.list_(pa.string()),
    }
    fields = [(name, kinds[kind]) for name, kind in get_type_hints(AnnotationRecord).items()]
    return pa.schema([*fields, (_REASON, pa.string())])


def _as_parquet(table: pa.Table) -> memoryview:
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return memoryview(sink.getvalue())


def _write_bytes(path: Path, content: memoryview, *, durable: bool) -> None:
    temporary = path.with_name(f".{path.name}.tmp-{uuid4().hex}")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with temporary.open("wb") as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)

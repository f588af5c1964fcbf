"""The verdict file of a review: one JSON object a line, appended and synced at every key press.

    {"fingerprint": "9c0f...", "id": "1f3a...", "items": 100, "note": "", "reason": "wrong-tag",
     "relation": "t-e", "seed": 0, "time": "2026-11-23T12:31:07+00:00", "verdict": "reject"}

Nothing is ever rewritten: a change of mind is one more line, and the last line about a relation of
an item counts. ``seed`` and ``items`` say which sample was under review; ``fingerprint`` says what
the item looked like, so that a verdict is not taken for one on an item that was annotated anew.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict, cast

from ..errors import ReviewError

RELATIONS = ("t-e", "e-au", "d-au")
"""Transcript and tags, tags and action units, description and action units."""

VERDICTS = ("accept", "reject", "open")
"""``open`` takes an earlier verdict back."""

MOST_NOTE_CHARACTERS = 1000
_CLOSED = -1
_PACKAGE = Path(__file__).resolve().parent.parent


class Verdict(TypedDict):
    """One line of the file.

    Attributes:
        id: Of the item.
        relation: One of ``RELATIONS``.
        verdict: One of ``VERDICTS``.
        reason: Id of the reason of a rejection; empty while none is given.
        note: The reviewer's own words on a rejection.
        time: When it was given, ISO 8601, UTC.
        fingerprint: Hash of what was judged.
        seed: Seed of the sample.
        items: Size of the sample that was asked for.
    """

    id: str
    relation: str
    verdict: str
    reason: str
    note: str
    time: str
    fingerprint: str
    seed: int
    items: int


_KINDS: dict[str, type] = {
    **dict.fromkeys(("id", "reason", "note", "time", "fingerprint"), str),
    **dict.fromkeys(("seed", "items"), int),
}


@dataclass(frozen=True)
class VerdictLines:
    """What a verdict file holds.

    Attributes:
        verdicts: In the order in which they were given.
        damaged: Row numbers, from 1, of lines that a kill or a disk cut short; they are skipped.
        complete: Whether the file ends with a line end.
    """

    verdicts: tuple[Verdict, ...] = ()
    damaged: tuple[int, ...] = ()
    complete: bool = True


def read_verdicts(path: Path) -> VerdictLines:
    """Read a verdict file; a file that is not there is one without verdicts.

    Raises:
        ReviewError: The file cannot be read, or holds lines and none of them is a verdict.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return VerdictLines()
    except OSError as error:
        raise ReviewError(f"{path}: cannot be read ({error.strerror}); give a file") from None
    found = [_read_line(line) for line in content.removesuffix(b"\n").split(b"\n")]
    verdicts = tuple(verdict for verdict in found if verdict is not None)
    damaged = tuple(row for row, verdict in enumerate(found, start=1) if verdict is None)
    if content and not verdicts:
        raise ReviewError(
            f"{path}: row 1 is no verdict of a review, nor is any other; choose another --out"
        )
    return VerdictLines(verdicts, damaged if content else (), content.endswith(b"\n"))


def _read_line(line: bytes) -> Verdict | None:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    sound = (
        isinstance(entry, dict)
        and entry.keys() == Verdict.__annotations__.keys()
        and entry["relation"] in RELATIONS
        and entry["verdict"] in VERDICTS
        and all(isinstance(entry[name], kind) for name, kind in _KINDS.items())
    )
    return cast(Verdict, entry) if sound else None


def check_place(path: Path) -> None:
    """Refuse a verdict file inside the package's own folders, where an upgrade would delete it.

    Raises:
        ReviewError: The place is inside the package, is a folder, or its folder is not there.
    """
    place = path.resolve()
    if place.is_relative_to(_PACKAGE):
        inside = place.relative_to(_PACKAGE).parts
        # The root of a checkout is the package too; a folder in it that is no room (out/) is not.
        if len(inside) == 1 or (_PACKAGE / inside[0] / "__init__.py").exists():
            raise ReviewError(f"{path}: is inside the package; choose another --out")
    if path.is_dir():
        raise ReviewError(f"{path}: is a folder; --out must name a file")
    if not path.parent.is_dir():
        raise ReviewError(f"{path}: no folder {path.parent}; make it or choose another --out")


class VerdictFile:
    """A verdict file opened for appending by exactly one process, and any number of its threads.

    Raises:
        ReviewError: The place is refused, not writable, in use, or holds something else.
    """

    def __init__(self, path: Path) -> None:
        check_place(path)
        self.path = path
        self.lines = read_verdicts(path)
        self._lock = threading.Lock()
        try:
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        except OSError as error:
            raise ReviewError(
                f"{path}: cannot be written ({error.strerror}); choose another --out"
            ) from None
        try:
            self._lock_file()
            self.lines = read_verdicts(path)  # again: nobody else can write from here on
        except ReviewError:
            os.close(self._file)
            raise
        self._torn = not self.lines.complete and os.fstat(self._file).st_size > 0

    def _lock_file(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ReviewError(
                f"{self.path}: another 'countenance review' is writing it; end that one or choose "
                "another --out"
            ) from None
        except OSError as error:  # some network file systems have no locks
            raise ReviewError(
                f"{self.path}: cannot be locked ({error.strerror}); choose another --out on a "
                "local disk"
            ) from None

    def append(self, verdict: Mapping[str, Any]) -> None:
        """Add one verdict; when this returns it is on the disk.

        Raises:
            ReviewError: The disk refused it; the file is as it was before.
        """
        # ASCII escapes keep U+2028 and its like from looking like line ends to other readers.
        line = json.dumps(verdict, sort_keys=True).encode() + b"\n"
        with self._lock:
            if self._file == _CLOSED:
                raise ReviewError(f"{self.path}: not saved, the review has ended; start it again")
            data = b"\n" + line if self._torn else line
            size = os.fstat(self._file).st_size
            try:
                written = os.write(self._file, data)
                if written < len(data):
                    os.write(self._file, data[written:])
                os.fsync(self._file)
            except OSError as error:
                os.ftruncate(self._file, size)
                raise ReviewError(
                    f"{self.path}: not saved ({error.strerror}); make room and press the key again"
                ) from None
            self._torn = False

    def close(self) -> None:
        """Close the file and give up the lock, once a verdict that is being written is there."""
        with self._lock:
            if self._file >= 0:
                os.close(self._file)
                self._file = _CLOSED

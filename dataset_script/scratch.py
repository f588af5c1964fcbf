"""Files that are in the way only while a dataset is built or checked: sorted runs, spools."""

from __future__ import annotations

import heapq
import os
import shutil
import struct
import tempfile
import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path

from ..errors import DatasetError

MOST_BYTES = 48_000_000
"""So much of what is sorted is held in memory, by an estimate that counts Python's own share."""
MOST_FILES = 100
"""So many sorted runs are merged at once; a process may often open only 256 files."""
_READ_BYTES = 1 << 18  # of each run that is merged
_OVERHEAD = 180  # of a pair of short bytes in a tuple in a list
_HEADER = struct.Struct("<II")
_KEY = itemgetter(0)

Pair = tuple[bytes, bytes]


class Scratch:
    """A folder that vanishes with the object that holds it.

    Raises:
        DatasetError: No folder can be made.
    """

    def __init__(self, purpose: str) -> None:
        with explained():
            self.folder = Path(tempfile.mkdtemp(prefix=f"countenance-{purpose}-"))
        self._remove = weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)

    def __enter__(self) -> Path:
        return self.folder

    def __exit__(self, *_: object) -> None:
        self._remove()


@contextmanager
def explained() -> Iterator[None]:
    """Tell a full or unwritable disk under the scratch files from a fault of the data."""
    try:
        yield
    except OSError as error:
        raise DatasetError(
            f"{tempfile.gettempdir()}: cannot hold the scratch files ({error.strerror}); free the "
            "disk, or set TMPDIR to a folder with room for twice the run"
        ) from error


def sorted_pairs(pairs: Iterable[Pair], folder: Path) -> Iterator[Pair]:
    """The pairs in the order of their first halves; equal ones keep their order.

    Runs that fit into memory are sorted there and put into ``folder``, then merged. What fits
    whole touches no disk. Nothing is yielded before all pairs have been taken.

    Args:
        pairs: Key and value.
        folder: An existing folder for the runs.

    Raises:
        DatasetError: The runs cannot be written.
    """
    runs: list[Path] = []
    held: list[Pair] = []
    size = 0
    for pair in pairs:
        held.append(pair)
        size += len(pair[0]) + len(pair[1]) + _OVERHEAD
        if size >= MOST_BYTES:
            held.sort(key=_KEY)
            runs.append(_write_run(held, folder))
            held, size = [], 0
    held.sort(key=_KEY)
    if not runs:
        yield from held
        return
    if held:
        runs.append(_write_run(held, folder))
    del held
    while len(runs) > MOST_FILES:
        # In their order, so that equal keys keep theirs.
        runs = [
            _write_run(_merged(runs[start : start + MOST_FILES]), folder)
            for start in range(0, len(runs), MOST_FILES)
        ]
    yield from _merged(runs)


def _write_run(pairs: Iterable[Pair], folder: Path) -> Path:
    with explained():
        handle, name = tempfile.mkstemp(prefix="run-", dir=folder)
        with os.fdopen(handle, "wb", buffering=1 << 20) as file:
            for key, value in pairs:
                file.write(_HEADER.pack(len(key), len(value)))
                file.write(key)
                file.write(value)
    return Path(name)


def _merged(runs: Sequence[Path]) -> Iterator[Pair]:
    yield from heapq.merge(*(_read_run(path) for path in runs), key=_KEY)
    for path in runs:
        path.unlink()


def _read_run(path: Path) -> Iterator[Pair]:
    with path.open("rb", buffering=_READ_BYTES) as file:
        while header := file.read(_HEADER.size):
            key, value = _HEADER.unpack(header)
            yield file.read(key), file.read(value)

"""Where recomputable files are kept: requantised models, calibrations, text features."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_UNFINISHED = ".unfinished"


def cache_folder() -> Path:
    """``$COUNTENANCE_CACHE``, or ``~/.cache/countenance``; everything in it may be deleted."""
    return Path(os.environ.get("COUNTENANCE_CACHE") or Path.home() / ".cache" / "countenance")


@contextmanager
def cached_file(target: Path) -> Iterator[Path]:
    """A file to write, which becomes ``target`` when all went well and vanishes otherwise.

    What killed processes left in the folder is removed: a file that nobody holds a lock on.

    Raises:
        OSError: The folder cannot be written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    for path in target.parent.glob(f".*{_UNFINISHED}"):
        _remove_if_left(path)
    temporary = target.with_name(f".{target.name}.{os.getpid()}{_UNFINISHED}")
    with temporary.open("wb") as held:
        try:
            with suppress(OSError):  # a file system without locks
                fcntl.flock(held, fcntl.LOCK_EX)
            yield temporary
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)


def _remove_if_left(path: Path) -> None:
    with suppress(OSError), path.open("rb") as file:  # held, or another process was quicker
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()

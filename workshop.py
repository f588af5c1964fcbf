"""A folder that is made beside its place and put there whole: datasets and checkpoints.

    PARENT/NAME            what readers see: the older folder, the newer one, or none yet
    PARENT/.NAME.making/   the workshop: ``lock`` (the owner's pid) and ``new``, the folder in work

On Linux the two folders change places in one system call (``renameat2`` with ``RENAME_EXCHANGE``),
so there is no moment, and no kill, that leaves ``NAME`` empty where something stood. Where the
file system or the system lacks it, two renames are made, and what a kill leaves between them is put
back when the same folder is made the next time. The lock is the kernel's: a killed owner has none.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import hashlib
import os
import shutil
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from .errors import CountenanceError

_AT_FDCWD = -100  # fcntl.h
_RENAME_EXCHANGE = 2  # linux/fs.h
_NOT_HERE = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP}
_LONGEST_NAME = 200  # bytes; with what is added below 255, the limit of file systems


class Workshop:
    """Where one process at a time makes the folder ``out``; use it as a context manager.

    Args:
        out: The folder to make or to replace; a link is followed.
        error: What to raise when another process is at work on the same folder.

    Attributes:
        fresh: An empty folder to work in.

    Raises:
        CountenanceError: ``error``, with the other process's pid.
        OSError: The parent folder cannot be written.
    """

    def __init__(self, out: Path, error: type[CountenanceError]) -> None:
        self.out = out.resolve()
        self._error = error
        self._folder = self.out.with_name(f".{_short(self.out.name)}.making")
        self.fresh = self._folder / "new"
        self._old = self._folder / "old"
        self._lock: IO[str] | None = None

    def __enter__(self) -> Self:
        self._lock = self._take_lock()
        try:
            if self._old.exists() and not self.out.exists():
                self._old.rename(self.out)
            for rest in (self._old, self.fresh):
                if rest.exists():
                    shutil.rmtree(rest)
            self.fresh.mkdir()
        except OSError:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.out.exists() or not self._old.exists():  # else the next workshop puts it back
            self._clear()
        if self._lock:
            self._lock.close()

    def _clear(self) -> None:
        for rest in (self._old, self.fresh):
            shutil.rmtree(rest, ignore_errors=True)
        # Not by rmtree, which opens the folder: a process may have no descriptor left for that.
        with suppress(OSError):
            (self._folder / "lock").unlink()
            self._folder.rmdir()

    def put_in_place(self) -> None:
        """Let ``fresh`` be ``out``; what stood there goes when the workshop closes.

        Raises:
            OSError: It cannot be moved; ``out`` is as it was.
        """
        _sync(self.fresh)
        if not self.out.exists():
            self.fresh.rename(self.out)
            return
        try:
            exchange(self.fresh, self.out)
        except OSError as error:
            if error.errno not in _NOT_HERE:
                raise
            self._move_twice()

    def _move_twice(self) -> None:
        self.out.rename(self._old)
        try:
            self.fresh.rename(self.out)
        except OSError:
            self._old.rename(self.out)
            raise

    def _take_lock(self) -> IO[str]:
        path = self._folder / "lock"
        while True:
            self._folder.mkdir(parents=True, exist_ok=True)
            try:
                lock = path.open("a+", encoding="utf-8")
            except FileNotFoundError:
                continue  # its owner has just taken the workshop away
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                owner = lock.read().strip() or "unknown"
                lock.close()
                raise self._error(
                    f"{self.out}: process {owner} is writing it; wait for it or choose another "
                    "--out"
                ) from None
            if path.exists() and os.path.samestat(os.fstat(lock.fileno()), path.stat()):
                break
            lock.close()
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        return lock


def exchange(first: Path, second: Path) -> None:
    """Let two paths of one file system change places, in one step that nothing can come between.

    Raises:
        OSError: One does not exist, or the system or the file system cannot do it.
    """
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), str(first))
    paths = os.fsencode(first), os.fsencode(second)
    flags = ctypes.c_uint(_RENAME_EXCHANGE)
    if renameat2(_AT_FDCWD, paths[0], _AT_FDCWD, paths[1], flags) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(first), None, str(second))


def _sync(folder: Path) -> None:
    """Hand a folder's files to the disk: a name must not outlive a power cut without its bytes."""
    for path in [*folder.rglob("*"), folder]:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _short(name: str) -> str:
    data = os.fsencode(name)
    return name if len(data) <= _LONGEST_NAME else hashlib.sha256(data).hexdigest()

"""Progress on stderr: a bar in a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from tqdm import tqdm


class Progress:
    """Counts finished work; use it as a context manager.

    Args:
        what: What is being done ("encode texts").
        total: Number of units in all.
        enabled: False keeps silent.
        seconds_between_lines: How often a line is written when stderr is no terminal.
    """

    def __init__(
        self, what: str, total: int, *, enabled: bool = True, seconds_between_lines: float = 10.0
    ) -> None:
        self.what = what
        self.total = total
        self._seconds = seconds_between_lines
        self._done = 0
        self._started = self._last_line = time.monotonic()
        self._lines = enabled and not sys.stderr.isatty()
        self._bar = tqdm(total=total, desc=what, disable=None if enabled else True, leave=False)

    def update(self, count: int = 1, note: str = "") -> None:
        """Add finished units, with a short note on how it goes."""
        self._done += count
        self._bar.update(count)
        if note:
            self._bar.set_postfix_str(note)
        now = time.monotonic()
        if self._lines and now - self._last_line >= self._seconds:
            self._last_line = now
            rate = self._done / (now - self._started)
            left = (self.total - self._done) / rate
            line = f"{self.what}: {self._done}/{self.total}, {rate:.1f}/s, {left:.0f} s left"
            print(f"{line}  {note}".rstrip(), file=sys.stderr, flush=True)

    def say(self, line: str) -> None:
        """Write one line, above the bar where there is one."""
        if self._lines:
            print(f"{self.what}: {line}", file=sys.stderr, flush=True)
        elif not self._bar.disable:
            self._bar.write(f"{self.what}: {line}", file=sys.stderr)

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.close()

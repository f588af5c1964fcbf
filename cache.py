"""Where recomputable files are kept: requantised models, calibrations, text features."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """``$COUNTENANCE_CACHE``, or ``~/.cache/countenance``; everything in it may be deleted."""
    return Path(os.environ.get("COUNTENANCE_CACHE") or Path.home() / ".cache" / "countenance")

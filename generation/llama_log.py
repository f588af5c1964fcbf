"""llama.cpp's own log, kept for our one-line messages instead of printed over the user's screen."""

from __future__ import annotations

import ctypes
from typing import Any

_ERROR_LEVEL = 4  # GGML_LOG_LEVEL_ERROR in ggml.h
_errors: list[str] = []
# llama.cpp keeps the bare function pointer, so a Python reference must outlive every model.
_callbacks: list[Any] = []


def silence_llama_cpp() -> None:
    """Send llama.cpp's log to a short memory of error lines; safe to call again."""
    import llama_cpp

    if not _callbacks:

        @llama_cpp.llama_log_callback
        def keep(level: int, text: bytes, _user_data: ctypes.c_void_p) -> None:
            line = text.decode("utf-8", "replace").strip()
            if level == _ERROR_LEVEL and line:
                _errors.append(line)

        _callbacks.append(keep)
    llama_cpp.llama_log_set(_callbacks[0], ctypes.c_void_p(0))
    _errors.clear()


def first_error() -> str:
    """The first error line since ``silence_llama_cpp``: later ones only say that loading failed."""
    return _errors[0] if _errors else "llama.cpp gave no reason"

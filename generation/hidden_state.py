"""The model's last hidden state, tapped while llama.cpp computes the answer.

llama.cpp hands hidden states out only in its embedding mode, and that mode runs the output layer on
every token of an item instead of on the last: a third more time for the packaged model. The tap
watches the computation instead (``cb_eval``, the hook of llama.cpp's own imatrix tool) and copies
the one tensor that is wanted. Its numbers are the same bits; the cost is about a millisecond.
"""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

# llama.cpp's name, in every architecture, for the input of the output layer.
_TENSOR = b"result_norm"


class HiddenStateTap:
    """Keeps the last row of the final normalisation of every decode of one context.

    Attributes:
        callback: What ``llama_context_params.cb_eval`` takes; the tap must outlive the context.
        state: float32 (hidden_size,) of the last decode, or None before the first.
    """

    def __init__(self, hidden_size: int) -> None:
        import llama_cpp.llama_cpp as bindings

        tensors = _tensor_library()
        self.state: np.ndarray | None = None

        def watch(tensor: int, ask: bool, _user_data: int | None) -> bool:
            if ask:
                return bool(tensors.ggml_get_name(tensor) == _TENSOR)
            last_row = np.empty(hidden_size, np.float32)
            offset = tensors.ggml_nbytes(tensor) - last_row.nbytes
            tensors.ggml_backend_tensor_get(tensor, last_row.ctypes.data, offset, last_row.nbytes)
            self.state = last_row
            return True

        self.callback: Any = bindings.ggml_backend_sched_eval_callback(watch)


@cache
def _tensor_library() -> ctypes.CDLL:
    """The shared library with ggml's tensor functions, which the binding does not hand on."""
    import llama_cpp
    from llama_cpp._ctypes_extensions import load_shared_library

    folder = Path(llama_cpp.__file__).parent / "lib"
    library: ctypes.CDLL = load_shared_library("ggml-base", folder)
    pointer, size = ctypes.c_void_p, ctypes.c_size_t
    library.ggml_get_name.argtypes = [pointer]
    library.ggml_get_name.restype = ctypes.c_char_p
    library.ggml_nbytes.argtypes = [pointer]
    library.ggml_nbytes.restype = size
    library.ggml_backend_tensor_get.argtypes = [pointer, pointer, size, size]
    library.ggml_backend_tensor_get.restype = None
    return library

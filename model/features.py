"""Text features, computed once ahead of training and kept in a cache folder.

The text encoder is frozen, so a text has the same features in every epoch. All texts that training
can meet (and their augmented variants) are encoded once; the steps only look rows up.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..cache import cache_folder
from ..progress import Progress
from .configuration_countenance import ExpressionConfig
from .modeling_countenance import FrozenTextEncoder
from .text_encoders import load_text_encoder, text_encoder_identity

if TYPE_CHECKING:
    from numpy.typing import NDArray

_CHUNK = 2048


def features_key(texts: Sequence[str], config: ExpressionConfig) -> str:
    """SHA-256 (hex) of everything that the features of ``texts`` depend on."""
    about = {
        "encoder": text_encoder_identity(config.text_encoder, config.text_encoder_revision),
        "pooling": config.text_encoder_pooling,
        "normalize": config.text_encoder_normalize,
        "max_length": config.text_encoder_max_length,
    }
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for text in texts:
        encoded = text.encode()
        digest.update(len(encoded).to_bytes(8, "little") + encoded)
    return digest.hexdigest()


def embed_texts(
    texts: Sequence[str],
    config: ExpressionConfig,
    *,
    folder: Path | None = None,
    batch_size: int = 64,
    device: str = "cpu",
    progress: Progress | None = None,
) -> NDArray[np.float32]:
    """Encode texts, or find them already encoded.

    Args:
        texts: Texts without repetition, in an order that the caller keeps.
        config: Names the encoder and its pooling.
        folder: Cache folder; ``cache_folder()`` when left out.
        batch_size: Texts per forward pass.
        device: Where the encoder runs.
        progress: Told of each finished part.

    Returns:
        float32 (len(texts), text_encoder_width), a read-only memory map of the cached file.

    Raises:
        ModelError: If the encoder cannot be loaded.
        OSError: If the cache folder cannot be written.
        ValueError: If the encoder's features are not ``text_encoder_width`` long.
    """
    parent = (folder or cache_folder()) / "text_features"
    path = parent / f"{features_key(texts, config)}.npy"
    if not path.is_file():
        parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(f".{os.getpid()}.tmp")
        _write_features(temporary, texts, config, batch_size, device, progress)
        temporary.replace(path)
    return np.load(path, mmap_mode="r", allow_pickle=False)


def _write_features(
    path: Path,
    texts: Sequence[str],
    config: ExpressionConfig,
    batch_size: int,
    device: str,
    progress: Progress | None,
) -> None:
    encoder = FrozenTextEncoder(config)
    load_text_encoder(encoder)
    shape = (len(texts), config.text_encoder_width)
    rows = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
    # Texts of like length go together, over all texts and not only within a chunk: less padding.
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    for start in range(0, len(order), _CHUNK):
        chunk = order[start : start + _CHUNK]
        features = encoder([texts[i] for i in chunk], batch_size=batch_size, device=device)
        rows[chunk] = features.cpu().numpy()
        if progress is not None:
            progress.update(len(chunk))
    rows.flush()

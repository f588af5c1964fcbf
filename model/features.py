"""Text features, computed once ahead of training and kept in a cache folder.

The text encoder is frozen, so a text has the same features in every epoch and in every run. Each
text is encoded once for an encoder and kept, by its hash, in parts that any later run reads; a run
over many texts that is stopped loses one part at most. The steps only look rows up.

    text_features/ENCODER/part-HASH.keys.npy   uint8 (n, 16), the texts' SHA-256, cut; written last
    text_features/ENCODER/part-HASH.npy        float32 (n, width)
    text_features/ENCODER/rows-HASH.npy        float32 (texts, width), one run's own order
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ..cache import cache_folder, cached_file
from ..progress import Progress
from .configuration_countenance import ExpressionConfig
from .text_encoder_countenance import FrozenTextEncoder
from .text_encoders import load_text_encoder, text_encoder_identity

if TYPE_CHECKING:
    from numpy.typing import NDArray

_TEXTS_PER_PART = 8192
_TEXTS_AT_ONCE = 1024  # between two signs of progress
_KEY_BYTES = 16
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def encoder_key(config: ExpressionConfig, precision: str = "float32") -> str:
    """32 hexadecimal digits of SHA-256 over all of the encoder that a text's features depend on."""
    about = {
        "encoder": text_encoder_identity(config.text_encoder, config.text_encoder_revision),
        "pooling": config.text_encoder_pooling,
        "normalize": config.text_encoder_normalize,
        "max_length": config.text_encoder_max_length,
        "layers": config.text_encoder_layers,
        "symbols": "named",  # as FrozenTextEncoder reads them
        "precision": precision,
    }
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:32]


def embed_texts(
    texts: Sequence[str],
    config: ExpressionConfig,
    *,
    folder: Path | None = None,
    batch_size: int = 64,
    device: str = "cpu",
    precision: str = "float32",
    progress: Progress | None = None,
) -> NDArray[np.float32]:
    """Encode texts, or find them already encoded.

    Args:
        texts: Texts in an order that the caller keeps; a repeated one is encoded once.
        config: Names the encoder and its pooling.
        folder: Cache folder; ``cache_folder()`` when left out.
        batch_size: Texts per forward pass.
        device: Where the encoder runs.
        precision: "float32" or "bfloat16", what it computes in.
        progress: Told of each finished part.

    Returns:
        float32 (len(texts), text_encoder_width), a read-only memory map of the cached file.

    Raises:
        ModelError: If the encoder cannot be loaded.
        OSError: If the cache folder cannot be written.
        ValueError: If the encoder's features are not ``text_encoder_width`` long.
    """
    parent = (folder or cache_folder()) / "text_features" / encoder_key(config, precision)
    keys = [hashlib.sha256(text.encode()).digest()[:_KEY_BYTES] for text in texts]
    path = parent / f"rows-{_digest(keys)}.npy"
    if not path.is_file():
        parent.mkdir(parents=True, exist_ok=True)
        places = _known_places(parent)
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in places}
        if progress is not None:
            progress.update(len(texts) - len(missing))
        for part in _encode_parts(
            missing,
            config,
            parent,
            progress,
            batch_size=batch_size,
            device=device,
            precision=precision,
        ):
            _add_places(places, part)
        _gather(path, [places[key] for key in keys], config.text_encoder_width)
    return np.load(path, mmap_mode="r", allow_pickle=False)


Places = dict[bytes, tuple[Path, int]]


def _digest(keys: Sequence[bytes]) -> str:
    return hashlib.sha256(b"".join(keys)).hexdigest()[:32]


def _known_places(parent: Path) -> Places:
    """Where each text that was encoded before stands: its part, and its row there."""
    places: Places = {}
    for keys in sorted(parent.glob("part-*.keys.npy")):
        _add_places(places, keys)
    return places


def _add_places(places: Places, keys: Path) -> None:
    rows = keys.with_name(keys.name.replace(".keys.npy", ".npy"))
    found = np.load(keys, allow_pickle=False)
    places.update({key.tobytes(): (rows, row) for row, key in enumerate(found)})


def _encode_parts(
    missing: dict[bytes, str],
    config: ExpressionConfig,
    parent: Path,
    progress: Progress | None,
    *,
    batch_size: int,
    device: str,
    precision: str,
) -> Iterator[Path]:
    """Encode texts part by part; yields the keys file of every finished part."""
    if not missing:
        return
    encoder = FrozenTextEncoder(config)
    load_text_encoder(encoder)
    # Texts of like length go together, over all texts and not only within a part: less padding.
    order = sorted(missing, key=lambda key: len(missing[key]))
    for start in range(0, len(order), _TEXTS_PER_PART):
        keys = order[start : start + _TEXTS_PER_PART]
        rows = np.empty((len(keys), config.text_encoder_width), np.float32)
        for first in range(0, len(keys), _TEXTS_AT_ONCE):
            chunk = keys[first : first + _TEXTS_AT_ONCE]
            features = encoder(
                [missing[k] for k in chunk],
                batch_size=batch_size,
                device=device,
                dtype=PRECISIONS[precision],
            )
            rows[first : first + len(chunk)] = features.cpu().numpy()
            if progress is not None:
                progress.update(len(chunk))
        name = f"part-{_digest(keys)}"
        _save(parent / f"{name}.npy", rows)
        keys_file = parent / f"{name}.keys.npy"
        _save(keys_file, np.frombuffer(b"".join(keys), np.uint8).reshape(-1, _KEY_BYTES))
        yield keys_file


def _save(path: Path, array: NDArray[Any]) -> None:
    with cached_file(path) as temporary, temporary.open("wb") as file:
        np.save(file, array, allow_pickle=False)


def _gather(path: Path, places: Sequence[tuple[Path, int]], width: int) -> None:
    """Write the rows of one run in its own order, part by part, as a file to map."""
    by_part: dict[Path, tuple[list[int], list[int]]] = {}
    for target, (part, row) in enumerate(places):
        targets, rows = by_part.setdefault(part, ([], []))
        targets.append(target)
        rows.append(row)
    with cached_file(path) as temporary:
        shape = (len(places), width)
        # Room first: a write to a mapped file on a full disk is a signal, no error.
        with temporary.open("wb") as file:
            header = np.lib.format.header_data_from_array_1_0(np.empty((0, width), np.float32))
            np.lib.format.write_array_header_1_0(file, header | {"shape": shape})
            end = file.tell() + 4 * len(places) * width
            os.posix_fallocate(file.fileno(), 0, end)
        gathered = np.load(temporary, mmap_mode="r+", allow_pickle=False)
        for part, (targets, rows) in by_part.items():
            gathered[targets] = np.load(part, mmap_mode="r", allow_pickle=False)[rows]
        gathered.flush()

"""What a sentence encoder says about itself: how its features are pooled, how long they are.

Read from the encoder's own files, so that any encoder can be named in a training configuration.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from transformers import AutoConfig
from transformers.utils import cached_file

from ..errors import ModelError
from .configuration_countenance import resolve_text_encoder
from .text_encoder_countenance import FrozenTextEncoder

_CLIP_TYPES = ("clip", "clip_text_model")
_LONGEST = 512


def describe_text_encoder(
    name: str, revision: str | None = None, layers: Sequence[int] | None = None
) -> dict[str, Any]:
    """Read how a text encoder's features are formed.

    A CLIP model gives its projected ``text_embeds``; a sentence-transformers model is pooled and
    scaled as its ``modules.json`` says; any other encoder gives the mean over its tokens.

    Args:
        name: Folder or Hub name.
        revision: Git revision on the Hub.
        layers: Hidden states to pool and join; ``None`` for the last one alone.

    Returns:
        The ``text_encoder*`` fields of ``ExpressionConfig``.

    Raises:
        ModelError: If it cannot be found, is no encoder of text, or pools in a way that we do not
            know.
    """
    source = resolve_text_encoder(name)
    source_revision = revision if source == name else None
    try:
        config = AutoConfig.from_pretrained(source, revision=source_revision)
    except (OSError, ValueError, StrictDataclassError) as error:
        raise ModelError(
            f"cannot open the text encoder {name!r} (revision {revision}): "
            f"{_reason(error)} Give a folder that holds it, or install the extra "
            "countenance[embedded] and use sentence-transformers/all-MiniLM-L6-v2"
        ) from error
    fields: dict[str, Any] = {
        "text_encoder": name,
        "text_encoder_revision": revision,
        "text_encoder_pooling": "mean",
        "text_encoder_normalize": False,
        "text_encoder_layers": None if layers is None else list(layers),
    }
    if config.model_type in _CLIP_TYPES:
        if layers is not None:
            raise ModelError(
                f"text encoder {name}: text_encoder_layers is for encoders that are pooled over "
                "tokens, and a CLIP model gives its projection; leave text_encoder_layers out"
            )
        text = getattr(config, "text_config", config)
        return fields | {
            "text_encoder_pooling": "projection",
            "text_encoder_width": text.projection_dim,
            "text_encoder_max_length": text.max_position_embeddings,
        }
    width = getattr(config, "hidden_size", None)
    if not isinstance(width, int):
        raise ModelError(
            f"text encoder {name}: its config.json ({config.model_type}) has no hidden_size; give "
            "an encoder of text, such as sentence-transformers/all-MiniLM-L6-v2"
        )
    fields["text_encoder_width"] = width * (1 if layers is None else len(layers))
    fields["text_encoder_max_length"] = min(
        getattr(config, "max_position_embeddings", _LONGEST), _LONGEST
    )
    return fields | _sentence_transformers_fields(source, source_revision)


def _reason(error: Exception) -> str:
    # A wrong value in a config.json is named on the first line and explained on the second.
    count = 2 if isinstance(error, StrictDataclassError) else 1
    return " ".join(line.strip() for line in str(error).splitlines()[:count])


def load_text_encoder(encoder: FrozenTextEncoder) -> None:
    """Load an encoder's weights, unless they are loaded already.

    Args:
        encoder: The encoder.

    Raises:
        ModelError: If it is missing, incomplete or damaged.
    """
    try:
        encoder.load()
    except OSError as error:
        raise ModelError(str(error)) from error
    except (SafetensorError, StrictDataclassError) as error:
        raise ModelError(
            f"cannot load the text encoder {encoder.config.text_encoder!r}: {_reason(error)}; give "
            "a folder that holds it whole"
        ) from error


def _sentence_transformers_fields(source: str, revision: str | None) -> dict[str, Any]:
    modules = _read_json(source, "modules.json", revision)
    if modules is None:
        return {}
    fields: dict[str, Any] = {}
    length = (_read_json(source, "sentence_bert_config.json", revision) or {}).get("max_seq_length")
    if length:
        fields["text_encoder_max_length"] = length
    for module in modules:
        kind = module["type"].rpartition(".")[2]
        if kind == "Pooling":
            pooling = _read_json(source, f"{module['path']}/config.json", revision) or {}
            fields["text_encoder_pooling"] = _pooling_name(source, pooling)
        elif kind == "Normalize":
            fields["text_encoder_normalize"] = True
        elif kind != "Transformer":
            raise ModelError(
                f"text encoder {source}: cannot use its {kind} layer; give an encoder made of "
                "Transformer, Pooling and Normalize"
            )
    return fields


def _pooling_name(source: str, pooling: dict[str, Any]) -> str:
    chosen = [key for key, value in pooling.items() if key.startswith("pooling_mode_") and value]
    names = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "cls"}
    if len(chosen) != 1 or chosen[0] not in names:
        raise ModelError(
            f"text encoder {source}: cannot pool by {chosen}, only by mean or cls token"
        )
    return names[chosen[0]]


def _read_json(source: str, filename: str, revision: str | None) -> Any:  # noqa: ANN401
    path = cached_file(
        source,
        filename,
        revision=revision,
        _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_connection_errors=False,
    )
    return None if path is None else json.loads(Path(path).read_text(encoding="utf-8"))


def text_encoder_identity(name: str, revision: str | None = None) -> str:
    """Name an encoder so that two encoders with other weights have other names.

    Args:
        name: Folder or Hub name.
        revision: Git revision on the Hub.

    Returns:
        For an encoder in a folder (or a packaged one) its name with the SHA-256 of its weights; for
        one on the Hub its name and revision.
    """
    folder = Path(resolve_text_encoder(name))
    if not folder.is_dir():
        return f"{name}@{revision}"
    digest = hashlib.sha256()
    for path in sorted([*folder.glob("*.safetensors"), *folder.glob("tokenizer*.json")]):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return f"{name}#{digest.hexdigest()}"

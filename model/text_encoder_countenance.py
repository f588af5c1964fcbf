"""The frozen text encoder of the expression model: sentences to features.

This file goes to the Hub as custom code beside ``modeling_countenance.py``, so it imports only
torch, transformers, the standard library and ``configuration_countenance``, and raises only
built-in exceptions.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor
from transformers import AutoModel, AutoTokenizer, CLIPTextModelWithProjection

from .configuration_countenance import ExpressionConfig, resolve_text_encoder

# Tokens per forward pass on a CPU: more leave the cache (64 lines of 20 tokens took a tenth longer
# than four times 16, 256 took 1.7 times as long). Only the speed depends on it.
_CPU_TOKENS = 512
_CHARACTERS_PER_TOKEN = 4


def _batches_of_like_length(
    texts: Sequence[str], batch_size: int, tokens: int | None
) -> Iterator[list[int]]:
    """Split into batches of at most ``batch_size`` texts and about ``tokens`` tokens, by index."""
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    batch: list[int] = []
    for i in order:  # each is the longest so far, so all of its batch are padded to it
        size = len(texts[i]) // _CHARACTERS_PER_TOKEN + 2
        full = tokens is not None and (len(batch) + 1) * size > tokens
        if batch and (full or len(batch) == batch_size):
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


def _is_unused(weight: str) -> bool:
    """Whether our pooling never reads a weight of a text encoder, so that it may be missing."""
    return weight.startswith("pooler.") or weight.endswith("position_ids")


class FrozenTextEncoder:
    """A pretrained sentence encoder that is used and never changed.

    It is deliberately no ``nn.Module``: so its weights stay out of the state dict, out of the
    checkpoint and out of the optimizer, and ``model.train()`` cannot switch its dropout on. It is
    loaded on first use.

    Args:
        config: Names the encoder and says how its features are formed (``text_encoder*``).
    """

    def __init__(self, config: ExpressionConfig) -> None:
        self.config = config
        self._tokenizer: Any = None
        self._model: Any = None
        self._symbols: dict[str, str] = {}

    def load(self) -> None:
        """Load the encoder, unless it is loaded already.

        Raises:
            OSError: If it cannot be loaded whole; the message says what to do.
        """
        if self._model is not None:
            return
        config = self.config
        source = resolve_text_encoder(config.text_encoder)
        packaged = source != config.text_encoder
        revision = "main" if packaged else config.text_encoder_revision or "main"
        clip = config.text_encoder_pooling == "projection"
        model_class: Any = CLIPTextModelWithProjection if clip else AutoModel
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(source, revision=revision)
            model, info = model_class.from_pretrained(
                source, revision=revision, use_safetensors=True, output_loading_info=True
            )
            missing = [name for name in sorted(info["missing_keys"]) if not _is_unused(name)]
            if missing:  # transformers would fill them at random
                raise ValueError(f"{len(missing)} weights are missing: {', '.join(missing[:3])}.")
        except (OSError, RuntimeError, ValueError) as error:
            raise OSError(
                f"cannot load the text encoder {config.text_encoder!r} (revision "
                f"{config.text_encoder_revision}): {str(error).splitlines()[0]} Give a folder that "
                "holds it, or install the extra countenance[embedded] and use the default encoder."
            ) from error
        self._model = model.eval().requires_grad_(False)

    @torch.no_grad()
    def __call__(
        self,
        texts: Sequence[str],
        batch_size: int = 64,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> Tensor:
        """Encode texts.

        Args:
            texts: Any number of strings; beyond ``text_encoder_max_length`` tokens they are cut.
            batch_size: Most texts per forward pass; texts of like length go together, on a CPU as
                many as its cache holds.
            device: Where to compute; the encoder moves there.
            dtype: What to compute in; the encoder is converted. bfloat16 is about twice as fast on
                a CPU with avx512_bf16; its features have a cosine of 0.9999 to float32's.

        Returns:
            float32 (n, ``text_encoder_width``) on ``device``, in the order of ``texts``.

        Raises:
            OSError: If the encoder cannot be loaded.
            ValueError: If the encoder's features are not ``text_encoder_width`` long.
        """
        self.load()
        self._in(device, dtype)
        width = self.config.text_encoder_width
        features = torch.empty(len(texts), width, device=device)
        on_cpu = torch.device(device).type == "cpu"
        for rows in _batches_of_like_length(texts, batch_size, _CPU_TOKENS if on_cpu else None):
            pooled = self._encode_batch([texts[i] for i in rows], device)
            if pooled.shape[1] != width:
                raise ValueError(
                    f"the text encoder {self.config.text_encoder!r} gives {pooled.shape[1]} "
                    f"features, expected text_encoder_width ({width})"
                )
            features[rows] = pooled.float()
        return features

    def _in(self, device: torch.device | str, dtype: torch.dtype) -> None:
        if self._model.dtype != dtype:  # from its file, or what was rounded once would stay so
            self._model = None
            self.load()
        self._model.to(device, dtype)

    def _encode_batch(self, texts: list[str], device: torch.device | str) -> Tensor:
        config = self.config
        cut = {"truncation": True, "max_length": config.text_encoder_max_length}
        texts = [self._with_named_symbols(text) for text in texts]
        tokens = self._tokenizer(texts, padding=True, return_tensors="pt", **cut).to(device)
        layers = config.text_encoder_layers
        output = self._model(**tokens, output_hidden_states=layers is not None)
        if config.text_encoder_pooling == "projection":
            return self._scaled(output.text_embeds)
        states = [output.last_hidden_state]
        if layers is not None:
            if max(layers) >= len(output.hidden_states):
                raise ValueError(
                    f"the text encoder {config.text_encoder!r} has hidden states 0 to "
                    f"{len(output.hidden_states) - 1}, not {max(layers)} (text_encoder_layers)"
                )
            states = [output.hidden_states[layer] for layer in layers]
        mask = tokens["attention_mask"].unsqueeze(-1)
        return torch.cat([self._scaled(self._pool(state, mask)) for state in states], dim=-1)

    def _with_named_symbols(self, text: str) -> str:
        """Put the Unicode name in the place of every emoji or sign that the tokenizer lacks.

        To a BERT vocabulary an angry and a happy emoji are the same unknown token.
        """
        if text.isascii():
            return text
        return "".join(map(self._with_name, text))

    def _with_name(self, character: str) -> str:
        if unicodedata.category(character) != "So":
            return character
        known = self._symbols.get(character)
        if known is None:
            name = unicodedata.name(character, "").lower()
            lacking = self._tokenizer.tokenize(character) == [self._tokenizer.unk_token]
            known = f" {name} " if name and lacking else character
            self._symbols[character] = known
        return known

    def _pool(self, state: Tensor, mask: Tensor) -> Tensor:
        if self.config.text_encoder_pooling == "cls":
            return state[:, 0]
        return (state * mask).sum(1) / mask.sum(1).clamp(min=1)

    def _scaled(self, pooled: Tensor) -> Tensor:
        return F.normalize(pooled, dim=-1) if self.config.text_encoder_normalize else pooled

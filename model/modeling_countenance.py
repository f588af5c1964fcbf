"""The expression model: blendshapes and text in one latent space.

Section IV of the paper, on one page: a Transformer autoencoder over the blendshape weights (one
token per weight), a frozen text encoder, and one linear projector from text features to the latent.

This file goes to the Hub as custom code beside ``configuration_countenance.py`` and
``text_encoder_countenance.py``, so it imports only torch, transformers, the standard library and
those files, and raises only built-in exceptions
(``checkpoint.load_model`` turns them into ``countenance.errors.ModelError``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers import initialization as init
from transformers.utils import ModelOutput

from .configuration_countenance import ExpressionConfig
from .text_encoder_countenance import FrozenTextEncoder


class _ClampStraightThrough(torch.autograd.Function):
    """Clamp to [0, 1] whose gradient passes unchanged (see model/LOG.md, output squashing)."""

    @staticmethod
    def forward(ctx: Any, raw: Tensor) -> Tensor:  # noqa: ANN401
        return raw.clamp(0.0, 1.0)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:  # noqa: ANN401
        return grads[0]


class TransformerLayer(nn.Module):
    """Pre-norm self-attention and feed-forward, each with a residual path."""

    def __init__(self, config: ExpressionConfig) -> None:
        super().__init__()
        size = config.hidden_size
        self.num_heads = config.num_attention_heads
        self.dropout_rate = config.dropout
        self.attention_norm = nn.LayerNorm(size)
        self.qkv = nn.Linear(size, 3 * size)
        self.attention_output = nn.Linear(size, size)
        self.feedforward_norm = nn.LayerNorm(size)
        self.feedforward = nn.Sequential(
            nn.Linear(size, config.intermediate_size),
            nn.GELU(),
            nn.Linear(config.intermediate_size, size),
        )
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (n, tokens, hidden) to the same shape."""
        n, length, size = tokens.shape
        qkv = self.qkv(self.attention_norm(tokens))
        heads = qkv.view(n, length, 3, self.num_heads, size // self.num_heads)
        query, key, value = heads.permute(2, 0, 3, 1, 4)
        rate = self.dropout_rate if self.training else 0.0
        mixed = F.scaled_dot_product_attention(query, key, value, dropout_p=rate)
        mixed = mixed.transpose(1, 2).reshape(n, length, size)
        tokens = tokens + self.dropout(self.attention_output(mixed))
        return tokens + self.dropout(self.feedforward(self.feedforward_norm(tokens)))


def _layers(config: ExpressionConfig) -> nn.Sequential:
    return nn.Sequential(*(TransformerLayer(config) for _ in range(config.num_hidden_layers)))


class ExpressionEncoder(nn.Module):
    """E_b: blendshape weights to latent.

    One token per weight (embedded value + learned identity) runs through the layers; the latent is
    the sum of all tokens, each through a learned matrix of its own.
    """

    def __init__(self, config: ExpressionConfig) -> None:
        super().__init__()
        size, count = config.hidden_size, config.expression_size
        self.value = nn.Linear(1, size)
        self.identity = nn.Parameter(torch.empty(count, size))
        self.layers = _layers(config)
        self.norm = nn.LayerNorm(size)
        self.pool = nn.Linear(count * size, config.latent_size)

    def forward(self, blendshapes: Tensor) -> Tensor:
        """Map (n, expression_size) to (n, latent_size)."""
        tokens = self.value(blendshapes.unsqueeze(-1)) + self.identity
        return self.pool(self.norm(self.layers(tokens)).flatten(1))


class ExpressionDecoder(nn.Module):
    """D_b: latent to blendshape weights, the mirror image of ``ExpressionEncoder``.

    Each weight has a token, the latent through a learned matrix of its own + learned identity; the
    tokens run through the layers, and each weight is read off its own token.
    """

    def __init__(self, config: ExpressionConfig) -> None:
        super().__init__()
        size, count = config.hidden_size, config.expression_size
        self.spread = nn.Linear(config.latent_size, count * size, bias=False)
        self.identity = nn.Parameter(torch.empty(count, size))
        self.layers = _layers(config)
        self.norm = nn.LayerNorm(size)
        self.value = nn.Linear(size, 1)

    def forward(self, latent: Tensor) -> Tensor:
        """Map (n, latent_size) to (n, expression_size) in [0, 1]."""
        tokens = self.spread(latent).unflatten(1, self.identity.shape) + self.identity
        raw = self.value(self.norm(self.layers(tokens))).squeeze(-1)
        # The same numbers; exporters know clamp and no autograd function of ours.
        return _ClampStraightThrough.apply(raw) if self.training else raw.clamp(0.0, 1.0)


@dataclass
class ExpressionOutput(ModelOutput):
    """What one forward pass gives; a part is ``None`` when its input was.

    Attributes:
        expression_latent: E_b(b), (n, latent_size).
        text_latent: P_text(features), (n, latent_size).
        reconstruction: D_b(E_b(b)), (n, expression_size) in [0, 1].
        text_expression: D_b(P_text(features)), (n, expression_size) in [0, 1].
    """

    expression_latent: Tensor | None = None
    text_latent: Tensor | None = None
    reconstruction: Tensor | None = None
    text_expression: Tensor | None = None


class ExpressionModel(PreTrainedModel):
    """Blendshape autoencoder with a linear projector from frozen text features to its latent."""

    config: ExpressionConfig
    config_class = ExpressionConfig
    base_model_prefix = "expression"
    main_input_name = "blendshapes"

    def __init__(self, config: ExpressionConfig) -> None:
        super().__init__(config)
        self.encoder = ExpressionEncoder(config)
        self.decoder = ExpressionDecoder(config)
        self.text_projector = nn.Linear(config.text_encoder_width, config.latent_size)
        self.text_encoder = FrozenTextEncoder(config)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, ExpressionEncoder | ExpressionDecoder):
            init.normal_(module.identity, std=self.config.initializer_range)

    @classmethod
    def from_pretrained(cls, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        """Load a checkpoint as ``PreTrainedModel.from_pretrained`` does, but whole or not at all.

        Raises:
            OSError: If the folder or repository, its configuration or its weights are missing.
            ValueError: If it is another kind of model, or weights are missing or left over.
        """
        with_info = kwargs.pop("output_loading_info", False)
        loaded: Any = super().from_pretrained(*args, output_loading_info=True, **kwargs)
        model, info = loaded
        for problem in ("missing_keys", "unexpected_keys", "mismatched_keys"):
            if info.get(problem):
                names = ", ".join(sorted(map(str, info[problem]))[:3])
                raise ValueError(
                    f"the weights do not fit the configuration: {problem.replace('_', ' ')} {names}"
                )
        return (model, info) if with_info else model

    def forward(
        self, blendshapes: Tensor | None = None, text_features: Tensor | None = None
    ) -> ExpressionOutput:
        """Encode and decode blendshapes and text features; either may be left out.

        Args:
            blendshapes: (n, expression_size), values in [0, 1].
            text_features: (m, text_encoder_width), from ``text_encoder``.
        """
        latents = []
        if blendshapes is not None:
            latents.append(self.encoder(blendshapes))
        if text_features is not None:
            latents.append(self.text_projector(text_features))
        if not latents:
            raise ValueError("forward needs blendshapes, text_features or both")
        decoded = list(self.decoder(torch.cat(latents)).split([len(z) for z in latents]))
        output = ExpressionOutput()
        if blendshapes is not None:
            output["expression_latent"], output["reconstruction"] = latents.pop(0), decoded.pop(0)
        if text_features is not None:
            output["text_latent"], output["text_expression"] = latents.pop(0), decoded.pop(0)
        return output

    @torch.no_grad()
    def encode_text(self, texts: Sequence[str], batch_size: int = 64) -> Tensor:
        """Map texts to the latent space: P_text(E_text(texts)), float32 (n, latent_size).

        Raises:
            TypeError: If ``texts`` is one string, or holds something else than strings.
            ValueError: If a text is not valid Unicode (holds half of a surrogate pair).
            OSError: If the text encoder cannot be loaded.
        """
        if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
            raise TypeError('texts must be a list of strings, such as ["a slight smile"]')
        for i, text in enumerate(texts):
            try:
                text.encode()
            except UnicodeEncodeError as error:
                raise ValueError(
                    f"text {i} is not valid Unicode: a lone surrogate at character {error.start}; "
                    "give text that was decoded from UTF-8"
                ) from error
        features = self.text_encoder(
            texts, batch_size=batch_size, device=self.device, dtype=self.dtype
        )
        return self.text_projector(features.to(self.dtype))

    @torch.no_grad()
    def encode_expression(self, blendshapes: Tensor) -> Tensor:
        """Map blendshape weights (n, expression_size) to the latent space (n, latent_size)."""
        return self.encoder(blendshapes.to(self.device, self.dtype))

    @torch.no_grad()
    def decode(self, latent: Tensor) -> Tensor:
        """Map latents (n, latent_size) to blendshape weights (n, expression_size) in [0, 1]."""
        return self.decoder(latent.to(self.device, self.dtype)).float()

    @torch.no_grad()
    def express(self, texts: Sequence[str], strength: float = 1.0, batch_size: int = 64) -> Tensor:
        """Turn texts into blendshape weights.

        Args:
            texts: A transcript, a list of emotion tags or a description of a face, each a string.
            strength: Scales every weight away from the neutral face (all weights 0): 0 is neutral,
                1 the expression itself, above 1 a stronger one, cut at 1.
            batch_size: Texts per forward pass.

        Returns:
            float32 (n, expression_size) in [0, 1], in the order of ``texts``.

        Raises:
            TypeError: If ``texts`` is not a list of strings.
            ValueError: If ``strength`` is negative or not finite, or a text not valid Unicode.
            OSError: If the text encoder cannot be loaded.
        """
        if not (math.isfinite(strength) and strength >= 0):
            raise ValueError(f"strength must be a number from 0 up, not {strength!r}")
        latent = self.encode_text(texts, batch_size=batch_size)
        batches = [self.decode(part) for part in latent.split(batch_size)]
        return (torch.cat(batches) * strength).clamp(0.0, 1.0)

    @torch.no_grad()
    def interpolate(
        self, start: str | Sequence[float] | Tensor, end: str | Sequence[float] | Tensor, steps: int
    ) -> Tensor:
        """Decode points at even distances on a straight line in the latent space.

        Args:
            start: A text, or ``expression_size`` blendshape weights in [0, 1].
            end: As ``start``.
            steps: Number of points, both ends included; at least 2.

        Returns:
            float32 (steps, expression_size) in [0, 1]; the first and last rows decode exactly the
            latents of ``start`` and ``end``.

        Raises:
            ValueError: If ``steps`` is below 2, a vector has another length, or a text is not valid
                Unicode.
            OSError: If the text encoder cannot be loaded.
        """
        if steps < 2:
            raise ValueError(f"steps must be 2 or more, not {steps}")
        line = torch.linspace(0.0, 1.0, steps, device=self.device, dtype=self.dtype).unsqueeze(1)
        return self.decode(torch.lerp(self._latent_of(start), self._latent_of(end), line))

    def _latent_of(self, point: str | Sequence[float] | Tensor) -> Tensor:
        if isinstance(point, str):
            return self.encode_text([point])
        vector = torch.as_tensor(point, dtype=torch.float32)
        if vector.shape != (self.config.expression_size,):
            raise ValueError(
                f"expected a text or {self.config.expression_size} weights, found shape "
                f"{tuple(vector.shape)}"
            )
        return self.encode_expression(vector.unsqueeze(0))


ExpressionModel.register_for_auto_class("AutoModel")

"""The architecture of the paper's authors, rebuilt from facts about their release, as a baseline.

51 -> 1024 -> 512 with LayerNorm, 8 Transformer layers (512 wide, 4 heads, feed-forward 2048) over a
sequence of one token, mirrored in the decoder; a two-layer text projector with LayerNorm. Losses:
squared error of the reconstruction, cosine embedding loss, squared error from text, weighted 1, 10,
10. Uniform noise of 0 to 0.15 on every weight, cut at 1, and the noisy face is also the target.
Unknown and chosen here: the activation (ReLU), the place of the norms (after, PyTorch's default).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .evaluation_baselines import Predictions, fit_network, predict
from .evaluation_data import EvaluationSplit

AUTHORS_LEARNING_RATE = 1e-4
"""Ten times the authors' 1e-5, which is made for 20,000 steps and more."""

_NOISE = 0.15


class AuthorsNetwork(nn.Module):
    """Autoencoder over one token, and projector; called on text features, it gives faces.

    Args:
        expression_size: Length of a face.
        text_width: Length of the text features.
        width: Width of the token.
        layers: Transformer layers of the encoder, and of the decoder.
    """

    def __init__(
        self, expression_size: int, text_width: int, *, width: int = 512, layers: int = 8
    ) -> None:
        super().__init__()
        self.encoder_input = nn.Sequential(
            nn.Linear(expression_size, 2 * width),
            nn.LayerNorm(2 * width),
            nn.ReLU(),
            nn.Linear(2 * width, width),
            nn.LayerNorm(width),
        )
        self.encoder = _transformer(width, layers)
        self.decoder = _transformer(width, layers)
        self.decoder_output = nn.Sequential(
            nn.Linear(width, 2 * width),
            nn.LayerNorm(2 * width),
            nn.ReLU(),
            nn.Linear(2 * width, expression_size),
        )
        self.projector = nn.Sequential(
            nn.Linear(text_width, width), nn.LayerNorm(width), nn.ReLU(), nn.Linear(width, width)
        )

    def encode(self, faces: Tensor) -> Tensor:
        """Map (n, expression_size) to (n, width)."""
        return self.encoder(self.encoder_input(faces).unsqueeze(1)).squeeze(1)

    def decode(self, latent: Tensor) -> Tensor:
        """Map (n, width) to (n, expression_size)."""
        return self.decoder_output(self.decoder(latent.unsqueeze(1)).squeeze(1))

    def forward(self, text_features: Tensor) -> Tensor:
        """Map (n, text_width) to (n, expression_size)."""
        return self.decode(self.projector(text_features))


def _transformer(width: int, layers: int) -> nn.TransformerEncoder:
    layer = nn.TransformerEncoderLayer(width, 4, 4 * width, batch_first=True)
    return nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)


def authors_loss(network: AuthorsNetwork, text_features: Tensor, faces: Tensor) -> Tensor:
    """Their objective on one batch; draws the noise from torch's global generator."""
    noisy = (faces + _NOISE * torch.rand_like(faces)).clamp(max=1.0)
    latent, text_latent = network.encode(noisy), network.projector(text_features)
    alike = torch.ones(len(faces))
    return (
        nn.functional.mse_loss(network.decode(latent), noisy)
        + 10 * nn.functional.cosine_embedding_loss(text_latent, latent, alike)
        + 10 * nn.functional.mse_loss(network.decode(text_latent), noisy)
    )


def authors_network(
    train: EvaluationSplit,
    test: EvaluationSplit,
    *,
    steps: int,
    seed: int = 0,
    width: int = 512,
    layers: int = 8,
) -> tuple[Predictions, np.ndarray, dict[str, Any]]:
    """Train their network shortly.

    Args:
        train: What to learn from.
        test: What to answer.
        steps: Batches of 256.
        seed: Seed of every draw.
        width: See ``AuthorsNetwork``.
        layers: See ``AuthorsNetwork``.

    Returns:
        Its answers to the test split's texts, its reconstruction of the test split's faces, both
        cut to [0, 1], and how it was trained (``Fitted.figures``).
    """
    text_width = next(iter(train.pairs.values())).features.shape[1]

    def build() -> nn.Module:
        return AuthorsNetwork(train.faces.shape[1], text_width, width=width, layers=layers)

    def loss(network: nn.Module, text: Tensor, face: Tensor) -> Tensor:
        assert isinstance(network, AuthorsNetwork)
        return authors_loss(network, text, face)

    fitted = fit_network(
        build,
        loss,
        train,
        steps=steps,
        learning_rate=AUTHORS_LEARNING_RATE,
        seed=seed,
        what="fit the authors' architecture",
    )
    network = fitted.network
    assert isinstance(network, AuthorsNetwork)
    with torch.no_grad():
        parts = torch.from_numpy(test.faces).split(1024)
        again = torch.cat([network.decode(network.encode(part)) for part in parts])
    return predict(network, test), again.clamp(0.0, 1.0).numpy(), fitted.figures()

"""The training objective (section IV-A3 of the paper) as a module that is fed tensors only."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn


def mean_distance(predicted: Tensor, target: Tensor) -> Tensor:
    """Mean over the batch of the L2 distance between rows, both (n, size); a scalar.

    The paper writes the norm itself, not its square (equations 2 and 4). Where a row is met
    exactly, the gradient is 0.
    """
    return torch.linalg.vector_norm(predicted - target, dim=1).mean()


class AlignmentLoss(nn.Module):
    """L_total = l1 * L_ae + l2 * L_emb + l3 * L_multi (equation 1).

    Args:
        lambda_ae: Weight of the reconstruction loss (paper: 1).
        lambda_emb: Weight of the embedding alignment loss (paper: 10).
        lambda_multi: Weight of the multimodal reconstruction loss (paper: 10).
    """

    def __init__(
        self, lambda_ae: float = 1.0, lambda_emb: float = 10.0, lambda_multi: float = 10.0
    ) -> None:
        super().__init__()
        self.lambda_ae = lambda_ae
        self.lambda_emb = lambda_emb
        self.lambda_multi = lambda_multi

    def forward(
        self,
        *,
        expression_latent: Tensor,
        text_latent: Tensor,
        reconstruction: Tensor,
        text_expression: Tensor,
        target: Tensor,
    ) -> dict[str, Tensor]:
        """Compute the terms for one batch.

        Args:
            expression_latent: E_b(b), (n, latent).
            text_latent: P_text(E_text(S)), (n, latent).
            reconstruction: D_b(E_b(b)), (n, size).
            text_expression: D_b(P_text(E_text(S))), (n, size).
            target: b, (n, size).

        Returns:
            Scalars: ``ae_loss``, ``emb_loss`` and ``multi_loss``, each with its weight (their sum
            is what is minimised), and ``ae``, ``emb`` and ``multi`` without it, detached.
        """
        ae = mean_distance(reconstruction, target)
        emb = (1.0 - F.cosine_similarity(text_latent, expression_latent, dim=1)).mean()
        multi = mean_distance(text_expression, target)
        return {
            "ae_loss": self.lambda_ae * ae,
            "emb_loss": self.lambda_emb * emb,
            "multi_loss": self.lambda_multi * multi,
            "ae": ae.detach(),
            "emb": emb.detach(),
            "multi": multi.detach(),
        }


def total_loss(terms: dict[str, Tensor]) -> Tensor:
    """Sum of the terms whose name ends in ``_loss``; a scalar."""
    return torch.stack([value for name, value in terms.items() if name.endswith("_loss")]).sum()

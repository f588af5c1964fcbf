"""What an evaluation measures, and on how many items where all of them would take too long."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ..errors import ModelError

BASELINE_SETS = ("quick", "all")
LARGEST_SEED = 2**32 - 1
"""What scikit-learn takes."""


@dataclass(frozen=True)
class EvaluationSettings:
    """Settings of ``evaluate``: the defaults for the full dataset, ``quick()`` for a few hundred.

    Errors, Fréchet distances and ranges always use the whole test split. What grows with the square
    of the items, or is slow for each, uses a part drawn by ``seed``; a limit of ``None`` takes all.

    Attributes:
        seed: Seed of every draw, below 2**32.
        samples: Bootstrap resamples of the intervals.
        batch_size: Rows per forward pass.
        baselines: "quick", or "all" for the authors' architecture too.
        train_items: Train items that the baselines learn from.
        retrieval_items: Items among which an expression or a text is sought.
        action_unit_items: Items whose decoded faces go through the inverse mapping, per kind.
        map_items: Items whose texts are laid out by t-SNE.
        mlp_steps: Training steps of the MLP regressor, at most.
        authors_steps: Training steps of the authors' architecture.
        paths: Straight paths through the latent space, of either sort.
        path_steps: Points of a path.
        examples: Test items shown in the report with their faces.

    Raises:
        ModelError: If a number is out of range or ``baselines`` is unknown.
    """

    seed: int = 0
    samples: int = 1000
    batch_size: int = 256
    baselines: str = "quick"
    train_items: int | None = None
    retrieval_items: int | None = 5000
    action_unit_items: int | None = 2000
    map_items: int = 1000
    mlp_steps: int = 4000
    authors_steps: int = 300
    paths: int = 100
    path_steps: int = 25
    examples: int = 8

    def __post_init__(self) -> None:
        if self.baselines not in BASELINE_SETS:
            known = ", ".join(BASELINE_SETS)
            raise ModelError(f"baselines is {self.baselines!r}, expected one of {known}")
        least = {"seed": 0, "examples": 0, "path_steps": 3}
        for name, value in asdict(self).items():
            if isinstance(value, int) and value < least.get(name, 1):
                raise ModelError(f"{name} is {value}, expected {least.get(name, 1)} or more")
        if self.seed > LARGEST_SEED:
            raise ModelError(f"seed is {self.seed}, expected {LARGEST_SEED} or less")

    @classmethod
    def quick(cls, **changes: Any) -> EvaluationSettings:  # noqa: ANN401
        """Settings for a small dataset or a hurry: smaller parts, shorter training of the MLP."""
        small: dict[str, Any] = {
            "train_items": 2000,
            "retrieval_items": 1000,
            "action_unit_items": 50,
            "map_items": 150,
            "mlp_steps": 1000,
            "authors_steps": 20,
            "paths": 20,
            "path_steps": 9,
            "examples": 4,
        }
        return cls(**(small | changes))

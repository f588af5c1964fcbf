"""The expression model: text to blendshapes through one latent space.

Importing this room imports torch and transformers; training and evaluation (with accelerate and
datasets) are imported on first use.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from .checkpoint import PACKAGED_CHECKPOINT, load_model
from .configuration_countenance import ExpressionConfig
from .modeling_countenance import ExpressionModel

if TYPE_CHECKING:
    from .evaluate import evaluate
    from .train import train
    from .training_config import TrainingConfig

__all__ = [
    "PACKAGED_CHECKPOINT",
    "ExpressionConfig",
    "ExpressionModel",
    "TrainingConfig",
    "evaluate",
    "load_model",
    "train",
]

_HOMES = {"TrainingConfig": ".training_config", "evaluate": ".evaluate", "train": ".train"}


def __getattr__(name: str) -> Any:  # noqa: ANN401
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name], __name__), name)


class _Room(ModuleType):
    """Keeps ``train`` and ``evaluate`` the functions, although submodules bear the same names."""

    def __setattr__(self, name: str, value: object) -> None:
        # The import system binds a submodule to its package; here the function is the public name.
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Room

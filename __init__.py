"""countenance: the way from language to facial expression.

Importing this package loads neither torch nor llama_cpp: the names below are fetched on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .au_mapping import ActionUnit as ActionUnit
    from .au_mapping import AUMapping as AUMapping
    from .au_mapping import load_mapping as load_mapping
    from .model import ExpressionConfig as ExpressionConfig
    from .model import ExpressionModel as ExpressionModel
    from .viewer import draw_face as draw_face

_HOMES = {
    "AUMapping": ".au_mapping",
    "ActionUnit": ".au_mapping",
    "load_mapping": ".au_mapping",
    "ExpressionConfig": ".model",
    "ExpressionModel": ".model",
    "draw_face": ".viewer",
}

__all__ = [*sorted(_HOMES), "__version__"]


def __getattr__(name: str) -> Any:  # noqa: ANN401
    if name == "__version__":
        from importlib.metadata import version

        return version("countenance")
    if name not in _HOMES:
        raise AttributeError(f"module 'countenance' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name], __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)

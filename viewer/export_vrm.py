"""A clip for VRM 1.0 avatars with "perfect sync": one custom expression per ARKit shape.

The JSON has two parts. `extensions.VRMC_vrm.expressions.custom` is written as the VRM file itself
has it, so it can be merged into an avatar that lacks the expressions; each expression binds the
morph target of its name where the avatar is given. `animation` holds the weight of each expression
frame by frame, to be set by name (three-vrm: `expressionManager.setValue(name, weight)`).
"""

from __future__ import annotations

import json
from typing import Any

from .export_clip import ExpressionClip
from .export_head import Head
from .export_plain import clip_facts, rounded_rows

VRM_FORMAT = "countenance-vrm-expressions"
VRM_VERSION = 1


def clip_vrm(clip: ExpressionClip, avatar: Head | None = None) -> str:
    """The clip as JSON for VRM 1.0, in ASCII.

    Args:
        clip: What to play.
        avatar: The avatar whose morph targets the expressions bind; without one the expressions
            bind nothing, and only their names and the animation count.
    """
    custom = {name: _expression(name, avatar) for name in clip.names}
    columns = zip(*rounded_rows(clip), strict=True)
    weights = {name: list(column) for name, column in zip(clip.names, columns, strict=True)}
    content = {
        "format": VRM_FORMAT,
        "version": VRM_VERSION,
        "extensions": {"VRMC_vrm": {"specVersion": "1.0", "expressions": {"custom": custom}}},
        "animation": {**clip_facts(clip), "weights": weights},
    }
    return json.dumps(content, allow_nan=False) + "\n"


def _expression(name: str, avatar: Head | None) -> dict[str, Any]:
    """One expression object; it lets blinks, gaze and lip sync of the avatar be."""
    expression: dict[str, Any] = {
        "isBinary": False,
        "overrideBlink": "none",
        "overrideLookAt": "none",
        "overrideMouth": "none",
    }
    binds = [
        {"node": node, "index": face.shapes.index(name), "weight": 1.0}
        for face in (avatar.faces if avatar else ())
        if name in face.shapes
        for node in face.nodes
    ]
    return {**expression, "morphTargetBinds": binds} if binds else expression

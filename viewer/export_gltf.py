"""A clip as a morph-weight animation in a copy of a glTF head.

Blender (File, Import, glTF), Unreal, Unity, Godot, three.js and model-viewer play it.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from .export_clip import ExpressionClip, Weights
from .export_head import Face, Head, to_glb, to_gltf
from .export_plain import clip_facts

_FLOAT = 5126
_NAME_LENGTH = 120


def clip_gltf(clip: ExpressionClip, head: Head, *, binary: bool = True) -> bytes:
    """Write a clip into a copy of a head, as a further animation.

    Every mesh with ARKit morph targets gets a channel `weights`, one key a frame, linear between
    them; morph targets of other names stay 0. Without the animation the head shows the first frame.
    Texts and labels are in the animation's `extras`.

    Args:
        clip: What to play.
        head: The head; it is not changed.
        binary: True for .glb, False for .gltf with the buffer inside.
    """
    document = copy.deepcopy(head.document)
    data = _Data(document, head.blob)
    times = (np.arange(clip.frames) / clip.fps).astype(np.float32)
    # glTF wants the ends said, exactly as they are stored.
    keys = data.add(times, min=[float(times[0])], max=[float(times[-1])])
    samplers: list[dict[str, Any]] = []
    channels: list[dict[str, Any]] = []
    for face in head.faces:
        weights = _target_weights(clip, face)
        document["meshes"][face.mesh]["weights"] = weights[0].tolist()
        for node in face.nodes:
            document["nodes"][node].pop("weights", None)
            target = {"node": node, "path": "weights"}
            channels.append({"sampler": len(samplers), "target": target})
        output = data.add(weights)
        samplers.append({"input": keys, "output": output, "interpolation": "LINEAR"})
    animation = {
        "name": " → ".join(clip.texts)[:_NAME_LENGTH] or "expression",
        "channels": channels,
        "samplers": samplers,
        "extras": clip_facts(clip),
    }
    document.setdefault("animations", []).append(animation)
    blob = data.finished()
    return to_glb(document, blob) if binary else to_gltf(document, blob)


class _Data:
    """The buffer of a document, to which arrays are added."""

    def __init__(self, document: dict[str, Any], blob: bytes) -> None:
        self._document = document
        self._blob = bytearray(blob)

    def add(self, values: Weights, **ends: list[float]) -> int:
        """Append float32 numbers; gives the index of their accessor (SCALAR, one per number)."""
        self._blob += b"\0" * (-len(self._blob) % 4)
        views = self._document.setdefault("bufferViews", [])
        accessors = self._document.setdefault("accessors", [])
        data = values.astype("<f4").tobytes()
        views.append({"buffer": 0, "byteOffset": len(self._blob), "byteLength": len(data)})
        accessor = {"bufferView": len(views) - 1, "componentType": _FLOAT, "type": "SCALAR"}
        accessors.append({**accessor, "count": values.size, **ends})
        self._blob += data
        return len(accessors) - 1

    def finished(self) -> bytes:
        """The whole buffer; the document says its length."""
        self._document["buffers"] = [{"byteLength": len(self._blob)}]
        return bytes(self._blob)


def _target_weights(clip: ExpressionClip, face: Face) -> Weights:
    """The weights of a mesh's own morph targets: float32 (frames, targets)."""
    weights = np.zeros((clip.frames, len(face.shapes)), dtype=np.float32)
    for place, shape in enumerate(face.shapes):
        if shape is not None:
            weights[:, place] = clip.weights[:, clip.names.index(shape)]
    return weights

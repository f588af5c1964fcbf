"""Write a clip to a file, in any of the formats.

export_clip(clip, "livelink", "take.csv")
export_clip(clip, "gltf", "face.glb", head=read_head("head.glb"))
"""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import ExportError
from .export_clip import ExpressionClip
from .export_gltf import clip_gltf
from .export_head import Head
from .export_livelink import livelink_csv
from .export_plain import clip_json, clip_npz
from .export_vrm import clip_vrm

SUFFIXES: dict[str, tuple[str, ...]] = {
    "livelink": (".csv",),
    "gltf": (".glb", ".gltf"),
    "vrm": (".json",),
    "json": (".json",),
    "npz": (".npz",),
}
"""The formats, and how their files end."""


def export_clip(
    clip: ExpressionClip,
    to: str,
    path: str | Path,
    *,
    head: Head | None = None,
    overwrite: bool = False,
) -> Path:
    """Write a clip to a file: whole, or not at all.

    Args:
        clip: What to write.
        to: `livelink`, `gltf`, `vrm`, `json` or `npz`.
        path: The file; its suffix must be one of the format's.
        head: The head to animate (gltf) or the avatar to bind (vrm).
        overwrite: Whether an existing file may be replaced.

    Returns:
        The path written.

    Raises:
        ExportError: The format is unknown or does not suit the clip, the suffix is another's, gltf
            lacks a head, or the file exists or cannot be written.
    """
    target = Path(path)
    check_target(to, target, overwrite=overwrite)
    write_file(target, clip_bytes(clip, to, head=head, suffix=target.suffix))
    return target


def clip_bytes(
    clip: ExpressionClip, to: str, *, head: Head | None = None, suffix: str = ""
) -> bytes:
    """The content of such a file; a glTF is binary unless `suffix` is `.gltf`."""
    if to == "livelink":
        return livelink_csv(clip).encode()
    if to == "gltf":
        if head is None:
            raise ExportError("gltf needs a head with ARKit morph targets; give --head head.glb")
        return clip_gltf(clip, head, binary=suffix.lower() != ".gltf")
    if to == "vrm":
        return clip_vrm(clip, head).encode()
    if to == "json":
        return clip_json(clip).encode()
    if to == "npz":
        return clip_npz(clip)
    raise ExportError(f"unknown format {to!r:.40}; known: {', '.join(SUFFIXES)}")


def check_target(to: str, target: Path, *, overwrite: bool = False) -> None:
    """Raise ExportError unless a file of this format may be written there."""
    suffixes = SUFFIXES.get(to)
    if suffixes is None:
        raise ExportError(f"unknown format {to!r:.40}; known: {', '.join(SUFFIXES)}")
    if target.suffix.lower() not in suffixes:
        raise ExportError(f"{target}: {to} writes files that end in {' or '.join(suffixes)}")
    try:
        if target.is_dir():
            raise ExportError(f"{target}: is a folder; name a file")
        if target.exists() and not overwrite:
            raise ExportError(f"{target}: exists; choose another --out, or give --overwrite")
        if not target.parent.is_dir():
            raise ExportError(f"{target}: there is no folder {target.parent}; make it first")
    except OSError as error:
        raise _cannot_write(target, error) from error


def write_file(target: Path, content: bytes) -> None:
    """Write to a temporary name beside the target, then rename."""
    temporary = target.with_name(f".countenance-{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content)
        temporary.replace(target)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise _cannot_write(target, error) from error


def _cannot_write(target: Path, error: OSError) -> ExportError:
    return ExportError(
        f"{str(target)[:200]}: cannot be written ({error.strerror or error}); choose another --out"
    )

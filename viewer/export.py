"""Write a clip to a file, in any of the formats.

export_clip(clip, "livelink", "take.csv")
export_clip(clip, "gltf", "face.glb", head=read_head("head.glb"))
"""

from __future__ import annotations

from pathlib import Path

from ..errors import ExportError
from .data_files import write_whole
from .export_clip import ExpressionClip
from .export_gltf import clip_gltf
from .export_head import Head, parse_head
from .export_livelink import livelink_csv
from .export_plain import clip_json, clip_npz
from .export_vrm import clip_vrm
from .head3d import head_mesh
from .head_glb import head_glb

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
        head: The head to animate (gltf; our own by default) or the avatar to bind (vrm).
        overwrite: Whether an existing file may be replaced.

    Returns:
        The path written.

    Raises:
        ExportError: The format is unknown or does not suit the clip, the suffix is another's,
            or the file exists or cannot be written.
    """
    target = Path(path)
    check_target(to, target, overwrite=overwrite)
    content = clip_bytes(clip, to, head=head, suffix=target.suffix)
    try:
        write_whole(target, content)
    except OSError as error:
        raise _cannot_write(target, error) from error
    return target


def clip_bytes(
    clip: ExpressionClip, to: str, *, head: Head | None = None, suffix: str = ""
) -> bytes:
    """The content of such a file; a glTF is binary unless `suffix` is `.gltf`."""
    if to == "livelink":
        return livelink_csv(clip).encode()
    if to == "gltf":
        return clip_gltf(clip, head or packaged_head(), binary=suffix.lower() != ".gltf")
    if to == "vrm":
        return clip_vrm(clip, head).encode()
    if to == "json":
        return clip_json(clip).encode()
    if to == "npz":
        return clip_npz(clip)
    raise ExportError(f"unknown format {to!r:.40}; known: {', '.join(SUFFIXES)}")


def packaged_head() -> Head:
    """Our own head, made by code (`head3d`)."""
    return parse_head(head_glb(head_mesh()), "the packaged head")


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


def _cannot_write(target: Path, error: OSError) -> ExportError:
    return ExportError(
        f"{str(target)[:200]}: cannot be written ({error.strerror or error}); choose another --out"
    )

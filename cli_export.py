"""``countenance export``: faces for other tools, as a file or a live stream."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .cli_options import JsonFlag, finish

if TYPE_CHECKING:
    from .viewer.export_clip import ExpressionClip
    from .viewer.export_head import Head

_STREAM_SECONDS = 1.0


class Target(StrEnum):
    """Where ``export`` takes a face."""

    livelink = "livelink"
    gltf = "gltf"
    vrm = "vrm"
    json = "json"
    npz = "npz"
    udp = "udp"


def export(
    texts: Annotated[list[str], typer.Argument(help="One text: a still. Several: a timeline.")],
    to: Annotated[
        Target | None,
        typer.Option(
            help="`livelink` (Live Link Face CSV), `gltf` (.glb, .gltf), `vrm` (VRM 1.0 expression "
            "JSON), `json`, `npz`, or `udp` (live, to a Live Link Face listener)."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="File to write; all but udp need it.")] = None,
    fps: Annotated[int, typer.Option(min=1, max=240, help="Frames per second.")] = 60,
    seconds_per_text: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=3600.0,
            help="How long each text is held; by default one frame for a single text, else 1 s.",
        ),
    ] = None,
    blend_seconds: Annotated[
        float, typer.Option(min=0.0, max=3600.0, help="How long from one text to the next.")
    ] = 0.5,
    strength: Annotated[
        float, typer.Option(min=0.0, max=2.0, help="Scale from the neutral face; 1 is as learnt.")
    ] = 1.0,
    model: Annotated[
        str | None, typer.Option(help="Checkpoint folder or Hub name; the packaged one by default.")
    ] = None,
    head: Annotated[
        Path | None,
        typer.Option(
            help="gltf: the .glb to animate, with ARKit morph targets; our own by default. "
            "vrm: the avatar to bind."
        ),
    ] = None,
    stream: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="Send it live to this listener; 127.0.0.1:11111 with --to udp.",
        ),
    ] = None,
    subject: Annotated[
        str, typer.Option(help="udp: name of the face in the listener.")
    ] = "countenance",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an older file at --out.")
    ] = False,
    json_output: JsonFlag = False,
) -> None:
    """Take a face, or a timeline of faces, into Unreal, Blender, a VRM avatar or your own code.

    Example: `countenance export "calm" "a wide grin" --to livelink --out take.csv`

    Example: `countenance export "calm" "furious" --stream 127.0.0.1:11111`
    """
    from .viewer.export import check_target, export_clip
    from .viewer.export_livelink import DEFAULT_PORT
    from .viewer.export_stream import LOOPBACK, parse_address

    to = Target.udp if to is None and stream else to
    address, rig = ("", 0), None
    if to is None:
        raise typer.BadParameter("say where it goes: --to FORMAT --out FILE, or --stream HOST:PORT")
    if to is Target.udp:
        _refuse(
            out is not None or head is not None, "--to udp streams; it takes no --out or --head"
        )
        stream = stream or f"{LOOPBACK}:{DEFAULT_PORT}"
        address = parse_address(stream)
    elif stream:
        raise typer.BadParameter(f"--to {to.value} writes a file; it takes no --stream")
    elif out is None:
        raise typer.BadParameter(f"--to {to.value} needs --out FILE")
    else:
        check_target(to.value, out, overwrite=overwrite)
        rig = _head(to, head)
    if seconds_per_text is None and to is Target.udp:
        seconds_per_text = _STREAM_SECONDS
    clip = _clip(
        texts,
        model,
        fps=fps,
        hold_seconds=seconds_per_text,
        blend_seconds=blend_seconds,
        strength=strength,
    )
    facts = {"frames": clip.frames, "fps": clip.fps, "seconds": round(clip.seconds, 3)}
    length = f"{clip.frames} frame{'s' * (clip.frames > 1)} at {clip.fps} per second"
    if to is Target.udp:
        _play(clip, address, subject)
        finish(facts | {"sent_to": stream}, f"{stream}: sent {length}", json_output)
        return
    assert out is not None
    export_clip(clip, to.value, out, head=rig, overwrite=overwrite)
    missing = list(rig.missing) if rig else []
    finish(facts | {"out": str(out), "missing": missing}, f"{out}: {length}", json_output)


def _refuse(wrong: bool, why: str) -> None:
    if wrong:
        raise typer.BadParameter(why)


def _head(to: Target, path: Path | None) -> Head | None:
    """The head or avatar, with a word on stderr about what it lacks."""
    if path is None:
        return None
    _refuse(to not in (Target.gltf, Target.vrm), f"--to {to.value} takes no --head")
    from .viewer.export_head import read_head

    head = read_head(path)
    if head.missing:
        shapes = ", ".join(head.missing)
        typer.echo(f"{path}: lacks {len(head.missing)} of the 51 shapes: {shapes}", err=True)
    return head


def _clip(texts: list[str], model: str | None, **timing: Any) -> ExpressionClip:  # noqa: ANN401
    from importlib.metadata import version

    from .model import PACKAGED_CHECKPOINT, load_model
    from .viewer.export_clip import make_clip

    loaded = load_model(model or PACKAGED_CHECKPOINT)
    name = f"default of countenance {version('countenance')}"
    if model:  # a local folder's name, but not where it lies
        name = Path(model).name if Path(model).is_dir() else model
    return make_clip(loaded, texts, model_name=name, **timing)


def _play(clip: ExpressionClip, address: tuple[str, int], subject: str) -> None:
    from .progress import Progress
    from .viewer.export_stream import stream_clip

    with Progress("stream", clip.frames, enabled=clip.seconds > 2) as progress:
        stream_clip(clip, *address, subject=subject, on_frame=progress.update)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(export)

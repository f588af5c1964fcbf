"""``countenance demo``: the whole road on a small scale, or the web page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .cli_options import Seed

_OUT = Path("out/demo")
_ONLY_WEB = "only the page takes --{}; add --web"


def demo(
    out: Annotated[Path, typer.Option(help="Folder for all that the demo makes.")] = _OUT,
    seed: Seed = 0,
    web: Annotated[
        bool, typer.Option("--web", help="Serve the web page instead (extra `demo`).")
    ] = False,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Web: port on 127.0.0.1; a free one by default."),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Web: checkpoint folder or Hub name; the packaged one.")
    ] = None,
    rig: Annotated[
        Path | None, typer.Option(help="Web: your own head, a .glb with ARKit morph targets.")
    ] = None,
    dataset: Annotated[
        str | None, typer.Option(help="Web: dataset whose nearest items are shown.")
    ] = None,
) -> None:
    """Walk the whole road on the packaged transcripts: annotate, build, train, evaluate, express.

    With `--web`, type a sentence in the browser and watch a face take it on.

    Example: `countenance demo --out out/demo`, `countenance demo --web --port 7860`
    """
    if web:
        _serve(port or 0, model, rig, dataset)
        return
    given = {"port": port, "model": model, "rig": rig, "dataset": dataset}
    for name, value in given.items():
        if value is not None:
            raise typer.BadParameter(_ONLY_WEB.format(name))
    from .demo import run_demo

    for line in run_demo(out, seed=seed, show_progress=True):
        typer.echo(line)


def _serve(port: int, model: str | None, rig: Path | None, dataset: str | None) -> None:
    from .viewer.web import PageServer  # first: it says at once what is not installed

    head = None
    if rig is not None:
        from .viewer.export_head import read_head

        head = read_head(rig)
        if head.missing:
            shapes = ", ".join(head.missing)
            typer.echo(f"{rig}: lacks {len(head.missing)} of the 51 shapes: {shapes}", err=True)
    from .viewer.page import open_page

    typer.echo("Opening the model" + (" and the dataset ..." if dataset else " ..."), err=True)
    server = PageServer(open_page(model, dataset), port=port, rig=head)
    if server.three is None:
        typer.echo("three.js is not here, so no 3-D head; run make web for it", err=True)
    typer.echo(f"Page: {server.url}", err=True)
    typer.echo("Press Ctrl-C here to stop.", err=True)
    server.run()


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(demo)

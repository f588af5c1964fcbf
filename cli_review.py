"""``countenance review``: look at a random sample of a run and judge it, on a local page."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

VERDICTS = "review.jsonl"


def review(
    run: Annotated[Path, typer.Argument(help="A finished run of `countenance annotate`.")],
    out: Annotated[
        Path | None, typer.Option(help="Verdict file; `RUN/review.jsonl` by default.")
    ] = None,
    items: Annotated[
        int | None,
        typer.Option(min=1, help="Size of the sample; that of the verdict file, else 100."),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, max=2**32 - 1, help="Seed of it; that of the verdict file, else 0."),
    ] = None,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of the page on 127.0.0.1; 0: a free one.")
    ] = 0,
    summary: Annotated[
        bool, typer.Option("--summary", help="Only print the summary; open no page.")
    ] = False,
    json_output: Annotated[
        bool, typer.Option("--json", help="Print the summary as one JSON object.")
    ] = False,
) -> None:
    """Review a random sample of a run by eye: accept or reject each relation of each item.

    Prints the address of a local page and serves it until Ctrl-C; every verdict is saved at once,
    and a review goes on where it stopped.

    Example: `countenance review runs/dev`, then `countenance review runs/dev --summary`
    """
    from .generation import check_parts, read_manifest
    from .viewer.review import Review, Sample, draw_sample, last_sample
    from .viewer.review_summary import summary_text

    read_manifest(run)
    check_parts(run)
    path = out or run / VERDICTS
    known = last_sample(path) or Sample()
    sample = Sample(known.count if items is None else items, known.seed if seed is None else seed)
    drawn = draw_sample(_records(run), sample)
    with Review(drawn, path, sample, read_only=summary) as opened:
        if not summary:
            _serve(opened, port, path)
        result = opened.summary()
    typer.echo(json.dumps(result, sort_keys=True) if json_output else summary_text(result))


def _records(run: Path) -> Iterator[dict[str, Any]]:
    from .generation import read_records, read_run_statistics
    from .progress import Progress

    with Progress("read the run", read_run_statistics(run)["accepted"]) as progress:
        for record in read_records(run):
            yield record
            progress.update()


def _serve(opened: Any, port: int, path: Path) -> None:  # noqa: ANN401
    from .viewer.review_server import ReviewServer

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    with ReviewServer(opened, port) as server:
        try:
            typer.echo(f"Review page: {server.url}", err=True)
            typer.echo(f"Verdicts go to {path}. Press Ctrl-C here to stop.", err=True)
            server.serve_forever()
        except KeyboardInterrupt:
            typer.echo("", err=True)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(review)

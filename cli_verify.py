"""``countenance verify``: prove a dataset from its own files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from .errors import printable

JsonFlag = Annotated[bool, typer.Option("--json", help="Print the report as one JSON object.")]
Workers = Annotated[
    int | None, typer.Option(min=1, help="Processes; by default one per core, at most two.")
]


def verify(
    dataset: Annotated[Path, typer.Argument(help="A dataset folder of `countenance build`.")],
    workers: Workers = None,
    json_output: JsonFlag = False,
) -> None:
    """Recompute all blendshapes, read all descriptions, check split and hashes; exit 1 on a fault.

    Example: `countenance verify datasets/dev`
    """
    from .dataset_script.verify import verify_dataset

    report = verify_dataset(dataset, workers=workers, show_progress=True)
    if json_output:
        typer.echo(json.dumps(report.as_dict(), sort_keys=True))
    else:
        for line in report.first_faults():
            typer.echo(printable(line))
        typer.echo(report.summary)
    if not report.sound:
        raise typer.Exit(1)


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(verify)

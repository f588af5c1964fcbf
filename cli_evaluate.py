"""The subcommand ``evaluate`` of the ``countenance`` command."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer


class Baselines(StrEnum):
    """Which methods ``evaluate`` holds the model against."""

    quick = "quick"
    all = "all"


def evaluate(
    checkpoint: Annotated[str, typer.Argument(help="Checkpoint folder or Hub name.")],
    dataset: Annotated[str, typer.Argument(help="Dataset folder or Hub name.")],
    out: Annotated[Path, typer.Option(help="Report folder to write.")],
    quick: Annotated[
        bool,
        typer.Option("--quick", help="Smaller parts and a shorter MLP, for a few hundred items."),
    ] = False,
    baselines: Annotated[
        Baselines,
        typer.Option(help="`all` also trains the paper's authors' architecture, shortly."),
    ] = Baselines.quick,
    authors_steps: Annotated[
        int | None, typer.Option(min=1, help="For `all`: training steps of that architecture.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed of every draw.")] = 0,
    card: Annotated[
        bool,
        typer.Option(
            "--card",
            help="Rewrite the README.md of the checkpoint, a local folder, with the results.",
        ),
    ] = False,
    json_output: Annotated[
        bool, typer.Option("--json", help="Print the result as one JSON object.")
    ] = False,
) -> None:
    """Measure a checkpoint on a test split, against baselines: report.html, figures, metrics.json.

    Example: `countenance evaluate checkpoints/dev datasets/dev --out reports/dev`
    """
    from .cards import read_training_facts, write_model_card
    from .model.evaluation_settings import EvaluationSettings
    from .viewer.evaluation_report import evaluate_with_report

    changes: dict[str, Any] = {"seed": seed, "baselines": baselines.value}
    if authors_steps is not None:
        changes["authors_steps"] = authors_steps
    make = EvaluationSettings.quick if quick else EvaluationSettings
    # Read first: better told of now than after the measuring.
    training = read_training_facts(Path(checkpoint)) if card else None
    metrics = evaluate_with_report(checkpoint, dataset, out, make(**changes))
    if training is not None:
        write_model_card(Path(checkpoint), training, metrics)
    report = (out / "report.md").read_text(encoding="utf-8").rstrip()
    typer.echo(json.dumps(metrics, sort_keys=True) if json_output else report)


def register(app: typer.Typer) -> None:
    """Add the subcommand."""
    app.command()(evaluate)

"""``countenance reference``: how well an annotator does on the packaged reference set."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from .cli_options import GpuLayers, JsonFlag, Llm, Seed, Strategy, Workers


class Half(StrEnum):
    """Which half of the reference set."""

    test = "test"
    train = "train"


def reference(
    model: Llm = "packaged",
    tagger: Annotated[
        str | None, typer.Option(help="For score: `llm`, `head` or a head's folder.")
    ] = None,
    strategy: Annotated[
        Strategy | None,
        typer.Option(help="score for the packaged model, generate for any other, by default."),
    ] = None,
    prompt: Annotated[
        str, typer.Option(help="Packaged prompt, such as `score-v2` or `generate-v1-short`.")
    ] = "",
    half: Annotated[
        Half, typer.Option(help="test; prompts and baselines were made from train.")
    ] = Half.test,
    limit: Annotated[int | None, typer.Option(min=1, help="Most transcripts: the first.")] = None,
    seed: Seed = 0,
    workers: Workers = None,
    gpu_layers: GpuLayers = 0,
    json_output: JsonFlag = False,
) -> None:
    """Annotate the reference transcripts and score tags and action units beside baselines.

    Example: `countenance reference --tagger head --half test`
    """
    from .generation import AnnotationConfig, reference_table, score_on_reference

    options: dict[str, Any] = {"workers": workers} if workers else {}
    config = AnnotationConfig(
        corpora=(),
        out=Path(),
        model=model,
        strategy=strategy.value if strategy else "",
        tagger=tagger,
        seed=seed,
        gpu_layers=gpu_layers,
        prompt_version=prompt,
        **options,
    )
    result = score_on_reference(config, half=half.value, limit=limit, show_progress=True)
    typer.echo(json.dumps(result, sort_keys=True) if json_output else reference_table(result))


def register(app: typer.Typer) -> None:
    """Add the command to the ``countenance`` program."""
    app.command()(reference)

"""The ``countenance`` command: one subcommand per stretch of the road, each a call into a room.

Results go to stdout, progress and errors to stderr. Exit status: 0 done, 1 failed (one line says
what and what to do), 2 wrong use.
"""

from __future__ import annotations

import csv
import gc
import io
import json
import sys
import unicodedata
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from . import (
    cli_annotate,
    cli_build,
    cli_demo,
    cli_evaluate,
    cli_export,
    cli_push,
    cli_reference,
    cli_review,
    cli_verify,
)
from .cli_options import JsonFlag, finish
from .errors import CountenanceError, ModelError, in_one_line, printable

_FORMULA_SIGNS = ("=", "+", "-", "@", "|", "%")

app = typer.Typer(
    name="countenance",
    help="From language to facial expression: annotate, build, train, express.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)

cli_annotate.register(app)
cli_reference.register(app)
cli_review.register(app)


class Format(StrEnum):
    """How ``express`` prints a face."""

    table = "table"
    json = "json"
    csv = "csv"


cli_build.register(app)
cli_verify.register(app)
cli_push.register(app)


@app.command()
def train(
    dataset: Annotated[str, typer.Argument(help="Dataset folder or Hub name.")],
    out: Annotated[Path, typer.Option(help="Checkpoint folder to write.")],
    preset: Annotated[
        str, typer.Option(help="`paper`, `cpu`, `demo`, or a JSON file of settings.")
    ] = "cpu",
    seed: Annotated[
        int | None, typer.Option(min=0, help="Seed of every draw; the preset's by default.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an older checkpoint at --out.")
    ] = False,
    json_output: JsonFlag = False,
) -> None:
    """Train the aligned model (several processes: `accelerate launch -m countenance.model.train`).

    Example: `countenance train datasets/dev --out checkpoints/dev --preset cpu`
    """
    from .cards import render_model_card
    from .model import TrainingConfig
    from .model import train as run_training

    config = TrainingConfig.from_preset(
        preset, dataset=dataset, output=str(out), seed=seed, overwrite=overwrite
    )
    metrics = run_training(config, render_card=render_model_card)
    finish(metrics, f"{out}: trained on {metrics['items']['train']} items", json_output)


cli_evaluate.register(app)
cli_export.register(app)


@app.command()
def express(
    texts: Annotated[list[str], typer.Argument(help="Lines of text, one face each.")],
    model: Annotated[
        str | None, typer.Option(help="Checkpoint folder or Hub name; the packaged one by default.")
    ] = None,
    output_format: Annotated[
        Format, typer.Option("--format", help="table, json (one object a line) or csv.")
    ] = Format.table,
    image: Annotated[
        Path | None, typer.Option(help="Also draw the faces to this .png or .svg file.")
    ] = None,
    strength: Annotated[
        float, typer.Option(min=0.0, max=2.0, help="Scale from the neutral face; 1 is as learnt.")
    ] = 1.0,
) -> None:
    """Give the 51 ARKit weights of a face for each line of text.

    Example: `countenance express "a slight, knowing smile" --image smile.png`
    """
    from .model import PACKAGED_CHECKPOINT, load_model

    loaded = load_model(model or PACKAGED_CHECKPOINT)
    names = loaded.config.blendshape_names
    if not names:
        raise ModelError(f"{model}: the model does not name its blendshapes; train it on table v1")
    try:
        weights = loaded.express(texts, strength=strength).cpu().numpy()
    except ValueError as error:
        raise ModelError(str(error)) from error
    if image is not None:
        from .viewer import save_image

        save_image(image, weights, texts)
    _print_faces(texts, list(names), weights.tolist(), output_format)


cli_demo.register(app)


def _print_faces(
    texts: list[str], names: list[str], faces: list[list[float]], output_format: Format
) -> None:
    if output_format is Format.json:
        for text, face in zip(texts, faces, strict=True):
            rounded = {name: round(weight, 6) for name, weight in zip(names, face, strict=True)}
            line = json.dumps({"text": text, "blendshapes": rounded}, ensure_ascii=False)
            # What a terminal would obey or hide is escaped, as JSON allows for any character.
            typer.echo("".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in line))
    elif output_format is Format.csv:
        typer.echo(_csv_table(texts, names, faces), nl=False)
    else:
        for text, face in zip(texts, faces, strict=True):
            typer.echo(_face_table(text, names, face))


def _csv_table(texts: list[str], names: list[str], faces: list[list[float]]) -> str:
    rows = io.StringIO()
    plain = csv.writer(rows, lineterminator="\n")
    plain.writerow(["text", *names])
    # Quoted in any case: a program that splits at ; or a tab must not find a cell inside a text.
    quoted = csv.writer(rows, quoting=csv.QUOTE_ALL, lineterminator=",")
    for text, face in zip(texts, faces, strict=True):
        quoted.writerow([_inert_cell(text)])
        plain.writerow([f"{weight:.6f}" for weight in face])
    return rows.getvalue()


def _inert_cell(text: str) -> str:
    """A spreadsheet shall show the text, never run it as a formula.

    It may skip blanks and invisible characters before the sign, and read full-width signs as plain.
    """
    visible = (c for c in text if c.isprintable() and not c.isspace())
    first = unicodedata.normalize("NFKC", next(visible, ""))[:1]
    odd = first in _FORMULA_SIGNS or text.startswith(("\t", "\r", "\n", "\0"))
    return "'" + text if odd else text


def _face_table(text: str, names: list[str], face: list[float]) -> str:
    from .au_mapping import load_mapping

    units = " ".join(str(unit) for unit in load_mapping("v1").to_action_units(face))
    ranked = sorted(zip(face, names, strict=True), reverse=True)
    lines = [
        f"  {name:<20} {weight:5.2f}  {'█' * round(weight * 30)}"
        for weight, name in ranked
        if weight >= 0.05
    ]
    return "\n".join(
        [printable(text), f"  action units: {units or 'none'}", *(lines or ["  neutral"]), ""]
    )


def main() -> None:
    """Run the command; the console script's entry point."""
    # Importing torch and transformers makes a million objects that stay; looking for garbage among
    # them 700 at a time takes a tenth of a cold start.
    gc.set_threshold(50_000, 10, 10)
    try:
        app()
    # OSError: a full disk, a name too long, a folder without permission.
    except (CountenanceError, OSError) as error:
        print(f"countenance: error: {in_one_line(error)}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()

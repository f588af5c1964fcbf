"""The ``countenance`` command: one subcommand per stretch of the road, each a call into a room.

Results go to stdout, progress and errors to stderr. Exit status: 0 done, 1 failed (one line says
what and what to do), 2 wrong use.
"""

from __future__ import annotations

import csv
import io
import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from . import cli_verify
from .errors import CountenanceError, ModelError

app = typer.Typer(
    name="countenance",
    help="From language to facial expression: annotate, build, train, express.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Format(StrEnum):
    """How ``express`` prints a face."""

    table = "table"
    json = "json"
    csv = "csv"


class Strategy(StrEnum):
    """How ``annotate`` asks the model."""

    score = "score"
    generate = "generate"


class Labels(StrEnum):
    """What ``annotate`` does with the human tags of a corpus."""

    use = "use"
    compare = "compare"
    ignore = "ignore"


JsonFlag = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]
Llm = Annotated[str, typer.Option(help="`packaged` (SmolLM2-135M) or the path of a GGUF file.")]
Workers = Annotated[int | None, typer.Option(min=1, help="CPU threads; one per core by default.")]
GpuLayers = Annotated[int, typer.Option(min=0, help="Model layers to put on the GPU.")]
Seed = Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed of every random draw.")]


@app.command()
def annotate(
    corpus: Annotated[
        list[str],
        typer.Option(
            help="NAME=PATH, repeatable. NAME: go_emotions, tweet_intensity, isear, meld, csv, "
            "tsv, jsonl, parquet or text; `samples`, the packaged transcripts; "
            "go_emotions=hub, or hub:OWNER/NAME."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Run folder; an unfinished run is continued.")],
    model: Llm = "packaged",
    strategy: Annotated[
        Strategy | None,
        typer.Option(help="score for the packaged model, generate for any other, by default."),
    ] = None,
    labels: Annotated[
        Labels,
        typer.Option(help="Human tags of a corpus: use them, compare with them, or ignore them."),
    ] = Labels.use,
    tagger: Annotated[
        str | None,
        typer.Option(
            help="For score: `llm`, `head` or a head's folder. By default the packaged head where "
            "it was fitted on this model, else `llm`."
        ),
    ] = None,
    prompt: Annotated[
        str, typer.Option(help="Packaged prompt, such as `score-v2` or `generate-v1-short`.")
    ] = "",
    mapping: Annotated[str, typer.Option(help="Table of action units: `v1` or `extended`.")] = "v1",
    text_column: Annotated[
        str, typer.Option(help="Column of the text in csv, tsv, jsonl, parquet and Hub data.")
    ] = "text",
    label_column: Annotated[
        str | None, typer.Option(help="Column of the human tags in Hub data.")
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(min=1, help="Most transcripts: the first, shared evenly among the corpora."),
    ] = None,
    seed: Seed = 0,
    workers: Workers = None,
    gpu_layers: GpuLayers = 0,
    setting: Annotated[
        list[str] | None,
        typer.Option(help="For generate: NAME=VALUE, such as temperature=0.7; repeatable."),
    ] = None,
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Only say how long it will take here.")
    ] = False,
    json_output: JsonFlag = False,
) -> None:
    """Let a local LLM write tags, description and action units for every transcript.

    Example: `countenance annotate --corpus go_emotions=data/dev.tsv --out runs/dev --limit 2000`
    """
    from .generation import AnnotationConfig, LabelUse, parse_corpus_option, parse_settings
    from .generation import annotate as run_annotation
    from .generation import estimate as run_estimate

    options: dict[str, Any] = {"workers": workers} if workers else {}
    config = AnnotationConfig(
        corpora=tuple(
            parse_corpus_option(name, text_column=text_column, label_column=label_column)
            for name in corpus
        ),
        out=out,
        model=model,
        strategy=strategy.value if strategy else "",
        labels=LabelUse(labels.value),
        tagger=tagger,
        limit=limit,
        seed=seed,
        gpu_layers=gpu_layers,
        prompt_version=prompt,
        mapping_version=mapping,
        generation=parse_settings(setting or []),
        **options,
    )
    if estimate:
        expected = run_estimate(config, show_progress=True)
        _finish(expected, _in_words(expected), json_output)
        return
    statistics = run_annotation(config, show_progress=True)
    rejected = sum(statistics["rejected"].values())
    session = statistics["last_session"]
    _finish(
        statistics,
        f"{out}: {statistics['accepted']} records, {rejected} set aside; "
        f"{session['items']} now, {session['items_per_second']} a second",
        json_output,
    )


def _in_words(expected: dict[str, Any]) -> str:
    minutes = expected["seconds"] / 60
    return (
        f"{expected['left']} of {expected['transcripts']} transcripts are left; at "
        f"{expected['items_per_second']} a second (measured on {expected['sampled']}) they take "
        f"about {minutes:.0f} min here"
    )


@app.command("fit-head")
def fit_head(
    corpus: Annotated[
        list[str],
        typer.Option(help="NAME=PATH, repeatable: go_emotions for tags, tweet_intensity."),
    ],
    out: Annotated[Path, typer.Option(help="Folder of the head to write.")],
    model: Llm = "packaged",
    limit: Annotated[
        int | None, typer.Option(min=1, help="Most train transcripts of each kind, drawn by seed.")
    ] = None,
    seed: Seed = 0,
    workers: Workers = None,
    gpu_layers: GpuLayers = 0,
    json_output: JsonFlag = False,
) -> None:
    """Fit the models that turn an LLM's answers into tags, on corpora with human labels.

    Only train files teach; dev files beside them are scored for the report.

    Example: `countenance fit-head --corpus go_emotions=data/go_emotions
    --corpus tweet_intensity=data/tweet_intensity --out heads/mine`
    """
    from .generation import HeadFitConfig, parse_corpus_option
    from .generation import fit_head as run_fit

    options: dict[str, Any] = {"workers": workers} if workers else {}
    config = HeadFitConfig(
        corpora=tuple(parse_corpus_option(name) for name in corpus),
        version=out.resolve().name,
        model=model,
        limit=limit,
        seed=seed,
        gpu_layers=gpu_layers,
        **options,
    )
    head = run_fit(config, show_progress=True)
    head.save(out)
    report = head.about["report"]
    train = report["train"]
    _finish(
        dict(head.about),
        f"{out}: {head.name}, fitted on {train['tagged']} tagged and {train['rated']} rated "
        f"transcripts; dev: {json.dumps(report['dev'])}",
        json_output,
    )


@app.command()
def build(
    run: Annotated[Path, typer.Argument(help="A finished run of `countenance annotate`.")],
    out: Annotated[Path, typer.Option(help="Dataset folder to write.")],
    seed: Seed = 0,
    json_output: JsonFlag = False,
) -> None:
    """Turn a run into a dataset: stratified split, Parquet, card; `load_dataset` opens it.

    Example: `countenance build runs/dev --out datasets/dev`
    """
    from .cards import render_dataset_card
    from .dataset_script import build_dataset

    # INTEGRATOR: with generation.cues, pass cues=cue_items(run_mapping(run)) to write config cues.
    statistics = build_dataset(
        run, out, render_card=render_dataset_card, seed=seed, show_progress=True
    )
    _finish(
        statistics,
        f"{out}: {statistics['train_items']} train and {statistics['test_items']} test items; "
        f'load_dataset("{out}") opens it',
        json_output,
    )


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
    from .cards import write_model_card
    from .model import TrainingConfig
    from .model import train as run_training

    config = TrainingConfig.from_preset(
        preset, dataset=dataset, output=str(out), seed=seed, overwrite=overwrite
    )
    metrics = run_training(config)
    write_model_card(out, {**metrics, "training": config.to_dict()})
    _finish(metrics, f"{out}: trained on {metrics['items']['train']} items", json_output)


@app.command()
def evaluate(
    checkpoint: Annotated[str, typer.Argument(help="Checkpoint folder or Hub name.")],
    dataset: Annotated[str, typer.Argument(help="Dataset folder or Hub name.")],
    out: Annotated[Path, typer.Option(help="Report folder to write.")],
    seed: Seed = 0,
    json_output: JsonFlag = False,
) -> None:
    """Measure a checkpoint on a test split against the mean-face baseline.

    Example: `countenance evaluate checkpoints/dev datasets/dev --out reports/dev`
    """
    from .model import evaluate as run_evaluation

    metrics = run_evaluation(checkpoint, dataset, out, seed=seed)
    _finish(metrics, (out / "report.md").read_text(encoding="utf-8").rstrip(), json_output)


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


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for all that the demo makes.")] = Path(
        "out/demo"
    ),
    seed: Seed = 0,
) -> None:
    """Walk the whole road on the packaged transcripts: annotate, build, train, evaluate, express.

    Example: `countenance demo --out out/demo`
    """
    from .demo import run_demo

    for line in run_demo(out, seed=seed, show_progress=True):
        typer.echo(line)


def _finish(result: dict[str, Any], line: str, json_output: bool) -> None:
    typer.echo(json.dumps(result, sort_keys=True) if json_output else line)


def _print_faces(
    texts: list[str], names: list[str], faces: list[list[float]], output_format: Format
) -> None:
    if output_format is Format.json:
        for text, face in zip(texts, faces, strict=True):
            rounded = {name: round(weight, 6) for name, weight in zip(names, face, strict=True)}
            typer.echo(json.dumps({"text": text, "blendshapes": rounded}, ensure_ascii=False))
    elif output_format is Format.csv:
        rows = io.StringIO()
        writer = csv.writer(rows, lineterminator="\n")
        writer.writerow(["text", *names])
        for text, face in zip(texts, faces, strict=True):
            writer.writerow([_inert_cell(text), *(f"{weight:.6f}" for weight in face)])
        typer.echo(rows.getvalue(), nl=False)
    else:
        for text, face in zip(texts, faces, strict=True):
            typer.echo(_face_table(text, names, face))


def _inert_cell(text: str) -> str:
    """A spreadsheet shall show the text, never run it as a formula."""
    return "'" + text if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _face_table(text: str, names: list[str], face: list[float]) -> str:
    from .au_mapping import load_mapping

    units = " ".join(str(unit) for unit in load_mapping("v1").to_action_units(face))
    ranked = sorted(zip(face, names, strict=True), reverse=True)
    lines = [
        f"  {name:<20} {weight:5.2f}  {'█' * round(weight * 30)}"
        for weight, name in ranked
        if weight >= 0.05
    ]
    return "\n".join([text, f"  action units: {units or 'none'}", *(lines or ["  neutral"]), ""])


cli_verify.register(app)


def main() -> None:
    """Run the command; the console script's entry point."""
    try:
        app()
    except CountenanceError as error:
        print(f"countenance: error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(1)
    except OSError as error:  # a full disk, a name too long, a folder without permission
        print(f"countenance: error: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()

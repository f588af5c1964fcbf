"""``countenance annotate`` and ``countenance fit-head``: from corpora to records."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from .cli_options import (
    Actors,
    Engine,
    GpuLayers,
    GpusPerActor,
    JsonFlag,
    Llm,
    Place,
    Seed,
    Strategy,
    Workers,
    finish,
)
from .errors import RunError


class Labels(StrEnum):
    """What ``annotate`` does with the human tags of a corpus."""

    use = "use"
    compare = "compare"
    ignore = "ignore"


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
    engine: Annotated[
        Engine,
        typer.Option(
            help="llama-cpp: in this process. openai: a server that speaks it. llama-cpp-chat: in "
            "this process, as llama_cpp.server answers (docs/engines.md)."
        ),
    ] = Engine.llama_cpp,
    base_url: Annotated[
        str | None,
        typer.Option(
            help="For openai: where the API begins, such as http://127.0.0.1:8080/v1; the key goes "
            "into the environment variable OPENAI_API_KEY. --model is the server's name for it."
        ),
    ] = None,
    concurrency: Annotated[
        int | None,
        typer.Option(min=1, max=1024, help="For openai: requests at the same time; else 4."),
    ] = None,
    request_timeout: Annotated[
        float | None,
        typer.Option(min=0.1, help="For openai: seconds that one request may take; else 120."),
    ] = None,
    request_retries: Annotated[
        int | None,
        typer.Option(min=0, max=100, help="For openai: resendings of a failed request; else 6."),
    ] = None,
    any_build: Annotated[
        bool,
        typer.Option(
            "--any-build", help="For openai: begin a run that takes answers of any build of it."
        ),
    ] = False,
    on: Place = None,
    actors: Actors = None,
    gpus_per_actor: GpusPerActor = 0.0,
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Only say how long it will take here.")
    ] = False,
    json_output: JsonFlag = False,
) -> None:
    """Let a local LLM write tags, description and action units for every transcript.

    Example: `countenance annotate --corpus go_emotions=data/dev.tsv --out runs/dev --limit 2000`

    Example: `countenance annotate --corpus go_emotions=data/dev.tsv --out runs/dev --engine openai
    --base-url http://127.0.0.1:8080/v1 --model llama-3-8b --concurrency 16`
    """
    from .generation import (
        AnnotationConfig,
        LabelUse,
        parse_corpus_option,
        parse_ray_option,
        parse_server_options,
        parse_settings,
    )
    from .generation import annotate as run_annotation
    from .generation import estimate as run_estimate

    ray = parse_ray_option(on, actors, gpus_per_actor)
    options: dict[str, Any] = {"workers": workers} if workers else {}
    server = parse_server_options(
        base_url, concurrency, request_timeout, request_retries, any_build=any_build
    )
    if ray is not None:
        options.setdefault("workers", 1)  # of each actor
        if estimate:
            raise RunError("estimate: measures this process only; leave out --on")
    config = AnnotationConfig(
        corpora=tuple(
            parse_corpus_option(name, text_column=text_column, label_column=label_column)
            for name in corpus
        ),
        out=out,
        model=model,
        engine=engine.value,
        server=server,
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
        finish(expected, _in_words(expected), json_output)
        return
    statistics = run_annotation(config, ray=ray, show_progress=True)
    rejected = sum(statistics["rejected"].values())
    session = statistics["last_session"]
    finish(
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
    finish(
        dict(head.about),
        f"{out}: {head.name}, fitted on {train['tagged']} tagged and {train['rated']} rated "
        f"transcripts; dev: {json.dumps(report['dev'])}",
        json_output,
    )


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(annotate)
    app.command("fit-head")(fit_head)

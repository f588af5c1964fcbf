"""``countenance build``: a finished run becomes a dataset."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from .cli_options import JsonFlag, Seed, finish
from .errors import DatasetError

REFERENCE = "reference.json"
_ROWS = ("annotator", "commonest tag and face")
_TOLD = ("annotator", "tagger", "strategy", "prompt_version", "mapping_version")


def build(
    run: Annotated[Path, typer.Argument(help="A finished run of `countenance annotate`.")],
    out: Annotated[Path, typer.Option(help="Dataset folder to write.")],
    reviewer: Annotated[
        str, typer.Option(help="Who reviewed the run, for the card, where RUN/review.jsonl is.")
    ] = "A reviewer",
    cues: Annotated[
        bool, typer.Option(help="Write the config `cues` too: descriptions without transcript.")
    ] = True,
    seed: Seed = 0,
    json_output: JsonFlag = False,
) -> None:
    """Turn a run into a dataset: stratified split, Parquet, card; `load_dataset` opens it.

    The card also states a review (`RUN/review.jsonl`, of `countenance review RUN`) and the score on
    the reference set (`RUN/reference.json`, of `countenance reference --json`), where they are.

    Example: `countenance build runs/dev --out datasets/dev`
    """
    from .cards import render_dataset_card as render_card
    from .dataset_script import build_dataset, run_mapping
    from .generation.cues import DEFAULT_COMBINATIONS, cue_items
    from .generation.sayings import SAYINGS_TABLE
    from .viewer import face_grid as draw_faces

    made: dict[str, int | str] = {
        "seed": seed,
        "combinations": DEFAULT_COMBINATIONS,
        "sayings": SAYINGS_TABLE,
    }
    statistics = build_dataset(
        run,
        out,
        render_card=render_card,
        draw_faces=draw_faces,
        seed=seed,
        quality={"review": _review(run, reviewer), "reference": _reference(run)},
        cues=(
            cue_items(run_mapping(run), seed=seed, combinations=DEFAULT_COMBINATIONS)
            if cues
            else ()
        ),
        cues_made=made,
        show_progress=True,
    )
    finish(
        statistics,
        f"{out}: {statistics['train_items']} train and {statistics['test_items']} test items; "
        f'load_dataset("{out}") opens it',
        json_output,
    )


def _review(run: Path, reviewer: str) -> dict[str, Any] | None:
    """The summary of the review beside a run, or None where nobody reviewed it.

    The rejections themselves stay out of it: a reviewer's note may quote a transcript.
    """
    from .cli_review import VERDICTS
    from .generation import read_records
    from .viewer.review import Review, draw_sample, last_sample

    path = run / VERDICTS
    sample = last_sample(path)
    if sample is None:
        return None
    with Review(draw_sample(read_records(run), sample), path, sample, read_only=True) as review:
        summary = review.summary()
        drawn = len(review.items)
    if summary["complete"] < drawn:
        raise DatasetError(
            f"{path}: {summary['complete']} of {drawn} items are reviewed in full; finish "
            f"'countenance review {run}', or move the file away"
        )
    del summary["rejected"]
    return {**summary, "reviewer": reviewer}


def _reference(run: Path) -> dict[str, Any] | None:
    """The annotator's score on the reference set, where it was kept beside the run."""
    from .generation import read_manifest

    path = run / REFERENCE
    if not path.is_file():
        return None
    try:
        scored = json.loads(path.read_text("utf-8"))
        rows = {name: scored["rows"][name] for name in _ROWS}
        told = {name: scored[name] for name in _TOLD}
        half = scored["half"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DatasetError(
            f"{path}: not what 'countenance reference --json' prints ({error!r}); make it anew"
        ) from error
    identity = read_manifest(run)["identity"]
    other = [name for name in _TOLD if told[name] != identity.get(name)]
    if half != "test" or other:
        what = f"{other[0]} {told[other[0]]}" if other else f"half {half}"
        raise DatasetError(
            f"{path}: of {what}, which is not this run's; make it anew with the run's own "
            "settings: 'countenance reference --json'"
        )
    return rows


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(build)

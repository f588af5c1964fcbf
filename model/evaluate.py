"""Evaluation of a checkpoint on the test split of a dataset.

python -m countenance.model.evaluate CHECKPOINT DATASET --out REPORT

writes ``metrics.json`` and ``report.md``; the command ``countenance evaluate`` adds the figures and
the HTML report (``viewer/evaluation_report.py``). What each figure means: docs/evaluation.md.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ..errors import CountenanceError, ModelError, in_one_line
from .checkpoint import cannot_write, load_model, probe_folder, write_json, write_text
from .evaluation import Evaluation, measure
from .evaluation_markdown import render_report
from .evaluation_settings import BASELINE_SETS, EvaluationSettings
from .features import PRECISIONS

__all__ = ["begin_report", "evaluate", "main", "measure_checkpoint", "write_metrics"]

_METRICS = "metrics.json"
_REPORT_FILES = (
    "report.md",
    "report.html",
    "errors.png",
    "latent_map.png",
    "path_between_items.png",
    "path_between_draws.png",
)


def evaluate(
    checkpoint: str | Path,
    dataset: str | Path,
    out: str | Path,
    settings: EvaluationSettings | None = None,
    **changes: Any,  # noqa: ANN401
) -> dict[str, Any]:
    """Measure a checkpoint on the test split and write ``report.md`` and ``metrics.json``.

    Args:
        checkpoint: Checkpoint folder or Hub name.
        dataset: Dataset folder or Hub name.
        out: Report folder; ``metrics.json`` is written last.
        settings: What to measure, on how much.
        **changes: Fields of ``EvaluationSettings`` to change, such as ``seed``.

    Returns:
        What ``metrics.json`` holds (see docs/evaluation.md).

    Raises:
        ModelError: If the checkpoint or its text encoder cannot be used, a setting is out of range,
            or ``out`` is a file, holds something else (see ``check_report_folder``) or cannot be
            written.
        DatasetError: If the dataset cannot be used, or was built with another mapping.
    """
    settings = replace(settings or EvaluationSettings(), **changes)
    check_report_folder(Path(out))
    evaluation = measure_checkpoint(checkpoint, dataset, settings)
    begin_report(Path(out))
    write_metrics(evaluation.metrics, Path(out))
    return evaluation.metrics


def measure_checkpoint(
    checkpoint: str | Path, dataset: str | Path, settings: EvaluationSettings
) -> Evaluation:
    """Load a checkpoint and measure it, writing nothing; arguments and errors as ``evaluate``."""
    model = load_model(checkpoint, with_text_encoder=False)
    evaluation = measure(model, dataset, settings, _trained_precision(checkpoint))
    evaluation.metrics.update(
        {
            "checkpoint": str(checkpoint),
            "dataset": str(dataset),
            "dataset_is_folder": Path(dataset).is_dir(),
            "settings": asdict(settings),
        }
    )
    return evaluation


def _trained_precision(checkpoint: str | Path) -> str:
    """What the checkpoint's own training features were computed in, where it says so."""
    path = Path(checkpoint) / "training_config.json"
    try:
        named = json.loads(path.read_text(encoding="utf-8"))["encode_precision"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        named = None
    return named if named in PRECISIONS else "float32"


def begin_report(out: Path) -> None:
    """Make the report folder and take an older report out of it, its ``metrics.json`` first.

    Raises:
        ModelError: If the folder holds something else, or cannot be written.
    """
    try:
        _check_occupied(out)
        out.mkdir(parents=True, exist_ok=True)
        if (out / _METRICS).exists():
            for name in (_METRICS, *_REPORT_FILES):
                (out / name).unlink(missing_ok=True)
    except OSError as error:
        raise cannot_write(out, error) from error


def write_metrics(metrics: dict[str, Any], out: Path) -> None:
    """Write ``report.md`` and, last, ``metrics.json`` into a folder from ``begin_report``.

    Raises:
        ModelError: If the folder cannot be written.
    """
    try:
        write_text(out / "report.md", render_report(metrics))
        write_json(out / _METRICS, metrics)
    except OSError as error:
        raise cannot_write(out, error) from error


def check_report_folder(out: Path) -> None:
    """Refuse early what would fail after the measuring, or overwrite what is no report.

    Raises:
        ModelError: If ``out`` is a file, a folder with a checkpoint or with a ``metrics.json`` that
            no evaluation wrote, or its place cannot be written to.
    """
    try:
        if out.is_file():
            raise ModelError(f"{out}: expected a folder to write the report to, found a file")
        _check_occupied(out)
        probe_folder(out if out.is_dir() else out.parent)
    except OSError as error:
        raise cannot_write(out, error) from error


def _check_occupied(out: Path) -> None:
    for pattern in ("config.json", "*.safetensors"):
        for found in sorted(out.glob(pattern)):
            raise ModelError(
                f"{out}: holds a checkpoint ({found.name}), which a report would overwrite in "
                "part; choose another --out"
            )
    metrics = out / _METRICS
    if metrics.exists() and not _is_of_an_evaluation(metrics):
        raise ModelError(
            f"{metrics}: not written by an evaluation (no text_to_expression), so it is left "
            "alone; choose another --out"
        )


def _is_of_an_evaluation(metrics: Path) -> bool:
    try:
        content = json.loads(metrics.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        return False
    return isinstance(content, dict) and "text_to_expression" in content


def main(argv: Sequence[str] | None = None) -> int:
    """Run from the command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="countenance.model.evaluate", description=__doc__)
    parser.add_argument("checkpoint", help="checkpoint folder or Hub name")
    parser.add_argument("dataset", help="dataset folder or Hub name")
    parser.add_argument("--out", required=True, help="folder for metrics.json and report.md")
    parser.add_argument("--seed", type=int, default=0, help="seed of every draw (default: 0)")
    parser.add_argument("--quick", action="store_true", help="smaller parts, shorter training")
    parser.add_argument("--baselines", choices=BASELINE_SETS, default="quick")
    arguments = parser.parse_args(argv)
    try:
        make = EvaluationSettings.quick if arguments.quick else EvaluationSettings
        settings = make(seed=arguments.seed, baselines=arguments.baselines)
        evaluate(arguments.checkpoint, arguments.dataset, arguments.out, settings)
    except CountenanceError as error:
        print(f"error: {in_one_line(error)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

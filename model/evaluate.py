"""Evaluation of a checkpoint on the test split of a dataset.

python -m countenance.model.evaluate CHECKPOINT DATASET --out REPORT
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import CountenanceError, ModelError
from ..progress import Progress
from .batches import index_texts
from .checkpoint import cannot_write, load_model, probe_folder, write_json, write_text
from .data import KINDS, ExpressionData, load_expressions
from .features import embed_texts
from .metrics import error_report
from .modeling_countenance import ExpressionModel
from .quiet import quiet_transformers

KIND_NAMES = {"t": "transcript", "e": "emotion tags", "d": "description"}


def evaluate(
    checkpoint: str | Path,
    dataset: str | Path,
    out: str | Path,
    *,
    samples: int = 1000,
    seed: int = 0,
    batch_size: int = 256,
) -> dict[str, Any]:
    """Measure a checkpoint on the test split.

    Args:
        checkpoint: Checkpoint folder or Hub name.
        dataset: Dataset folder or Hub name; the baseline is the mean face of its train split.
        out: Report folder; ``report.md`` and, last, ``metrics.json`` are written to it.
        samples: Bootstrap resamples of the intervals.
        seed: Their seed.
        batch_size: Items per forward pass.

    Returns:
        What ``metrics.json`` holds: ``reconstruction`` and, under ``text_to_expression``, the three
        kinds of text and ``all`` of them, each as ``metrics.error_report`` gives it with the number
        of ``items``.

    Raises:
        ModelError: If the checkpoint or its text encoder cannot be used, or ``out`` is a file or
            cannot be written.
        DatasetError: If the dataset cannot be used, or was built with another mapping.
    """
    out = Path(out)
    _check_report_folder(out)
    model = load_model(checkpoint, with_text_encoder=False)
    config = model.config

    def load(split: str) -> ExpressionData:
        return load_expressions(
            dataset,
            split,
            expression_size=config.expression_size,
            mapping_version=config.mapping_version,
        )

    test, mean_face = load("test"), load("train").blendshapes.mean(axis=0)

    def report(predicted: np.ndarray, items: np.ndarray) -> dict[str, Any]:
        target = test.blendshapes[items]
        figures = error_report(
            predicted, mean_face, target, items=items, samples=samples, seed=seed
        )
        return {"items": len(np.unique(items)), **figures}

    metrics: dict[str, Any] = {
        "checkpoint": str(checkpoint),
        "dataset": str(dataset),
        "split": "test",
        "items": len(test),
        "mapping_version": test.mapping_version,
        "text_encoder": config.text_encoder,
        "bootstrap_samples": samples,
        "seed": seed,
        "reconstruction": report(_reconstruct(model, test, batch_size), np.arange(len(test))),
        "text_to_expression": {},
    }
    predictions = _express_kinds(model, test, batch_size)
    for kind, (items, predicted) in predictions.items():
        metrics["text_to_expression"][KIND_NAMES[kind]] = report(predicted, items)
    metrics["text_to_expression"]["all"] = report(
        np.concatenate([predicted for _, predicted in predictions.values()]),
        np.concatenate([items for items, _ in predictions.values()]),
    )
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_text(out / "report.md", render_report(metrics))
        write_json(out / "metrics.json", metrics)
    except OSError as error:
        raise cannot_write(out, error) from error
    return metrics


def _check_report_folder(out: Path) -> None:
    try:
        if out.is_file():
            raise ModelError(f"{out}: expected a folder to write the report to, found a file")
        probe_folder(out if out.is_dir() else out.parent)
    except OSError as error:
        raise cannot_write(out, error) from error


@torch.no_grad()
def _reconstruct(model: ExpressionModel, data: ExpressionData, batch_size: int) -> np.ndarray:
    faces = torch.from_numpy(data.blendshapes)
    parts = [model(blendshapes=part).reconstruction for part in faces.split(batch_size)]
    return torch.cat(parts).cpu().numpy()


@torch.no_grad()
def _express_kinds(
    model: ExpressionModel, data: ExpressionData, batch_size: int
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    index = index_texts(data)
    with Progress("encode texts", len(index.texts)) as progress, quiet_transformers():
        try:
            features = embed_texts(index.texts, model.config, progress=progress)
        except (OSError, ValueError) as error:
            raise ModelError(str(error)) from error
    predictions = {}
    for k, kind in enumerate(KINDS):
        items = np.flatnonzero(index.rows[:, k, 0] >= 0)
        rows = torch.from_numpy(features[index.rows[items, k, 0]])
        parts = [model(text_features=part).text_expression for part in rows.split(batch_size)]
        if parts and len(items):
            predictions[kind] = (items, torch.cat(parts).cpu().numpy())
    return predictions


def render_report(metrics: dict[str, Any]) -> str:
    """Write the metrics as a short Markdown report."""
    lines = [
        "# Evaluation",
        "",
        f"Checkpoint `{metrics['checkpoint']}` on the {metrics['split']} split of "
        f"`{metrics['dataset']}`: {metrics['items']} items, mapping {metrics['mapping_version']}, "
        f"text encoder {metrics['text_encoder']}.",
        "",
        "Errors are over all blendshape weights, each item alike. The baseline answers every item "
        "with the mean face of the train split; *explained* is 1 - squared error / that of the "
        f"baseline. Brackets: 95 % intervals, {metrics['bootstrap_samples']} bootstrap "
        f"resamples of the items, seed {metrics['seed']}.",
        "",
        "| input | items | MAE | baseline MAE | RMSE | baseline RMSE | explained |",
        "|---|---|---|---|---|---|---|",
    ]
    rows = {"face (reconstruction)": metrics["reconstruction"], **metrics["text_to_expression"]}
    for name, figures in rows.items():
        cells = [
            "{value:.4f} [{low:.4f}, {high:.4f}]".format(**figures[key])
            for key in ("mae", "baseline_mae", "rmse", "baseline_rmse", "explained")
        ]
        lines.append(f"| {name} | {figures['items']} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main(argv: Sequence[str] | None = None) -> int:
    """Run from the command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="countenance.model.evaluate", description=__doc__)
    parser.add_argument("checkpoint", help="checkpoint folder or Hub name")
    parser.add_argument("dataset", help="dataset folder or Hub name")
    parser.add_argument("--out", required=True, help="folder for metrics.json and report.md")
    parser.add_argument("--seed", type=int, default=0, help="seed of the intervals (default: 0)")
    arguments = parser.parse_args(argv)
    try:
        evaluate(arguments.checkpoint, arguments.dataset, arguments.out, seed=arguments.seed)
    except CountenanceError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

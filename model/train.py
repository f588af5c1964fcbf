"""Training of the expression model (section IV of the paper) with accelerate.

python -m countenance.model.train DATASET --out CHECKPOINT --preset cpu
accelerate launch -m countenance.model.train DATASET --out CHECKPOINT --preset paper
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch.utils.data import DataLoader

from ..au_mapping import load_mapping
from ..errors import CountenanceError, DatasetError, ModelError, TableError, in_one_line
from ..progress import Progress
from ..workshop import Workshop
from .accelerating import choose_encode_precision, close_trackers, make_accelerator
from .batches import TextIndex, TrainingItems, index_texts, validation_items
from .checkpoint import RenderCard, cannot_write, check_output, write_checkpoint
from .configuration_countenance import ExpressionConfig
from .data import ExpressionData, load_cues, load_expressions
from .features import embed_texts
from .fit import Fit, batch_size, fit
from .lexicon import load_lexicon
from .losses import AlignmentLoss
from .modeling_countenance import ExpressionModel
from .quiet import quiet_transformers
from .resume import UnfinishedRun, data_digest, finished_before
from .text_encoders import describe_text_encoder
from .training_config import TrainingConfig
from .validation import ValidationItems


def train(config: TrainingConfig, *, render_card: RenderCard | None = None) -> dict[str, Any]:
    """Train a model and write its checkpoint folder.

    A run that was stopped, even by SIGKILL, goes on with the same call where its last validation
    was, and ends with the same weights. Every draw follows from ``config.seed``; on one machine
    with the same number of threads the same configuration and dataset give the same weights. The
    global random state is left as it was.

    Args:
        config: The settings; ``dataset`` and ``output`` must be given.
        render_card: Makes the checkpoint's README from the metrics, with the settings that were
            used as ``training``; none is written when left out.

    Returns:
        What the checkpoint's ``metrics.json`` holds: items, steps, the validation of the saved
        weights and its history, times, versions.

    Raises:
        ModelError: If the settings, the output folder or the text encoder cannot be used, or the
            loss is no longer finite.
        DatasetError: If the dataset cannot be used.
        TableError: If the synonym lexicon cannot be used.
    """
    if not config.dataset or not config.output:
        raise ModelError("training configuration: give dataset and output")
    output = Path(config.output).absolute()
    if not (output.name and UnfinishedRun(config, "").path.exists()):
        check_output(output, overwrite=config.overwrite)
    accelerator = make_accelerator(config)
    # What "auto" came to: the checkpoint tells it, and a run is finished as it was begun.
    config = dataclasses.replace(
        config,
        mixed_precision=accelerator.mixed_precision,
        encode_precision=choose_encode_precision(config.encode_precision, accelerator.device),
    )
    if config.batch_size % accelerator.num_processes:
        raise ModelError(
            f"training configuration: batch_size is {config.batch_size}, expected a multiple of "
            f"the number of processes ({accelerator.num_processes})"
        )
    with _workshop(output, accelerator) as workshop:
        metrics = finished_before(config)
        if metrics is None:
            check_output(output, overwrite=config.overwrite)
            try:
                with _threads(config.threads):
                    result, metrics = _train(config, accelerator)
            finally:
                close_trackers(accelerator)
            if workshop:
                write_checkpoint(
                    result.model,
                    output,
                    training_config=config.to_dict(),
                    metrics=metrics,
                    overwrite=config.overwrite,
                    render_card=render_card,
                    workshop=workshop,
                )
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        UnfinishedRun(config, "").remove()  # last of all: till then the same call finishes the rest
    return metrics


@contextmanager
def _workshop(output: Path, accelerator: Accelerator) -> Iterator[Workshop | None]:
    """Keep other processes off ``output``; None on all but the main process of several."""
    if not accelerator.is_main_process:
        yield None
        return
    with ExitStack() as stack:
        try:
            workshop = stack.enter_context(Workshop(output, ModelError))
        except OSError as error:
            raise cannot_write(output, error) from error
        yield workshop


def _train(config: TrainingConfig, accelerator: Accelerator) -> tuple[Fit, dict[str, Any]]:
    started = time.monotonic()
    data = load_expressions(config.dataset, "train", expression_size=config.expression_size)
    if len(data) < 2:
        raise DatasetError(f"{config.dataset}: one train item is too few; one more is validated on")
    if config.cue_repeats:
        data = data.with_cues(_cues(config, data))
    model_config = _model_config(config, data)
    index = _index(config, data)
    with accelerator.main_process_first():
        features = _features(config, model_config, index, accelerator)
    encoded = time.monotonic()
    with _seeded(config.seed):
        result = _fit(config, model_config, data, index, features, accelerator)
    metrics = _metrics(config, data, index, result, accelerator)
    metrics["seconds"] = {
        "encode_texts": round(encoded - started, 2),
        "train": round(result.seconds, 2),
    }
    return result, metrics


def _cues(config: TrainingConfig, data: ExpressionData) -> ExpressionData | None:
    return load_cues(
        config.dataset,
        "train",
        expression_size=config.expression_size,
        mapping_version=data.mapping_version,
    )


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed torch for initial weights and dropout, and put its state back afterwards."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


def _model_config(config: TrainingConfig, data: ExpressionData) -> ExpressionConfig:
    try:
        names = load_mapping(data.mapping_version).blendshapes
    except TableError:
        names = None  # a mapping of the user's own: the names are not known, the numbers still are
    if names is not None and len(names) != config.expression_size:
        raise ModelError(
            f"training configuration: expression_size is {config.expression_size}, expected "
            f"{len(names)}, the size of mapping {data.mapping_version!r}"
        )
    return ExpressionConfig(
        expression_size=config.expression_size,
        blendshape_names=names,
        mapping_version=data.mapping_version,
        **describe_text_encoder(
            config.text_encoder, config.text_encoder_revision, config.text_encoder_layers
        ),
        **config.model,
    )


def _index(config: TrainingConfig, data: ExpressionData) -> TextIndex:
    return index_texts(
        data,
        variants=config.text_variants,
        seed=config.seed,
        synonym_rate=config.synonym_rate,
        swap_rate=config.swap_rate,
        lexicon=load_lexicon(config.lexicon),
    )


def _features(
    config: TrainingConfig,
    model_config: ExpressionConfig,
    index: TextIndex,
    accelerator: Accelerator,
) -> np.ndarray:
    enabled = accelerator.is_main_process
    with Progress("encode texts", len(index.texts), enabled=enabled) as progress:
        try:
            with quiet_transformers():
                return embed_texts(
                    index.texts,
                    model_config,
                    batch_size=config.encode_batch_size,
                    device=str(accelerator.device),
                    precision=config.encode_precision,
                    progress=progress,
                )
        except (OSError, ValueError) as error:
            raise ModelError(str(error)) from error


def _fit(
    config: TrainingConfig,
    model_config: ExpressionConfig,
    data: ExpressionData,
    index: TextIndex,
    features: np.ndarray,
    accelerator: Accelerator,
) -> Fit:
    train_items, held_items = validation_items(data, config.validation, config.seed)
    cues = train_items[train_items >= len(data) - data.cue_count]
    train_items = np.concatenate([train_items, *[cues] * (config.cue_repeats - 1)])
    items = TrainingItems(
        data.blendshapes[train_items],
        index.rows[train_items],
        features,
        seed=config.seed,
        kind_weights=config.kind_weights,
        perturbation=config.perturbation,
        perturbation_density=config.perturbation_density,
        perturbed_target=config.perturbed_target,
        text_noise=config.text_noise,
    )
    held = ValidationItems(
        data.blendshapes[held_items], index.rows[held_items], features, config.kind_weights
    )
    size = batch_size(len(items), config, accelerator.num_processes)
    loader = DataLoader(
        items,
        batch_size=size,
        collate_fn=lambda batch: batch,
        drop_last=True,
        # Its own: else every iterator draws from dropout's, and a resumed run differs.
        generator=torch.Generator(),
    )
    loss = AlignmentLoss(config.lambda_ae, config.lambda_emb, config.lambda_multi)
    trained_on = (data.blendshapes, index.rows, train_items, held_items, features)
    unfinished = UnfinishedRun(config, data_digest(*trained_on))
    return fit(ExpressionModel(model_config), loader, held, loss, config, accelerator, unfinished)


def _metrics(
    config: TrainingConfig,
    data: ExpressionData,
    index: TextIndex,
    result: Fit,
    accelerator: Accelerator,
) -> dict[str, Any]:
    packages = ("countenance", "torch", "transformers", "accelerate", "datasets")
    return {
        "dataset": config.dataset,
        "items": {"train": result.train_items, "validation": result.validation_items},
        "texts": len(index.texts),
        "mapping_version": data.mapping_version,
        "text_encoder": config.text_encoder,
        "parameters": sum(p.numel() for p in result.model.parameters()),
        "steps": result.steps,
        "epochs": round(result.epochs, 3),
        "kept_step": result.kept_step,
        "validation": result.validation,
        "history": result.history,
        "samples_per_second": round(result.samples_per_second, 1),
        "device": str(accelerator.device),
        "processes": accelerator.num_processes,
        "threads": torch.get_num_threads(),
        "versions": {name: version(name) for name in packages},
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Run from the command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="countenance.model.train", description=__doc__)
    parser.add_argument("dataset", help="dataset folder or Hub name")
    parser.add_argument("--out", required=True, help="checkpoint folder to write")
    parser.add_argument("--preset", default="cpu", help="paper, cpu, demo or a JSON file")
    parser.add_argument("--seed", type=int, help="seed of every draw (default: the preset's)")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing checkpoint")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="FIELD=JSON",
        help="set any field of TrainingConfig, such as --set max_steps=100; may be repeated",
    )
    arguments = parser.parse_args(argv)
    try:
        settings = dict(_setting(text) for text in arguments.set)
        settings |= {"dataset": arguments.dataset, "output": arguments.out}
        if arguments.seed is not None:
            settings["seed"] = arguments.seed
        if arguments.overwrite:
            settings["overwrite"] = True
        preset = TrainingConfig.from_preset(arguments.preset).to_dict()
        train(TrainingConfig.from_dict(preset | settings, source="--set"))
    except CountenanceError as error:
        print(f"error: {in_one_line(error)}", file=sys.stderr)
        return 1
    return 0


def _setting(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ModelError(f"--set {text}: expected FIELD=JSON, such as max_steps=100")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


if __name__ == "__main__":
    raise SystemExit(main())

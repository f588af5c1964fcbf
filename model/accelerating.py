"""What a training run asks of accelerate: the precision to compute in, and the logs to write."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import torch
from accelerate import Accelerator, PartialState
from accelerate.state import AcceleratorState
from accelerate.utils import DataLoaderConfiguration, parse_flag_from_env

from ..errors import ModelError
from .checkpoint import probe_folder
from .training_config import TrainingConfig


def choose_precision(setting: str, device: torch.device) -> str:
    """The precision that a setting stands for on a device.

    Args:
        setting: "auto", or what accelerate takes ("no", "bf16", "fp16"), which stays as it is.
        device: Where the run computes.

    Returns:
        For "auto": "bf16" on a GPU that computes in bfloat16 itself, else "no". CPUs are "no"
        although many know bfloat16: it was slower there at every size tried (model/LOG.md).
    """
    if setting != "auto":
        return setting
    return "bf16" if device.type != "cpu" and _computes_bfloat16(device) else "no"


def choose_encode_precision(setting: str, device: torch.device) -> str:
    """The precision of the text encoder, which is wide enough to gain from bfloat16 on a CPU too.

    Args:
        setting: "auto", "float32" or "bfloat16"; the last two stay as they are.
        device: Where the encoder runs.

    Returns:
        For "auto": "bfloat16" where the hardware computes in it itself, else "float32".
    """
    if setting != "auto":
        return setting
    return "bfloat16" if _computes_bfloat16(device) else "float32"


def _computes_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "xpu":
        return torch.xpu.is_bf16_supported()
    return device.type == "cpu" and torch.cpu._is_avx512_bf16_supported()


def make_accelerator(config: TrainingConfig) -> Accelerator:
    """Make the accelerator of a run, with its trackers started.

    Args:
        config: The settings; ``output`` must be given.

    Returns:
        The accelerator; the precision chosen is its ``mixed_precision``.

    Raises:
        ModelError: If the tracker is not installed, or its folder cannot be written to.
    """
    folder = log_folder(config)
    if config.trackers is not None:
        if find_spec("tensorboard") is None:
            raise ModelError(
                "training configuration: trackers is 'tensorboard', which is not installed; "
                "install the extra (pip install 'countenance[tensorboard]'), or set it to null"
            )
        try:
            probe_folder(folder)
        except ModelError as error:
            raise _cannot_log(folder, error.__cause__ or error) from error
    device = PartialState(cpu=parse_flag_from_env("ACCELERATE_USE_CPU")).device
    precision = choose_precision(config.mixed_precision, device)
    # accelerate keeps the precision of the first run of a process and refuses another.
    AcceleratorState._reset_state()
    accelerator = Accelerator(
        mixed_precision=precision,
        dataloader_config=DataLoaderConfiguration(split_batches=True),
        log_with=config.trackers,
        project_dir=str(folder),
    )
    if config.trackers is not None:
        accelerator.init_trackers("")  # no folder inside the folder
    return accelerator


def log_folder(config: TrainingConfig) -> Path:
    """Where the trackers of a run write: ``config.log_folder``, or ``OUTPUT.logs``."""
    output = Path(config.output)
    return Path(config.log_folder) if config.log_folder else output.with_name(f"{output.name}.logs")


def log_figures(accelerator: Accelerator, figures: dict[str, float], step: int) -> None:
    """Hand the figures of a validation to the trackers, where there are any.

    Args:
        accelerator: As ``make_accelerator`` gives it.
        figures: Numbers by name; those that begin with ``train_`` become ``train/...``, the
            others ``validation/...``.
        step: Steps made.

    Raises:
        ModelError: If the logs cannot be written.
    """
    if not accelerator.trackers:
        return
    values = {}
    for name, value in figures.items():
        group = "train" if name.startswith("train_") else "validation"
        values[f"{group}/{name.removeprefix('train_')}"] = value
    try:
        accelerator.log(values, step=step)
    except OSError as error:
        raise _cannot_log(accelerator.logging_dir, error) from error


def _cannot_log(folder: str | Path, error: BaseException) -> ModelError:
    return ModelError(
        f"cannot write the logs in {folder} ({getattr(error, 'strerror', None) or error}); give "
        "another log_folder, or set trackers to null"
    )


def close_trackers(accelerator: Accelerator) -> None:
    """Write what the trackers hold back, and close their files."""
    for tracker in accelerator.trackers:
        tracker.finish()
    accelerator.trackers = []

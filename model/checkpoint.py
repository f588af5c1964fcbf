"""Checkpoint folders: loading one whole or not at all, and writing one in a single move."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModel

from ..errors import ModelError
from ..workshop import Workshop
from .configuration_countenance import ExpressionConfig
from .modeling_countenance import ExpressionModel
from .quiet import quiet_transformers
from .text_encoders import load_text_encoder

RenderCard = Callable[[dict[str, Any]], str]

PACKAGED_CHECKPOINT = Path(__file__).parent / "checkpoints" / "default"
"""Folder of the checkpoint that comes with the package, where one does."""

_CANNOT_LOAD = (  # what transformers raises at a damaged or foreign file
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    OSError,
    TypeError,
    ValueError,
    RuntimeError,
    SafetensorError,
    StrictDataclassError,
)

AutoConfig.register(ExpressionConfig.model_type, ExpressionConfig, exist_ok=True)
AutoModel.register(ExpressionConfig, ExpressionModel, exist_ok=True)


def load_model(
    path_or_repo: str | Path,
    *,
    revision: str | None = None,
    mapping_version: str | None = None,
    with_text_encoder: bool = True,
    device: str = "cpu",
) -> ExpressionModel:
    """Load a trained expression model.

    Args:
        path_or_repo: Checkpoint folder, or name of a repository on the Hub.
        revision: Git revision on the Hub.
        mapping_version: Expected AU table ("v1" ...); any when left out.
        with_text_encoder: Load the text encoder too, so that a missing one is told of here; without
            it, it is loaded at the first text.
        device: Where to put the model.

    Returns:
        The model, in evaluation mode.

    Raises:
        ModelError: If it is missing, no checkpoint of ours, incomplete, damaged, or trained on
            another mapping, or if its text encoder cannot be loaded.
    """
    name = str(path_or_repo)
    folder = Path(name)
    try:
        is_file, is_folder = folder.is_file(), folder.is_dir()
    except OSError as error:
        raise ModelError(f"{name}: cannot open the checkpoint ({error.strerror})") from error
    if is_file:
        raise ModelError(f"{name}: expected a checkpoint folder, found a file")
    if is_folder:
        _check_folder(folder)
    elif folder == PACKAGED_CHECKPOINT:
        raise ModelError(
            "no trained model comes with this installation; train one with countenance train and "
            "give its folder"
        )
    elif folder.is_absolute() or name.startswith((".", "~")) or name.count("/") > 1:
        raise ModelError(
            f"{name}: no such folder; give one written by countenance train, or a Hub repository"
        )
    try:
        with quiet_transformers():
            model = ExpressionModel.from_pretrained(name, revision=revision or "main")
    except _CANNOT_LOAD as error:
        what = "checkpoint" if is_folder else "checkpoint (no such folder, so from the Hub)"
        raise ModelError(f"{name}: cannot load the {what}: {_first_line(error)}") from error
    found = model.config.mapping_version
    if mapping_version is not None and found != mapping_version:
        raise ModelError(
            f"{name}: the model was trained on mapping {found!r}, expected {mapping_version!r}; "
            "use data built with the same mapping, or train again"
        )
    if with_text_encoder:
        try:
            with quiet_transformers():
                load_text_encoder(model.text_encoder)
        except ModelError as error:
            raise ModelError(f"{name}: {error}") from error
    return model.to(device)


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # Where transformers puts the keys on the second line, the first alone says nothing.
    return " ".join(lines[:2]) if lines else type(error).__name__


def _check_folder(folder: Path) -> None:
    config_file = folder / "config.json"
    try:
        if not config_file.is_file():
            raise ModelError(
                f"{folder}: no checkpoint (no config.json); give a folder written by countenance "
                "train"
            )
        config = json.loads(config_file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(f"{config_file}: cannot read it ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{config_file}: not valid JSON ({error})") from error
    found = config.get("model_type") if isinstance(config, dict) else None
    if found != ExpressionConfig.model_type:
        raise ModelError(
            f"{config_file}: model_type is {found!r}, expected {ExpressionConfig.model_type!r}; "
            "give a folder written by countenance train"
        )
    if not list(folder.glob("*.safetensors")):
        raise ModelError(f"{folder}: no weights (no model.safetensors); train or copy it again")


def check_output(output: Path, *, overwrite: bool) -> None:
    """Refuse to write a checkpoint where something of value may stand, or nothing can be written.

    The parent folder is created, and written to for a test: better now than after the training.

    Args:
        output: Checkpoint folder to write.
        overwrite: Whether an existing checkpoint may be replaced.

    Raises:
        ModelError: If ``output`` is a file or a folder that is neither empty nor a checkpoint of
            ours, or is one and ``overwrite`` is False, or if its place cannot be written to.
    """
    if not output.name:
        raise ModelError(f"{output}: cannot be replaced by a checkpoint; name a folder in it")
    try:
        if output.is_file():
            raise ModelError(
                f"{output}: expected a folder to write the checkpoint to, found a file"
            )
        occupied = output.is_dir() and any(output.iterdir())
    except OSError as error:
        raise cannot_write(output, error) from error
    if occupied:
        _check_occupied(output, overwrite=overwrite)
    probe_folder(output.parent)


def _check_occupied(output: Path, *, overwrite: bool) -> None:
    try:
        _check_folder(output)
    except ModelError as error:
        raise ModelError(
            f"{output}: the folder is not empty and holds no checkpoint, so it is left alone; "
            "choose another"
        ) from error
    if not overwrite:
        raise ModelError(
            f"{output}: already holds a checkpoint; choose another folder, or allow overwriting it"
        )


def probe_folder(folder: Path) -> None:
    """Create a folder and see whether it can be written to.

    Args:
        folder: Folder that files or folders are to be written to; left empty if it is new.

    Raises:
        ModelError: If it cannot be created or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:  # without a name: no kill leaves it
            probe.write(b"probe")
    except OSError as error:
        raise cannot_write(folder, error) from error


def cannot_write(folder: Path, error: Exception) -> ModelError:
    """The one line for an output folder that cannot be written: unwritable, or the disk is full."""
    reason = getattr(error, "strerror", None) or _first_line(error)
    return ModelError(f"cannot write {folder} ({reason}); choose another --out")


def write_checkpoint(
    model: ExpressionModel,
    output: Path,
    *,
    training_config: dict[str, Any],
    metrics: dict[str, Any],
    overwrite: bool = False,
    render_card: RenderCard | None = None,
    workshop: Workshop | None = None,
) -> None:
    """Write a checkpoint folder beside its place and move it there.

    The folder holds the weights (safetensors), ``config.json``, the code files that the Hub needs,
    ``training_config.json``, ``metrics.json`` and the card. It takes the place of an existing
    checkpoint in one step (see ``workshop.py``), so a crash leaves the one or the other, whole.

    Args:
        model: The trained model.
        output: Checkpoint folder.
        training_config: Settings of the run.
        metrics: Its results.
        overwrite: Whether an existing checkpoint may be replaced.
        render_card: Makes the README from the metrics with the settings as ``training``; none is
            written when left out.
        workshop: The opened workshop of ``output``, where the caller holds it already.

    Raises:
        ModelError: If ``output`` may not be written (see ``check_output``), or the disk is full;
            nothing is left behind then.
    """
    check_output(output, overwrite=overwrite)
    try:
        with nullcontext(workshop) if workshop else Workshop(output, ModelError) as held:
            folder = held.fresh
            with quiet_transformers():
                model.save_pretrained(folder)
            for weights in folder.glob("*.safetensors"):  # written for the owner alone
                shutil.copymode(folder / "config.json", weights)
            write_json(folder / "training_config.json", training_config)
            write_json(folder / "metrics.json", metrics)
            if render_card:
                write_text(
                    folder / "README.md", render_card({**metrics, "training": training_config})
                )
            held.put_in_place()
    except (OSError, SafetensorError) as error:
        raise cannot_write(output, error) from error


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write JSON with sorted keys, to a temporary name and then in place."""
    text = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text to a temporary name, which an error removes, and then in place."""
    temporary = path.with_name(path.name + ".tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise

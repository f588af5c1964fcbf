"""The trained parts of a model as graphs that run without our code: torch.export and ONNX.

python -m countenance.model.export CKPT --out FACE.onnx [--part text]

The text encoder is not among them: it is pretrained, and whoever made it exports it. A graph takes
the text features that ``model.text_encoder(texts)`` gives, or latents, or blendshape weights.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from ..errors import CountenanceError, ModelError, in_one_line
from .checkpoint import load_model, probe_folder
from .modeling_countenance import ExpressionModel


class TextToExpression(nn.Module):
    """Projector and decoder in a row: text features to latent and blendshape weights."""

    def __init__(self, model: ExpressionModel) -> None:
        super().__init__()
        self.text_projector = model.text_projector
        self.decoder = model.decoder

    def forward(self, text_features: Tensor) -> tuple[Tensor, Tensor]:
        """Map (n, text_encoder_width) to (n, latent_size) and (n, expression_size) in [0, 1]."""
        latent = self.text_projector(text_features)
        return latent, self.decoder(latent)


@dataclass(frozen=True)
class _Part:
    """What of a model is exported, the names of what goes in and out, and the width of the input.

    ``width`` is the name of a field of ``ExpressionConfig``.
    """

    module: str
    takes: str
    width: str
    gives: tuple[str, ...]


_PARTS = {
    "text": _Part("", "text_features", "text_encoder_width", ("latent", "blendshapes")),
    "projector": _Part("text_projector", "text_features", "text_encoder_width", ("latent",)),
    "decoder": _Part("decoder", "latent", "latent_size", ("blendshapes",)),
    "encoder": _Part("encoder", "blendshapes", "expression_size", ("latent",)),
}
PARTS = tuple(_PARTS)
"""What can be exported; "text" is the projector and the decoder in a row."""


def part_of(model: ExpressionModel, part: str = "text") -> nn.Module:
    """The module behind a part of a model, sharing its weights.

    Args:
        model: The model.
        part: One of ``PARTS``.

    Returns:
        A module of one input, float32 (n, width); what goes in and out: docs/model.md.

    Raises:
        ModelError: If there is no such part.
    """
    module = _look_up(part).module
    return model.get_submodule(module) if module else TextToExpression(model)


def export_program(model: ExpressionModel, part: str = "text") -> ExportedProgram:
    """Export a part of a model with ``torch.export``, for any number of rows.

    Args:
        model: The model; on return it is in the mode in which it was.
        part: One of ``PARTS``.

    Returns:
        The program: ``.module()(rows)`` runs it, ``torch.export.save`` writes it.

    Raises:
        ModelError: If there is no such part.
    """
    facts = _look_up(part)
    # A part that is exported in training mode would keep its dropout.
    was_training = model.training
    model.eval()
    try:
        width = getattr(model.config, facts.width)
        rows = torch.zeros(2, width, device=model.device, dtype=model.dtype)
        return torch.export.export(
            part_of(model, part), (rows,), dynamic_shapes=({0: Dim("batch")},)
        )
    finally:
        model.train(was_training)


def export_onnx(model: ExpressionModel, path: str | Path, part: str = "text") -> Path:
    """Write a part of a model as one ONNX file, for any number of rows.

    The file's metadata hold what its numbers mean: ``mapping_version``, ``blendshape_names`` (JSON)
    and the text encoder whose features it takes.

    Args:
        model: The model.
        path: File to write; one that is there is replaced.
        part: One of ``PARTS``.

    Returns:
        ``path``.

    Raises:
        ModelError: If there is no such part, the extra ``onnx`` is not installed, or the file
            cannot be written; nothing is left behind then.
    """
    facts, path = _look_up(part), Path(path)
    lacking = [name for name in ("onnx", "onnxscript") if find_spec(name) is None]
    if lacking:
        raise ModelError(
            f"exporting to ONNX needs {lacking[0]}; install the extra: pip install "
            "'countenance[onnx]'"
        )
    if path.is_dir():
        raise ModelError(f"{path}: expected a file to write, found a folder")
    probe_folder(path.parent)
    with _quiet_exporter():
        program: Any = torch.onnx.export(
            export_program(model, part),
            dynamo=True,
            input_names=[facts.takes],
            output_names=list(facts.gives),
            verbose=False,
        )
    program.model.metadata_props.update(_metadata(model, part))
    temporary = path.with_name(f"{path.name}.tmp{os.getpid()}")
    try:
        program.save(temporary, external_data=False)
        temporary.replace(path)
    except OSError as error:
        raise ModelError(
            f"cannot write {path} ({error.strerror or error}); choose another --out"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)
    return path


def _look_up(part: str) -> _Part:
    if part not in _PARTS:
        raise ModelError(f"there is no part {part!r} to export; known are {', '.join(PARTS)}")
    return _PARTS[part]


def _metadata(model: ExpressionModel, part: str) -> dict[str, str]:
    config = model.config
    return {
        "part": part,
        "mapping_version": config.mapping_version,
        "blendshape_names": json.dumps(config.blendshape_names),
        "text_encoder": config.text_encoder,
        "text_encoder_revision": config.text_encoder_revision or "",
        "text_encoder_pooling": config.text_encoder_pooling,
        "text_encoder_layers": json.dumps(config.text_encoder_layers),
        "text_encoder_normalize": json.dumps(config.text_encoder_normalize),
        "text_encoder_max_length": str(config.text_encoder_max_length),
    }


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Without the exporter's remarks on torchvision, which nothing here uses."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            yield
    finally:
        logger.setLevel(level)


def main(argv: Sequence[str] | None = None) -> int:
    """Run from the command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="countenance.model.export", description=__doc__)
    parser.add_argument("checkpoint", help="checkpoint folder or Hub name")
    parser.add_argument("--out", required=True, type=Path, help="ONNX file to write")
    parser.add_argument("--part", choices=PARTS, default="text", help="what of it (default: text)")
    arguments = parser.parse_args(argv)
    try:
        model = load_model(arguments.checkpoint, with_text_encoder=False)
        export_onnx(model, arguments.out, arguments.part)
    except CountenanceError as error:
        print(f"error: {in_one_line(error)}", file=sys.stderr)
        return 1
    print(arguments.out)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

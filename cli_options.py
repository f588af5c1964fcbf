"""What several commands share: options, and how a result is printed."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated, Any

import typer


class Strategy(StrEnum):
    """How ``annotate`` asks the model."""

    score = "score"
    generate = "generate"


class Engine(StrEnum):
    """Where the model runs that ``annotate`` asks."""

    llama_cpp = "llama-cpp"
    llama_cpp_chat = "llama-cpp-chat"
    openai = "openai"


JsonFlag = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]
Llm = Annotated[str, typer.Option(help="`packaged` (SmolLM2-135M) or the path of a GGUF file.")]
Workers = Annotated[int | None, typer.Option(min=1, help="CPU threads; one per core by default.")]
GpuLayers = Annotated[int, typer.Option(min=0, help="Model layers to put on the GPU.")]
Place = Annotated[
    str | None,
    typer.Option(
        "--on",
        help="`ray`, a Ray cluster of this machine alone, or `ray://HOST:PORT`, a running one.",
    ),
]
Actors = Annotated[
    int | None, typer.Option(min=1, help="With --on: engines; as many as fit by default.")
]
GpusPerActor = Annotated[float, typer.Option(min=0.0, help="With --on: GPUs of each engine.")]
Seed = Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed of every random draw.")]


def finish(result: dict[str, Any], line: str, json_output: bool) -> None:
    """Print a command's result: one line for people, or one JSON object."""
    typer.echo(json.dumps(result, sort_keys=True) if json_output else line)

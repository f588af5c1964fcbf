"""What to annotate and how: the settings of ``countenance annotate``, checked, and opened."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ..au_mapping import AUMapping
from ..errors import RunError
from .chat_model import ChatModel
from .chat_server import ChatServer, ServerModel, ServerSettings
from .corpora import CorpusSpec
from .generate_sampling import GenerateSettings
from .generate_strategy import open_chat_strategy, open_generate_strategy
from .labels import LabelUse
from .local_chat import LocalChat
from .model_files import PACKAGED, GgufModel, resolve_model
from .score_strategy import CALIBRATION, open_score_strategy
from .strategy import Strategy

SCORE = "score"
GENERATE = "generate"
IN_PROCESS = "llama-cpp"
LOCAL_CHAT = "llama-cpp-chat"
SERVER = "openai"
MAX_SEED = 2**32 - 1
_PROMPTS = {SCORE: "score-v2", GENERATE: "generate-v1"}


def usable_cores() -> int:
    """CPU cores that this process may use; Linux knows what a scheduler has taken away."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True)
class AnnotationConfig:
    """What to annotate, with what, and where to.

    Attributes:
        corpora: Where the transcripts come from; several add up.
        out: The run folder; an unfinished run with the same settings is continued.
        model: ``packaged`` or the path of a GGUF file; with a server, the server's name of it.
        engine: ``llama-cpp``, in this process; ``openai``, a server; or ``llama-cpp-chat``, in this
            process as llama_cpp.server would answer.
        server: How the server is reached; for ``openai`` only.
        strategy: ``score`` or ``generate``; empty takes ``score`` for the packaged model on
            ``llama-cpp``, since its free text is poor, and ``generate`` for any other.
        labels: What human labels are used for.
        tagger: For ``score``: ``llm``, ``head`` or a head's folder; None takes the packaged head
            where it was fitted on this model and prompt.
        limit: Most transcripts to take; None takes all.
        seed: Decides all that is drawn, item by item; 0 to 2**32 - 1.
        workers: CPU threads: engines side by side for ``score``, threads of one for ``generate``. A
            server has its own; on Ray an actor that asks one still reserves so many CPUs.
        gpu_layers: Model layers to offload, where llama.cpp was built for a GPU.
        prompt_version: Packaged prompt; empty takes the strategy's first.
        mapping_version: Table of action units that the records may use.
        generation: Sampling, limits and slots of ``generate``.
    """

    corpora: tuple[CorpusSpec, ...]
    out: Path
    model: str = PACKAGED
    engine: str = IN_PROCESS
    server: ServerSettings | None = None
    strategy: str = ""
    labels: LabelUse = LabelUse.use
    tagger: str | None = None
    limit: int | None = None
    seed: int = 0
    workers: int = field(default_factory=usable_cores)
    gpu_layers: int = 0
    prompt_version: str = ""
    mapping_version: str = "v1"
    generation: GenerateSettings = field(default_factory=GenerateSettings)

    def __post_init__(self) -> None:
        if not 0 <= self.seed <= MAX_SEED:
            raise RunError(f"seed: expected 0 to {MAX_SEED}, found {self.seed}")
        if self.workers < 1:
            raise RunError(f"workers: expected 1 or more, found {self.workers}")
        scored = self.model == PACKAGED and self.engine != LOCAL_CHAT
        strategy = self.strategy or (SCORE if scored else GENERATE)
        if strategy not in _PROMPTS:
            raise RunError(f"strategy: expected {' or '.join(_PROMPTS)}, found {strategy!r}")
        if strategy == GENERATE and self.tagger is not None:
            raise RunError("tagger: only the strategy 'score' has one; leave it out")
        _check_engine(self, strategy)
        object.__setattr__(self, "strategy", strategy)
        object.__setattr__(self, "prompt_version", self.prompt_version or _PROMPTS[strategy])

    @property
    def side_by_side(self) -> int:
        """Transcripts that one engine works on at the same time."""
        if self.server is not None:
            return self.server.concurrency
        batched = self.strategy == GENERATE and self.engine == IN_PROCESS
        return self.generation.slots if batched else 1


def _check_engine(config: AnnotationConfig, strategy: str) -> None:
    if config.engine not in (IN_PROCESS, LOCAL_CHAT, SERVER):
        expected = f"{IN_PROCESS}, {LOCAL_CHAT} or {SERVER}"
        raise RunError(f"engine: expected {expected}, found {config.engine!r}")
    if config.engine == SERVER:
        _check_server(config)
    elif config.server is not None:
        raise RunError(f"base-url: only the engine '{SERVER}' has one; add --engine {SERVER}")
    if config.engine == IN_PROCESS:
        return
    if strategy == SCORE:
        raise RunError(
            "strategy: 'score' reads probabilities and hidden states inside the model, which a "
            f"chat does not give; take --strategy {GENERATE} or --engine {IN_PROCESS}"
        )
    for name in ("slots", "transcript_tokens"):
        if getattr(config.generation, name) != getattr(GenerateSettings(), name):
            raise RunError(
                f"setting {name}: belongs to --engine {IN_PROCESS}; a chat has only its context"
            )


def _check_server(config: AnnotationConfig) -> None:
    if config.server is None:
        raise RunError("engine: a server needs --base-url, such as http://127.0.0.1:8080/v1")
    if config.model == PACKAGED or not config.model.strip():
        raise RunError("model: name the server's model, as its /v1/models lists it, with --model")
    if config.gpu_layers:
        raise RunError("gpu-layers: the server decides where its model's layers lie; leave it out")


def resolve_annotator(config: AnnotationConfig) -> GgufModel | ServerModel:
    """The model that the run names: a file on this machine, or a server's.

    Raises:
        EngineError: No such file, or not a GGUF.
        MissingDependencyError: ``packaged`` without the extra ``embedded``.
    """
    if config.engine == SERVER:
        return ServerModel(config.model)
    return resolve_model(config.model)


def parse_settings(options: Sequence[str]) -> GenerateSettings:
    """The settings of ``generate`` from ``NAME=VALUE`` options, the others as they are by default.

    Raises:
        RunError: Unknown name, or a value that is no number or out of its range.
    """
    kinds = {name: type(value) for name, value in GenerateSettings().as_dict().items()}
    given: dict[str, Any] = {}
    for option in options:
        name, _, value = option.partition("=")
        if name not in kinds:
            raise RunError(
                f"setting {option!r}: expected NAME=VALUE with NAME of {', '.join(kinds)}"
            )
        try:
            given[name] = kinds[name](value)
        except ValueError:
            raise RunError(
                f"setting {option!r}: expected a number of type {kinds[name].__name__}"
            ) from None
    return GenerateSettings(**given)


@contextmanager
def open_strategy(
    config: AnnotationConfig,
    model: GgufModel | ServerModel,
    mapping: AUMapping,
    *,
    documents: Mapping[str, Any] | None = None,
    show_progress: bool = False,
) -> Iterator[Strategy]:
    """Load the model, or reach the server, and make it ready to annotate.

    Args:
        config: What to do.
        model: The model file.
        mapping: Table of action units.
        documents: The ``documents`` of the same strategy where it was opened before, so that
            nothing is computed twice.
        show_progress: Show on stderr how far it is.

    Raises:
        EngineError: The model cannot be loaded or does not fit the prompt or the head; the server
            cannot be used.
        TableError: Unknown prompt or head.
    """
    if isinstance(model, ServerModel) or config.engine == LOCAL_CHAT:
        with open_chat_strategy(
            partial(_open_chat, config, model),
            mapping,
            prompt_version=config.prompt_version,
            settings=config.generation,
            labels=config.labels,
            seed=config.seed,
            concurrency=config.side_by_side,
        ) as answered:
            yield answered
    elif config.strategy == SCORE:
        with open_score_strategy(
            model,
            prompt_version=config.prompt_version,
            tagger=config.tagger,
            labels=config.labels,
            seed=config.seed,
            workers=config.workers,
            gpu_layers=config.gpu_layers,
            calibration=(documents or {}).get(CALIBRATION),
            show_progress=show_progress,
        ) as strategy:
            yield strategy
    else:
        with open_generate_strategy(
            model,
            mapping,
            prompt_version=config.prompt_version,
            settings=config.generation,
            labels=config.labels,
            seed=config.seed,
            threads=config.workers,
            gpu_layers=config.gpu_layers,
        ) as written:
            yield written


def _open_chat(config: AnnotationConfig, model: GgufModel | ServerModel) -> ChatModel:
    if isinstance(model, GgufModel):
        return LocalChat(model, gpu_layers=config.gpu_layers, threads=config.workers)
    assert config.server, "checked by the configuration"
    return ChatServer(model.name, config.server)

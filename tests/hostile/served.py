"""Hostile transcripts on their way to a server: ``annotate --engine openai`` over loopback.

The server answers every request soundly, so that what is looked at is what it was sent: servers
read control tokens out of a whole prompt, and none may stand in the part that is a transcript.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "generation"))

from countenance.generation import AnnotationConfig, ServerSettings, annotate
from countenance.generation.corpora import CorpusSpec
from countenance.generation.llama_engine import LlamaWeights
from countenance.generation.model_files import resolve_model
from countenance.generation.transcripts import Transcript


def ask_server(road: Any, kept: Sequence[Transcript], folder: Path, seed: int) -> None:
    """Send all kept transcripts to a server; look at every message that arrives there."""
    from loopback_chat import MODEL, LoopbackChat

    path = folder / "served.txt"
    path.write_text("\n".join(item.text for item in kept) + "\n", encoding="utf-8")
    chat = LoopbackChat()
    try:
        config = AnnotationConfig(
            (CorpusSpec("text", path),),
            folder / "served",
            model=MODEL,
            engine="openai",
            server=ServerSettings(chat.url, concurrency=8),
            strategy="generate",
            prompt_version="generate-v1-short",
            seed=seed,
        )
        statistics = annotate(config)
    finally:
        chat.stop()
    done = statistics["accepted"] + sum(statistics["rejected"].values())
    lost = [] if done == len(kept) else [f"{len(kept)} given, {done} came out"]
    road.check("transcripts annotated or set aside by a server", len(kept), lost)
    _check_messages(road, {message for _, message in chat.asked})


def _check_messages(road: Any, messages: set[str]) -> None:
    weights = LlamaWeights(resolve_model())
    try:
        vocabulary = weights.vocabulary()
        special = vocabulary.special_tokens
        faults = [
            f"special tokens {sorted(found)} in {message[-80:]!r}"
            for message in sorted(messages)
            if (found := special.intersection(vocabulary.tokenize(message, special=True)))
        ]
    finally:
        weights.close()
    road.check("messages to a server without a special token in their ids", len(messages), faults)

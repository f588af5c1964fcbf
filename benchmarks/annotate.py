"""Transcripts annotated a second: `score` against llama-cpp-python's own JSON-schema chat.

python benchmarks/annotate.py [--items 120] [--repeats 3] [--json]

Three things are measured in turn, `repeats` times, on the packaged transcripts and model:
the product's default, from transcript to face (all cores); `Llama.create_chat_completion` with a
JSON schema, which writes the same fields token by token (on fewer items: it is slow); and the
machine's prefill ceiling, one long prompt in batches of 512 tokens on all cores. Medians are
printed.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable

import llama_cpp

from countenance.generation import CorpusSpec, LabelUse, emotion_names, read_corpora
from countenance.generation.calibration import calibrate
from countenance.generation.llama_engine import LlamaEngine, LlamaWeights
from countenance.generation.model_files import GgufModel, resolve_model
from countenance.generation.score_strategy import ScoreStrategy
from countenance.generation.scoring import ScorePrompt, open_scorers
from countenance.generation.tagging import open_tagger

SCHEMA = {
    "type": "object",
    "properties": {
        "emotions": {"type": "array", "items": {"enum": list(emotion_names())}, "maxItems": 3},
        "description": {"type": "string", "maxLength": 160},
        "action_units": {"type": "array", "items": {"type": "string"}, "maxItems": 6},
    },
    "required": ["emotions", "description", "action_units"],
}
SYSTEM = (
    "Name the emotions of the text, describe the face that goes with it in one sentence, and list "
    "its FACS action units. Answer in JSON."
)
PEER_ITEMS = 4
CEILING_TOKENS = 2048


def score_rate(model: GgufModel, texts: list, workers: int) -> Callable[[], tuple[float, float]]:
    """A measurement of (items a second, tokens a second) of `score` as it is run by default."""

    def measure() -> tuple[float, float]:
        prompt = ScorePrompt.load()
        with open_scorers(model, prompt, workers) as scorers:
            tagger = open_tagger(None, model, prompt, calibrate(scorers, model))
            strategy = ScoreStrategy(scorers, tagger, LabelUse.ignore, seed=0)
            tokens = sum(scorers[0].count_tokens(item.text) for item in texts)
            started = time.perf_counter()
            for _ in strategy.faces(texts):
                pass
            seconds = time.perf_counter() - started
        return len(texts) / seconds, tokens / seconds

    return measure


def chat_rate(model: GgufModel, texts: list, workers: int) -> Callable[[], float]:
    """A measurement of items a second of the binding's own constrained chat completion."""
    peer = llama_cpp.Llama(str(model.path), n_ctx=1024, n_threads=workers, verbose=False)

    def measure() -> float:
        started = time.perf_counter()
        for item in texts[:PEER_ITEMS]:
            peer.create_chat_completion(
                [{"role": "system", "content": SYSTEM}, {"role": "user", "content": item.text}],
                response_format={"type": "json_object", "schema": SCHEMA},
                max_tokens=160,
                temperature=0.0,
            )
        return PEER_ITEMS / (time.perf_counter() - started)

    return measure


def ceiling_rate(model: GgufModel, workers: int) -> Callable[[], float]:
    """A measurement of prompt tokens a second in batches of 512."""
    weights = LlamaWeights(model)

    def measure() -> float:
        with LlamaEngine(weights, context_tokens=512, threads=workers) as engine:
            tokens = engine.tokenize("The quick brown fox jumps over the lazy dog. " * 60)[:511]
            started = time.perf_counter()
            for _ in range(CEILING_TOKENS // len(tokens)):
                engine.set_prefix([])
                engine.next_token_log_probabilities(tokens)
            return CEILING_TOKENS // len(tokens) * len(tokens) / (time.perf_counter() - started)

    return measure


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=120)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    workers = os.cpu_count() or 1
    model = resolve_model()
    texts = read_corpora([CorpusSpec("samples")], limit=arguments.items).transcripts
    score = score_rate(model, texts, workers)
    chat = chat_rate(model, texts, workers)
    ceiling = ceiling_rate(model, workers)
    runs = [(score(), chat(), ceiling()) for _ in range(arguments.repeats)]
    items, tokens, peer, top = (
        statistics.median(values)
        for values in zip(*((s[0], s[1], c, k) for s, c, k in runs), strict=True)
    )
    result = {
        "items": len(texts),
        "repeats": arguments.repeats,
        "cores": workers,
        "score_items_per_second": round(items, 2),
        "chat_items_per_second": round(peer, 3),
        "times_the_chat": round(items / peer, 1),
        "score_tokens_per_second": round(tokens, 1),
        "ceiling_tokens_per_second": round(top, 1),
        "share_of_ceiling": round(tokens / top, 3),
    }
    if arguments.json:
        print(json.dumps(result))
    else:
        for name, value in result.items():
            print(f"{name:<28}{value:>10}")


if __name__ == "__main__":
    main()

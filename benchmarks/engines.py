"""A server against the engine in this process: items a second, and how far their records agree.

python benchmarks/engines.py [--items 24] [--corpus NAME=PATH] [--concurrency 1 4] [--json]

Starts llama-cpp-python's own server with one model on loopback, one thread, as the engine
in this process has. Both annotate the same transcripts at temperature 0 without retries, with the
prompt `generate-v1-short`. `plain` is the product as it is; `plain-schema` is the same engine held
to the JSON schema that the server gets, which separates what the grammar does from what the engine
does. Of two lists of outcomes it counts: records equal, records that differ, and records that only
one side has; and, of all transcripts, those with equal outcomes, reasons included.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

from countenance.au_mapping import load_mapping
from countenance.generation import (
    CorpusSpec,
    GenerateSettings,
    LabelUse,
    ServerSettings,
    parse_corpus_option,
    read_corpora,
)
from countenance.generation.generate import GenerateAnnotator
from countenance.generation.generate_prompt import GeneratePrompt
from countenance.generation.generate_strategy import GenerateStrategy
from countenance.generation.grammar import GrammarCompiler
from countenance.generation.model_files import resolve_model
from countenance.generation.server_annotator import ServerAnnotator, ServerModel, wire_schema

NAME = "packaged"
SETTINGS = GenerateSettings(temperature=0.0, retries=0)


class SchemaCompiler(GrammarCompiler):
    """Holds the engine in this process to the schema that a server gets, written without blanks."""

    def _compile(self, emotions: tuple[str, ...] | None) -> Any:  # noqa: ANN401 - untyped
        from llguidance import LLMatcher

        prompt, mapping, _ = self._source
        schema = {
            **wire_schema(prompt, mapping, emotions),
            "x-guidance": {
                "whitespace_flexible": False,
                "item_separator": ",",
                "key_separator": ":",
            },
        }
        grammar = LLMatcher.grammar_from_json_schema(schema)
        matcher = LLMatcher(self._tokenizer, grammar, log_level=0)
        if matcher.is_error():
            raise SystemExit(matcher.get_error())
        return matcher


@contextmanager
def llama_server(model: Path, context: int = 1024) -> Iterator[str]:
    """llama-cpp-python's server with one model; gives its base URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = {
        "model": model,
        "model_alias": NAME,
        "host": "127.0.0.1",
        "port": port,
        "n_ctx": context,
        "n_threads": 1,
        "n_threads_batch": 1,
        "flash_attn": "true",
        "logits_all": "false",
        "verbose": "false",
    }
    arguments = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
    process = subprocess.Popen(
        [sys.executable, "-m", "llama_cpp.server", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(process, f"http://127.0.0.1:{port}/v1/models")
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait(30)


def wait_for(process: subprocess.Popen[bytes], url: str, seconds: float = 180.0) -> None:
    """Return when ``url`` answers."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with status {process.returncode}")
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - loopback
                return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"the server did not answer within {seconds:g} s")


def annotated(annotator: Any, transcripts: list[Any], labels: LabelUse) -> dict[str, Any]:  # noqa: ANN401
    """Outcomes by text, and the rate."""
    strategy = GenerateStrategy(annotator, labels)
    started = time.perf_counter()
    outcomes = {item.text: shape(face) for item, face in strategy.faces(transcripts)}
    seconds = time.perf_counter() - started
    return {"outcomes": outcomes, "items_per_second": round(len(transcripts) / seconds, 3)}


def shape(face: Any) -> Any:  # noqa: ANN401 - a Face or a reason
    """What is compared."""
    if isinstance(face, str):
        return face
    return [list(face.feeling.emotions), face.description, face.action_units]


def compare(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """How far two lists of outcomes agree."""
    pairs = [(first[text], second[text]) for text in first]
    records = [pair for pair in pairs if not any(isinstance(side, str) for side in pair)]
    return {
        "transcripts": len(pairs),
        "equal_outcomes": sum(a == b for a, b in pairs),
        "records_in_both": len(records),
        "records_equal": sum(a == b for a, b in records),
        "records_only_here": sum(isinstance(b, str) and not isinstance(a, str) for a, b in pairs),
        "records_only_there": sum(isinstance(a, str) and not isinstance(b, str) for a, b in pairs),
        "differing": [pair for pair in pairs if pair[0] != pair[1]],
    }


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure all, one after the other."""
    corpus = parse_corpus_option(arguments.corpus) if arguments.corpus else CorpusSpec("samples")
    transcripts = list(read_corpora([corpus], limit=arguments.items).transcripts)
    mapping, prompt = load_mapping(), GeneratePrompt.load("generate-v1-short")
    labels = LabelUse(arguments.labels)
    found: dict[str, Any] = {}
    model = resolve_model(arguments.model)
    with GenerateAnnotator(model, prompt, SETTINGS, 0, mapping) as plain:
        found["plain"] = annotated(plain, transcripts, labels)
        compiler = plain._compiler
        plain._compiler = SchemaCompiler(plain._vocabulary, *compiler._source)
        found["plain-schema"] = annotated(plain, transcripts, labels)
    with llama_server(model.path) as url:
        for count in arguments.concurrency:
            server = ServerSettings(url, concurrency=count, timeout=600)
            with ServerAnnotator(
                ServerModel(NAME), server, prompt, SETTINGS, 0, mapping
            ) as annotator:
                found[f"server-{count}"] = annotated(annotator, transcripts, labels)
    server_runs = [name for name in found if name.startswith("server")]
    agreement = {
        f"{name} against {other}": compare(found[name]["outcomes"], found[other]["outcomes"])
        for other in ("plain", "plain-schema", *server_runs[:1])
        for name in server_runs
        if name != other
    }
    rates = {name: value["items_per_second"] for name, value in found.items()}
    name = model.annotator
    return {
        "model": name,
        "items": len(transcripts),
        "items_per_second": rates,
        "agreement": agreement,
    }


def show(result: dict[str, Any]) -> None:
    """Print the result as tables."""
    print(f"{result['items']} transcripts, {result['model']}, temperature 0, one thread each")
    print(f"\n{'engine':<16}{'items/s':>9}")
    for name, rate in result["items_per_second"].items():
        print(f"{name:<16}{rate:>9}")
    columns = ("equal_outcomes", "records_in_both", "records_equal")
    columns += ("records_only_here", "records_only_there")
    print(f"\n{'':<32}" + "".join(f"{name:>20}" for name in columns))
    for name, counts in result["agreement"].items():
        print(f"{name:<32}" + "".join(f"{counts[column]:>20}" for column in columns))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=24, help="transcripts")
    parser.add_argument("--corpus", help="NAME=PATH as for annotate; the packaged ones by default")
    parser.add_argument("--model", default="packaged", help="or the path of a GGUF file")
    parser.add_argument("--labels", choices=["use", "ignore"], default="use", help="human tags")
    parser.add_argument("--concurrency", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--out", type=Path, help="also write the whole result to this JSON file")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    result = run(arguments)
    if arguments.out:
        arguments.out.write_text(json.dumps(result, indent=1), "utf-8")
    if arguments.json:
        print(json.dumps(result))
    else:
        show(result)


if __name__ == "__main__":
    main()

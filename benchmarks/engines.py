"""Do a plain run, a server and Ray give equal records? And how many items a second?

python benchmarks/engines.py [--items 24] [--corpus NAME=PATH] [--runs plain server ray] [--out DIR]

`plain` is `annotate --engine llama-cpp-chat`; `ray` is the same on two actors; `server` is
`annotate --engine openai` against llama-cpp-python's own server on loopback, started here with the
flags of docs/engines.md. `llama-cpp` is `generate` with the grammar of this project, which a server
has not. All are whole runs of the product with the same seed, prompt `generate-v1-short`, one
thread each.

An outcome is a record with all its fields (but `annotator`, which names the engine), or the whole
reason why there is none. Every run is compared with the first one. With `--out` the run folders
stay, and a second call goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

from countenance.generation import (
    AnnotationConfig,
    CorpusSpec,
    GenerateSettings,
    LabelUse,
    RaySettings,
    ServerSettings,
    annotate,
    parse_corpus_option,
    read_records,
)
from countenance.generation.local_chat import CONTEXT_TOKENS
from countenance.generation.model_files import resolve_model
from countenance.generation.run_files import REJECTS

NAME = "model-here"
RUNS = ("plain", "server", "ray", "llama-cpp")


@contextmanager
def llama_server(model: Path) -> Iterator[str]:
    """llama-cpp-python's server with one model, each token decoded alone; gives its base URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = {
        "model": model,
        "model_alias": NAME,
        "host": "127.0.0.1",
        "port": port,
        "n_ctx": CONTEXT_TOKENS,
        "n_batch": 1,
        "n_threads": 1,
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


def annotated(name: str, folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Make or continue one run; its outcomes by id, and the session's rate."""
    model = resolve_model(arguments.model)
    common: dict[str, Any] = {
        "corpora": (
            parse_corpus_option(arguments.corpus) if arguments.corpus else CorpusSpec("samples"),
        ),
        "out": folder,
        "strategy": "generate",
        "prompt_version": "generate-v1-short",
        "labels": LabelUse(arguments.labels),
        "limit": arguments.items,
        "seed": arguments.seed,
        "workers": 1,
        "generation": GenerateSettings(
            temperature=arguments.temperature, retries=arguments.retries
        ),
    }
    here = {"model": str(model.path), "engine": "llama-cpp-chat"}
    if name == "server":
        with llama_server(model.path) as url:
            server = ServerSettings(url, concurrency=arguments.concurrency, timeout=600)
            annotate(AnnotationConfig(model=NAME, engine="openai", server=server, **common))
    elif name == "ray":
        annotate(AnnotationConfig(**here, **common), ray=RaySettings(actors=arguments.actors))
    elif name == "llama-cpp":
        annotate(AnnotationConfig(model=str(model.path), engine="llama-cpp", **common))
    else:
        annotate(AnnotationConfig(**here, **common))
    statistics = json.loads((folder / "stats.json").read_text("utf-8"))
    return {
        "outcomes": outcomes(folder),
        "accepted": statistics["accepted"],
        "rejected": statistics["rejected"],
        "items_per_second": statistics["last_session"]["items_per_second"],
    }


def outcomes(run: Path) -> dict[str, Any]:
    """What became of every transcript: its record, or the reason why there is none."""
    found: dict[str, Any] = {
        record["id"]: {key: value for key, value in record.items() if key != "annotator"}
        for record in read_records(run)
    }
    rejects = run / REJECTS
    for line in rejects.read_text("utf-8").splitlines() if rejects.exists() else ():
        entry = json.loads(line)["entry"]
        found[entry["id"]] = entry["reason"]
    return found


def compare(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """How far two sets of outcomes agree."""
    pairs = [(first.get(item), second.get(item)) for item in sorted({*first, *second})]
    both = [pair for pair in pairs if all(isinstance(side, dict) for side in pair)]
    return {
        "transcripts": len(pairs),
        "equal_outcomes": sum(a == b for a, b in pairs),
        "records_in_both": len(both),
        "records_equal": sum(a == b for a, b in both),
        "records_only_first": sum(isinstance(a, dict) > isinstance(b, dict) for a, b in pairs),
        "records_only_second": sum(isinstance(a, dict) < isinstance(b, dict) for a, b in pairs),
        "differing": [pair for pair in pairs if pair[0] != pair[1]],
    }


def run(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Make all runs, one after the other, and compare them with the first."""
    runs = {name: annotated(name, folder / name, arguments) for name in arguments.runs}
    first, *others = runs
    return {
        "model": resolve_model(arguments.model).annotator,
        "corpus": arguments.corpus or "samples",
        "items": arguments.items,
        "temperature": arguments.temperature,
        "retries": arguments.retries,
        "seed": arguments.seed,
        "runs": runs,
        "agreement": {
            f"{first}, {name}": compare(runs[first]["outcomes"], runs[name]["outcomes"])
            for name in others
        },
    }


def show(result: dict[str, Any]) -> None:
    """Print the result as tables."""
    print(
        f"{result['corpus']}, {result['model']}, temperature {result['temperature']:g}, "
        f"{result['retries']} retries, seed {result['seed']}, one thread each"
    )
    print(f"\n{'run':<12}{'outcomes':>10}{'different':>10}{'records':>10}{'items/s':>10}")
    for name, found in result["runs"].items():
        outcomes = found["outcomes"].values()
        different = len({json.dumps(outcome) for outcome in outcomes})
        columns = (len(outcomes), different, found["accepted"], found["items_per_second"])
        print(f"{name:<12}" + "".join(f"{value:>10}" for value in columns))
    columns = ("transcripts", "equal_outcomes", "records_in_both", "records_equal")
    columns += ("records_only_first", "records_only_second")
    print(f"\n{'':<18}" + "".join(f"{name:>20}" for name in columns))
    for name, counts in result["agreement"].items():
        print(f"{name:<18}" + "".join(f"{counts[column]:>20}" for column in columns))


def main() -> None:
    """Measure and print."""
    usual = GenerateSettings()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=24, help="transcripts")
    parser.add_argument("--corpus", help="NAME=PATH as for annotate; the packaged ones by default")
    parser.add_argument("--model", default="packaged", help="or the path of a GGUF file")
    parser.add_argument("--labels", choices=["use", "ignore"], default="use", help="human tags")
    parser.add_argument("--runs", nargs="+", choices=RUNS, default=["plain", "server", "ray"])
    parser.add_argument("--temperature", type=float, default=usual.temperature)
    parser.add_argument("--retries", type=int, default=usual.retries)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--concurrency", type=int, default=4, help="requests to the server")
    parser.add_argument("--actors", type=int, default=2, help="of the Ray run")
    parser.add_argument("--out", type=Path, help="keep the run folders and result.json here")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.out or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        result = run(arguments, folder)
        if arguments.out:
            text = json.dumps(result, indent=1)
            (folder / f"result-{'-'.join(arguments.runs)}.json").write_text(text, "utf-8")
    print(json.dumps(result)) if arguments.json else show(result)


if __name__ == "__main__":
    main()

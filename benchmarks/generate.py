"""Free annotations a second: `generate` against llama.cpp's own ways to write JSON by a schema.

python benchmarks/generate.py [--items 128] [--repeats 3] [--prompt generate-v1-short] [--json]

Three contenders, each in a process of its own with the weights loaded and the prompt decoded before
the clock starts, take turns `repeats` times on the packaged transcripts, with the same model file,
chat prompt, JSON schema, sampling settings, token limit and number of threads. Medians are printed.

* ours: the batch engine, no retries;
* chat: `Llama.create_chat_completion` with `response_format`, one transcript after the other (its
  own prefix cache is warm);
* server: `xllamacpp`'s llama-server with parallel slots, each with a warm prefix, as many requests
  at once as slots; the best slot count of `--server-slots` is found first. It is no dependency of
  ours: `python -m venv X && X/bin/pip install xllamacpp`, then `--server-python X/bin/python`.

Every slot of the product and of the server gets four items a repeat by default, so that the last,
half-empty batch weighs alike. An answer counts as accepted when it is complete (for ours: when it
passes the checks of `generate` too); of those, the share that fits the schema by an independent
validator is printed.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

Answers = list[str | None]
# The tokens of the longest packaged transcript are far fewer.
SETTINGS = {"temperature": 0.8, "min_p": 0.05, "max_tokens": 160}


def open_ours(task: dict[str, Any]) -> Callable[[list[str]], Answers]:
    """The product's engine."""
    from countenance.au_mapping import load_mapping
    from countenance.generation import Transcript
    from countenance.generation.generate import GenerateAnnotator, GeneratedFace, GenerateSettings
    from countenance.generation.generate_prompt import GeneratePrompt
    from countenance.generation.model_files import resolve_model

    settings = GenerateSettings(**SETTINGS, retries=0, slots=task["slots"])
    prompt = GeneratePrompt.load(task["prompt"])
    annotator = GenerateAnnotator(
        resolve_model(), prompt, settings, 0, load_mapping(), threads=task["threads"]
    )

    def text(face: GeneratedFace | str) -> str | None:
        if isinstance(face, str):
            return None
        values = (face.emotions, face.description, face.action_units)
        return json.dumps(dict(zip(prompt.keys, values, strict=True)))

    def ask(texts: list[str]) -> Answers:
        items = [Transcript(line, "bench", str(number)) for number, line in enumerate(texts)]
        return [text(face) for _, face in annotator.annotate(items)]

    return ask


def open_chat(task: dict[str, Any]) -> Callable[[list[str]], Answers]:
    """llama-cpp-python's chat completion, one after the other."""
    import llama_cpp

    peer = llama_cpp.Llama(
        task["model"],
        n_ctx=task["cells"],
        n_threads=task["threads"],
        n_threads_batch=task["threads"],
        flash_attn=True,
        verbose=False,
    )

    def ask(texts: list[str]) -> Answers:
        answers: Answers = []
        for number, line in enumerate(texts):
            reply: Any = peer.create_chat_completion(
                conversation(task, line),
                response_format={"type": "json_object", "schema": task["schema"]},
                top_k=0,
                top_p=1.0,
                repeat_penalty=1.0,
                seed=number,
                **SETTINGS,
            )
            choice = reply["choices"][0]
            finished = choice["finish_reason"] == "stop"
            answers.append(choice["message"]["content"] if finished else None)
        return answers

    return ask


def open_server(task: dict[str, Any]) -> Callable[[list[str]], Answers]:
    """The server of xllamacpp; requests go over loopback, as many at once as it has slots."""
    import urllib.request
    from concurrent.futures import ThreadPoolExecutor

    import xllamacpp

    options = xllamacpp.CommonParams()
    options.model.path = task["model"]
    options.n_parallel = task["server_slots"]
    options.n_ctx = task["cells"] * task["server_slots"]
    options.kv_unified = task["kv_unified"]
    options.cpuparams.n_threads = options.cpuparams_batch.n_threads = task["threads"]
    options.verbosity = 0
    server = xllamacpp.Server(options)

    def ask_one(line: str) -> str | None:
        body = {
            "messages": conversation(task, line),
            "response_format": {"type": "json_object", "schema": task["schema"]},
            "cache_prompt": True,
            "top_k": 0,
            "top_p": 1.0,
            **SETTINGS,
        }
        request = urllib.request.Request(  # noqa: S310 - our own loopback address
            f"{server.listening_address}/v1/chat/completions",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=600) as reply:  # noqa: S310
            choice = json.load(reply)["choices"][0]
        return choice["message"]["content"] if choice["finish_reason"] == "stop" else None

    def ask(texts: list[str]) -> Answers:
        with ThreadPoolExecutor(task["server_slots"]) as pool:
            return list(pool.map(ask_one, texts))

    return ask


def conversation(task: dict[str, Any], line: str) -> list[dict[str, str]]:
    """The prompt's messages with the transcript in its place."""
    return [
        {**message, "content": message["content"].replace(task["placeholder"], line)}
        for message in task["messages"]
    ]


OPENERS = {"ours": open_ours, "chat": open_chat, "server": open_server}


def work(name: str) -> None:
    """A contender's process: the task on the first line of stdin, then one batch a line."""
    ask = OPENERS[name](json.loads(sys.stdin.readline()))
    reply({"ready": True})
    for line in sys.stdin:
        texts = json.loads(line)
        started = time.perf_counter()
        answers = ask(texts)
        seconds = time.perf_counter() - started
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        reply({"answers": answers, "rate": len(texts) / seconds, "peak_mib": peak})
    os._exit(0)  # a server's threads would hold the process


def reply(value: dict[str, Any]) -> None:
    """One line to the parent; contenders print to stdout too, so it is marked."""
    print("@" + json.dumps(value), flush=True)


class Contender:
    """A contender's process and what it has measured.

    Raises:
        RuntimeError: The process ended instead of answering.
    """

    def __init__(self, name: str, python: str, task: dict[str, Any]) -> None:
        self.name = name
        self.rates: list[float] = []
        self.answers: Answers = []
        self.peak = 0.0
        self.slots: int = task.get("server_slots", 0)
        self._process = subprocess.Popen(
            [python, __file__, "--worker", name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._send(task)

    def warm(self, texts: list[str]) -> float:
        """One round that does not count; its rate."""
        return float(self._send(texts)["rate"])

    def measure(self, texts: list[str]) -> None:
        """One round that counts."""
        found = self._send(texts)
        self.rates.append(found["rate"])
        self.answers += found["answers"]
        self.peak = max(self.peak, found["peak_mib"])

    def close(self) -> None:
        """End the process."""
        self._process.stdin.close()
        self._process.wait(30)

    def _send(self, value: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON value
        self._process.stdin.write(json.dumps(value) + "\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            if line.startswith("@"):
                return json.loads(line[1:])
        raise RuntimeError(f"contender {self.name} ended: run it by hand with --worker {self.name}")

    def report(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Medians and shares."""
        from jsonschema import Draft202012Validator

        validator = Draft202012Validator(schema)
        accepted = [json.loads(answer) for answer in self.answers if answer]
        valid = sum(validator.is_valid(answer) for answer in accepted)
        return {
            "items_per_second": round(statistics.median(self.rates), 3),
            "rates": [round(rate, 3) for rate in self.rates],
            "accepted_share": round(len(accepted) / len(self.answers), 3),
            "schema_valid_of_accepted": round(valid / len(accepted), 4) if accepted else None,
            "peak_mib": round(self.peak),
        }


def prepare(arguments: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    """What every contender is told, and the transcripts."""
    from countenance.au_mapping import load_mapping
    from countenance.generation import CorpusSpec, read_corpora
    from countenance.generation.chat_template import PLACEHOLDER
    from countenance.generation.generate_prompt import GeneratePrompt
    from countenance.generation.model_files import resolve_model

    prompt = GeneratePrompt.load(arguments.prompt)
    mapping = load_mapping()
    corpus = read_corpora([CorpusSpec("samples")], limit=arguments.items + 1)
    task = {
        "model": str(resolve_model().path),
        "prompt": prompt.version,
        "messages": prompt.messages(mapping),
        "schema": prompt.schema(mapping),
        "placeholder": PLACEHOLDER,
        "threads": arguments.threads,
        "slots": arguments.slots,
        "cells": arguments.cells,
        "kv_unified": False,
    }
    return task, [item.text for item in corpus.transcripts]


def open_best_server(
    arguments: argparse.Namespace, task: dict[str, Any], texts: list[str]
) -> tuple[Contender | None, dict[str, float]]:
    """The server with the slot count that is fastest here, and what each count reached."""
    python = arguments.server_python or sys.executable
    if subprocess.run([python, "-c", "import xllamacpp"], capture_output=True).returncode:
        return None, {}
    best, best_rate, tried = None, 0.0, {}
    for slots in arguments.server_slots:
        for unified in (False, True):
            told = {**task, "server_slots": slots, "kv_unified": unified}
            server = Contender("server", python, told)
            server.warm(texts[:slots])
            rate = server.warm(texts[: 2 * slots])
            tried[f"{slots} slots, {'unified' if unified else 'split'} cache"] = round(rate, 3)
            if rate > best_rate:
                best, best_rate, server = server, rate, best
            if server:
                server.close()
    return best, tried


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure all contenders in turn."""
    task, texts = prepare(arguments)
    warm, texts = texts[:1], texts[1:]
    server, tried = open_best_server(arguments, task, texts)
    own = {name: Contender(name, sys.executable, task) for name in ("ours", "chat")}
    for contender in own.values():
        contender.warm(warm)
    counts = {"ours": arguments.items, "chat": arguments.chat_items}
    for repeat in range(arguments.repeats):
        for name, contender in own.items():
            first = repeat * counts[name] % arguments.items
            contender.measure((texts + texts)[first : first + counts[name]])
        if server:
            server.measure(texts[: 4 * server.slots])
    contenders = [*own.values(), *([server] if server else [])]
    result: dict[str, Any] = {item.name: item.report(task["schema"]) for item in contenders}
    for contender in contenders:
        contender.close()
    rate = result["ours"]["items_per_second"]
    return {
        "prompt": task["prompt"],
        "threads": task["threads"],
        "slots": task["slots"],
        "repeats": arguments.repeats,
        "server_tried": tried,
        **result,
        "times_the_chat": round(rate / result["chat"]["items_per_second"], 2),
        "times_the_server": round(rate / result["server"]["items_per_second"], 2)
        if server
        else None,
    }


def show(result: dict[str, Any]) -> None:
    """Print the result as a table."""
    print(f"{'':<8}{'items/s':>9}{'accepted':>10}{'schema-valid':>14}{'peak MiB':>10}")
    for name in OPENERS:
        if row := result.get(name):
            valid = row["schema_valid_of_accepted"]
            print(
                f"{name:<8}{row['items_per_second']:>9}{row['accepted_share']:>10.0%}"
                f"{'-' if valid is None else format(valid, '.1%'):>14}{row['peak_mib']:>10}"
            )
    print(f"times the chat: {result['times_the_chat']} (bar: 3)")
    if result["times_the_server"] is None:
        print(
            "server skipped: no xllamacpp in this Python; 'python -m venv X && X/bin/pip install "
            "xllamacpp', then --server-python X/bin/python"
        )
    else:
        print(f"times the server: {result['times_the_server']} (bar: 1.5)")
        print("server tried:", ", ".join(f"{k}: {v}/s" for k, v in result["server_tried"].items()))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=128, help="transcripts a repeat, ours")
    parser.add_argument("--chat-items", type=int, default=8, help="the same for the chat")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--slots", type=int, default=32, help="slots of ours")
    parser.add_argument("--server-slots", type=int, nargs="+", default=[4, 8, 16])
    parser.add_argument("--server-python", help="a Python that has xllamacpp")
    parser.add_argument("--cells", type=int, default=1024, help="context of a peer's slot")
    parser.add_argument("--prompt", default="generate-v1-short")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--worker", choices=OPENERS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        work(arguments.worker)
        return
    result = run(arguments)
    if arguments.json:
        print(json.dumps(result))
    else:
        show(result)


if __name__ == "__main__":
    main()

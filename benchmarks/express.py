"""From a line of text to a face and its picture: the time of each part, medians.

python benchmarks/express.py [--repeats 15] [--json]

The packaged checkpoint and text encoder: the command in a process of its own (cold start), one line
alone, lines a second in batches of short prompts (sayings) and of transcripts, in float32 and in
bfloat16 (``model.to(torch.bfloat16)``), the SVG drawing, and its PNG at three sizes. Issue 5 asks
for under 5 s, at most 15 ms and at least 500 lines a second, on 2 cores with nothing beside.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from random import Random

import torch

from countenance.generation import CorpusSpec, read_corpora
from countenance.generation.sayings import load_sayings
from countenance.model import PACKAGED_CHECKPOINT, ExpressionModel, load_model
from countenance.viewer import draw_face, render_png

BATCHES = (64, 256)
LINE = "a slight, knowing smile"


def milliseconds(work: Callable[[], object], repeats: int) -> float:
    """Median time of one call after a warm-up."""
    work()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return round(1000 * statistics.median(times), 2)


def cold_start(repeats: int) -> float:
    """Median seconds of ``countenance express`` in a process of its own, offline."""
    code = "from countenance.cli import main; main()"
    environment = os.environ | {"HF_HUB_OFFLINE": "1"}
    times = []
    with tempfile.TemporaryDirectory() as folder:  # whatever the command writes
        for _ in range(repeats):
            started = time.perf_counter()
            command = [sys.executable, "-c", code, "express", LINE]
            subprocess.run(command, check=True, capture_output=True, cwd=folder, env=environment)
            times.append(time.perf_counter() - started)
    return round(statistics.median(times), 2)


def lines_per_second(model: ExpressionModel, repeats: int) -> dict[str, float]:
    """Lines a second by kind of line and size of batch."""
    spec = [CorpusSpec("samples")]
    transcripts = [item.text for item in read_corpora(spec, limit=max(BATCHES)).transcripts]
    prompts = [saying.text for saying in load_sayings().sayings]
    Random(0).shuffle(prompts)
    rates = {}
    for kind, lines in (("prompts", prompts), ("transcripts", transcripts)):
        for size in BATCHES:
            batch = [lines[i % len(lines)] for i in range(size)]
            taken = milliseconds(lambda b=batch: model.express(b, batch_size=len(b)), repeats)
            rates[f"{size} {kind}, lines/s"] = round(1000 * size / taken, 1)
    return rates


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    few = max(arguments.repeats // 3, 1)
    result = {"cold start of the command, s": cold_start(few)}
    model = load_model(PACKAGED_CHECKPOINT)
    result["one line, ms"] = milliseconds(lambda: model.express([LINE]), arguments.repeats)
    rates = lines_per_second(model, few)
    model = model.to(torch.bfloat16)
    in_bfloat16 = lines_per_second(model, few)
    result |= rates | {f"{name}, bfloat16": rate for name, rate in in_bfloat16.items()}
    model = model.to(torch.float32)
    face = model.express(["a wide, joyous laugh"])[0].numpy()
    svg = draw_face(face)
    result["drawing (SVG), ms"] = milliseconds(lambda: draw_face(face), arguments.repeats)
    for size in (96, 512, 1024):
        drawing = milliseconds(lambda s=size: render_png(svg, s), arguments.repeats)
        result[f"PNG at {size} px, ms"] = drawing
    if arguments.json:
        print(json.dumps(result))
    else:
        for name, value in result.items():
            print(f"{name:<36}{value:>9}")


if __name__ == "__main__":
    main()

"""From a line of text to a face and its picture: milliseconds for each part, medians.

python benchmarks/express.py [--repeats 15] [--json]

The packaged checkpoint and text encoder; one line alone, 64 lines in a batch (per line), the SVG
drawing, and its PNG at three sizes.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable

from countenance.generation import CorpusSpec, read_corpora
from countenance.model import PACKAGED_CHECKPOINT, load_model
from countenance.viewer import draw_face, render_png

BATCH = 64


def milliseconds(work: Callable[[], object], repeats: int) -> float:
    """Median time of one call after a warm-up."""
    work()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return round(1000 * statistics.median(times), 2)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    model = load_model(PACKAGED_CHECKPOINT)
    lines = [item.text for item in read_corpora([CorpusSpec("samples")], limit=BATCH).transcripts]
    face = model.express(["a wide, joyous laugh"])[0].numpy()
    svg = draw_face(face)
    result = {
        "one line": milliseconds(lambda: model.express(lines[:1]), arguments.repeats),
        "a line in a batch of 64": round(
            milliseconds(lambda: model.express(lines), max(arguments.repeats // 3, 1)) / BATCH, 2
        ),
        "drawing (SVG)": milliseconds(lambda: draw_face(face), arguments.repeats),
        **{
            f"PNG at {size} px": milliseconds(lambda s=size: render_png(svg, s), arguments.repeats)
            for size in (96, 512, 1024)
        },
    }
    if arguments.json:
        print(json.dumps(result))
    else:
        for name, value in result.items():
            print(f"{name:<26}{value:>9} ms")


if __name__ == "__main__":
    main()

"""The page's answer to a pause in typing: the time of each part, medians.

python benchmarks/page.py [--repeats 40] [--json]

The pure handler, and the HTML that it writes, after warm-up, on texts that it has not seen. Issue 6
asks for under 150 ms on 2 cores.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable

import numpy as np

from countenance.viewer.page import Ask, Page, open_page
from countenance.viewer.page_html import bars_html, face_html, items_html, status_html
from countenance.viewer.page_items import Neighbours

ITEMS = 50_000


def answer(page: Page, ask: Ask) -> str:
    """All that the server makes for one event."""
    view = page.show(ask)
    return face_html(view) + bars_html(view) + status_html(view) + items_html(view.items)


def timed(work: Callable[[int], object], repeats: int) -> dict[str, float]:
    """Median and 95th percentile in ms of calls with 0, 1, 2, ..., after three for warm-up."""
    times = []
    for number in range(repeats + 3):
        started = time.perf_counter()
        work(number)
        times.append(1000 * (time.perf_counter() - started))
    kept = times[3:]
    return {
        "median": round(statistics.median(kept), 1),
        "p95": round(float(np.percentile(kept, 95)), 1),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=40)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    page = open_page()
    texts = [f"a {n} times wider grin, brows raised" for n in range(arguments.repeats + 3)]
    long = [f"{n} " + "and then she laughed " * 5_000 for n in range(arguments.repeats + 3)]
    faces = np.random.default_rng(0).random((ITEMS, 51), dtype=np.float32)
    near = Neighbours([str(n) for n in range(ITEMS)], [""] * ITEMS, faces)
    compared = Page(page.model, neighbours=near)
    cases: dict[str, Callable[[int], object]] = {
        "a new text": lambda n: answer(page, Ask(texts[n])),
        "two new prompts at once": lambda n: answer(
            page, Ask(f"{texts[n]}, sly", 1, f"{texts[n]}, shy", 0.5)
        ),
        "a text of 100,000 characters": lambda n: answer(page, Ask(long[n])),
        "blend or strength moved": lambda n: answer(page, Ask("calm", 1, "joy", (n % 99) / 99)),
        f"a new text, {ITEMS:,} items": lambda n: answer(compared, Ask(texts[n] + "!")),
    }
    result = {name: timed(work, arguments.repeats) for name, work in cases.items()}
    if arguments.json:
        print(json.dumps(result))
        return
    print(f"{'answer, ms':<36}{'median':>9}{'p95':>9}")
    for name, times in result.items():
        print(f"{name:<36}{times['median']:>9}{times['p95']:>9}")


if __name__ == "__main__":
    main()

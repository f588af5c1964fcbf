"""Take docs/images/review.png: ``python tests/viewer/take_review_picture.py [RUN]``.

Over packaged transcripts only, so that no sentence of a corpus gets into the picture. RUN is a
finished run of them; without it one is made.
"""

import sys
import tempfile
import threading
from pathlib import Path

from playwright.sync_api import sync_playwright

from countenance.generation import AnnotationConfig, CorpusSpec, annotate, read_records
from countenance.viewer.review import Review, Sample, draw_sample
from countenance.viewer.review_server import ReviewServer

PICTURE = Path(__file__).parents[2] / "docs" / "images" / "review.png"
SAMPLE = Sample(100, 0)


def main():
    with tempfile.TemporaryDirectory() as folder:
        run = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(folder) / "run"
        if len(sys.argv) == 1:
            annotate(AnnotationConfig((CorpusSpec("samples"),), run, seed=3), show_progress=True)
        items = draw_sample(read_records(run), SAMPLE)
        assert {item["source"] for item in items} == {"samples"}
        path = Path(folder) / "review.jsonl"
        with Review(items, path, SAMPLE) as review, ReviewServer(review) as server:
            for index, item in enumerate(items[:7]):
                for relation in ("t-e", "e-au", "d-au"):
                    verdict = "reject" if (index, relation) == (3, "d-au") else "accept"
                    review.judge({"id": item["id"], "relation": relation, "verdict": verdict})
            threading.Thread(target=server.serve_forever, daemon=True).start()
            take(server.url)
            server.shutdown()


def take(url):
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1180, "height": 900})
        page.goto(url)
        page.wait_for_selector("#item:not([hidden])")
        for key in ("a", "r", "4", "e"):
            page.keyboard.press(key)
        page.wait_for_function(
            "() => document.querySelector('#status').textContent.includes('saved')"
        )
        page.wait_for_function("() => document.querySelector('#face').naturalWidth > 0")
        page.wait_for_timeout(500)
        page.screenshot(path=PICTURE)
        browser.close()


if __name__ == "__main__":
    main()

"""The second half of the road: a dataset is built from the hostile run, everything is read back."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shutil
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import outputs

if TYPE_CHECKING:
    from road import Road

# How many texts are expressed and exported, and how many items reviewed: whole road, and sample.
_WHOLE = {"express": 600, "export": 60, "review": 120}
_SAMPLE = {"express": 80, "export": 12, "review": 40}


def check_outputs(road: Road, folder: Path, *, whole: bool) -> None:
    """Build, verify, and look at everything that we write for people and programs."""
    run, dataset = folder / "run", folder / "dataset"
    with road.timed("build and verify"):
        _build(road, run, dataset)
    texts = sorted(
        {text.text for text in road.texts if len(text.text) < 2000 and _sound(text.text)}
    )
    sizes = _WHOLE if whole else _SAMPLE
    shown = texts[:: max(1, len(texts) // sizes["express"])]
    with road.timed("express"):
        _express(road, shown)
    with road.timed("export"):
        said = [text for text in shown if text.strip()]  # a face for nothing is refused
        _export(road, said[:: max(1, len(said) // sizes["export"])], folder)
    with road.timed("review page"):
        _review(road, run, folder, sizes["review"], browser=whole)
    if whole:
        with road.timed("evaluation report"):
            _report(road, dataset, folder)


def _sound(text: str) -> bool:
    """Whether it can be given on a command line as Unicode at all."""
    return not any("\ud800" <= c <= "\udfff" for c in text)


def command(*arguments: object) -> tuple[int, str, str]:
    """``countenance ARGUMENTS`` in this process, with outputs that are strict UTF-8."""
    from countenance import cli

    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", newline="") for _ in range(2))
    status, before = 0, sys.argv
    sys.argv = ["countenance", *map(str, arguments)]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            cli.main()
    except SystemExit as stop:
        status = int(stop.code or 0)
    finally:
        sys.argv = before
    read = []
    for stream in (out, err):
        stream.flush()
        read.append(stream.buffer.getvalue().decode("utf-8"))  # type: ignore[attr-defined]
    return status, read[0], read[1]


def _build(road: Road, run: Path, dataset: Path) -> None:
    status, _, error = command("build", run, "--out", dataset, "--no-cues")
    road.check("dataset built", 1, [error] if status else [])
    status, out, error = command("verify", dataset, "--json", "--workers", 1)
    report = json.loads(out or "{}")
    road.check("dataset verified sound", 1, [out[-300:] + error] if status or not report else [])
    card = outputs.read_card(dataset)
    road.check("dataset card inert as YAML and as Markdown", 1, outputs.card_faults(card))


def _express(road: Road, texts: list[str]) -> None:
    status, table, error = command("express", "--format", "csv", "--", *texts)
    faults = [error] if status else [repr(cell) for cell in outputs.formula_cells(table)]
    road.check("texts in express --format csv, no cell a formula", len(texts), faults)
    status, lines, error = command("express", "--format", "json", "--", *texts)
    whole = not status and outputs.json_lines_hold(lines, texts)
    road.check(
        "texts in express --format json, given back exactly",
        len(texts),
        [] if whole else [error or "not"],
    )
    status, shown, error = command("express", "--", *texts)
    raw = sorted({hex(ord(c)) for c in shown if not c.isprintable() and c != "\n"})
    road.check(
        "texts in express's table, no control character", len(texts), [error] if status else raw
    )


def _export(road: Road, texts: list[str], folder: Path) -> None:
    from countenance.viewer import save_image

    place = folder / "export"
    place.mkdir()
    made = {
        "livelink": "a.csv",
        "json": "a.json",
        "npz": "a.npz",
        "gltf": "a.gltf",
        "vrm": "a.vrm.json",
    }
    faults = []
    for kind, name in made.items():
        options = ("--fps", 30, "--seconds-per-text", 0.1, "--blend-seconds", 0)
        status, _, error = command(
            "export", "--to", kind, "--out", place / name, *options, "--", *texts
        )
        faults += [f"{kind}: {error}"] if status else []
    if not faults:
        faults += [repr(c) for c in outputs.formula_cells((place / "a.csv").read_text("utf-8"))]
        if json.loads((place / "a.json").read_text("utf-8"))["texts"] != texts:
            faults.append("json: other texts than were given")
        json.loads((place / "a.gltf").read_text("utf-8"))
        json.loads((place / "a.vrm.json").read_text("utf-8"))
    road.check("texts in five export formats, read back", len(texts) * len(made), faults)
    faults = []
    for number, text in enumerate(texts):
        picture = save_image(place / f"{number}.svg", [0.0] * 51, text)
        faults += outputs.svg_faults(picture.read_text("utf-8"))
    grid = save_image(place / "grid.svg", [[0.0] * 51] * len(texts), texts, size=64)
    faults += outputs.svg_faults(grid.read_text("utf-8"))
    save_image(place / "grid.png", [[0.0] * 51] * len(texts), texts, size=64)
    road.check("texts as titles and captions of SVG, well-formed and inert", len(texts), faults)


def _report(road: Road, dataset: Path, folder: Path) -> None:
    from countenance.model import PACKAGED_CHECKPOINT

    out = folder / "report"
    status, _, error = command("evaluate", PACKAGED_CHECKPOINT, dataset, "--out", out, "--quick")
    if status:
        road.check("evaluation report inert", 1, [error])
        return
    page = (out / "report.html").read_text("utf-8")
    road.check("evaluation report inert", 1, outputs.active_parts(page, allowed=["style", "body"]))
    road.check(
        "evaluation report in a browser: nothing ran or was loaded",
        1,
        _in_browser(out / "report.html"),
    )


def _review(road: Road, run: Path, folder: Path, count: int, *, browser: bool) -> None:
    """The review server's answers, and the page itself where there is a browser."""
    from countenance.generation import read_records
    from countenance.viewer.review import Review, Sample, draw_sample
    from countenance.viewer.review_server import ReviewServer

    sample = Sample(count, 0)
    items = draw_sample(read_records(run), sample)
    with Review(items, folder / "review.jsonl", sample) as review, ReviewServer(review) as server:
        faults = [
            f"item {place}: other text"
            for place, item in enumerate(items)
            if json.loads(json.dumps(review.page(place)))["transcript"] != item["transcript"]
        ]
        faults += [
            fault for place in range(len(items)) for fault in outputs.svg_faults(review.face(place))
        ]
        road.check("items of the review page, text and drawing", len(items), faults)
        if browser:
            thread = threading.Thread(target=server.serve_forever, args=(0.05,))
            thread.start()
            try:
                found = _turn_pages(server.url, items)
            finally:
                server.shutdown()
                thread.join()
            road.check("items of the review page in a browser", len(items), found)


@contextlib.contextmanager
def _browser_page(address: str) -> Any:
    """A page in headless Chromium, and what it did that it must not."""
    from playwright.sync_api import sync_playwright

    names = ("chromium", "chromium-browser", "google-chrome")
    program = next(found for name in names if (found := shutil.which(name)))
    with sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page, faults = opened.new_page(), []
        page.on("pageerror", lambda error: faults.append(f"page error: {error}"))
        page.on("dialog", lambda dialog: faults.append(f"dialog: {dialog.message}"))
        page.on("console", lambda line: faults.append(line.text) if line.type == "error" else None)
        page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith((address, "data:image/png"))
                else faults.append(f"request: {request.url[:100]}")
            ),
        )
        page.goto(address)
        yield page, faults
        if re.search("run|^1$", page.title()):
            faults.append(f"the title became {page.title()!r}: a text ran")
        opened.close()


def _in_browser(path: Path) -> list[str]:
    with _browser_page(path.absolute().as_uri()) as (page, faults):
        page.wait_for_selector("h1")
    return faults


def _turn_pages(address: str, items: list[dict[str, Any]]) -> list[str]:
    with _browser_page(address) as (page, faults):
        page.wait_for_selector("#item:not([hidden])")
        for place, item in enumerate(items):
            title = f"Item {place + 1} of {len(items)}"
            page.wait_for_function(
                "text => document.querySelector('#item-title').textContent === text", arg=title
            )
            if page.text_content("#transcript") != item["transcript"]:
                faults.append(f"{title}: another text than the record's")
            page.keyboard.press("ArrowRight")
    return faults

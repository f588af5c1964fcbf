"""Is what we write inert? CSV, Markdown, HTML, SVG, JSON and glTF, read back by real parsers."""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from collections.abc import Iterable
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import yaml

FORMULA = ("=", "+", "-", "@", "|", "%")
ACTIVE_TAGS = {
    *("script", "iframe", "object", "embed", "form", "input", "button", "base", "link", "style"),
    *("svg", "math", "template", "noscript", "textarea", "video", "audio", "body", "frame"),
}


def formula_cells(table: str) -> list[str]:
    """Cells that a spreadsheet would take for a formula, whichever delimiter it believes in."""
    found = []
    for delimiter in (",", ";", "\t"):
        for row in csv.reader(io.StringIO(table, newline=""), delimiter=delimiter):
            found += [cell for cell in row if is_formula(cell)]
    return found


def is_formula(cell: str) -> bool:
    """Whether a cell begins like a formula, blanks and invisible characters left out of account."""
    visible = "".join(c for c in cell if c.isprintable() and not c.isspace())
    sign = unicodedata.normalize("NFKC", visible[:1])
    if sign == "-" and _is_number(visible):
        return False
    return sign in FORMULA or cell[:1] in ("\t", "\r", "\n", "\0")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.faults: list[str] = []
        self.tags: dict[str, int] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] = self.tags.get(tag, 0) + 1
        for name, value in attrs:
            target = (value or "").strip().lower()
            if name.startswith("on"):
                self.faults.append(f"<{tag} {name}>")
            elif name in ("href", "src", "action", "data", "formaction", "srcset"):
                inside = target.startswith(("#", "images/", "data:image/png;base64,"))
                if not inside:
                    self.faults.append(f"<{tag} {name}={target[:60]}>")

    handle_startendtag = handle_starttag


def active_parts(page: str, allowed: Iterable[str] = ()) -> list[str]:
    """What in a page could run, load or lead elsewhere.

    Args:
        page: HTML.
        allowed: Active tags that the page has itself.
    """
    reader = _Page()
    reader.feed(page)
    reader.close()
    tags = sorted((reader.tags.keys() & ACTIVE_TAGS) - set(allowed))
    return [*(f"<{tag}>" for tag in tags), *reader.faults]


def card_faults(card: str) -> list[str]:
    """What is not inert in a card: read as YAML and as Markdown, as the Hub does."""
    from markdown_it import MarkdownIt

    _, front, body = card.split("---\n", 2)
    matter = yaml.safe_load(front)
    faults = [] if matter["license"] == "other" else [f"license: {matter['license']}"]
    faults += [f"front matter: {key}" for key in matter if not str(key).isidentifier()]
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(body)
    return faults + active_parts(html)


def svg_faults(svg: str) -> list[str]:
    """What a drawing holds beside shapes and its words."""
    names = {element.tag.rpartition("}")[2] for element in ElementTree.fromstring(svg).iter()}
    plain = {"svg", "g", "path", "ellipse", "circle", "rect", "line", "text", "title", "desc"}
    plain |= {"defs", "clipPath", "linearGradient", "radialGradient", "stop", "polygon", "polyline"}
    return [*sorted(names - plain), *active_parts(svg, allowed=["svg"])]


def json_lines_hold(output: str, texts: Iterable[str]) -> bool:
    """Whether a JSON lines output gives every text back, one line each."""
    lines = [json.loads(line) for line in output.splitlines()]
    return [line["text"] for line in lines] == list(texts)


def read_card(dataset: Path) -> str:
    """A dataset's card."""
    return (dataset / "README.md").read_text("utf-8")

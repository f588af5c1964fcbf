"""The page's own HTML: the face, the bars, the nearest items. All text is escaped here."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from .page import View
from .page_items import Neighbour

WARNING = (
    "A synthetic model draws what words may look like on a face. It is not evidence of how anyone "
    "feels, it reads no real person's face, and it is not for judging people."
)


def face_html(view: View) -> str:
    """The drawn face; `data-weights` is what the 3-D head takes its pose from."""
    weights = " ".join(f"{weight:.4f}" for weight in view.weights.tolist())
    return f'<div class="face" id="face" data-weights="{weights}">{view.svg}</div>'


def bars_html(view: View) -> str:
    """Two tables of bars: action units, and blendshapes."""
    units = _table(
        "Action units",
        ((f"{code} {name}", value) for code, name, value in view.units),
        "none",
    )
    shapes = _table("Active blendshapes", iter(view.shapes), "none: a neutral face")
    return f'<div class="bars" id="bars">{units}{shapes}</div>'


def status_html(view: View) -> str:
    """One sentence for the eye and for the screen reader, with the time that it took.

    `page.js` makes the element around it the live region: one that came with each answer would not
    be read out.
    """
    units = ", ".join(f"{name} ({code})" for code, name, _ in view.units[:6]) or "no action unit"
    title = escape(view.text) if view.text else "neutral face"
    notes = "".join(f" {escape(note)}" for note in view.notes)
    took = view.milliseconds["all"]
    return (
        f'<p id="status"><bdi class="prompt">{title}</bdi>: '
        f'{escape(units)}.{notes} <small aria-hidden="true">{took:.0f} ms</small></p>'
    )


def heading_html(text: str) -> str:
    """The heading of a part of the page."""
    return f'<h2 class="part">{escape(text)}</h2>'


def problem_html(message: str) -> str:
    """A sentence on what went wrong; empty for none."""
    return f'<p class="problem" role="alert">{escape(message)}</p>' if message else ""


def items_html(items: Iterable[Neighbour]) -> str:
    """The nearest items of the dataset."""
    rows = "".join(
        f"<li><bdi>{escape(item.transcript)}</bdi><br><small><bdi>{escape(item.description)}"
        f"</bdi> · distance {item.distance:.2f}</small></li>"
        for item in items
    )
    return f'<ol class="items">{rows}</ol>' if rows else ""


def warning_html(version: str) -> str:
    """What the model is not, and what the page does with texts."""
    return (
        f'<aside class="warning" aria-label="What this is not"><strong>What this is not.</strong> '
        f"{escape(WARNING)} Texts are not stored. Model: {escape(version)}.</aside>"
    )


def _table(caption: str, rows: Iterable[tuple[str, float]], none: str) -> str:
    lines = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td class="number">{value:.2f}</td>'
        f'<td class="bar" aria-hidden="true"><span style="width:{100 * value:.0f}%"></span></td>'
        "</tr>"
        for name, value in rows
    )
    lines = lines or f'<tr><td colspan="3">{escape(none)}</td></tr>'
    return f"<table><caption>{escape(caption)}</caption><tbody>{lines}</tbody></table>"

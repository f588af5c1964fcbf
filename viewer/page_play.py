"""What the browser plays: drawings some time apart, between which it moves by itself.

    play = blend_play(page, Ask("calm", second="furious"))
    play["seconds"], play["keys"][0]["svg"]

A drawing takes the server 10 ms and the wire 35 kB, a screen shows 60 a second. So a few are drawn
ahead, with the same elements in the same order, and `page_web/page.js` moves their numbers.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from ..au_mapping import ARKIT_51
from ..errors import ExportError
from .page import Ask, Page, Weights, clean_all, timeline_lines
from .page_html import bars_html

KEYS_PER_SECOND = 6
BLEND_SECONDS = 2.0


def blend_play(page: Page, ask: Ask) -> dict[str, Any]:
    """The way from the first prompt to the second one, in `BLEND_SECONDS`.

    Returns:
        `seconds`, and `keys`: for each `at` (seconds), `svg`, `weights` (51), `bars` (HTML), `text`
        and `share` (0 to 1).

    Raises:
        ExportError: A prompt is missing.
    """
    (first, second), _ = clean_all([ask.text, ask.second])
    if not first or not second:
        raise ExportError("a blend needs two prompts; write the one that is missing")
    steps = round(BLEND_SECONDS * KEYS_PER_SECOND)
    keys = []
    for step in range(steps + 1):
        share = step / steps
        moved = Ask(first, ask.strength, second, share, ask.added)
        text = first if step < steps else second
        keys.append(_key(page, share * BLEND_SECONDS, page.weights(moved), text, share))
    return {"seconds": BLEND_SECONDS, "keys": keys}


def timeline_play(page: Page, lines: object, ask: Ask) -> dict[str, Any]:
    """The prompts of a timeline, each held for a second; `share` is None, else as `blend_play`.

    Raises:
        ExportError: There is no prompt, or there are too many.
    """
    clip = page.motion(timeline_lines(lines), ask, fps=KEYS_PER_SECOND)
    weights, last = clip.weights, clip.frames - 1
    keys = []
    for frame in range(clip.frames):
        text = [label.text for label in clip.labels if label.first_frame <= frame][-1]
        held = 0 < frame < last and all(
            np.array_equal(weights[frame], weights[beside]) for beside in (frame - 1, frame + 1)
        )
        if not held:
            keys.append(_key(page, frame / clip.fps, weights[frame], text, None))
    return {"seconds": last / clip.fps, "keys": keys}


def ask_of(values: object) -> Ask:
    """What the page's fields ask for: text, strength, second text, blend, and the 51 sliders.

    Raises:
        ExportError: There are not as many.
    """
    if not isinstance(values, list | tuple) or len(values) != 4 + len(ARKIT_51):
        raise ExportError(f"expected {4 + len(ARKIT_51)} values of the page's fields; reload it")
    text, strength, second, blend, *added = values
    return Ask(text or "", strength, second or "", blend, dict(zip(ARKIT_51, added, strict=True)))


def play_answer(page: Page, body: bytes) -> dict[str, Any]:
    """Answer the browser's request for a play: JSON with `what`, `lines` and `values`.

    Raises:
        ExportError: It is no such request, or there is nothing to play.
    """
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ExportError(f"expected JSON ({error}); reload the page") from error
    if not isinstance(asked, dict) or asked.get("what") not in ("blend", "timeline"):
        raise ExportError("expected what=blend or what=timeline; reload the page")
    ask = ask_of(asked.get("values"))
    if asked["what"] == "blend":
        return blend_play(page, ask)
    return timeline_play(page, asked.get("lines"), ask)


def _key(page: Page, at: float, weights: Weights, text: str, share: float | None) -> dict[str, Any]:
    view = page.view(weights, text, every_layer=True)
    return {
        "at": round(at, 4),
        "svg": view.svg,
        "weights": [round(weight, 4) for weight in weights.tolist()],
        "bars": bars_html(view),
        "text": text,
        "share": share,
    }

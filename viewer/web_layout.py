"""The page's layout in Gradio: components, and which event asks what; `page` answers."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from ..au_mapping import ARKIT_51
from ..errors import CountenanceError
from .export import SUFFIXES, clip_bytes
from .export_clip import ExpressionClip
from .export_head import Head
from .page import MAX_LINES, STEP_FPS, Ask, Page, View, timeline_lines
from .page_html import bars_html, face_html, items_html, problem_html, status_html, warning_html
from .web_head import PAGE_FILES

EXAMPLES = (
    "a slight, knowing smile",
    "a wide, joyous laugh",
    "furious, jaw clenched",
    "scared, eyes wide open",
    "sad, lips turned down",
    "bored and tired",
)
STILL, MOTION, TIMELINE = "the face as shown", "from first to second prompt", "the timeline"
LABELS = {
    "livelink": "Live Link Face (.csv)",
    "gltf": "glTF (.glb)",
    "vrm": "VRM 1.0 (.json)",
    "json": "JSON (.json)",
    "npz": "NumPy (.npz)",
}
NO_THREE = (
    "The drawn face alone: three.js is not installed. Run <code>make web</code> and start the page "
    "again for the 3-D head."
)
CSS = (PAGE_FILES / "page.css").read_text("utf-8")
_SYSTEM = ("system-ui", "-apple-system", "Segoe UI", "sans-serif")  # no font is fetched
THEME = gr.themes.Base(primary_hue="orange", font=_SYSTEM, font_mono=("ui-monospace", "monospace"))
_BLEND_SECONDS = 2.0
_CLICK_DOWNLOAD = (
    "(path) => setTimeout(() => path && document.querySelector('#download')?.click(), 150)"
)


def lay_out(page: Page, head: Head, rig: Head | None, *, has_head: bool) -> gr.Blocks:
    """Build the page.

    Args:
        page: What answers.
        head: The head that a glTF export animates.
        rig: The visitor's own, to which a VRM export binds; None for none.
        has_head: Whether the 3-D head can be shown.
    """
    first = page.show(Ask(EXAMPLES[0]))
    with gr.Blocks(
        title="countenance", analytics_enabled=False, delete_cache=(600, 3600)
    ) as blocks:
        gr.HTML('<h1 class="note">countenance: words to a face</h1>' + warning_html(_named(page)))
        text, second, blend, strength = _prompts()
        play, stop = _play_buttons()
        status = gr.HTML(status_html(first))
        with gr.Row():
            with gr.Column(min_width=280):
                face = gr.HTML(face_html(first))
            with gr.Column(min_width=280):
                gr.HTML(_frame(rig) if has_head else f'<p class="note" id="no-head">{NO_THREE}</p>')
        bars = gr.HTML(bars_html(first))
        added, reset = _shape_sliders()
        lines, play_lines = _timeline()
        items = _items(page, first)
        asked = [text, strength, second, blend, *added]
        shown = [status, face, bars, *items]
        view = partial(_shown, page)
        # A text box's `input` is silent when text is pasted or an example is taken.
        for trigger in (text.change, second.change, strength.input, blend.input):
            _listen(trigger, view, asked, shown)
        for slider in added:
            _listen(slider.release, view, asked, shown)
        reset.click(lambda: [0.0] * len(added), None, added, api_visibility="private").then(
            view, asked, shown, api_visibility="private"
        )
        running = [
            play.click(
                partial(_play_blend, page),
                asked,
                [blend, *shown],
                show_progress="hidden",
                api_visibility="private",
            ),
            play_lines.click(
                partial(_play_timeline, page),
                [lines, *asked],
                shown,
                show_progress="hidden",
                api_visibility="private",
            ),
        ]
        stop.click(None, None, None, cancels=running, api_visibility="private")
        _exports(page, head, rig, [lines, *asked])
    return blocks


def _listen(trigger: Any, view: Any, asked: list[Any], shown: list[Any]) -> None:  # noqa: ANN401
    """Answer at once, and after a burst of events the last one: none waits in a queue."""
    trigger(
        view,
        asked,
        shown,
        queue=False,
        show_progress="hidden",
        trigger_mode="always_last",
        api_visibility="private",
    )


def _prompts() -> tuple[Any, Any, Any, Any]:
    with gr.Row():
        with gr.Column(min_width=280):
            text = gr.Textbox(
                EXAMPLES[0],
                label="What shall the face show?",
                lines=2,
                max_lines=4,
                elem_id="prompt",
                autofocus=True,
            )
            gr.Examples([[example] for example in EXAMPLES], [text], label="Examples")
        with gr.Column(min_width=280):
            second = gr.Textbox("", label="Second prompt", lines=2, max_lines=4, elem_id="second")
            blend = gr.Slider(
                0, 1, 0, step=0.01, label="Blend: 0 first prompt, 1 second", elem_id="blend"
            )
            strength = gr.Slider(
                0, 2, 1, step=0.05, label="Strength: 1 as learnt", elem_id="strength"
            )
    return text, second, blend, strength


def _play_buttons() -> tuple[Any, Any]:
    with gr.Row():
        play = gr.Button("Play the blend", elem_id="play", size="sm", min_width=120)
        stop = gr.Button("Stop", elem_id="stop", size="sm", min_width=120)
    return play, stop


def _shape_sliders() -> tuple[list[Any], Any]:
    with gr.Accordion("Sliders: add to a blendshape", open=False):
        gr.HTML('<p class="note">Left and right are the subject\'s own.</p>')
        reset = gr.Button("All sliders to 0", size="sm", elem_id="reset")
        with gr.Row():
            added = [
                gr.Slider(-1, 1, 0, step=0.05, label=name, elem_id=f"add-{name}", min_width=200)
                for name in ARKIT_51
            ]
    return added, reset


def _timeline() -> tuple[Any, Any]:
    with gr.Accordion("Timeline: several prompts", open=False):
        lines = gr.Textbox(
            "calm\na wide grin\nfurious\ncalm",
            lines=4,
            max_lines=8,
            elem_id="lines",
            label=f"One prompt per line, up to {MAX_LINES}; each is held for a second",
        )
        play = gr.Button("Play the timeline", elem_id="play-lines", size="sm")
    return lines, play


def _items(page: Page, first: View) -> list[Any]:
    if page.neighbours is None:
        return []
    with gr.Accordion("Nearest items of the dataset", open=True):
        return [gr.HTML(items_html(first.items), elem_id="items")]


def _exports(page: Page, head: Head, rig: Head | None, asked: list[Any]) -> None:
    with gr.Group():
        what = gr.Radio([STILL, MOTION, TIMELINE], value=STILL, label="Export", elem_id="what")
        with gr.Row():
            buttons = {
                to: gr.Button(label, size="sm", elem_id=f"export-{to}", min_width=140)
                for to, label in LABELS.items()
            }
        problem = gr.HTML("", elem_id="problem")
        # The buttons make the file; this one, which is not seen, hands it to the browser.
        download = gr.DownloadButton("Download", elem_id="download", visible="hidden")
    for to, button in buttons.items():
        button.click(
            partial(_export, page, head if to == "gltf" else rig, to),
            [what, *asked],
            [download, problem],
            api_visibility="private",
        ).then(None, [download], None, js=_CLICK_DOWNLOAD, api_visibility="private")


def _ask(values: tuple[Any, ...]) -> Ask:
    text, strength, second, blend, *added = values
    return Ask(text or "", strength, second or "", blend, dict(zip(ARKIT_51, added, strict=True)))


def _shown(page: Page, *values: Any) -> Any:  # noqa: ANN401
    return _parts(page.show(_ask(values)))


def _parts(view: View) -> Any:  # noqa: ANN401
    parts = [status_html(view), face_html(view), bars_html(view)]
    return [*parts, items_html(view.items)][: 4 if view.items else 3]


def _play_blend(page: Page, *values: Any) -> Iterator[Any]:  # noqa: ANN401
    ask = _ask(values)
    steps = round(_BLEND_SECONDS * STEP_FPS)
    for step in range(steps + 1):
        started = time.perf_counter()
        share = round(step / steps, 2)
        moved = Ask(ask.text, ask.strength, ask.second, share, ask.added)
        yield [share, *_parts(page.show(moved))]
        _wait(started)


def _play_timeline(page: Page, lines: str, *values: Any) -> Iterator[Any]:  # noqa: ANN401
    ask = _ask(values)
    try:
        clip = page.motion(timeline_lines(lines), ask, fps=STEP_FPS)
    except CountenanceError as error:
        raise gr.Error(str(error), print_exception=False) from error
    for frame, weights in enumerate(clip.weights):
        started = time.perf_counter()
        held = [label.text for label in clip.labels if label.first_frame <= frame]
        yield _parts(page.view(weights, held[-1]))
        _wait(started)


def _wait(started: float) -> None:
    time.sleep(max(0.0, 1 / STEP_FPS - (time.perf_counter() - started)))


def _export(page: Page, head: Head | None, to: str, what: str, lines: str, *values: Any) -> Any:  # noqa: ANN401
    ask = _ask(values)
    try:
        clip = _clip(page, what, lines, ask)
        suffix = ".glb" if to == "gltf" else SUFFIXES[to][0]
        path = (
            Path(tempfile.mkdtemp(dir=os.environ.get("GRADIO_TEMP_DIR")))
            / f"countenance-{to}{suffix}"
        )
        path.write_bytes(clip_bytes(clip, to, head=head, suffix=suffix))
    except CountenanceError as error:
        return None, problem_html(str(error))
    return str(path), ""


def _clip(page: Page, what: str, lines: str, ask: Ask) -> ExpressionClip:
    if what == TIMELINE:
        return page.motion(timeline_lines(lines), ask)
    if what == MOTION:
        return page.motion([ask.text, ask.second], ask)
    return page.still(ask)


def _frame(rig: Head | None) -> str:
    lacks = f" This head lacks {len(rig.missing)} of the 51 shapes." if rig and rig.missing else ""
    return (
        '<iframe id="head-frame" title="3-D head in the same pose" src="countenance/head.html">'
        "</iframe>" + (f'<p class="note">{lacks}</p>' if lacks else "")
    )


def _named(page: Page) -> str:
    return page.model_name or "the packaged one"

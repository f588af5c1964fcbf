"""The page's layout in Gradio: components, and which event asks what; `page` answers."""

from __future__ import annotations

import os
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from ..au_mapping import ARKIT_51
from ..errors import CountenanceError
from .export import SUFFIXES, clip_bytes
from .export_clip import ExpressionClip
from .export_head import Head
from .page import MAX_LINES, Ask, Page, View, timeline_lines
from .page_html import (
    bars_html,
    face_html,
    heading_html,
    items_html,
    problem_html,
    status_html,
    warning_html,
)
from .page_play import ask_of
from .rig import load_rig
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
_DARK = {"backdrop": "#2b2530", "disc": "#3a3240"}
"""What is behind the drawn head where the page is dark."""
CSS = (PAGE_FILES / "page.css").read_text("utf-8") + "".join(
    f'.dark .face svg [fill="{load_rig().paints[name]}"] {{ fill: {colour}; }}\n'
    for name, colour in _DARK.items()
)
_SYSTEM = ("system-ui", "-apple-system", "Segoe UI", "sans-serif")  # no font is fetched
THEME = gr.themes.Base(primary_hue="orange", font=_SYSTEM, font_mono=("ui-monospace", "monospace"))
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
        gr.HTML('<p class="problem" id="play-problem" role="alert"></p>' + heading_html("The face"))
        status = gr.HTML(status_html(first), elem_id="said")
        with gr.Row():
            with gr.Column(min_width=280):
                face = gr.HTML(face_html(first))
            with gr.Column(min_width=280):
                gr.HTML(_frame(rig) if has_head else f'<p class="note" id="no-head">{NO_THREE}</p>')
        gr.HTML(heading_html("What is active"))
        bars = gr.HTML(bars_html(first))
        added, reset = _shape_sliders()
        lines, play_lines = _timeline()
        items = _items(page, first)
        asked = [text, strength, second, blend, *added]
        shown = [status, face, bars, *items]
        view = partial(_shown, page)
        # A text box's `input` is silent when text is pasted or an example is taken.
        _listen([text.change, second.change, strength.input, blend.input], view, asked, shown)
        _listen([slider.input for slider in added], view, asked, shown)
        quiet = {"api_visibility": "private", "show_progress": "hidden", "queue": False}
        reset.click(lambda: [0.0] * len(added), None, added, **quiet).then(
            view, asked, shown, **quiet
        )
        # The browser plays (page.js), then says where the blend stands.
        play.click(
            None,
            asked,
            [blend],
            js="(...v) => window.countenance.blend(...v)",
            api_visibility="private",
        ).then(view, asked, shown, **quiet)
        play_lines.click(
            None,
            [lines, *asked],
            None,
            js="(...v) => window.countenance.timeline(...v)",
            api_visibility="private",
        )
        stop.click(None, None, None, js="() => window.countenance.stop()", api_visibility="private")
        _exports(page, head, rig, [lines, *asked])
    return blocks


def _listen(triggers: list[Any], view: Any, asked: list[Any], shown: list[Any]) -> None:  # noqa: ANN401
    """Answer at once, and after a burst of events the last one: none waits in a queue."""
    gr.on(
        triggers,
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
    gr.HTML(heading_html("Export"))
    with gr.Group():
        what = gr.Radio(
            [STILL, MOTION, TIMELINE], value=STILL, label="What to export", elem_id="what"
        )
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


def _shown(page: Page, *values: Any) -> Any:  # noqa: ANN401
    return _parts(page.show(ask_of(values)))


def _parts(view: View) -> Any:  # noqa: ANN401
    parts = [status_html(view), face_html(view), bars_html(view)]
    return [*parts, items_html(view.items)][: 4 if view.items else 3]


def _export(page: Page, head: Head | None, to: str, what: str, lines: str, *values: Any) -> Any:  # noqa: ANN401
    ask = ask_of(values)
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
    note = ""
    if rig and rig.missing:
        listed = ", ".join(rig.missing)
        note = f"This head lacks {len(rig.missing)} of the 51 shapes: {listed}."
    return (
        '<iframe id="head-frame" title="3-D head in the same pose" src="countenance/head.html">'
        "</iframe>" + (f'<p class="note" id="lacks">{note}</p>' if note else "")
    )


def _named(page: Page) -> str:
    return page.model_name or "the packaged one"

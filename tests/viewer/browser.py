"""What the browser tests of the page share: how to start Chromium, and how to use the page."""

import io
import re
import shutil
import socket
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from countenance.au_mapping import side_of

_HERE = ("127.", "::1", "localhost")

FLAGS = ["--no-sandbox", "--enable-unsafe-swiftshader", "--use-gl=angle", "--use-angle=swiftshader"]
"""Chromium refuses its sandbox to root, which CI is; the page is our own. WebGL in software."""


def find_chromium():
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((path for name in names if (path := shutil.which(name))), None)


class Visit:
    """A page of ours in a browser, and what went wrong there or left this computer."""

    def __init__(self, browser, url, *, with_head=False, **settings):
        self.context = browser.new_context(**settings)
        if not with_head:  # drawing it in software takes most of the time
            self.context.route("**/countenance/head.html", lambda route: route.fulfill(body="head"))
        self.context.set_default_timeout(30_000)
        self.page, self.faults, self.url = self.context.new_page(), [], url
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("console", self._console)
        self.page.on("dialog", self._dialog)
        self.page.on("request", self._request)
        self.page.goto(url)
        self.page.wait_for_selector("#face svg")

    def _console(self, line):
        if line.type == "error":
            self.faults.append(line.text)

    def _dialog(self, dialog):
        self.faults.append(dialog.message)
        dialog.dismiss()

    def _request(self, request):
        if not request.url.startswith((self.url, "data:", "blob:")):
            self.faults.append(request.url)

    def reset(self):
        """Empty prompts, no blend, sliders at 0."""
        if self.blend.input_value() != "0":
            self.page.locator("#blend .reset-button").click()
        if self.second.input_value():
            self.second.fill("")
        self.type("")
        self.faults.clear()

    @property
    def prompt(self):
        return self.page.get_by_label("What shall the face show?")

    @property
    def second(self):
        return self.page.get_by_role("textbox", name="Second prompt")

    @property
    def blend(self):
        return self.page.locator("#blend input[type=range]")

    def type(self, text, shown=None):
        """Write the first prompt and wait for its face; `shown` is how the answer names it."""
        self.prompt.fill(text)
        plain = re.sub(r"[\x00-\x1f]", " ", text).strip()[:20].strip()
        self.wait_for_status(shown or plain or "neutral face")

    def wait_for_status(self, text):
        self.page.wait_for_function(
            "text => document.querySelector('#status')?.textContent.includes(text)", arg=text
        )

    def weights(self):
        shown = self.page.get_attribute("#face", "data-weights")
        return np.array(shown.split(), dtype=float)

    def picture(self, selector="#face"):
        """A screenshot of a part of the page: int16 (height, width, 3)."""
        shot = Image.open(io.BytesIO(self.page.locator(selector).screenshot()))
        return np.asarray(shot.convert("RGB"), dtype=np.int16)

    def set_slider(self, shape, value):
        self.page.locator(f"#add-{shape} input[type=number]").fill(str(value))
        self.page.keyboard.press("Tab")

    def download(self, button):
        """Press an export button: (file name, content)."""
        with self.page.expect_download() as waiting:
            self.page.get_by_role("button", name=button).click()
        return waiting.value.suggested_filename, Path(waiting.value.path()).read_bytes()


def changed(before, after, threshold=24):
    """Where two pictures differ: rows and columns from 0 to 1, one each per pixel."""
    rows, columns = np.nonzero(np.abs(before - after).max(axis=2) > threshold)
    return rows / before.shape[0], columns / before.shape[1]


PLAY_BETWEEN = """async () => {
    const { Show } = await import("/countenance/page.js");
    const values = ["calm", 1, "a wide, joyous laugh", 0, ...Array(51).fill(0)];
    const answer = await fetch("countenance/play", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ what: "blend", lines: "", values }),
    });
    const show = new Show(await answer.json(), document.querySelector("#face"));
    show.at(1.25); // in the middle between the keys at 7/6 and 8/6 of a second
    window.stopTest = () => show.restore();
    return document.querySelector("#face").dataset.weights.split(" ").map(Number);
}
"""

HOSTILE = (
    "<img src=x onerror=\"document.title='run'\"><script>document.title='run'</script>",
    "</title></svg></div><svg onload=\"document.title='run'\"><style>*{display:none}</style>",
    "${document.title='run'} {{7*7}} {% raw %} `${alert(1)}` <%= 7*7 %>",
    "\u202eoverridden \u2067 \u0627\u0644\u0633\u0644\u0627\u0645 \u05e9\u05dc\u05d5\u05dd",
    "word " * 20_000,
    "\u0001\u0007\u2028\U0001fae0 \U0001f468\u200d\U0001f469\u200d\U0001f467",
)


def drag_blend(visit, to):
    box, mouse = visit.blend.bounding_box(), visit.page.mouse
    middle = box["y"] + box["height"] / 2
    mouse.move(box["x"] + 4, middle)
    mouse.down()
    for step in range(1, 6):
        mouse.move(box["x"] + 4 + (box["width"] - 8) * to * step / 5, middle)
    mouse.up()


def two_prompts(visit, first, second):
    visit.type(first)
    visit.second.fill(second)
    visit.wait_for_status("→")


def nameless(page):
    """Controls that a screen reader could not name."""
    return page.evaluate(
        "[...document.querySelectorAll('button, input, textarea')].filter(e => e.checkVisibility()"
        " && !(e.textContent.trim() || e.ariaLabel || e.title || e.labels?.length))"
        ".map(e => e.outerHTML.slice(0, 200))"
    )


def brightness(page, selector):
    colour = page.evaluate(
        "s => { const e = document.querySelector(s), style = getComputedStyle(e);"
        " return e instanceof SVGElement ? style.fill : style.backgroundColor; }",
        selector,
    )
    return sum(map(int, re.findall(r"\d+", colour)[:3])) / 3


def check_head(visit, server):
    """The 3-D head is there, and changes with the drawn face."""
    if server.three is None:
        assert "make web" in visit.page.inner_text("#no-head")
        pytest.skip("no three.js here; run make web")
    head = visit.page.frame_locator("#head-frame")
    head.locator("body[data-posed]").wait_for()
    head.locator("#said").wait_for(state="hidden")
    before = visit.picture("#head-frame")
    visit.type("scared, eyes wide open")
    shown = visit.page.get_attribute("#face", "data-weights")
    head.locator(f'body[data-drawn="{shown}"]').wait_for()
    rows, columns = changed(before, visit.picture("#head-frame"))
    assert rows.size > 100
    assert 0.2 < np.median(rows) < 0.8
    assert 0.2 < np.median(columns) < 0.8


def spelt(shape):
    """mouthSmileLeft as MOUTHSMILE_L, jawOpen as Jaw_Open."""
    side = side_of(shape)
    if side:
        return shape.removesuffix("Left").removesuffix("Right").upper() + "_" + side
    return re.sub("(?=[A-Z])", "_", shape).capitalize()


@contextmanager
def addresses_asked():
    """Collect the addresses that this process asks for, other than its own."""
    reached, connect, look_up = [], socket.socket.connect, socket.getaddrinfo

    def watched(self, address, *rest):
        if isinstance(address, tuple) and not address[0].startswith(_HERE):
            reached.append(address)
        return connect(self, address, *rest)

    def asked(host, *rest, **named):
        if host is not None and not str(host).startswith(_HERE):
            reached.append(host)
        return look_up(host, *rest, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", watched)
        patch.setattr(socket, "getaddrinfo", asked)
        yield reached

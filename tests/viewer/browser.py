"""What the browser tests of the page share: how to start Chromium, and how to use the page."""

import io
import re
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

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

"""Take docs/images/page-*.png: ``python tests/viewer/take_page_pictures.py`` (not a test)."""

import io
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from countenance.tests.viewer.browser import FLAGS, find_chromium
from countenance.viewer.page import open_page
from countenance.viewer.web import PageServer

IMAGES = Path(__file__).parents[2] / "docs" / "images"
VIEWS = {
    "wide": (1180, 1250, "light"),
    "narrow": (375, 1900, "light"),
    "dark": (1180, 1250, "dark"),
}
PROMPT = "a wide, joyous laugh"


def take(driver, url, name, width, height, scheme):
    browser = driver.chromium.launch(executable_path=find_chromium(), args=FLAGS)
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
    page.on("console", lambda line: print(name, line.type, line.text, file=sys.stderr))
    page.on("requestfailed", lambda r: print(name, r.url, r.failure, file=sys.stderr))
    page.set_default_timeout(120_000)
    page.goto(url)
    page.get_by_label("What shall the face show?").fill(PROMPT)
    page.wait_for_function(
        "t => document.querySelector('#status')?.textContent.includes(t)", arg=PROMPT
    )
    head = page.frame_locator("#head-frame")
    head.locator("body[data-posed]").wait_for(timeout=120_000)
    shown = page.get_attribute("#face", "data-weights")
    head.locator(f'body[data-drawn="{shown}"]').wait_for()
    image = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    image.quantize(160, dither=Image.Dither.NONE).save(IMAGES / f"page-{name}.png", optimize=True)
    browser.close()


if __name__ == "__main__":
    server = PageServer(open_page())
    with server, sync_playwright() as driver:
        for name, (width, height, scheme) in VIEWS.items():
            take(driver, server.url, name, width, height, scheme)

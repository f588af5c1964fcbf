"""A server that refuses a kind of request, or says odd things, is not blamed on the items."""

import pytest

pytest.importorskip("openai", reason="extra 'openai' is not installed")

from loopback_chat import FACE, KEY
from test_server_faults import LINES, accounted_for, rejects, run, words

from countenance.au_mapping import load_mapping
from countenance.errors import EngineError, RunError
from countenance.generation import GenerateSettings, ServerSettings, Transcript
from countenance.generation.chat_annotator import ChatAnnotator
from countenance.generation.chat_server import ChatServer
from countenance.generation.generate_checks import AnswerChecker
from countenance.generation.generate_prompt import GeneratePrompt
from countenance.generation.server_transport import used_up

MANY = tuple(f"The parcel came on day {number} of the strike." for number in range(30))


@pytest.fixture(autouse=True)
def key_in_the_environment(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def test_a_server_that_takes_no_given_tags_stops_the_run_at_the_first(chat):
    chat.takes_given_tags = False
    server = ChatServer("loopback-model", ServerSettings(chat.url, timeout=5.0))
    prompt = GeneratePrompt.load("generate-v1-short")
    settings = GenerateSettings(retries=0)
    lines = [Transcript(text, "test", str(number)) for number, text in enumerate(LINES)]
    with ChatAnnotator(server, prompt, settings, 0, load_mapping()) as annotator:
        outcomes = annotator.annotate(lines, lambda _: ("joy",))
        with pytest.raises(EngineError, match="takes no request with given tags"):
            list(outcomes)
    assert len(chat.asked) < len(LINES)


def test_many_refusals_in_a_row_stop_the_run_and_are_tried_again(tmp_path, chat):
    chat.endless = dict.fromkeys(MANY, "bad_request")
    with pytest.raises(EngineError) as error:
        run(tmp_path, chat, MANY, concurrency=1, request_retries=0)
    assert "20 transcripts in a row got no answer, the last with 'server: HTTP 400" in words(error)
    assert len(rejects(tmp_path)) == 20
    chat.endless = {}
    statistics = run(tmp_path, chat, MANY)
    assert statistics["accepted"] == len(MANY)
    assert accounted_for(tmp_path, MANY)
    assert not rejects(tmp_path)


def test_many_that_were_refused_before_do_not_stop_the_run_that_tries_them_again(tmp_path, chat):
    refused = MANY[:24]
    taken = tuple(f"The baker gave us {number} rolls for the way." for number in range(24))
    lines = tuple(text for pair in zip(refused, taken, strict=True) for text in pair)
    chat.endless = dict.fromkeys(refused, "bad_request")
    for _ in range(3):
        statistics = run(tmp_path, chat, lines, concurrency=1, request_retries=0)
        assert (statistics["accepted"], statistics["rejected"]) == (24, {"server": 24})
        assert accounted_for(tmp_path, lines)


def test_what_was_set_aside_for_a_fault_of_the_server_is_tried_again(tmp_path, chat):
    chat.endless = {LINES[1]: "bad_request", LINES[2]: "too_long"}
    assert run(tmp_path, chat, LINES[:4])["rejected"] == {"server": 1, "too_many_tokens": 1}
    chat.endless = {}
    assert run(tmp_path, chat, LINES[:4])["rejected"] == {"too_many_tokens": 1}
    assert accounted_for(tmp_path, LINES[:4])


def test_a_context_that_is_too_small_is_known_by_its_words_too(tmp_path, chat):
    chat.endless = {LINES[1]: "too_long_in_words"}
    assert run(tmp_path, chat, LINES[:2])["rejected"] == {"too_many_tokens": 1}


@pytest.mark.parametrize(("fault", "reason"), [("odd_charset", "HTTP 400"), ("odd_rest", "HTTP 5")])
def test_odd_headers_are_a_fault_like_any_other(tmp_path, chat, fault, reason):
    chat.endless = {LINES[1]: fault}
    run(tmp_path, chat, LINES[:3], request_retries=0)
    assert rejects(tmp_path)[LINES[1]]["reason"].startswith(f"server: {reason}")
    assert accounted_for(tmp_path, LINES[:3])


def test_an_allowance_that_is_used_up_holds_all_requests_back(tmp_path, chat):
    chat.plans = {LINES[0]: ["used_up"]}
    run(tmp_path, chat, LINES[:3], concurrency=1)
    times = {text: moment for moment, text in chat.asked}
    assert times[LINES[1]] - times[LINES[0]] > 0.9
    assert accounted_for(tmp_path, LINES[:3])


@pytest.mark.parametrize(
    ("reset", "seconds"),
    [("6m0s", 360), ("1h2m3.5s", 3723.5), ("20ms", 0.02), ("30", 30), ("soon", 0), ("", 0)],
)
def test_a_reset_is_read_in_the_forms_that_servers_write(reset, seconds):
    headers = {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": reset}
    assert used_up(headers) == pytest.approx(seconds)
    assert used_up({**headers, "x-ratelimit-remaining-tokens": "5"}) == 0


def test_a_line_end_behind_the_key_is_not_part_of_it(tmp_path, chat, monkeypatch):
    chat.key = KEY
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}\n")
    run(tmp_path, chat, LINES[:1])
    assert chat.authorizations == {f"Bearer {KEY}"}


@pytest.mark.parametrize("inside", ["\n", " ", "\u00e9", "\x07"])
def test_a_key_that_none_can_be_is_refused_and_not_quoted(tmp_path, chat, monkeypatch, inside):
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}{inside}more")
    with pytest.raises(RunError, match="OPENAI_API_KEY: the key in this environment") as error:
        run(tmp_path, chat, LINES[:1])
    words(error)
    assert not chat.asked


def test_nothing_of_this_machine_goes_along(tmp_path, chat, monkeypatch):
    monkeypatch.setenv("OPENAI_ORG_ID", "org-secret")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "project-secret")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Secret: yes")
    run(tmp_path, chat, LINES[:1])
    assert chat.header_names <= {
        *("accept", "accept-encoding", "authorization", "connection", "content-length"),
        *("content-type", "host", "user-agent"),
    }


@pytest.mark.parametrize("end", ["\n", "\r\n", "\u2028"])
def test_a_description_that_ends_in_a_line_end_is_no_answer(end):
    import json

    prompt = GeneratePrompt.load("generate-v1-short")
    checker = AnswerChecker(prompt, load_mapping(), ())
    answer = dict(zip(prompt.keys, FACE.values(), strict=True))
    assert isinstance(checker.parse(json.dumps(answer), "So glad."), tuple)
    answer[prompt.keys[1]] += end
    assert checker.parse(json.dumps(answer), "So glad.").startswith("check: ")

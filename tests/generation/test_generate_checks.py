"""The checks of a generated answer: each reason, and that sound answers have none."""

import json
import re

import pytest

from countenance.au_mapping import load_mapping
from countenance.errors import TableError
from countenance.generation.emotion_table import load_emotion_table
from countenance.generation.generate_checks import AnswerChecker, load_answer_rules
from countenance.generation.generate_prompt import GeneratePrompt

FACE = "The brows rise and the lips part."
SAID = "What a surprise to find you here."


@pytest.fixture(scope="module")
def checker():
    prompt = GeneratePrompt.load("generate-v1")
    return AnswerChecker(prompt, load_mapping(), load_emotion_table().exclusions)


def write(emotions=("surprise",), description=FACE, units=("AU1B", "AU25"), **more):
    answer = {"emotions": emotions, "description": description, "action_units": units, **more}
    return json.dumps(answer)


def test_a_sound_answer_comes_back(checker):
    assert checker.parse(write(), SAID) == (["surprise"], FACE, ["AU1B", "AU25"])


def test_given_tags_may_be_more_than_the_model_could_choose(checker):
    tags = ["grief", "love", "remorse", "anger", "neutral"]
    assert checker.parse(write(tags), SAID, tags)[0] == tags


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "check: not JSON: "),
        ("[]", r"check: schema: \$: \[\] is not of type 'object'"),
        (write(mood=1), r"check: schema: \$: Additional properties are not allowed"),
        (write(emotions=["bliss"]), r"check: schema: \$.emotions\[0\]: 'bliss' is not one of"),
        (write(emotions=["joy", "joy"]), r"check: schema: \$.emotions: .*non-unique"),
        (write(units=["AU99"]), r"check: schema: \$.action_units\[0\]: 'AU99' does not match"),
        (write(units=["AU1", "AU1B"]), "check: action_units: a unit comes twice"),
        (write(units=["AU24", "AU25"]), "check: action_units: AU24 excludes AU25"),
        (write(units=[]), "check: action_units: none, though the emotion is not neutral"),
        (
            write(description="Overwhelmingly astonished everywhere."),
            "check: description: 3 words, expected",
        ),
        (
            write(description="Brows and brows and brows and brows."),
            "check: description: a word comes 4 times",
        ),
        (
            write(description="The brows go up and the brows go down."),
            "check: description: three words come twice",
        ),
        (
            write(["neutral"], "The face is calm and at rest, with relaxed brows and lips."),
            "check: description: copied from an example",
        ),
        (write(description=SAID), "check: description: copied from the transcript"),
        (
            write(description="My neighbour went to the market."),
            "check: description: names no part of the face that the action units move",
        ),
        (
            write(["neutral"], "My neighbour went to the market.", []),
            "check: description: names no part of the face",
        ),
    ],
)
def test_each_fault_has_its_reason(checker, text, reason):

    assert re.match(reason, checker.parse(text, SAID))


def test_other_tags_than_those_given_are_a_fault(checker):
    reason = "check: emotions: not those that were given"
    assert checker.parse(write(["joy"]), SAID, ["fear"]) == reason


def test_every_unit_of_the_mapping_has_words_for_its_part_of_the_face():
    assert set(load_mapping("extended").action_units) <= set(load_answer_rules().regions)


def test_the_examples_pass_their_own_checks():
    for version in ("generate-v1", "generate-v1-short"):
        prompt = GeneratePrompt.load(version)
        checker = AnswerChecker(prompt, load_mapping(), load_emotion_table().exclusions)
        checker._copies.clear()
        for example in prompt.examples:
            answer = checker.parse(prompt.answer_text(example), example.transcript)
            assert answer == (
                list(example.emotions),
                example.description,
                list(example.action_units),
            )


def test_an_unknown_prompt_lists_the_known_ones():
    with pytest.raises(TableError, match="expected one of generate-v1, generate-v1-short"):
        GeneratePrompt.load("generate-v0")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"question": "{transcript} or {transcript}"}, "expected {transcript} exactly once"),
        ({"system": "Answer."}, "does not match"),
        (
            {"keys": {"emotions": "e", "description": "e", "action_units": "au"}},
            "expected three different names",
        ),
        ({"mood": 1}, "Additional properties are not allowed"),
    ],
)
def test_a_malformed_prompt_is_named(tmp_path, change, message):
    data = json.loads(GeneratePrompt.file("generate-v1").read_text("utf-8"))
    path = tmp_path / "generate-v1.json"
    path.write_text(json.dumps({**data, **change}), "utf-8")
    with pytest.raises(TableError, match=rf"generate-v1\.json: .*{message}"):
        GeneratePrompt.load(path)

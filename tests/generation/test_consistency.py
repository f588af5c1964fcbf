"""An item agrees with itself, or the reason why not is said."""

import json

import numpy as np
import pytest

from benchmarks.description_parser import halves, measure, read_sentences
from countenance.au_mapping import load_mapping
from countenance.errors import TableError
from countenance.generation import item_faults
from countenance.generation.composition import (
    compose_description,
    draw_action_units,
    load_emotions,
)
from countenance.generation.consistency import answer_faults, load_consistency, text_faults
from countenance.generation.description_reading import load_lexicon, read_free_description
from countenance.generation.generate_prompt import GeneratePrompt

NAMES = [emotion.name for emotion in load_emotions()]
MAPPING = load_mapping("v1")


def record(**changes):
    return {
        "id": "0123456789abcdef",
        "transcript": "The cake is ready.",
        "emotions": ["joy"],
        "emotions_from": "model",
        "strength": None,
        "strength_from": "none",
        "description": "A broad smile lifts the cheeks.",
        "action_units": ["AU6C", "AU12D"],
        "human_emotions": [],
        "human_strength": None,
        "model_emotions": ["joy"],
        "model_strength": None,
        "source": "test",
        "source_id": "1",
        "annotator": "a@1",
        "tagger": "llm",
        "strategy": "generate",
        "prompt_version": "generate-v1",
        "mapping_version": "v1",
        "seed": 0,
        **changes,
    }


def test_no_composed_item_has_a_fault():
    """What the score strategy writes passes, strictly and read as if a person had written it."""
    for number in range(400):
        rng = np.random.default_rng([23, number])
        emotions = rng.choice(NAMES, size=1 + number % 3, replace=False).tolist()
        units = draw_action_units(emotions, float(rng.random()), rng)
        text = compose_description(units, emotions, rng)
        names = [str(unit) for unit in units]
        assert answer_faults(emotions, text, names, composed=True) == [], text
        assert answer_faults(emotions, text, names) == [], text


@pytest.mark.parametrize("prompt", ["generate-v1", "generate-v1-short"])
def test_no_example_of_a_prompt_has_a_fault(prompt):
    for example in GeneratePrompt.load(prompt).examples:
        faults = answer_faults(example.emotions, example.description, example.action_units)
        assert faults == [], example


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"strength": 2}, "schema: strength: 2 is greater than the maximum of 1"),
        ({"action_units": ["AU61"]}, "action_unit: "),
        (
            {"description": "The eyes are closed, a broad smile."},
            "description_absent: it names AU43",
        ),
        ({"description": "The left lip corner rises."}, ""),
        ({"description": "There is no smile at all."}, "description_unsaid: it does not name AU6"),
        ({"description": "A faint smile."}, "description_strength: AU12D is said light"),
        ({"description": "!!!"}, "description_empty: no word in it"),
        ({"description": "Sooooooo many smiles."}, "description_loop: one letter over and over"),
        ({"description": "A smile smile smile."}, "description_loop: 'smile' stands 3 times"),
        (
            {"description": "The lid dips and " * 3},
            "description_loop: 'the lid dips' comes 3 times",
        ),
        ({"description": "The cake is ready."}, "description_copy: it is the transcript"),
        ({"description": "Le sourire est large et les joues montent."}, "description_language"),
        ({"description": "满面笑容"}, "description_language: not English"),
        (
            {"description": "A frown, corners down.", "action_units": ["AU4C", "AU15C"]},
            "tags: joy with AU4 and without AU12, AU13",
        ),
        ({"strategy": "score", "description": "A broad grin."}, "description_unsaid: it does not"),
    ],
)
def test_each_fault_has_its_reason(changes, fault):
    faults = item_faults(record(**changes), MAPPING)
    assert any(found.startswith(fault) for found in faults) if fault else faults == []


def test_a_transcript_within_the_description_is_a_copy():
    said = "I never thought that you would come back to this house again."
    assert text_faults(f"A person says {said}", said) == [
        "description_copy: the whole transcript stands in it"
    ]
    assert text_faults("She thought that you would come back to this house.", said) == [
        "description_copy: 8 words in a row are the transcript's"
    ]


@pytest.mark.parametrize(
    ("emotions", "units", "said"),
    [
        (["joy"], ["AU15C"], "tags: joy with AU15"),
        (["joy"], ["AU15C", "AU12B"], None),
        (["joy", "sadness"], ["AU15C", "AU4B"], None),
        (["grief"], ["AU12D", "AU6C"], "tags: grief with AU12"),
        (["grief"], ["AU12B", "AU1C"], None),
        (["anger"], ["AU12D"], "tags: anger with AU12"),
        (["disgust"], ["AU12D"], "tags: disgust with AU12"),
        (["fear"], ["AU12D"], "tags: fear with AU12"),
        (["surprise"], ["AU43C"], "tags: surprise with AU43"),
        (["neutral"], ["AU4A"], None),
        (["neutral"], ["AU4D"], "tags: neutral with AU4"),
        (["neutral"], ["AU4"], "tags: neutral with AU4"),
    ],
)
def test_a_tag_that_the_face_contradicts_is_named(emotions, units, said):
    tags = [f for f in answer_faults(emotions, "A face.", units) if f.startswith("tags")]
    assert tags[0].startswith(said) if said else tags == [], tags


@pytest.mark.parametrize(
    ("sentence", "said"),
    [
        ("Without a smile, she raises her brows.", {("AU1", "both"), ("AU2", "both")}),
        ("Neither smiling nor frowning.", set()),
        ("The RIGHT lip corner rises.", {("AU12", "right")}),
        ("Her hands go up.", set()),
        ("", set()),
    ],
)
def test_free_text_is_read(sentence, said):
    assert read_free_description(sentence).said == said


def test_the_reader_is_measured_on_sentences_that_did_not_tune_it():
    sentences = read_sentences()
    assert len(sentences) >= 150
    assert len({sentence.text for sentence in sentences}) == len(sentences)
    held_out = halves()["held out"]
    free, worded = measure(held_out, "free reader"), measure(held_out, "phrase table alone")
    assert free["precision"] > 0.93
    assert free["recall"] > 0.9 > 2 * worded["recall"] - 0.1


@pytest.mark.parametrize(
    ("load", "name", "spoil", "message"),
    [
        (
            load_lexicon,
            "description_reading-v1",
            lambda t: t["rules"][0]["parts"].append("tail"),
            r"rules\[0\]: 'tail' is no part and no action",
        ),
        (
            load_consistency,
            "consistency-v1",
            lambda t: t["contradictions"][0]["emotions"].append("bliss"),
            "unknown emotion 'bliss'",
        ),
        (
            load_consistency,
            "consistency-v1",
            lambda t: t["description"].update(least_share=2),
            r"\$.description.least_share: 2 is greater",
        ),
    ],
)
def test_a_malformed_table_is_refused(load, name, spoil, message, tmp_path):
    from countenance.generation.tables_reading import TABLES

    table = json.loads((TABLES / f"{name}.json").read_text("utf-8"))
    spoil(table)
    path = tmp_path / f"{name}.json"
    path.write_text(json.dumps(table), "utf-8")
    with pytest.raises(TableError, match=message):
        load(path)

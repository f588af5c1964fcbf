"""The annotation record is a contract: its keys are pinned, and what breaks it is named."""

import pytest

from countenance.au_mapping import load_mapping
from countenance.generation import RECORD_KEYS, emotion_names, record_fault

LABELS = frozenset(emotion_names())


def record(**changes):
    sound = {
        "id": "0123456789abcdef",
        "transcript": "We made it over the pass before dark.",
        "emotions": ["relief", "joy"],
        "emotions_from": "model",
        "strength": 0.25,
        "strength_from": "model",
        "description": "The mouth corners lift and the lids droop.",
        "action_units": ["AU12B", "AU43A"],
        "human_emotions": [],
        "human_strength": None,
        "model_emotions": ["relief", "joy"],
        "model_strength": 0.25,
        "source": "samples",
        "source_id": "s1",
        "annotator": "m@0",
        "tagger": "llm",
        "strategy": "score",
        "prompt_version": "score-v2",
        "mapping_version": "v1",
        "seed": 0,
    }
    return {**sound, **changes}


def fault_of(**changes):
    return record_fault(record(**changes), LABELS, load_mapping("v1"))


def test_the_keys_are_pinned():
    assert RECORD_KEYS == (
        "id",
        "transcript",
        "emotions",
        "emotions_from",
        "strength",
        "strength_from",
        "description",
        "action_units",
        "human_emotions",
        "human_strength",
        "model_emotions",
        "model_strength",
        "source",
        "source_id",
        "annotator",
        "tagger",
        "strategy",
        "prompt_version",
        "mapping_version",
        "seed",
    )


def test_a_sound_record_passes():
    assert fault_of() is None


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"emotions": []}, "schema: emotions"),
        ({"emotions": ["joy", "joy"]}, "schema: emotions"),
        ({"emotions": ["glee"]}, "unknown_emotion: glee"),
        ({"human_emotions": ["glee"]}, "unknown_emotion: glee"),
        ({"model_emotions": ["glee"]}, "unknown_emotion: glee"),
        ({"emotions_from": "hearsay"}, "schema: emotions_from"),
        ({"strength": 1.5}, "schema: strength"),
        ({"human_strength": -0.1}, "schema: human_strength"),
        ({"transcript": ""}, "schema: transcript"),
        ({"description": "x" * 601}, "schema: description"),
        ({"action_units": ["smile"]}, "schema: action_units/0"),
        ({"action_units": ["AU61"]}, "action_unit: "),
        ({"action_units": ["AUL1"]}, "action_unit: "),
        ({"id": "XYZ"}, "schema: id"),
        ({"seed": -1}, "schema: seed"),
        ({"strategy": "guess"}, "schema: strategy"),
        ({"mapping_version": "v0"}, "mapping_version: v0 is not v1"),
        ({"mood": "fine"}, "schema: record"),
    ],
)
def test_what_breaks_the_record_is_named(changes, fault):
    assert fault_of(**changes).startswith(fault)

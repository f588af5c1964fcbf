"""Whose word counts: a corpus' human tags and ratings, or the model's."""

import numpy as np
import pytest

from countenance.generation import LabelUse, Transcript
from countenance.generation.labels import ModelTags, as_seen, human_emotions, settle_feeling

TAGS = ("joy", "anger", "fear", "love", "pride", "relief", "neutral")
EVIDENCE = np.array([0.1, 0.9, 0.3, 0.2, 0.0, 0.05, 0.4])
SAID = ModelTags(("anger",), EVIDENCE, 0.25)


def transcript(*labels, intensity=None):
    return Transcript("The cake fell on the floor.", "test", "1", labels, intensity)


def settled(item, use, strength=0.123456):
    return settle_feeling(item, use, SAID, TAGS, strength)


def test_human_tags_and_rating_become_the_feeling():
    feeling = settled(transcript("joy", intensity=0.75), LabelUse.use)
    assert feeling.emotions == ("joy",)
    assert (feeling.strength, feeling.emotions_from, feeling.strength_from) == (
        0.75,
        "human",
        "human",
    )


def test_the_model_says_what_the_corpus_does_not():
    feeling = settled(transcript("joy"), LabelUse.use)
    assert (feeling.emotions_from, feeling.strength_from) == ("human", "model")
    assert feeling.strength == 0.1235  # four decimals, so that files round-trip
    bare = settled(transcript(), LabelUse.use)
    assert (bare.emotions, bare.emotions_from) == (("anger",), "model")


@pytest.mark.parametrize("use", [LabelUse.ignore, LabelUse.compare])
def test_without_use_the_word_is_the_models(use):
    feeling = settled(transcript("joy", intensity=0.9), use)
    assert feeling.emotions == ("anger",)
    assert (feeling.emotions_from, feeling.strength_from) == ("model", "model")


def test_ignored_labels_are_not_even_kept_beside_the_record():
    item = transcript("joy", intensity=0.9)
    assert as_seen(item, LabelUse.ignore) == transcript()
    assert as_seen(item, LabelUse.compare) == item


def test_human_tags_stand_in_the_order_of_the_models_evidence():
    feeling = settled(transcript("pride", "joy", "fear"), LabelUse.use)
    assert feeling.emotions == ("fear", "joy", "pride")


def test_neutral_beside_an_emotion_is_dropped_and_alone_is_kept():
    assert human_emotions(transcript("neutral", "love"), LabelUse.use) == ("love",)
    assert human_emotions(transcript("neutral"), LabelUse.use) == ("neutral",)


def test_a_record_has_room_for_five_tags():
    many = transcript("joy", "anger", "fear", "love", "pride", "relief")
    assert settled(many, LabelUse.use).emotions == ("anger", "fear", "love", "joy", "relief")

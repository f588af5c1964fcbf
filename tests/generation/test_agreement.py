"""How far tags and strengths agree with human ones, by hand-made cases."""

import numpy as np
import pytest

from countenance.generation import Transcript, emotion_names, transcript_id
from countenance.generation.agreement import (
    agreement,
    corpus_split,
    strength_agreement,
    tag_agreement,
)


def record(item, emotions, strength=None):
    return {
        "id": transcript_id(item),
        "source": item.source,
        "model_emotions": emotions,
        "model_strength": strength,
    }


@pytest.mark.parametrize(
    ("part", "split"),
    [
        ("train", "train"),
        ("anger_dev", "dev"),
        ("train_sent_emo", "train"),
        ("test_part", "test"),
        ("isear", "all"),
        ("", "all"),
    ],
)
def test_a_files_name_says_which_split_it_is(part, split):
    assert corpus_split(part) == split


def test_corpora_and_their_splits_are_kept_apart_and_fitted_ones_marked():
    items = [
        Transcript("one two", "a", "1", ("joy", "love"), part="train"),
        Transcript("three four", "a", "2", ("fear",), part="dev"),
        Transcript("five six", "b", "3"),
    ]
    found = agreement([record(item, ["joy"]) for item in items], items, fitted_on={"a/train"})
    assert list(found) == ["a/dev", "a/train"]
    assert (found["a/train"]["fitted_on"], found["a/dev"]["fitted_on"]) == (True, False)
    assert (found["a/train"]["items"], found["a/dev"]["items"]) == (1, 1)


def test_first_any_and_group_are_shares_of_the_items():
    figures = tag_agreement(
        [
            (["joy"], ["joy", "love"]),
            (["anger", "fear"], ["fear"]),
            (["annoyance"], ["anger"]),
            (["sadness"], ["joy"]),
        ]
    )
    assert figures["items"] == 4
    assert figures["first_tag_percent"] == 25.0
    assert figures["any_tag_percent"] == 50.0
    assert figures["first_group_percent"] == 50.0
    assert figures["commonest_percent"] == 50.0


def test_a_tags_row_has_precision_recall_and_f1_of_the_first_tag():
    figures = tag_agreement([(["joy"], ["joy"]), (["joy"], ["fear"]), (["fear"], ["joy"])])
    rows = {row["tag"]: row for row in figures["tags"]}
    assert rows["joy"] == {
        "tag": "joy",
        "items": 2,
        "said": 2,
        "precision": 0.5,
        "recall": 0.5,
        "f1": 0.5,
        "taken_for": "fear",
    }
    assert rows["fear"]["f1"] == 0.0
    assert figures["macro_f1"] == 0.25


def test_an_items_confusion_is_counted_once():
    counts = tag_agreement(
        [(["joy"], ["love", "joy"]), (["anger"], ["fear", "sadness"]), (["anger"], ["anger"])]
    )["confusion"]
    place = {tag: index for index, tag in enumerate(counts["tags"])}
    square = np.array(counts["counts"])
    assert counts["tags"] == list(emotion_names())
    assert square.sum() == 3
    assert square[place["joy"], place["joy"]] == 1
    assert square[place["fear"], place["anger"]] == 1


def test_strengths_are_compared_by_rank():
    assert strength_agreement([(0.1, 0.2), (0.5, 0.3), (0.9, 0.8)]) == {
        "items": 3,
        "spearman": 1.0,
    }


@pytest.mark.parametrize("pairs", [[], [(0.1, 0.2), (0.3, 0.4)], [(0.5, 0.1)] * 4])
def test_a_correlation_that_is_undefined_is_none(pairs):
    assert strength_agreement(pairs) == {"items": len(pairs), "spearman": None}


def test_nothing_to_compare_is_no_items():
    assert tag_agreement([]) == {"items": 0}

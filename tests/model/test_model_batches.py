"""Batches: every draw from the seed, S from the texts that an item has."""

import dataclasses

import numpy as np
import pytest
import torch

from countenance.model.batches import (
    TrainingItems,
    index_texts,
    split_validation,
    validation_items,
)
from countenance.model.data import ExpressionData


def data(transcripts, tags, descriptions):
    faces = np.linspace(0, 1, len(transcripts) * 51, dtype=np.float32).reshape(-1, 51)
    texts = {"t": transcripts, "e": tags, "d": descriptions}
    return ExpressionData("tests", "train", texts, faces, "v1")


def some_items(count=30, **settings):
    index = index_texts(
        data(
            [f"transcript {i}" for i in range(count)],
            ["joy", ""] * (count // 2),
            [f"description {i}" for i in range(count)],
        )
    )
    features = np.arange(len(index.texts), dtype=np.float32)[:, None]
    faces = np.full((count, 51), 0.4, dtype=np.float32)
    faces[:, 0] = np.linspace(0, 1, count)
    return index, TrainingItems(faces, index.rows, features, **({"seed": 0} | settings))


def epoch(items, number):
    items.set_epoch(number)
    return {k: v.numpy() for k, v in items.__getitems__(list(range(len(items)))).items()}


def test_every_distinct_text_is_indexed_once():
    index = index_texts(data(["a", "b", "a"], ["joy", "joy", ""], ["c", "a", "c"]))
    assert sorted(index.texts) == ["a", "b", "c", "joy"]
    found = [[index.texts[r] if r >= 0 else "" for r in row[:, 0]] for row in index.rows]
    assert found == [["a", "joy", "c"], ["b", "joy", "a"], ["a", "", "c"]]


def test_variants_follow_from_the_seed_and_the_text_alone():
    text = "a happy face, brows knit"
    alone = index_texts(data([text], ["joy, fear"], ["x"]), variants=3, seed=5)
    among = index_texts(data(["other", text], ["", "joy, fear"], ["x", "x"]), variants=3, seed=5)
    for kind in range(2):
        first = [alone.texts[r] for r in alone.rows[0, kind]]
        second = [among.texts[r] for r in among.rows[1, kind]]
        assert first == second
    assert alone.texts[alone.rows[0, 0, 0]] == text
    other = index_texts(data([text], ["joy, fear"], ["x"]), variants=3, seed=6)
    assert other.texts != alone.texts


def test_the_carve_out_is_fixed_by_the_seed():
    train, held = split_validation(100, 0.05, seed=3)
    assert len(held) == 5
    assert sorted([*train, *held]) == list(range(100))
    assert np.array_equal(held, split_validation(100, 0.05, seed=3)[1])
    assert not np.array_equal(held, split_validation(100, 0.05, seed=4)[1])


@pytest.mark.parametrize(("count", "fraction", "held"), [(2, 0.01, 1), (2, 0.99, 1), (50, 0.1, 5)])
def test_the_carve_out_leaves_something_on_both_sides(count, fraction, held):
    train, validation = split_validation(count, fraction, seed=0)
    assert (len(train), len(validation)) == (count - held, held)


def test_the_validation_items_that_the_dataset_marks_are_taken():
    marked = dataclasses.replace(
        data(["a", "b", "c"], ["joy"] * 3, ["d"] * 3), in_validation=np.array([False, True, False])
    )
    train, held = validation_items(marked, 0.5, seed=0)
    assert (train.tolist(), held.tolist()) == ([0, 2], [1])


@pytest.mark.parametrize("marks", [None, np.zeros(3, dtype=bool), np.ones(3, dtype=bool)])
def test_without_two_sides_of_marks_they_are_drawn(marks):
    rows = dataclasses.replace(data(["a", "b", "c"], ["joy"] * 3, ["d"] * 3), in_validation=marks)
    drawn = split_validation(3, 0.4, seed=2)
    assert np.array_equal(validation_items(rows, 0.4, seed=2)[1], drawn[1])


def test_an_epoch_visits_every_item_once_with_one_of_its_own_texts():
    index, items = some_items()
    batch = epoch(items, 0)
    order = np.argsort(batch["target"][:, 0])
    np.testing.assert_allclose(batch["target"][order, 0], np.linspace(0, 1, 30), atol=1e-6)
    for item, position in enumerate(order):
        assert batch["text_features"][position, 0] in index.rows[item, :, 0]


def test_each_epoch_draws_anew_and_can_be_entered_again():
    _, items = some_items()
    first, second, again = epoch(items, 0), epoch(items, 1), epoch(items, 0)
    for name, values in first.items():
        assert np.array_equal(values, again[name])
        assert not np.array_equal(values, second[name])


def test_the_kinds_are_drawn_by_their_weights_among_those_present():
    index, items = some_items(count=2000, kind_weights=(1.0, 2.0, 1.0))
    drawn = [index.texts[int(row[0])] for row in epoch(items, 0)["text_features"]]
    shares = [sum(text.startswith(kind) for text in drawn) / 2000 for kind in ("t", "joy", "d")]
    # Half of the items have tags: 1/4, 1/2, 1/4 of those, and 1/2, 0, 1/2 of the others.
    assert shares == pytest.approx([0.375, 0.25, 0.375], abs=0.04)


def test_a_weight_of_zero_keeps_a_kind_out():
    index, items = some_items(kind_weights=(0.0, 0.0, 1.0))
    drawn = {index.texts[int(row[0])] for row in epoch(items, 0)["text_features"]}
    assert all(text.startswith("description") for text in drawn)


def test_an_item_without_a_drawn_kind_draws_among_its_texts_alike():
    index, items = some_items(count=2000, kind_weights=(0.0, 1.0, 0.0))
    drawn = [index.texts[int(row[0])] for row in epoch(items, 0)["text_features"]]
    shares = [sum(text.startswith(kind) for text in drawn) / 2000 for kind in ("t", "joy", "d")]
    # The half with tags gives those alone; the other half has a transcript and a description.
    assert shares == pytest.approx([0.25, 0.5, 0.25], abs=0.04)


def test_the_encoder_sees_a_perturbed_face_and_the_target_is_clean():
    _, items = some_items(perturbation=0.2, perturbation_density=1.0)
    batch = epoch(items, 0)
    added = batch["blendshapes"] - batch["target"]
    assert added.min() >= 0
    assert 0 < added.max() <= 0.2 + 1e-6
    assert np.allclose(batch["target"][:, 1:], 0.4)


def test_the_perturbed_face_may_be_the_target_as_in_the_authors_code():
    _, items = some_items(perturbed_target=True)
    batch = epoch(items, 0)
    assert np.array_equal(batch["blendshapes"], batch["target"])
    assert not np.allclose(batch["target"][:, 1:], 0.4)


def test_no_perturbation_means_none():
    _, items = some_items(perturbation=0.0)
    batch = epoch(items, 0)
    assert np.array_equal(batch["blendshapes"], batch["target"])
    assert np.allclose(batch["target"][:, 1:], 0.4)


def test_noise_on_texts_is_new_in_every_epoch_and_the_same_for_every_process():
    features = np.zeros((4, 16), np.float32)
    rows = np.zeros((4, 3, 1), np.int64)
    items = TrainingItems(np.zeros((4, 51), np.float32), rows, features, seed=1, text_noise=0.1)
    whole = items.__getitems__([0, 1, 2, 3])["text_features"]
    halves = [items.__getitems__(part)["text_features"] for part in ([0, 1], [2, 3])]
    assert torch.equal(whole, torch.cat(halves))
    assert 0.05 < float(whole.std()) < 0.2
    items.set_epoch(1)
    assert not torch.equal(items.__getitems__([0, 1, 2, 3])["text_features"], whole)

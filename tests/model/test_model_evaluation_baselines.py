"""Baselines: what each answers, worked out plainly on a few pairs."""

import dataclasses

import numpy as np
import pytest
import torch

from countenance.errors import ModelError
from countenance.model import evaluation_baselines as baselines
from countenance.model.evaluation_authors import AuthorsNetwork, authors_loss, authors_network
from countenance.model.evaluation_data import EvaluationSplit, Pairs, draw_rows
from countenance.model.evaluation_settings import EvaluationSettings


def split(count, seed, kinds=("t", "e"), width=6, size=4):
    """Texts whose features tell their face linearly."""
    rng = np.random.default_rng(seed)
    matrix = np.random.default_rng(99).random((width, size)) / width
    pairs = {}
    for kind in kinds:
        features = rng.random((count, width), dtype=np.float32)
        pairs[kind] = Pairs(
            texts=[f"{kind} {seed} {i}" for i in range(count)],
            features=features,
            faces=(features @ matrix).astype(np.float32),
            items=np.arange(count),
            tags=[["joy"] if i % 2 else ["fear", "joy"] for i in range(count)],
        )
    return EvaluationSplit(pairs[kinds[0]].faces, pairs, "v1")


def test_the_mean_vector_is_the_mean_of_train_whatever_the_text():
    train, test = split(10, 1), split(4, 2)
    answers = baselines.mean_vector(train, test)
    assert set(answers) == {"t", "e"}
    assert np.allclose(answers["e"], train.faces.mean(axis=0))


def test_the_mean_vector_of_cues_is_the_mean_of_the_train_cues():
    train, test = split(10, 1, kinds=("t", "cues")), split(4, 2, kinds=("t", "cues"))
    answers = baselines.mean_vector(train, test)
    assert np.allclose(answers["cues"], train.pairs["cues"].faces.mean(axis=0))
    assert np.allclose(answers["t"], train.faces.mean(axis=0))
    del train.pairs["cues"]
    assert np.allclose(baselines.mean_vector(train, test)["cues"], train.faces.mean(axis=0))


def test_the_tag_mean_averages_the_means_of_an_items_tags():
    train, test = split(10, 1), split(4, 2)
    faces = train.pairs["e"].faces
    joy, fear = faces.mean(axis=0), faces[::2].mean(axis=0)
    answers = baselines.tag_mean(train, test)
    assert np.allclose(answers["t"][0], (joy + fear) / 2, atol=1e-6)
    assert np.allclose(answers["t"][1], joy, atol=1e-6)


def test_an_unknown_tag_counts_as_the_mean_face_and_cues_are_left_out():
    train, test = split(10, 1), split(2, 2, kinds=("e", "cues"))
    test.pairs["e"].tags[0] = ["envy"]
    answers = baselines.tag_mean(train, test)
    assert set(answers) == {"e"}
    assert np.allclose(answers["e"][0], train.faces.mean(axis=0), atol=1e-6)


def test_the_nearest_neighbour_answers_with_the_mean_face_of_the_nearest_text():
    train, test = split(10, 1), split(3, 2)
    pairs = train.pairs["t"]
    pairs.texts[4] = pairs.texts[3]
    pairs.features[4] = pairs.features[3]
    test.pairs["t"].features[0] = 5 * pairs.features[3]  # by angle, not by length
    answer = baselines.nearest_neighbour(train, test)["t"][0]
    assert np.allclose(answer, pairs.faces[3:5].mean(axis=0))


def test_ridge_finds_a_linear_rule():
    train, test = split(200, 1), split(20, 2)
    answers = baselines.ridge(train, test, seed=0)
    assert np.abs(answers["t"] - test.pairs["t"].faces).mean() < 0.005
    assert np.array_equal(answers["t"], baselines.ridge(train, test, seed=0)["t"])


def test_the_mlp_learns_and_repeats_itself_by_seed():
    train, test = split(200, 1), split(20, 2)
    short, long = (baselines.mlp(train, test, steps=s, seed=0)[0]["t"] for s in (1, 150))
    target = test.pairs["t"].faces
    assert np.abs(long - target).mean() < 0.5 * np.abs(short - target).mean()
    assert np.array_equal(long, baselines.mlp(train, test, steps=150, seed=0)[0]["t"])
    assert not np.array_equal(long, baselines.mlp(train, test, steps=150, seed=1)[0]["t"])


def test_the_mlp_takes_the_width_and_rate_that_do_best_on_held_back_items(monkeypatch):
    train, test = split(200, 1), split(20, 2)
    monkeypatch.setattr(baselines, "MLP_CHOICES", ((8, 1e-9), (16, 1e-2), (8, 1e-8)))
    found = baselines.mlp(train, test, steps=80, seed=0)[1]
    assert (found["width"], found["learning_rate"], found["steps"]) == (16, 1e-2, 80)
    assert 0 < found["kept_step"] <= 80
    assert 0 < found["held_back_loss"] < 0.05
    assert 0 < found["final_loss"] < 0.05


def test_the_learning_rate_falls_to_nothing_along_a_cosine(monkeypatch):
    rates = []
    step = torch.optim.Adam.step

    def watched(self, *arguments):
        rates.append(self.param_groups[0]["lr"])
        return step(self, *arguments)

    monkeypatch.setattr(torch.optim.Adam, "step", watched)
    baselines.fit_network(
        lambda: torch.nn.Linear(6, 4),
        lambda network, text, face: torch.nn.functional.mse_loss(network(text), face),
        split(20, 1),
        steps=10,
        learning_rate=0.1,
        seed=0,
        what="fit",
    )
    assert rates == pytest.approx([0.05 * (1 + np.cos(np.pi * k / 10)) for k in range(10)])


def test_training_a_baseline_leaves_the_global_generator_alone():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    baselines.mlp(split(20, 1), split(2, 2), steps=3, seed=0)
    assert torch.equal(before, torch.get_rng_state())


def test_held_back_items_are_a_twentieth_and_never_taught_by_any_of_their_texts():
    train = split(100, 1, kinds=("t", "e", "cues"))
    held, kept = baselines.hold_back(train, 0)
    assert (len(held), len(kept)) == (15, 285)
    assert set(held.tolist()) | set(kept.tolist()) == set(range(300))
    assert held[:5].tolist() == (held[5:10] - 100).tolist()  # t and e of the same items


def test_items_that_the_dataset_marks_for_validation_are_those_held_back():
    train = split(40, 1, kinds=("t", "cues"))
    marks = np.arange(40) % 10 == 3
    train.pairs["t"] = dataclasses.replace(train.pairs["t"], in_validation=marks)
    held, kept = baselines.hold_back(train, 0)
    assert held[:4].tolist() == [3, 13, 23, 33]
    assert len(held[held >= 40]) == 2  # the cues mark none: a twentieth of them
    assert len(kept) == 80 - 6


def test_a_single_item_is_both_taught_and_chosen_by():
    held, kept = baselines.hold_back(split(1, 1, kinds=("t", "e")), 0)
    assert held.tolist() == kept.tolist() == [0, 1]


def test_the_authors_network_answers_texts_and_rebuilds_faces():
    train, test = split(20, 1), split(5, 2)
    answers, again, training = authors_network(train, test, steps=3, seed=0, width=16, layers=1)
    assert answers["t"].shape == (5, 4)
    assert again.shape == test.faces.shape
    assert 0 <= again.min() <= again.max() <= 1
    assert training["steps"] == 3
    assert training["final_loss"] > 0
    other, *_ = authors_network(train, test, steps=3, seed=0, width=16, layers=1)
    assert np.array_equal(answers["t"], other["t"])


def test_the_authors_network_has_the_sizes_of_their_release():
    network = AuthorsNetwork(51, 512)
    shapes = [tuple(p.shape) for p in network.encoder_input.parameters() if p.ndim == 2]
    assert shapes == [(1024, 51), (512, 1024)]
    assert len(network.encoder.layers) == len(network.decoder.layers) == 8
    layer = network.encoder.layers[0]
    assert (layer.self_attn.num_heads, layer.linear1.out_features) == (4, 2048)


def test_their_objective_is_the_weighted_sum_on_the_noisy_face():
    torch.manual_seed(0)
    network = AuthorsNetwork(4, 6, width=8, layers=1).eval()
    text, face = torch.rand(3, 6), torch.rand(3, 4)
    torch.manual_seed(7)
    value = authors_loss(network, text, face)
    torch.manual_seed(7)
    noisy = (face + 0.15 * torch.rand(3, 4)).clamp(max=1.0)
    z, p = network.encode(noisy), network.projector(text)
    cosine = (z * p).sum(1) / (z.norm(dim=1) * p.norm(dim=1))
    plain = (
        ((network.decode(z) - noisy) ** 2).mean()
        + 10 * (1 - cosine).mean()
        + 10 * ((network.decode(p) - noisy) ** 2).mean()
    )
    assert value.item() == pytest.approx(plain.item(), rel=1e-5)


def test_rows_are_drawn_by_seed_and_only_where_there_are_too_many():
    assert draw_rows(5, None, 0).tolist() == draw_rows(5, 9, 0).tolist() == [0, 1, 2, 3, 4]
    drawn = draw_rows(100, 10, 0)
    assert len(set(drawn.tolist())) == 10
    assert drawn.tolist() == sorted(drawn.tolist()) == draw_rows(100, 10, 0).tolist()
    assert drawn.tolist() != draw_rows(100, 10, 1).tolist()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"baselines": "some"}, "baselines is 'some', expected one of quick, all"),
        ({"samples": 0}, "samples is 0, expected 1 or more"),
        ({"path_steps": 2}, "path_steps is 2, expected 3 or more"),
        ({"seed": -1}, "seed is -1, expected 0 or more"),
        ({"seed": 2**32}, "seed is 4294967296, expected 4294967295 or less"),
    ],
)
def test_settings_out_of_range_are_refused(change, message):
    with pytest.raises(ModelError, match=message):
        EvaluationSettings(**change)


def test_the_largest_seed_is_one_that_the_map_takes():
    from sklearn.utils import check_random_state

    check_random_state(EvaluationSettings(seed=2**32 - 1).seed)

"""Each figure of an evaluation against a slow plain version, or a value worked out by hand."""

import numpy as np
import pytest
from scipy.linalg import sqrtm

from countenance.au_mapping import load_mapping
from countenance.model.evaluation_action_units import (
    action_unit_scores,
    decoded_units,
    read_units,
)
from countenance.model.evaluation_distribution import frechet_distance, share_outside
from countenance.model.evaluation_map import centrality, map_latents, silhouettes
from countenance.model.evaluation_paths import path_figures
from countenance.model.evaluation_retrieval import (
    distinct_faces,
    distinct_texts,
    retrieve_both_ways,
)
from countenance.model.metrics import compare_errors, resampled_means


def draw(rows=30, size=5, seed=0):
    return np.random.default_rng(seed).random((rows, size), dtype=np.float32)


# --- errors of several methods -------------------------------------------------------------------


def test_compared_errors_are_the_plain_ones_and_differences_are_paired():
    target = draw()
    near, far = np.clip(target + 0.1, 0, 1), np.clip(target + 0.3, 0, 1)
    table = compare_errors({"far": far, "near": near}, near, target, samples=200)
    assert table["far"]["mae"]["value"] == pytest.approx(np.abs(far - target).mean(), rel=1e-5)
    assert table["far"]["rmse"]["value"] == pytest.approx(
        np.sqrt(np.square(far - target).mean()), rel=1e-5
    )
    above = table["far"]["mae_above"]
    assert above["value"] == pytest.approx(
        np.abs(far - target).mean() - np.abs(near - target).mean(), rel=1e-4
    )
    assert 0 < above["low"] < above["value"] < above["high"]
    assert table["near"]["mae_above"] == {"value": 0.0, "low": 0.0, "high": 0.0}


def test_resampled_means_are_means_of_rows_drawn_with_replacement():
    rows = np.array([[0.0, 10.0], [1.0, 20.0]])
    means = resampled_means(rows, samples=400, seed=0)
    assert {tuple(mean) for mean in means} == {(0.0, 10.0), (0.5, 15.0), (1.0, 20.0)}
    assert means[:, 0].mean() == pytest.approx(0.5, abs=0.05)


# --- retrieval ------------------------------------------------------------------------------------


def naive_recall(queries, entries, query_numbers, entry_numbers, k):
    """Mean over rows and over every order of ties of: is the row's own entry among the first k."""
    gallery = {n: entries[i] for i, n in reversed(list(enumerate(entry_numbers)))}
    hits = []
    for row, query in enumerate(queries):
        right = {entry_numbers[i] for i, n in enumerate(query_numbers) if n == query_numbers[row]}
        own = np.sum((query - gallery[entry_numbers[row]]) ** 2)
        others = [np.sum((query - e) ** 2) for n, e in gallery.items() if n not in right]
        better = sum(o < own - 1e-6 for o in others)
        tied = 1 + sum(abs(o - own) <= 1e-6 for o in others)
        hits.append(np.mean([better + place < k for place in range(tied)]))
    return np.mean(hits)


def test_retrieval_is_that_of_a_plain_count_of_nearer_entries():
    rng = np.random.default_rng(3)
    texts, faces = rng.integers(8, size=20), rng.integers(9, size=20)
    text_points = draw(8, 4, 1)[texts]
    face_points = draw(9, 4, 2)[faces]
    found = retrieve_both_ways(text_points, face_points, texts, faces, cosine=False)
    for k in (1, 5, 10):
        assert found["text_to_expression"][f"recall_at_{k}"] == pytest.approx(
            naive_recall(text_points, face_points, texts, faces, k)
        )
        assert found["expression_to_text"][f"recall_at_{k}"] == pytest.approx(
            naive_recall(face_points, text_points, faces, texts, k)
        )
    assert found["text_to_expression"]["gallery"] == len(set(faces.tolist()))


@pytest.mark.parametrize("cosine", [True, False])
def test_the_same_points_retrieve_each_other(cosine):
    points, numbers = draw(20), np.arange(20)
    found = retrieve_both_ways(points, points, numbers, numbers, cosine=cosine)
    for figures in found.values():
        assert (figures["recall_at_1"], figures["median_rank"]) == (1.0, 1.0)


@pytest.mark.parametrize("cosine", [True, False])
def test_a_collapsed_model_gets_the_chance_of_a_guess_and_no_more(cosine):
    same, numbers = np.ones((20, 4), dtype=np.float32), np.arange(20)
    found = retrieve_both_ways(same, same, numbers, numbers, cosine=cosine)["text_to_expression"]
    assert found["recall_at_1"] == pytest.approx(1 / 20)
    assert found["recall_at_10"] == pytest.approx(10 / 20)
    assert found["median_rank"] == 10.5


def test_another_right_answer_does_not_push_the_own_one_down():
    text = np.zeros((2, 2), dtype=np.float32)  # one text for two faces, the second further away
    faces = np.array([[0.1, 0.0], [0.2, 0.0]], dtype=np.float32)
    found = retrieve_both_ways(text, faces, np.array([0, 0]), np.array([0, 1]), cosine=False)
    assert found["text_to_expression"]["recall_at_1"] == 1.0


def test_equal_texts_and_equal_faces_get_one_number():
    first, numbers = distinct_texts(["joy", "anger", "joy"])
    assert (first.tolist(), numbers.tolist()) == ([0, 1], [0, 1, 0])
    faces = np.array([[0, 1], [0, 0], [0, 1]], dtype=np.float32)
    numbers = distinct_faces(faces)
    assert numbers[0] == numbers[2] != numbers[1]


# --- distribution ---------------------------------------------------------------------------------


def test_frechet_distance_is_the_textbook_formula():
    first, second = draw(40, 4, 1).astype(np.float64), draw(50, 4, 2).astype(np.float64) * 0.5
    one, two = np.cov(first, rowvar=False), np.cov(second, rowvar=False)
    apart = np.square(first.mean(axis=0) - second.mean(axis=0)).sum()
    expected = apart + np.trace(one + two - 2 * np.real(sqrtm(one @ two)))
    assert frechet_distance(first, second) == pytest.approx(expected, rel=1e-6)


def test_frechet_distance_of_a_shift_is_its_square_and_of_the_same_is_nothing():
    faces = draw(30, 3)
    assert frechet_distance(faces, faces) == pytest.approx(0.0, abs=1e-9)
    assert frechet_distance(faces, faces + np.float32(0.5)) == pytest.approx(3 * 0.25, rel=1e-4)


def test_share_outside_counts_values_beyond_what_the_same_weight_took():
    train = np.array([[0.0, 0.2], [0.5, 0.4]], dtype=np.float32)
    faces = np.array([[0.5, 0.5], [0.6, 0.3], [0.2, 0.1], [0.0, 0.2]], dtype=np.float32)
    assert share_outside(faces, train) == pytest.approx(3 / 8)


# --- action units ---------------------------------------------------------------------------------


def test_action_units_are_read_by_side_and_letter():
    assert read_units(["AU12B", "L6"]) == {"AU12": {"L": 1, "R": 1}, "AU6": {"L": 4}}
    assert read_units(["AUL12A", "AUR12D"]) == {"AU12": {"L": 0, "R": 3}}


def test_scores_are_those_worked_out_by_hand():
    wanted = [read_units(["AU12C", "AU6B"]), read_units(["AU4E"]), read_units([])]
    found = [read_units(["L12C", "AU25A"]), read_units(["AU4B"]), read_units([])]
    scores = action_unit_scores(wanted, found, samples=50)
    assert scores["items"] == 3
    assert scores["units"]["precision"]["value"] == pytest.approx(2 / 3)
    assert scores["units"]["recall"]["value"] == pytest.approx(2 / 3)
    assert scores["units"]["f1"]["value"] == pytest.approx(2 / 3)
    # sides: wanted 12L 12R 6L 6R 4L 4R, found 12L 25L 25R 4L 4R, right 12L 4L 4R
    assert scores["units_with_side"]["precision"]["value"] == pytest.approx(3 / 5)
    assert scores["units_with_side"]["recall"]["value"] == pytest.approx(3 / 6)
    assert scores["letters_off"] == pytest.approx((0 + 3 + 3) / 3)
    assert scores["by_unit"]["AU6"] == {"precision": None, "recall": 0.0, "f1": 0.0, "support": 1}
    assert scores["macro_f1"] == pytest.approx((1 + 0 + 1) / 3)


def test_nothing_listed_and_nothing_found_is_no_figure():
    scores = action_unit_scores([{}], [{}], samples=5)
    assert scores["units"] == {"precision": None, "recall": None, "f1": None}
    assert scores["macro_f1"] is scores["letters_off"] is None


def test_units_of_mapped_faces_come_back():
    mapping = load_mapping("v1")
    lists = [["AU6D", "AU12E"], ["AU4C", "AU1B"], []]
    faces = mapping.to_blendshapes_batch(lists)
    noisy = np.clip(faces + 0.01, 0, 1)
    assert decoded_units(noisy, mapping) == [read_units(units) for units in lists]


# --- the latent map -------------------------------------------------------------------------------


def naive_silhouette(points, groups):
    values = []
    for i, point in enumerate(points):
        away = np.linalg.norm(points - point, axis=1)
        own = (groups == groups[i]) & (np.arange(len(points)) != i)
        a = away[own].mean()
        b = min(away[groups == g].mean() for g in set(groups) - {groups[i]})
        values.append((b - a) / max(a, b))
    return np.array(values)


def test_silhouettes_are_the_plain_ones_per_kind():
    points = draw(20, 3).astype(np.float64)
    kinds = np.array(["t"] * 8 + ["e"] * 12)
    plain = naive_silhouette(points, kinds)
    found = silhouettes(points, kinds, kinds)
    assert found["all"] == pytest.approx(plain.mean())
    assert found["t"] == pytest.approx(plain[:8].mean())
    assert found["e"] == pytest.approx(plain[8:].mean())


def test_by_tag_a_kind_is_measured_by_itself_and_lone_or_missing_tags_are_left_out():
    points = draw(12, 3).astype(np.float64)
    kinds = np.array(["t"] * 6 + ["d"] * 6)
    tags = np.array(["joy", "joy", "fear", "fear", "pride", ""] + ["joy"] * 6)
    found = silhouettes(points, tags, kinds)
    assert found["t"] == pytest.approx(naive_silhouette(points[:4], tags[:4]).mean())
    assert found["d"] is None  # one tag alone


def test_centrality_is_the_distance_from_the_centre_of_the_kinds():
    points = np.array([[1.0, 0], [-1, 0], [3, 0], [-3, 0], [3, 0], [-3, 0]])
    kinds = np.array(["t", "t", "d", "d", "d", "d"])
    assert centrality(points, kinds) == {"t": pytest.approx(0.5), "d": pytest.approx(1.5)}


def test_the_papers_picture_is_found_where_it_is_and_only_there():
    rng = np.random.default_rng(0)

    def texts(around):
        return around + rng.normal(0, 0.05, (20, 4))

    # t between e and d, by angle
    e, t, d = texts([1, 0, 0, 0]), texts([0.7, 0.7, 0, 0]), texts([0, 1, 0, 0])
    kinds = ["e"] * 20 + ["t"] * 20 + ["d"] * 20
    tags = ["joy"] * 60
    latents = np.concatenate([e, t, d]).astype(np.float32)
    found = map_latents(latents, kinds, tags, seed=0)
    assert found.figures["paper_picture"]["latent"] == {
        "transcripts_are_most_central": True,
        "tags_and_descriptions_cluster": True,
    }
    swapped = map_latents(latents, ["t"] * 20 + ["e"] * 20 + ["d"] * 20, tags, seed=0)
    assert not swapped.figures["paper_picture"]["latent"]["transcripts_are_most_central"]
    again = map_latents(latents, kinds, tags, seed=0)
    assert np.array_equal(found.coordinates, again.coordinates)
    assert 0.8 < found.figures["trustworthiness"] <= 1


def test_cues_are_on_the_map_and_leave_the_verdict_on_the_papers_picture_alone():
    rng = np.random.default_rng(0)

    def texts(around):
        return around + rng.normal(0, 0.05, (20, 4))

    e, t, d = texts([1, 0, 0, 0]), texts([0.7, 0.7, 0, 0]), texts([0, 1, 0, 0])
    cues = np.repeat(d, 3, axis=0)  # among the descriptions: d has no silhouette beside them
    kinds = ["e"] * 20 + ["t"] * 20 + ["d"] * 20
    plain = map_latents(np.concatenate([e, t, d]).astype(np.float32), kinds, [""] * 60)
    latents = np.concatenate([e, t, d, cues]).astype(np.float32)
    found = map_latents(latents, kinds + ["cues"] * 60, [""] * 120)
    assert found.kinds.count("cues") == found.figures["texts"]["cues"] == 60
    assert found.coordinates.shape == (120, 2)
    for key in ("silhouette_by_kind", "centrality", "centrality_with_length"):
        assert found.figures["latent"][key] == plain.figures["latent"][key]
    assert found.figures["paper_picture"]["latent"] == plain.figures["paper_picture"]["latent"]
    assert plain.figures["paper_picture"]["latent"]["tags_and_descriptions_cluster"]
    assert set(found.figures["map"]["centrality"]) == {"t", "e", "d"}


def test_too_few_texts_or_a_single_point_give_no_map():
    assert map_latents(draw(5), ["t"] * 5, [""] * 5) is None
    assert map_latents(np.ones((9, 4), dtype=np.float32), ["t"] * 9, [""] * 9) is None


# --- paths ----------------------------------------------------------------------------------------


def test_an_even_straight_path_and_a_jump_there_and_back():
    even = np.linspace([0, 0], [1, 0.5], 5)
    jump = np.array([[0, 0], [0, 0], [1, 0], [1, 0], [0.5, 0]])
    paths = np.stack([even, jump]).astype(np.float32)
    train = np.array([[0, 0], [1, 0.4]], dtype=np.float32)
    found = path_figures(paths, train)
    assert found["step_size_ratio"]["worst"] == pytest.approx(1 / (1.5 / 4))
    assert found["monotonicity"] == {
        "median": pytest.approx((1 + 0.5 / 1.5) / 2),
        "worst": pytest.approx(0.5 / 1.5),
    }
    assert found["range_violations"] == pytest.approx(1 / 20)  # the last 0.5


def test_paths_that_stand_still_have_no_smoothness():
    found = path_figures(np.zeros((3, 4, 2), dtype=np.float32), np.zeros((1, 2), dtype=np.float32))
    assert found["moving"] == 0
    assert found["step_size_ratio"] is found["monotonicity"] is None

"""The report of an evaluation: what is in it, and that texts of strangers stay text."""

import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from matplotlib.axes import Axes
from PIL import Image

from countenance.errors import ModelError, RenderError
from countenance.model.evaluation import Evaluation, Example
from countenance.model.evaluation_map import LatentMap
from countenance.model.evaluation_markdown import render_report
from countenance.viewer.evaluation_figures import error_figure, map_figure, path_strips
from countenance.viewer.evaluation_report import (
    alternative_texts,
    draw_figures,
    evaluate_with_report,
    render_page,
    write_report,
)

HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(2)> {{ 7*7 }} \u202e &amp;'


def figure(value):
    return {"value": value, "low": value - 0.01, "high": value + 0.01}


def errors(value):
    names = ("mae", "rmse", "baseline_mae", "baseline_rmse", "explained")
    return {"items": 3, **{name: figure(value) for name in names}}


def recall():
    keys = ("recall_at_1", "recall_at_5", "recall_at_10", "median_rank")
    return dict.fromkeys(keys, 0.5) | {"queries": 3, "gallery": 3}


def latent_figures():
    where = {
        "centrality": {"t": 0.9, "e": 1.1},
        "silhouette_by_kind": {"all": 0.1, "t": 0.0, "e": 0.2},
        "silhouette_by_tag": {"all": 0.1, "t": None, "e": 0.2},
    }
    return {
        "texts": {"t": 4, "e": 4},
        "perplexity": 2.0,
        "neighbours": 3,
        "trustworthiness": 0.9,
        "latent": where,
        "map": where,
        "paper_picture": None,
    }


def make_evaluation(text="a smile", **changes):
    both = {"text_to_expression": recall(), "expression_to_text": recall()}
    smooth = {"median": 1.1, "worst": 1.5}
    path = {
        "paths": 2,
        "steps": 3,
        "moving": 2,
        "step_size_ratio": smooth,
        "monotonicity": smooth,
        "range_violations": 0.0,
    }
    where = {"frechet": 0.1, "outside_training_range": 0.02}
    metrics = {
        "checkpoint": text,
        "dataset": text,
        "split": "test",
        "items": 3,
        "train_items": 9,
        "mapping_version": "v1",
        "text_encoder": text,
        "bootstrap_samples": 20,
        "seed": 0,
        "settings": {"retrieval_items": 5},
        "reconstruction": errors(0.1),
        "text_to_expression": {"transcript": errors(0.3), "all": errors(0.3)},
        "baselines": {
            "ridge": {
                kind: {"mae": figure(0.4), "rmse": figure(0.4), "mae_above": figure(0.1)}
                for kind in ("transcript", "all")
            }
        },
        "reconstruction_baselines": {"untrained_autoencoder": {"mae": figure(0.5)}},
        "action_units": None,
        "retrieval": {"transcript": {"latent": both, "decoded": {"model": both}}},
        "distribution": {"model": {"transcript": where, "all": where}},
        "latent_map": latent_figures(),
        "paths": {"between_items": path, "between_draws": path},
    }
    rng = np.random.default_rng(0)
    points = rng.normal(size=(8, 2)).astype(np.float32)
    paths = rng.random((2, 3, 51)).astype(np.float32) * 0.3
    return Evaluation(
        metrics | changes,
        LatentMap(points, ["t"] * 4 + ["e"] * 4, ["joy", "", "fear", "joy"] * 2, {}),
        {"between_items": paths, "between_draws": paths},
        [Example("t", text, paths[0, 0], paths[0, 1])],
    )


class Page(HTMLParser):
    """Collects the tags, attributes and text of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.said = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_data(self, data):
        self.said.append(data)


@pytest.fixture(scope="module")
def hostile_page():
    evaluation = make_evaluation(HOSTILE)
    return render_page(evaluation, draw_figures(evaluation))


def test_a_hostile_text_is_shown_and_does_nothing(hostile_page):
    page = Page(hostile_page)
    assert HOSTILE in page.said
    assert "script" not in page.tags
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]


def test_the_page_loads_nothing_from_anywhere(hostile_page):
    page = Page(hostile_page)
    sources = [value for _, name, value in page.attributes if name in ("src", "href")]
    assert sources
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    policy = [value for tag, name, value in page.attributes if (tag, name) == ("meta", "content")]
    assert any("default-src 'none'" in value for value in policy)


def test_every_picture_is_told_in_words(hostile_page):
    tags = re.findall(r"<img [^>]*>", hostile_page)
    assert len(tags) == 4 + 2  # errors, map, two strips; two faces of the example
    assert all(re.search(r'alt="[^"]{10,}"', tag) for tag in tags)
    assert "transcript: model 0.3000, ridge regression 0.4000" in hostile_page


def test_a_long_text_is_cut():
    evaluation = make_evaluation("w " * 5000)
    page = render_page(evaluation, {"errors": b""} | dict.fromkeys(("latent_map",), b""))
    cut = [said for said in Page(page).said if said.startswith("w w") and said.endswith("…")]
    assert [len(said) for said in cut] == [600]


def test_a_report_without_map_units_or_faces_says_so():
    evaluation = make_evaluation(latent_map=None)
    bare = Evaluation(
        evaluation.metrics,
        None,
        {name: paths[:, :, :7] for name, paths in evaluation.paths.items()},
        evaluation.examples,
    )
    figures = draw_figures(bare)
    page = render_page(bare, figures)
    assert set(figures) == {"errors"}
    assert "Not drawn: fewer than six distinct texts" in page
    assert "Not measured: the dataset lists no action units" in page
    assert "Examples" not in page


def test_chart_and_tables_say_how_short_the_authors_network_was_trained(monkeypatch):
    evaluation = make_evaluation()
    metrics = evaluation.metrics
    metrics["baselines"]["authors_architecture"] = metrics["baselines"]["ridge"]
    metrics["baseline_training"] = {"authors_architecture": {"steps": 300, "final_loss": 1.2346}}
    label = "authors' architecture (300 steps, loss 1.235)"
    assert label in render_report(metrics)
    assert label in alternative_texts(metrics)["errors"]
    assert label in "".join(Page(render_page(evaluation, draw_figures(evaluation))).said)
    ticks = []
    monkeypatch.setattr(Axes, "set_yticks", lambda self, places, names: ticks.extend(names))
    error_figure(metrics)
    assert ticks == ["model", "ridge regression", label]


def test_the_figures_are_pictures_and_repeat_themselves():
    evaluation = make_evaluation()
    for draw in (
        lambda: error_figure(evaluation.metrics),
        lambda: map_figure(evaluation.latent_map),
        lambda: path_strips(evaluation.paths["between_items"], "paths"),
    ):
        first = draw()
        picture = np.asarray(Image.open(io.BytesIO(first)).convert("RGB"))
        assert picture.shape[1] > 300
        assert picture.std() > 5
        assert first == draw()


def test_report_and_figures_are_files_of_the_folder(tmp_path):
    write_report(make_evaluation(), tmp_path / "deep" / "report")
    names = sorted(path.name for path in (tmp_path / "deep" / "report").iterdir())
    assert names == [
        "errors.png",
        "latent_map.png",
        "path_between_draws.png",
        "path_between_items.png",
        "report.html",
    ]


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("keep me")
    with pytest.raises(RenderError, match=r"cannot write the report .*; choose another"):
        write_report(make_evaluation(), tmp_path / "file" / "report")
    with pytest.raises(ModelError, match="expected a folder to write the report to"):
        evaluate_with_report("no checkpoint", "no dataset", tmp_path / "file")

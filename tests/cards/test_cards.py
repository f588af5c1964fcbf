"""Cards: complete or not at all, and inert."""

import json
import re

import pytest
import yaml
from huggingface_hub import ModelCard

from countenance.cards import (
    read_training_facts,
    render_dataset_card,
    render_model_card,
    write_model_card,
)
from countenance.cards.render import _cell, _size_category
from countenance.errors import CardError


@pytest.fixture
def statistics(sample_run, tmp_path):
    from countenance.dataset_script import build_dataset

    return build_dataset(sample_run, tmp_path / "d", render_card=render_dataset_card)


def test_front_matter_is_yaml_that_names_the_files(statistics):
    front, _, body = render_dataset_card(statistics)[4:].partition("\n---\n")
    data = yaml.safe_load(front)
    assert data["configs"][0]["data_files"][0] == {"split": "train", "path": "data/train-*"}
    assert data["dataset_info"]["splits"][1]["num_examples"] == statistics["test_items"]
    assert body.lstrip().startswith("# countenance")


def test_every_tag_and_action_unit_has_its_row(statistics):
    card = render_dataset_card(statistics)
    for row in statistics["tags"]:
        assert f"| {row['tag']} | {row['items']:,} | {row['test_percent']} |" in card
    for row in statistics["action_units"]:
        shares = f"{row['percent']} | {row['one_sided_percent']}"
        assert f"| {row['action_unit']} | {row['name']} | {shares} |" in card


@pytest.mark.parametrize(
    "missing",
    [
        *("items", "run", "front_matter", "sources", "provenance", "quality", "set_aside"),
        *("bias", "licences", "images", "example", "intensities", "blendshapes"),
    ],
)
def test_a_missing_fact_is_an_error_that_names_it(statistics, missing):
    del statistics[missing]
    with pytest.raises(CardError, match=f"a fact is missing .*'{missing}'"):
        render_dataset_card(statistics)


@pytest.mark.parametrize("missing", ["reference", "review"])
def test_a_quality_figure_that_nobody_declared_unmeasured_is_an_error(statistics, missing):
    del statistics["quality"][missing]
    with pytest.raises(CardError, match=f"a fact is missing .*'{missing}'"):
        render_dataset_card(statistics)


def test_what_was_not_measured_is_said_so(statistics):
    card = render_dataset_card(statistics)
    assert card.count("Not measured for this build.") == 2
    assert "Items set aside by the consistency checks, by reason: nothing." in card


def test_quality_figures_appear_when_they_were_measured(statistics):
    statistics["set_aside"] = {"loop": 3, "foreign_language": 1200}
    statistics["quality"]["reference"] = {
        "score, head-v1": {
            "items": 100,
            "tags": {"micro_f1": 0.41, "macro_f1": 0.33},
            "action_units": {"micro_f1": 0.52, "within_one_letter_f1": 0.44},
        }
    }
    row = {"accepted": 81, "rejected": 19, "rate": 0.81, "low": 0.7222, "high": 0.8749}
    statistics["quality"]["review"] = {
        "reviewer": "The maintainers, assisted by a machine,",
        "complete": 100,
        "relations": {"t-e": row},
        "reasons": {"t-e": {"wrong tag": {"count": 19}}},
    }
    card = render_dataset_card(statistics)
    assert "by reason: loop 3, foreign_language 1,200." in card
    assert "| score, head-v1 | 100 | 0.41 | 0.33 | 0.52 | 0.44 |" in card
    assert "| t-e | 81 | 19 | 0.81 | 0.7222 to 0.8749 | wrong tag 19 |" in card
    assert "ot measured" not in card


def test_the_metadata_is_what_the_hub_knows(statistics):
    data = yaml.safe_load(render_dataset_card(statistics)[4:].partition("\n---\n")[0])
    assert data["license"] == "other"
    assert data["language"] == ["en"]
    assert data["size_categories"] == ["n<1K"]
    assert {"license_name", "pretty_name", "task_categories", "tags"} <= set(data)
    assert data["annotations_creators"] == ["machine-generated", "found"]


@pytest.mark.parametrize(
    ("items", "category"),
    [(1, "n<1K"), (999, "n<1K"), (1000, "1K<n<10K"), (53_458, "10K<n<100K"), (10**6, "1M<n<10M")],
)
def test_the_size_category_follows_from_the_items(items, category):
    assert _size_category(items) == category


def test_licences_say_what_follows_from_them(statistics):
    from countenance.dataset_script.card_figures import licence_table

    every = ["go_emotions", "isear", "meld", "samples", "tweet_intensity", "csv:mine.csv"]
    statistics["licences"] = licence_table(every)
    card = render_dataset_card(statistics)
    assert "For commercial use leave out csv:mine.csv, isear, tweet_intensity:" in card
    assert "ask the owners of csv:mine.csv, tweet_intensity, or leave their rows out" in card
    assert "isear and meld each ask for their own licence on copies" in card
    statistics["licences"] = licence_table(["samples", "go_emotions"])
    card = render_dataset_card(statistics)
    assert "may be passed on and used, under the conditions of the table" in card
    assert "For commercial use leave out" not in card


def test_every_picture_of_the_card_is_in_the_folder(statistics, tmp_path):
    import re

    named = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", render_dataset_card(statistics))
    assert named == ["images/tags.png", "images/action_units.png", "images/co_occurrence.png"]
    for name in named:
        assert (tmp_path / "d" / name).read_bytes().startswith(b"\x89PNG")


def test_an_example_cannot_break_out_of_its_cell(statistics):
    statistics["example"]["transcript"] = "a|b <img src=x>\n# head"
    assert "| transcript | a\\|b &lt;img src=x> # head |" in render_dataset_card(statistics)


def test_a_fact_of_a_wrong_form_is_an_error(statistics):
    statistics["items"] = "many"
    with pytest.raises(CardError, match="a fact has a wrong form"):
        render_dataset_card(statistics)


def test_a_name_cannot_break_out_of_its_cell(statistics):
    statistics["sources"][0]["source"] = "csv:a|b\n<script>alert(1)</script>.csv"
    card = render_dataset_card(statistics)
    assert "<script>" not in card
    assert "| csv:a\\|b &lt;script>alert(1)&lt;/script>.csv |" in card
    assert _cell("a\\|b") == "a\\\\\\|b"


def test_statistics_survive_json(statistics):
    assert render_dataset_card(json.loads(json.dumps(statistics))) == render_dataset_card(
        statistics
    )


def test_a_card_that_cannot_be_written_names_the_folder(tmp_path):
    with pytest.raises(CardError, match=r"none: cannot write the card"):
        write_model_card(tmp_path / "none", metrics())


def metrics():
    return {
        "items": {"train": 1200, "validation": 80},
        "texts": 3000,
        "mapping_version": "v1",
        "text_encoder": "sentence-transformers/all-MiniLM-L6-v2",
        "parameters": 123456,
        "steps": 800,
        "kept_step": 760,
        "validation": {"mae_d": 0.0212, "mae_e": 0.0301},
        "seconds": {"train": 41.5},
        "device": "cpu",
        "training": {
            "lambda_ae": 1.0,
            "lambda_emb": 10.0,
            "lambda_multi": 10.0,
            "learning_rate": 0.003,
            "batch_size": 32,
            "seed": 0,
        },
    }


def test_the_model_card_states_the_training_and_its_figures():
    card = render_model_card(metrics())
    assert yaml.safe_load(card[4:].partition("\n---\n")[0])["library_name"] == "transformers"
    assert "| training items / held out for validation | 1,200 / 80 |" in card
    assert "| mae_d | 0.0212 |" in card


@pytest.mark.parametrize("missing", ["texts", "training", "validation"])
def test_a_model_card_without_a_fact_is_an_error(missing):
    facts = metrics()
    del facts[missing]
    with pytest.raises(CardError, match=f"a fact is missing .*'{missing}'"):
        render_model_card(facts)


def evaluated():
    figure = {"value": 0.0212345, "low": 0.02, "high": 0.0225}
    recall = {"recall_at_1": 0.25, "recall_at_10": 0.5, "median_rank": 9.5, "gallery": 1200}
    kinds = ("description", "cues")
    return {
        "dataset": "/home/somebody/faces",
        "dataset_is_folder": True,
        "split": "test",
        "items": 1500,
        "train_items": 2000,
        "bootstrap_samples": 1000,
        "seed": 0,
        "text_to_expression": {kind: {"mae": figure} for kind in kinds},
        "reconstruction": {"mae": figure},
        "baselines": {
            "tag_mean": {"description": {"mae": figure | {"value": 0.04}}},
            "authors_architecture": {kind: {"mae": figure} for kind in kinds},
        },
        "baseline_training": {"authors_architecture": {"steps": 300}},
        "retrieval": {kind: {"latent": {"text_to_expression": recall}} for kind in kinds},
    }


def test_the_test_results_are_in_the_form_that_the_hub_reads():
    card = ModelCard(render_model_card(metrics(), evaluated()))
    assert card.data.model_name == "countenance"
    found = {(r.dataset_config, r.metric_name): r for r in card.data.eval_results}
    assert {key: result.metric_value for key, result in found.items()} == {
        ("default", "MAE from text (description)"): 0.02123,
        ("cues", "MAE from text (cues)"): 0.02123,
        ("default", "MAE of the reconstruction"): 0.02123,
        ("default", "R@10, text to expression (description)"): 0.5,
        ("cues", "R@10, text to expression (cues)"): 0.5,
    }
    assert {r.dataset_type for r in found.values()} == {"faces"}
    assert {(r.task_type, r.dataset_split) for r in found.values()} == {
        ("text-to-expression", "test")
    }
    assert "somebody" not in str(card)


def test_the_results_stand_beside_the_baselines_with_their_intervals():
    card = render_model_card(metrics(), evaluated())
    ours = "0.0212 [0.0200, 0.0225]"
    assert "| MAE from text | description | cues |\n|---|---:|---:|\n| **this model**" in card
    assert f"| **this model** | {ours} | {ours} |" in card
    assert "| tag mean | 0.0400 [0.0200, 0.0225] | - |" in card
    assert "trained for 300 steps only: no reproduction" in card
    assert f"(face to face): {ours}." in card
    assert "| description | 0.25 | 0.5 | 9.5 | 1,200 |" in card
    assert "Not measured yet" not in card


def test_a_card_without_results_says_so_and_claims_none():
    card = render_model_card(metrics())
    assert "model-index" not in card
    assert "Not measured yet: `countenance evaluate" in card


@pytest.mark.parametrize("missing", sorted(evaluated()))
def test_a_result_that_is_missing_is_an_error_that_names_it(missing):
    facts = evaluated()
    del facts[missing]
    with pytest.raises(CardError, match=f"a fact is missing .*'{missing}'"):
        render_model_card(metrics(), facts)


def test_training_facts_are_read_from_a_checkpoint_folder(tmp_path):
    facts = metrics()
    training = facts.pop("training")
    with pytest.raises(CardError, match=r"metrics.json: cannot read it .*a local folder"):
        read_training_facts(tmp_path)
    (tmp_path / "metrics.json").write_text(json.dumps(facts))
    (tmp_path / "training_config.json").write_text("[")
    with pytest.raises(CardError, match=r"training_config.json: cannot read it"):
        read_training_facts(tmp_path)
    (tmp_path / "training_config.json").write_text(json.dumps(training))
    assert read_training_facts(tmp_path) == metrics()


@pytest.mark.parametrize(
    "hostile",
    [
        "![x](http://tracker/p.png)",
        "[click](https://evil)",
        "see https://evil/now",
        "a | b",
        "<script>alert(1)</script>",
        "`code` *bold*",
        "&lt;b&gt;",
        "www.evil.example",
    ],
)
def test_a_transcript_in_the_card_is_text_and_nothing_else(statistics, hostile):
    statistics["example"]["transcript"] = hostile
    card = render_dataset_card(statistics)
    row = next(line for line in card.splitlines() if line.startswith("| transcript |"))
    assert not re.search(r"(?<!\\)[\[`*]|://|<|&lt;b|www\.", row)
    assert len(re.findall(r"(?<!\\)\|", row)) == 3


def test_a_file_name_cannot_break_out_of_the_code_that_names_it(statistics):
    from countenance.dataset_script.card_figures import licence_table

    markdown_it = pytest.importorskip("markdown_it", reason="markdown-it-py is not installed")
    name = "csv:`x`<img src=x onerror=y>``.csv"
    statistics["licences"] = licence_table(["samples", name])
    card = render_dataset_card(statistics)
    assert f"""``` dataset.filter(lambda row: row["source"] not in ['{name}']) ```""" in card
    page = markdown_it.MarkdownIt("commonmark", {"html": True}).render(card.split("---\n", 2)[2])
    assert "<img src=x" not in page
    assert "&lt;img src=x" in page

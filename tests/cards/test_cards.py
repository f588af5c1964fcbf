"""Cards: complete or not at all, and inert."""

import json

import pytest
import yaml

from countenance.cards import render_dataset_card, render_model_card, write_model_card
from countenance.cards.render import _cell
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
    assert card.count("\n| AU") == 26


@pytest.mark.parametrize("missing", ["items", "run", "front_matter", "sources", "provenance"])
def test_a_missing_fact_is_an_error_that_names_it(statistics, missing):
    del statistics[missing]
    with pytest.raises(CardError, match=f"a fact is missing .*'{missing}'"):
        render_dataset_card(statistics)


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

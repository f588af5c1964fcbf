"""Cards: complete or not at all, and inert."""

import json

import pytest
import yaml

from countenance.cards import render_dataset_card
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

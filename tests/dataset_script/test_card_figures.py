"""The figures and pictures that only the card needs, on items written here."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countenance.au_mapping import load_mapping
from countenance.dataset_script.bias import bias_tables
from countenance.dataset_script.card_figures import card_figures, licence_table
from countenance.dataset_script.card_images import write_card_images
from countenance.generation import known_corpora
from countenance.generation.tables_reading import read_table

MAPPING = load_mapping("v1")


def item(transcript, emotions=("joy",), units=("AU12C",), strength=0.5, source="samples"):
    return {
        "transcript": transcript,
        "emotions": list(emotions),
        "action_units": list(units),
        "strength": strength,
        "description": "the lip corners rise",
        "source": source,
    }


def bias(rows):
    tables = bias_tables(rows, MAPPING.action_units)
    groups = {g["title"]: g for d in tables["dimensions"] for g in d["groups"]}
    return tables, groups


@pytest.mark.parametrize(
    ("transcript", "group"),
    [
        ("She never called back.", "women"),
        ("my MUM'S cake", "women"),
        ("his own fault", "men"),
        ("An old  man waved", "men"),
        ("two old ladies", "women"),
        ("man, that was good", None),
        ("there, therefore, others", None),
        ("#women rule", "women"),
        ("a black dress, black people", "Black people, Africans"),
        ("the gay couple next door", "gay, lesbian, bisexual, transgender people"),
        ("go straight on", None),
        ("Christian scored twice", None),
        ("he is a christian", "Christians and Christianity"),
    ],
)
def test_a_word_counts_as_a_word_and_not_as_a_piece_of_one(transcript, group):
    _, groups = bias([item(transcript)])
    found = {title for title, facts in groups.items() if facts["items"]}
    assert found >= {group} if group else not found


def test_pieces_of_words_count_for_nobody():
    _, groups = bias([item("there, therefore, others, human, theme, sherry, boyish, manly")])
    assert not any(facts["items"] for facts in groups.values())


def test_a_small_group_gets_a_number_and_no_rates():
    tables, groups = bias([item("my wife laughed")] * 29 + [item("it rained")] * 50)
    assert tables["least_items"] == 30
    assert groups["women"]["items"] == 29
    assert groups["women"]["emotions"] is None
    assert groups["women"]["action_units"] is None


def test_shares_and_differences_of_a_group():
    about_women = [item("my wife laughed", ["joy"], ["AU12C", "AU6"], 0.8)] * 30
    about_women += [item("my wife cried", ["sadness", "joy"], ["AU15"], 0.4)] * 10
    others = [item("it rained", ["neutral"], ["AU4"], None)] * 60
    tables, groups = bias(about_women + others)
    women = groups["women"]
    assert women["items"] == 40
    assert women["emotions"]["joy"] == 75.0
    assert women["emotions"]["sadness"] == 25.0
    assert women["strength"] == pytest.approx(0.7)
    assert women["action_units"][0] == {"action_unit": "AU4", "percent": 0.0, "points": -100.0}
    assert {"action_unit": "AU6", "percent": 75.0, "points": 75.0} in women["action_units"]
    assert tables["all"]["items"] == 100
    assert tables["all"]["action_units"] == []


def test_women_and_men_are_compared_over_texts_that_mention_one_of_them():
    rows = [item("she sang", ["joy"])] * 40 + [item("he sang", ["anger"])] * 40
    rows += [item("she told him", ["fear"])] * 50
    compare = bias(rows)[0]["dimensions"][0]["compare"]
    assert compare["items"] == [40, 40]
    tags = {row["tag"]: row for row in compare["tags"]}
    assert [share["percent"] for share in tags["joy"]["shares"]] == [100.0, 0.0]
    assert tags["joy"]["apart"]
    assert "fear" not in tags
    units = {row["action_unit"]: row for row in compare["action_units"]}
    assert not units["AU12"]["apart"]


@settings(deadline=None)
@given(st.lists(st.sampled_from(["she", "he", "rain", "old man", "muslim", "x"]), min_size=1))
def test_the_tables_are_json_and_do_not_depend_on_the_order(texts):
    rows = [item(text, strength=None) for text in texts]
    tables = bias_tables(rows, MAPPING.action_units)
    assert json.loads(json.dumps(tables)) == tables
    assert bias_tables(rows[::-1], MAPPING.action_units) == tables


def test_the_word_lists_hold_no_word_in_two_groups_of_a_dimension():
    for dimension in read_table("bias_groups-v1", "bias_groups")["dimensions"]:
        words = [word for group in dimension["groups"] for word in group["words"]]
        assert len(words) == len(set(words))
        assert set(dimension["compare"]) <= {group["name"] for group in dimension["groups"]}


def test_every_known_corpus_has_its_licence_and_the_same_everywhere():
    from countenance.generation import describe_corpus

    for row in licence_table(set(known_corpora())):
        assert row["licence"] == describe_corpus(row["source"]).licence


def test_a_file_of_the_builders_own_has_no_licence_that_we_know():
    (row,) = licence_table({"csv:diary.csv"})
    assert (row["licence"], row["redistribution"]) == ("not known to us", "unclear")


def figures(rows):
    return card_figures(rows, np.zeros(len(rows), dtype=bool), MAPPING)


def test_co_occurrence_is_a_share_of_the_row():
    table = figures(
        [item("a", units=["AU6C", "AU12"]), item("b", units=["AU12A"]), item("c", units=[])]
    )["co_occurrence"]
    place = table["action_units"].index
    assert table["percent"][place("AU6")][place("AU12")] == 100.0
    assert table["percent"][place("AU12")][place("AU6")] == 50.0
    assert set(table["percent"][place("AU1")]) == {None}


def test_intensity_letters_are_counted():
    rows = [item("a", units=["AU6C", "AU12", "AUL14C", "AU1A"])]
    assert figures(rows)["intensities"] == [
        {"letter": "A", "percent": 25.0},
        {"letter": "C", "percent": 50.0},
        {"letter": "none", "percent": 25.0},
    ]


def test_the_example_is_a_train_item():
    rows = [item("what a lovely warm day", units=["AU6", "AU12"]), item("no")]
    chosen = card_figures(rows, np.array([True, False]), MAPPING)["example"]
    assert chosen["transcript"] == "no"


def test_what_nobody_measured_is_null_and_not_missing():
    facts = figures([item("a")])
    assert facts["quality"] == {"reference": None, "review": None}
    assert facts["set_aside"] is None


@pytest.fixture
def drawn(tmp_path):
    rows = [item(f"line {n}", [tag]) for n in range(4) for tag in ("joy", "fear", "anger")]
    weights = MAPPING.to_blendshapes_batch([row["action_units"] for row in rows])
    table = [{"tag": tag, "items": 4, "test_percent": 25.0} for tag in ("joy", "fear", "anger")]
    units = [
        {"action_unit": name, "name": name, "percent": 3.0, "one_sided_percent": 1.0}
        for name in MAPPING.action_units
    ]
    facts = {**figures(rows), "tags": table, "action_units": units}

    def draw(name, **settings):
        folder = tmp_path / name
        folder.mkdir()
        pictures = write_card_images(folder, facts, rows, weights, **settings)
        return pictures, {p["file"]: (folder / p["file"]).read_bytes() for p in pictures}

    return draw


def test_the_same_figures_give_the_same_bytes_whatever_the_users_style(drawn):
    import matplotlib as mpl

    first = drawn("first")
    with mpl.rc_context({"axes.facecolor": "black", "savefig.dpi": 30, "font.size": 30}):
        assert drawn("second") == first
    assert list(first[1]) == [
        "images/tags.png",
        "images/action_units.png",
        "images/co_occurrence.png",
    ]


def test_the_faces_are_drawn_by_the_caller_one_for_each_tag(drawn):
    asked = []

    def draw_faces(weights, captions, *, title):
        asked.append((np.shape(weights), captions))
        assert "commonest tags" in title
        return b"\x89PNG"

    pictures, files = drawn("faces", draw_faces=draw_faces, seed=3)
    assert asked == [((3, 51), ["joy: AU12C", "fear: AU12C", "anger: AU12C"])]
    assert files["images/faces.png"] == b"\x89PNG"
    assert pictures[0]["alt"] == "Drawn faces for joy, fear, anger"
    assert pictures[1]["alt"].startswith(
        "Items per tag, train and test. Bars; the commonest: joy 4"
    )
    assert pictures[2]["alt"].startswith(
        "Items that show each action unit. Bars; the first: AU1 3.0"
    )

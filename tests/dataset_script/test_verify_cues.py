"""Config ``cues`` is made anew from the packaged table and compared, row by row."""

import re
from dataclasses import asdict

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from countenance.au_mapping import load_mapping
from countenance.dataset_script.verify_cues import check_cues
from countenance.generation.cue_writer import words_of
from countenance.generation.cues import cue_items, saying_items
from countenance.generation.reserved_texts import reserved_hashes, text_hash
from countenance.generation.sayings import SAYINGS_TABLE

FILES = ("train.parquet", "test.parquet")
SEED, COMBINATIONS = 4, 30


@pytest.fixture(scope="module")
def rows():
    items = cue_items(load_mapping("v1"), seed=SEED, combinations=COMBINATIONS, sayings=None)
    return sorted((asdict(item) for item in items), key=lambda row: row["id"])


def check(folder, rows, **provenance):
    for name, part in zip(FILES, (rows[100:], rows[:100]), strict=True):
        pq.write_table(pa.Table.from_pylist(part), folder / name)
    said = {"mapping_version": "v1", "cues": {"seed": SEED, "combinations": COMBINATIONS}}
    return check_cues(folder, FILES, said | provenance)


def test_the_items_of_the_table_pass(rows, tmp_path):
    assert check(tmp_path, rows) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"description": "a yawn"}, "description: 'a yawn', and cue_phrases-v1 makes '"),
        ({"action_units": ("AU1C", "AU2C", "AU4C")}, "action_units: AU1C+AU2C+AU4C, and "),
        ({"action_units": None}, "action_units: , and cue_phrases-v1 makes AU"),
        ({"form": "poem"}, "form: 'poem', and cue_phrases-v1 makes '"),
        ({"kind": "quartet"}, "kind: 'quartet', and cue_phrases-v1 makes '"),
        ({"cue": "AU1C+AU2C+AU4C"}, "cue: 'AU1C+AU2C+AU4C', and cue_phrases-v1 makes 'AU"),
        ({"cues_version": "mine"}, "cues_version: 'mine', and cue_phrases-v1 makes 'cue_phr"),
    ],
)
def test_a_changed_column_is_named(rows, tmp_path, change, message):
    (fault,) = check(tmp_path, [*rows[:3], rows[3] | change, *rows[4:]])
    place = f"test.parquet: row 3 (id {rows[3]['id']}): "
    assert str(fault).startswith(place + message)


def test_lost_and_strange_cues_are_named(rows, tmp_path):
    strange = rows[3] | {"id": "0" * 16}
    first, second = check(tmp_path, [*rows[:3], strange, *rows[4:]])
    assert str(first).startswith("test.parquet: row 3 (id 0000000000000000): id: no cue of ")
    assert str(second).startswith(
        f"cues: id: 1 cues of cue_phrases-v1 are missing, the first {rows[3]['id']} "
    )


def test_another_seed_makes_other_cues(rows, tmp_path):
    assert len(check(tmp_path, rows, cues={"seed": 5, "combinations": COMBINATIONS})) > 100


def test_sayings_are_compared_where_the_dataset_names_them(rows, tmp_path):
    known = {words_of(row["description"]) for row in rows}
    sayings = [asdict(item) for item in saying_items(load_mapping("v1"), known=known)]
    reserved = reserved_hashes()
    sayings = [row for row in sayings if text_hash(row["description"]) not in reserved]
    said = {"seed": SEED, "combinations": COMBINATIONS, "sayings": SAYINGS_TABLE}
    assert check(tmp_path, rows + sayings, cues=said) == []
    changed = [sayings[0] | {"action_units": ("AU34",), "cue": "AU34"}, *sayings[1:-1]]
    messages = [str(fault) for fault in check(tmp_path, rows + changed, cues=said)]
    assert any(
        f"action_units: AU34, and {SAYINGS_TABLE} makes AU" in message for message in messages
    )
    assert any(f"1 cues of {SAYINGS_TABLE} are missing" in message for message in messages)


def test_older_datasets_and_other_tables_are_not_compared(rows, tmp_path):
    assert check(tmp_path, rows[200:], cues=None) == []
    other = [row | {"cues_version": "cue_phrases-v0"} for row in rows[200:]]
    assert check(tmp_path, other) == []


@pytest.mark.parametrize(
    ("provenance", "message"),
    [
        ({"cues": []}, r"cues: \[\], expected seed and combinations"),
        ({"cues": {"seed": 0}}, "cues: {'seed': 0}, expected seed"),
        ({"cues": {"seed": -1, "combinations": 3}}, "expected seed"),
        ({"cues": {"seed": 0, "combinations": True}}, "expected seed"),
        ({"cues": {"seed": 0, "combinations": 10**12}}, "expected seed"),
        ({"mapping_version": "v9"}, r"cues cannot be made anew \(.*v9"),
        ({"mapping_version": None}, r"cues cannot be made anew \(.*None"),
    ],
)
def test_a_draw_that_cannot_be_repeated_is_named(rows, tmp_path, provenance, message):
    (fault,) = check(tmp_path, rows, **provenance)
    assert (fault.file, fault.field) == ("stats.json", "provenance")
    assert re.search(message, fault.message)

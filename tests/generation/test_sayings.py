"""The sayings: texts by hand, their sides mirrored, their units those of the mapping."""

import json
from collections import Counter

import pytest

from countenance.au_mapping import INTENSITIES, ActionUnit, load_mapping
from countenance.errors import TableError
from countenance.generation.cue_writer import words_of
from countenance.generation.cues import cue_items, form_of, kind_of, saying_items
from countenance.generation.reserved_texts import reserved_hashes, text_hash
from countenance.generation.sayings import SAYINGS_TABLE, load_sayings, sayings_for
from countenance.generation.tables_reading import TABLES

REGISTERS = {
    "plain",
    "stage",
    "chat",
    "clinical",
    "simile",
    "prose",
    "dialogue",
    "caption",
    "animator",
}


@pytest.fixture(scope="module")
def packaged():
    return load_sayings().sayings


def table(tmp_path, *rows, **fields):
    """A small table with the given rows."""
    content = fields | {
        "version": "sayings-v9",
        "description": "Sayings of a test, written by hand.",
        "note": "Written for this test and for nothing else.",
        "sources": {"test": "this test"},
        "sayings": [
            {"action_units": [], "register": "plain", "source": "test", "text": "x"} | row
            for row in rows
        ],
    }
    path = tmp_path / "sayings-v9.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_a_side_in_braces_is_followed_by_its_mirror_image(tmp_path):
    path = table(
        tmp_path,
        {"text": "{Left} eye shut, {right} eye wide", "action_units": ["AUL43", "AUR5D"]},
        {"text": "{L}12, {LEFT} only", "action_units": ["AUL12C", "AU25"]},
        {"text": "one left-over grin", "action_units": ["AU12D"]},
    )
    assert [(s.text, [str(unit) for unit in s.units]) for s in load_sayings(path).sayings] == [
        ("Left eye shut, right eye wide", ["AUL43", "AUR5D"]),
        ("Right eye shut, left eye wide", ["AUR43", "AUL5D"]),
        ("L12, LEFT only", ["AUL12C", "AU25"]),
        ("R12, RIGHT only", ["AUR12C", "AU25"]),
        ("one left-over grin", ["AU12D"]),
    ]


def test_a_table_begins_with_the_sayings_that_it_continues(tmp_path):
    path = table(tmp_path, {"text": "a face of this test"}, continues="sayings-v1")
    before = load_sayings("sayings-v1").sayings
    assert [s.text for s in load_sayings(path).sayings[-2:]] == [
        before[-1].text,
        "a face of this test",
    ]
    assert len(load_sayings(path).sayings) == len(before) + 1


def test_a_table_that_continues_itself_or_nothing_is_refused(tmp_path):
    with pytest.raises(TableError, match="continues: a table cannot continue itself"):
        load_sayings(table(tmp_path, {}, continues="sayings-v9"))
    with pytest.raises(TableError, match="unknown table 'sayings-v99': expected one of sayings-v1"):
        load_sayings(table(tmp_path, {}, continues="sayings-v99"))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"source": "mine"}, r"sayings\[1\].source: 'mine' is not explained under sources"),
        ({"action_units": ["AU99"]}, r"sayings\[1\].action_units: unknown action unit 'AU99'"),
        ({"text": "{left}"}, r"sayings\[1\].action_units: the text names a side in braces, no "),
        ({"register": "song"}, r"sayings.1..?register"),
        ({"text": " "}, r"sayings.1..?text"),
        ({"action_units": ["a smile"]}, r"sayings.1..?action_units"),
    ],
)
def test_a_wrong_row_is_named(tmp_path, row, message):
    path = table(tmp_path, {}, row)
    with pytest.raises(TableError, match=message):
        load_sayings(path)


def test_a_mapping_gets_only_what_it_can_show(tmp_path):
    path = table(
        tmp_path,
        {"text": "eyes to the left", "action_units": ["AU61"]},
        {"text": "half a brow", "action_units": ["AUL1C"]},
        {"text": "smile and raise", "action_units": ["AU12C", "AU2"]},
    )
    (saying,) = sayings_for(load_mapping("v1"), path)
    assert saying.text == "smile and raise"
    assert [str(unit) for unit in saying.units] == ["AU2", "AU12C"]  # the mapping's order


def test_the_packaged_sayings_cover_units_strengths_sides_and_registers(packaged):
    units = [unit for saying in packaged for unit in saying.units]
    mapping = load_mapping("v1")
    met = Counter(unit.id for unit in units)
    assert set(met) == set(mapping.action_units)
    assert min(met.values()) >= 100
    assert {unit.intensity for unit in units} == {*INTENSITIES, None}
    for name in mapping.action_units:
        sides = Counter(unit.side for unit in units if unit.id == name)
        assert not mapping.info(name).sides or min(sides["L"], sides["R"]) >= 20
    assert min(Counter(saying.register for saying in packaged).values()) >= 500
    assert {saying.register for saying in packaged} == REGISTERS
    assert sum(not saying.units for saying in packaged) >= 150


def test_every_packaged_saying_can_be_shown(packaged):
    mapping = load_mapping("v1")
    assert len(list(sayings_for(mapping))) == len(packaged)
    faces = mapping.to_blendshapes_batch([list(map(str, s.units)) for s in packaged])
    at_rest = [not saying.units for saying in packaged]
    assert ((faces.max(axis=1) == 0) == at_rest).all()


def test_no_packaged_saying_stands_twice_or_keeps_a_brace(packaged):
    assert not any("{" in saying.text or "}" in saying.text for saying in packaged)
    twice = [text for text, n in Counter(words_of(s.text) for s in packaged).items() if n > 1]
    assert twice == []


def test_cues_end_with_the_sayings_but_those_that_models_are_asked():
    mapping = load_mapping("v1")
    parts = cue_items(mapping, combinations=50, sayings=None)
    items = cue_items(mapping, combinations=50)
    assert items[: len(parts)] == parts
    added = items[len(parts) :]
    assert len(added) > 10_000
    assert {item.cues_version for item in added} == {SAYINGS_TABLE}
    assert not {text_hash(item.description) for item in added} & reserved_hashes()
    assert len({item.id for item in items}) == len(items)
    assert len({words_of(item.description) for item in items}) == len(items)
    for item in added:
        units = [ActionUnit.parse(text) for text in item.action_units]
        assert item.kind == kind_of(len(units))
        assert item.cue == "+".join(item.action_units)


def test_words_that_the_cues_have_already_are_left_out():
    mapping = load_mapping("v1")
    first, *others = saying_items(mapping)
    assert saying_items(mapping, known={words_of(first.description.upper())}) == others


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("She smiled.", "sentence"),
        ('"Get out!"', "sentence"),
        ("(He winks.)", "sentence"),
        ("wide grin", "prompt"),
        ("AU12C", "prompt"),
        ("she smiled.", "prompt"),
        ("\U0001f621", "prompt"),
        ("", "prompt"),
    ],
)
def test_a_sentence_begins_with_a_capital_and_ends_with_a_stop(text, form):
    assert form_of(text) == form


def test_kinds_are_called_by_the_number_of_units():
    kinds = [kind_of(number) for number in range(6)]
    assert kinds == ["rest", "single", "pair", "triple", "several", "several"]


def test_a_text_without_letters_is_reserved_by_its_signs():
    assert text_hash("1+2+5") != text_hash("1+2+4")
    assert text_hash("\U0001f621 ") == text_hash("\U0001f621")
    assert text_hash("A smile!") == text_hash("a  smile")


@pytest.mark.parametrize("name", ["sayings-v1", "sayings-v2"])
def test_the_packaged_tables_name_their_writers(name):
    raw = json.loads((TABLES / f"{name}.json").read_text(encoding="utf-8"))
    assert {row["source"] for row in raw["sayings"]} == set(raw["sources"])
    assert raw["version"] == name == load_sayings(name).version

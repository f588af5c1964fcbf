"""What the cue items promise: a complete grid, distinct texts, true sides and strengths."""

import copy
import hashlib
import json
import re
from collections import defaultdict
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countenance.au_mapping import INTENSITIES, ActionUnit, load_mapping
from countenance.errors import TableError
from countenance.generation.composition import compose_description
from countenance.generation.cue_combinations import Plausibility
from countenance.generation.cue_table import load_cue_table
from countenance.generation.cue_text import put_side
from countenance.generation.cue_writer import CueWriter
from countenance.generation.cues import contradictions, cue_items, describe_cues, main
from countenance.generation.tables_reading import TABLES

FROZEN = "b01f7058e370d2f954379947dae5311c68ab00241f7d4468268b87758216f152"
LETTERS = (*INTENSITIES, None)
TABLE = TABLES / "cue_phrases-v1.json"


@cache
def items(mapping="v1", seed=0, combinations=600):
    mapping = load_mapping(mapping)
    return tuple(cue_items(mapping, seed=seed, combinations=combinations, sayings=None))


@cache
def worded(mapping):
    writer = CueWriter(load_mapping(mapping), load_cue_table(), 0)
    writer.word_rows()
    return writer


def grid(mapping):
    """Every unit at every letter and side that the mapping has."""
    for name in mapping.action_units:
        info = mapping.info(name)
        sides = [None] * (not info.side_required) + ["L", "R"] * info.sides
        for side in sides:
            for letter in LETTERS:
                yield ActionUnit(name.removeprefix("AU"), letter, side)


def altered(tmp_path, change):
    """The packaged table with one change, as a file."""
    table = copy.deepcopy(json.loads(TABLE.read_text(encoding="utf-8")))
    change(table)
    path = tmp_path / "cue_phrases-v1.json"
    path.write_text(json.dumps(table), encoding="utf-8")
    return path


def test_the_released_table_never_changes():
    assert hashlib.sha256(TABLE.read_bytes()).hexdigest() == FROZEN


@pytest.mark.parametrize("name", ["v1", "extended"])
def test_every_unit_is_worded_at_every_letter_and_side(name):
    mapping = load_mapping(name)
    texts = defaultdict(list)
    for text in worded(name).worded:
        if text.row in mapping.action_units:
            texts[next(unit for unit in text.units if unit.id == text.row)].append(text)
    for unit in grid(mapping):
        found = texts[unit]
        assert len(found) >= 20, unit
        assert {text.form for text in found} == {"sentence", "prompt"}, unit


def test_every_unit_has_many_patterns_in_several_registers():
    patterns, registers = defaultdict(set), defaultdict(set)
    for text in worded("v1").worded:
        patterns[text.row].add(text.pattern)
        registers[text.row].add(text.register)
    for unit in load_mapping("v1").action_units:
        assert len(patterns[unit]) >= 12
        assert registers[unit] == {"narration", "direction", "tag", "slang", "facs", "line"}


@pytest.mark.parametrize("name", ["v1", "extended"])
def test_no_words_stand_for_two_things(name):
    assert worded(name).conflicts == []


def test_ids_and_descriptions_are_unique_and_ids_come_from_the_description_alone():
    assert len({item.id for item in items()}) == len(items())
    assert len({item.description.casefold() for item in items()}) == len(items())
    assert all(len(item.id) == 16 and int(item.id, 16) >= 0 for item in items())
    ids = {item.description: item.id for item in items(seed=1)}
    shared = [item for item in items() if item.description in ids]
    assert len(shared) > 1000
    assert all(ids[item.description] == item.id for item in shared)


def test_the_same_seed_gives_the_same_items_and_another_seed_others():
    again = cue_items(load_mapping("v1"), seed=0, combinations=600, sayings=None)
    assert tuple(again) == items()
    assert {item.id for item in items(seed=1)} != {item.id for item in items()}


def test_single_items_do_not_depend_on_how_many_combinations_are_drawn():
    assert items(combinations=0) == items()[: len(items(combinations=0))]
    assert len(items()) == len(items(combinations=0)) + 600


def test_an_item_says_what_it_is():
    for item in items():
        units = [ActionUnit.parse(text) for text in item.action_units]
        assert item.cue == "+".join(item.action_units) == "+".join(map(str, units))
        assert item.kind == ("single", "pair", "triple")[len(units) - 1]
        assert item.form in ("sentence", "prompt")
        assert item.cues_version == "cue_phrases-v1"


def test_a_named_side_is_the_units_own_and_no_other():
    for item in items():
        sides = {ActionUnit.parse(text).side for text in item.action_units} - {None}
        words = set(item.description.lower().replace("-", " ").split())
        said = {mark for mark, word in (("L", "left"), ("R", "right")) if word in words}
        assert said <= sides, item
        # Coders write R2B.
        coded = re.search(r"R[0-9]", item.description)
        if "R" in sides and not coded:
            assert "right" in item.description.lower(), item


def test_one_side_without_a_name_is_the_left_one():
    bare = [
        item
        for item in items()
        if any(mark in item.description for mark in ("one-sided", "unilateral AU", "one eye"))
    ]
    assert len(bare) > 100
    assert all("AUR" not in item.cue for item in bare)


def test_left_and_right_share_wordings_that_differ_in_the_side_alone():
    by_text = {item.description: item.cue for item in items() if item.kind == "single"}
    mirrored = 0
    for text, cue in by_text.items():
        twin = by_text.get(text.replace("left", "right"))
        if "left" in text and twin:
            assert twin == cue.replace("AUL", "AUR")
            mirrored += 1
    assert mirrored > 500


@pytest.mark.parametrize(
    ("text", "side", "expected"),
    [
        ("~ {side} eyebrow", "left", "~ left eyebrow"),
        ("~ {side} eyebrow", "one", "one eyebrow"),
        ("the {side} corner of ~ mouth", "one", "one corner of ~ mouth"),
        ("on the {side} side", "one", "on one side"),
        ("on the {side}", "one", "on one side"),
        ("with the {side} eye", "one", "with one eye"),
        ("The {side} eyebrow shoots up", "one", "One eyebrow shoots up"),
        ("a {S}smirk", "right", "a right-sided smirk"),
        ("a {S}smirk", "one", "a one-sided smirk"),
        ("a {S}smirk", "both", "a smirk"),
        ("~ {side} eyebrow", "both", None),
        ("That {side} eyebrow", "one", None),
        ("a smile", "left", None),
    ],
)
def test_sides_are_put_into_words(text, side, expected):
    assert put_side(text, side) == expected


def test_a_degree_word_has_one_letter_and_ladders_climb():
    ladder = ("barely", "slightly", "clearly", "strongly", "extremely")
    for row in load_cue_table().units.values():
        for words in row.sets:
            for kind in {kind for kind, _ in words.degrees}:
                letters = defaultdict(set)
                for letter in INTENSITIES:
                    for word in words.degrees.get((kind, letter), ()):
                        letters[word].add(letter)
                assert all(len(found) == 1 for found in letters.values())
                found = [min(letters[word]) for word in ladder if letters.get(word)]
                assert found == sorted(found)


def test_stronger_words_give_stronger_shapes():
    mapping = load_mapping("v1")
    for unit in mapping.action_units:
        sums = [float(mapping.to_blendshapes([f"{unit}{x}"]).sum()) for x in INTENSITIES]
        assert sums == sorted(sums)
        assert len(set(sums)) == len(sums)


def test_the_description_parser_reads_many_items_and_contradicts_few():
    readable, wrong = contradictions(items())
    assert readable > 1000
    # "Cheek squint" and "upside-down smile" are read as a squint and a smile.
    assert len(wrong) < 0.04 * readable


def test_contradictions_are_found():
    item = next(item for item in items() if item.action_units == ("AU12D",))
    said = compose_description(["AU24C"], [], np.random.default_rng(0))
    lie = replace(item, description=said)
    readable, wrong = contradictions([lie])
    assert readable == 1
    assert len(wrong) == 1
    assert "AU24" in wrong[0]


def test_combinations_hold_every_unit_that_may_be_combined():
    drawn = cue_items(load_mapping("v1"), combinations=1500, sayings=None)[-1500:]
    found = {ActionUnit.parse(text).id for item in drawn for text in item.action_units}
    assert found == set(load_mapping("v1").action_units)
    assert {item.kind for item in drawn} == {"pair", "triple"}


@pytest.mark.parametrize(
    ("units", "fault"),
    [
        (["AU12", "AU15"], "antagonists: AU12 and AU15"),
        (["AU24C", "AU25B"], "antagonists: AU24 and AU25"),
        (["AU7B", "AU6E"], "hidden: AU7B beside AU6E"),
        (["AU6C", "AU12C"], None),
        (["AU1C", "AU4C"], None),
        (["AUL2C", "AUR12B", "AU17C"], None),
    ],
)
def test_plausible_combinations(units, fault):
    rule = Plausibility(load_cue_table(), load_mapping("v1"))
    assert rule.fault([ActionUnit.parse(unit) for unit in units]) == fault


@pytest.mark.parametrize("name", ["v1", "extended"])
def test_drawn_combinations_are_plausible_and_have_the_sides_of_the_mapping(name):
    mapping = load_mapping(name)
    rule = Plausibility(load_cue_table(), mapping)
    for item in cue_items(mapping, seed=5, combinations=300, sayings=None)[-300:]:
        units = [ActionUnit.parse(text) for text in item.action_units]
        assert rule.fault(units) is None
        assert all(unit.side is None or mapping.info(unit).sides for unit in units)
        assert all(unit.side or not mapping.info(unit).side_required for unit in units)


@settings(max_examples=4, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 80))
def test_any_seed_gives_a_complete_grid_of_clean_texts(seed, combinations):
    mapping = load_mapping("v1")
    drawn = cue_items(mapping, seed=seed, combinations=combinations, sayings=None)
    assert {item.cue for item in drawn} >= {str(unit) for unit in grid(mapping)}
    assert len({item.id for item in drawn}) == len(drawn)
    for item in drawn:
        text = item.description
        assert text == text.strip()
        assert not set("{}|~^") & set(text)
        assert "  " not in text
        assert item.form == "prompt" or (text[0].isupper() and text[-1] in ".?!")
        assert not any(
            twice in f" {text.lower()} " for twice in (" a a ", " the the ", " only only ")
        )


def _drop_unit(table):
    table["action_units"] = [row for row in table["action_units"] if row["unit"] != "AU27"]


def _silence(table):
    row = next(row for row in table["action_units"] if row["unit"] == "AU45")
    row.update(lines={"none": ["Blink."]}, nominals=[], side_nominals=[], acts=[])
    table["frames"]["facs"] = [{"register": "facs", "pattern": "{muscle}"}]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t["degrees"]["generic"]["pre"]["B"].append("barely"), "'barely' stands for"),
        (
            lambda t: t["action_units"][0].update(source=["nobody"]),
            r"action_units\[0\].source.*nob",
        ),
        (lambda t: t["action_units"].append(t["action_units"][0]), "AU1 has two rows"),
        (lambda t: t["looks"][0].update(action_units=[["AU12Z"]]), "AU12Z.*write for example"),
        (lambda t: t["looks"][0]["lines"].update(A=["a wink"]), "'A' is none of its letters"),
        (lambda t: t["action_units"][0]["lines"].update(F=["x"]), r"action_units\[0\].*'F'"),
        (lambda t: t.pop("sizes"), "'sizes' is a required property"),
        (lambda t: t["one_sided"].update(unnamed="middle"), "one_sided.unnamed"),
    ],
)
def test_a_malformed_table_is_refused_with_its_field(tmp_path, change, message):
    with pytest.raises(TableError, match=message):
        load_cue_table(altered(tmp_path, change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_drop_unit, "no row for AU27, which mapping extended has"),
        (_silence, "no words for AU45, letter A, side both: add lines"),
    ],
)
def test_a_table_that_cannot_word_a_mapping_is_refused(tmp_path, change, message):
    table = load_cue_table(altered(tmp_path, change))
    with pytest.raises(TableError, match=message):
        cue_items(load_mapping("extended"), combinations=0, table=table)


def test_the_make_up_is_counted_and_a_sample_is_shown(capsys):
    counts = describe_cues(load_mapping("v1"), combinations=50)
    assert counts["items"] == sum(counts["kinds"].values()) == sum(counts["registers"].values())
    assert counts["single_cells"] == 324
    main(["--combinations", "20", "--show", "3"])
    assert len(capsys.readouterr().out.splitlines()) == 3
    main(["--combinations", "20"])
    assert json.loads(capsys.readouterr().out)["registers"]["combination"] == 20

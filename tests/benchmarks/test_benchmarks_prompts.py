"""The prompts are sound: fair to a good model, failed by a poor one, balanced, and unchanged.

How well a model answers them is measured by the benchmarks, never here.
"""

import hashlib
import json
from collections import Counter

import numpy as np
import pytest

from countenance import load_mapping
from countenance.au_mapping import ActionUnit, mirrored_shape
from countenance.benchmarks._prompts import (
    HELD_OUT,
    LETTERS,
    OPEN,
    PROMPTS,
    SINGLE_CUES,
    all_texts,
    assign_halves,
    load_prompts,
    load_single_cues,
)
from countenance.benchmarks.words import passes
from countenance.errors import TableError
from countenance.generation.cues import cue_items
from countenance.generation.reserved_texts import reserved_hashes, text_hash

MAPPING = load_mapping("v1")
SET = load_prompts()
CUES = load_single_cues()
EXPECTED = MAPPING.to_blendshapes_batch([prompt.expected_action_units for prompt in SET.prompts])
NEUTRAL = np.zeros((1, len(MAPPING.blendshapes)), dtype=np.float32)
MIRROR = [MAPPING.blendshapes.index(mirrored_shape(name) or name) for name in MAPPING.blendshapes]
by_id = pytest.mark.parametrize(
    ("number", "prompt"), list(enumerate(SET.prompts)), ids=[prompt.id for prompt in SET.prompts]
)


@by_id
def test_the_face_that_facs_gives_passes_with_room_on_both_sides(number, prompt):
    own = EXPECTED[number][None]
    assert passes(prompt, own)[0], [check.explain(own[0]) for check in prompt.checks]
    assert passes(prompt, 0.7 * own)[0]
    assert passes(prompt, np.minimum(1.3 * own, 1.0))[0]


@by_id
def test_the_neutral_face_passes_only_where_rest_is_asked_for(number, prompt):
    assert passes(prompt, NEUTRAL)[0] == (prompt.category == "rest")


@by_id
def test_the_least_like_face_fails_and_so_do_most_faces(number, prompt):
    own = EXPECTED[number]
    lengths = np.linalg.norm(EXPECTED, axis=1)
    if own.any():
        likeness = np.where(lengths > 0, EXPECTED @ own / np.maximum(lengths, 1e-9), np.inf)
        unlike = EXPECTED[int(np.argmin(likeness))]
    else:
        unlike = EXPECTED[int(np.argmax(lengths))]
    assert not passes(prompt, unlike[None])[0]
    assert passes(prompt, EXPECTED).mean() <= 0.2


@by_id
def test_the_mirrored_face_fails_where_a_side_is_named(number, prompt):
    mirrored = EXPECTED[number][MIRROR][None]
    if not np.array_equal(mirrored[0], EXPECTED[number]):
        assert not passes(prompt, mirrored)[0]
    else:
        assert prompt.category != "one_sided"


@pytest.mark.parametrize("pair", SET.strength_pairs, ids=lambda pair: pair.id)
def test_the_stronger_words_name_clearly_more(pair):
    weak, strong = pair.measure(MAPPING.to_blendshapes_batch(pair.expected_action_units))
    assert strong - weak >= 2 * SET.strength_margin
    assert not pair.measure(NEUTRAL)[0]


@pytest.mark.parametrize("pair", SET.side_pairs, ids=lambda pair: pair.id)
def test_a_side_pair_differs_in_the_side_alone(pair):
    left, right = pair.difference(MAPPING.to_blendshapes_batch(pair.expected_action_units))
    assert left == pytest.approx(-right)
    assert left >= 2 * SET.side_margin
    assert MAPPING.mirror(pair.expected_action_units[0]) == [
        ActionUnit.parse(unit) for unit in pair.expected_action_units[1]
    ]
    said = [text.replace("right", "left").replace("AUR", "AUL") for text in pair.texts]
    said = [text.replace(" R ", " L ").replace("R14", "L14") for text in said]
    assert said[0] == said[1]


def test_there_are_enough_in_every_part_and_register():
    assert len(SET.prompts) >= 160
    assert len(SET.strength_pairs) >= 30
    assert len(SET.side_pairs) >= 30
    registers = Counter(prompt.register for prompt in SET.prompts)
    assert len(registers) == 9
    assert min(registers.values()) >= 10
    shapes = {
        name
        for name, weight in zip(MAPPING.blendshapes, EXPECTED.max(0), strict=True)
        if weight > 0
    }
    reached = {
        name
        for name, weight in zip(MAPPING.blendshapes, MAPPING.matrix.max(0), strict=True)
        if weight > 0
    }
    assert shapes == reached


def test_no_text_stands_there_twice():
    parts = [
        *(prompt.text for prompt in SET.prompts),
        *(text for pair in (*SET.strength_pairs, *SET.side_pairs) for text in pair.texts),
        *(
            t
            for cue in CUES
            for group in (*cue.texts.values(), *cue.sides.values())
            for t in group.values()
        ),
    ]
    assert [text for text, count in Counter(map(str.casefold, parts)).items() if count > 1] == []


def test_the_halves_follow_from_the_seed_and_are_balanced():
    seed = json.loads(PROMPTS.read_text("utf-8"))["seed"]
    for entries in (SET.prompts, SET.strength_pairs, SET.side_pairs):
        ids = {}
        for entry in entries:
            ids.setdefault(entry.category, []).append(entry.id)
        assert assign_halves(ids, seed) == {entry.id: entry.half for entry in entries}
        counts = Counter((entry.category, entry.half) for entry in entries)
        assert all(abs(counts[c, OPEN] - counts[c, HELD_OUT]) <= 1 for c in ids)
        assert Counter(entry.half for entry in entries) == {
            OPEN: len(entries) // 2,
            HELD_OUT: len(entries) // 2,
        }


def test_the_halves_do_not_depend_on_the_order_and_change_with_the_seed():
    ids = {"b": ["b1", "b2", "b3"], "a": ["a1", "a2", "a3", "a4"]}
    turned = {name: ids[name][::-1] for name in sorted(ids)}
    assert assign_halves(ids, 1) == assign_halves(turned, 1)
    assert len({tuple(sorted(assign_halves(ids, seed).items())) for seed in range(20)}) > 1


def test_each_unit_of_the_mapping_is_asked_for_and_each_with_sides_on_both():
    assert [cue.action_unit for cue in CUES] == list(MAPPING.action_units)
    for cue in CUES:
        assert [set(texts) for texts in cue.texts.values()] == [set(LETTERS)] * 2
        try:
            MAPPING.to_blendshapes([cue.action_unit.replace("AU", "AUL")])
        except Exception:  # the mapping's own refusal of a side
            assert not cue.sides
        else:
            assert len(cue.sides) == 2
        for texts in cue.sides.values():
            swap = {"left": "right", "right": "left"}
            words = [texts[side].split() for side in ("left", "right")]
            mirrored = [[_swapped(word, swap) for word in text] for text in words]
            assert mirrored == words[::-1]


def _swapped(word, swap):
    for side, other in swap.items():
        if side in word:
            return word.replace(side, other)
    return word


def test_our_words_stand_in_no_table_that_writes_training_texts():
    tables = (PROMPTS.parents[2] / "generation").glob("*/*.json")
    strings = {text.strip(" .").casefold() for path in tables for text in _strings(path)}
    asked = [*SET.texts(), *(t for c in CUES for g in c.texts.values() for t in g.values())]
    assert [text for text in asked if text.strip(" .").casefold() in strings] == []


def test_the_reserved_hashes_are_those_of_all_our_texts():
    assert reserved_hashes() == {text_hash(text) for text in all_texts()}


@pytest.mark.parametrize("mapping", ["v1", "extended"])
def test_no_cue_that_a_model_is_trained_on_has_the_letters_of_one_of_our_texts(mapping):
    asked = {text_hash(text) for text in all_texts()}
    cues = cue_items(load_mapping(mapping))
    assert not {text_hash(cue.description) for cue in cues} & asked


def _strings(path):
    def walk(value):
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            parts = (part for key, part in value.items() if key != "action_units")  # no words
            yield from (text for part in parts for text in walk(part))
        elif isinstance(value, list):
            yield from (text for item in value for text in walk(item))

    return walk(json.loads(path.read_text("utf-8")))


@pytest.mark.parametrize(
    ("path", "digest"),
    [
        (PROMPTS, "3e2e2480cc354db955b9cbdc5f148ad8cb29821dafc6f777586753dfcf69f43c"),
        (SINGLE_CUES, "7c22e6bcafaacf44a9b84c5264d1778dad4bcffad400f2488a8e2d8c62ae477c"),
    ],
    ids=["prompts-v1", "single_cues-v1"],
)
def test_what_was_written_before_tuning_never_changes(path, digest):
    assert hashlib.sha256(path.read_bytes()).hexdigest() == digest


def changed(tmp_path, change, source=PROMPTS):
    table = json.loads(source.read_text("utf-8"))
    change(table)
    path = tmp_path / source.name
    path.write_text(json.dumps(table), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.update(version="prompts-v2"), "expected the file's stem 'prompts-v1'"),
        (lambda table: table.pop("seed"), "'seed' is a required property"),
        (lambda table: table["prompts"][0].update(half="both"), r"prompts\[0\].half"),
        (lambda table: table["prompts"][0].update(checks=["jaw > 1"]), "p001: check 'jaw > 1'"),
        (lambda table: table["strength_pairs"][0].update(measure="jaw"), "s001: check 'jaw'"),
        (lambda table: table["side_pairs"][0].update(shapes=["jawOpen"]), "l001: .*jawOpenLeft"),
        (lambda table: table["prompts"][1].update(id="p001"), "p001 stands there twice"),
    ],
)
def test_a_bad_entry_is_named(tmp_path, change, message):
    with pytest.raises(TableError, match=message):
        load_prompts(changed(tmp_path, change))


def test_a_bad_file_is_named(tmp_path):
    with pytest.raises(TableError, match=r"none\.json: cannot be read as JSON"):
        load_prompts(tmp_path / "none.json")
    twice = changed(tmp_path, lambda table: table["cues"].append(table["cues"][0]), SINGLE_CUES)
    with pytest.raises(TableError, match="AU1 stands there twice"):
        load_single_cues(twice)

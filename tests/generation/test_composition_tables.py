"""The composition tables: complete, sourced, in step with the AU mapping, refused when broken."""

import hashlib
import json
from pathlib import Path

import pytest

from countenance.au_mapping import load_mapping
from countenance.errors import TableError
from countenance.generation.composition import load_emotion_table, load_emotions, load_phrases
from countenance.generation.emotion_table import EMOTION_TABLE
from countenance.generation.phrases import FORMS, LEVELS, SIDES
from countenance.generation.tables_reading import TABLES, read_table

GROUP_SIZES = {
    "joy": 12, "sadness": 5, "surprise": 4, "anger": 3, "fear": 2, "disgust": 1, "neutral": 1
}  # fmt: skip


FROZEN = {
    "emotions-v1": "f46c169f63fa27d8d1c5c34f03881c4c462028232266097f4a67c17bad9c4eac",
    "emotion_action_units-v1": "8efc32be5a4e39ea7b18144c6df1875165dc199a7f04fa874b7badd5dd351dec",
    "phrases-v1": "1aac651da47a7b4ccc449eae287db8f48f574bf5888ac8d70047e405bca8f54f",
    "emotion_action_units-v2": "583c14c9a6c476134ecf61127a446c88be0acf993d0c9928be5b1590dd090a5b",
    "phrases-v2": "2af2143fcdaa74ed6da6626e06bf035a90da905657c421851cf0650dd3c6b0d2",
}


@pytest.mark.parametrize("name", FROZEN)
def test_a_released_table_never_changes(name):
    content = (TABLES / f"{name}.json").read_bytes()
    assert hashlib.sha256(content).hexdigest() == FROZEN[name]


@pytest.fixture(scope="module")
def mapping():
    return load_mapping("v1")


def broken_table(folder: Path, name: str, change) -> Path:
    """Write a copy of a packaged table that `change` has spoiled."""
    table = json.loads((TABLES / f"{name}.json").read_text())
    change(table)
    path = folder / f"{name}.json"
    path.write_text(json.dumps(table))
    return path


class TestEmotions:
    def test_28_labels_stand_in_alphabetical_order_with_neutral_last(self):
        names = [emotion.name for emotion in load_emotions()]
        assert len(names) == 28
        assert names == [*sorted(set(names) - {"neutral"}), "neutral"]

    def test_order_is_that_of_the_corpus(self, corpora_folder):
        labels = (corpora_folder / "go_emotions" / "labels.txt").read_text().split()
        assert [emotion.name for emotion in load_emotions()] == labels

    def test_ekman_groups_have_the_sizes_of_goemotions(self):
        groups = [emotion.ekman for emotion in load_emotions()]
        assert {group: groups.count(group) for group in groups} == GROUP_SIZES


class TestEmotionTable:
    def test_covers_the_28_labels(self):
        assert list(load_emotion_table().emotions) == [row.name for row in load_emotions()]

    def test_draws_only_units_of_the_mapping_and_every_one_of_them(self, mapping):
        assert load_emotion_table().action_units == set(mapping.action_units)

    def test_one_sided_units_can_be_one_sided_on_the_rig(self, mapping):
        for emotion in load_emotion_table().emotions.values():
            for row in emotion.candidates:
                assert not row.one_sided or mapping.info(row.action_unit).sides, row

    def test_every_share_of_one_sided_faces_is_marked_as_ours(self):
        table = json.loads((TABLES / f"{EMOTION_TABLE}.json").read_text())
        for emotion in table["emotions"]:
            for row in emotion["action_units"]:
                assert "one_sided" not in row or "proposal" in row["source"], row

    def test_rules_name_units_of_the_table(self, mapping):
        text = json.dumps(json.loads((TABLES / f"{EMOTION_TABLE}.json").read_text())["rules"])
        named = {word for word in text.replace('"', " ").split() if word.startswith("AU")}
        assert {word.rstrip(",].") for word in named} <= {*mapping.action_units, "AU8"}

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda t: t["emotions"][0]["action_units"][0].update(probability=1.5),
             r"emotions\[0\].action_units\[0\].probability: 1.5 is greater than or equal to"),
            (lambda t: t["emotions"][0]["action_units"][0].pop("source"),
             "'source' is a required property"),
            (lambda t: t["emotions"][0]["action_units"][0].update(source=["hearsay"]),
             r"emotions.admiration.AU12.source: tag 'hearsay' is not explained in 'sources'"),
            (lambda t: t["emotions"][0]["action_units"].append(t["emotions"][0]["action_units"][0]),
             "emotions.admiration: AU12 stands twice"),
            (lambda t: t["rules"][0].update(kind="guess"), r"rules\[0\]"),
            (lambda t: t.update(version="emotion_action_units-v9"),
             r"version: expected the file's stem 'emotion_action_units-v1'"),
        ],
    )  # fmt: skip
    def test_a_broken_table_is_refused_by_its_field(self, tmp_path, change, message):
        path = broken_table(tmp_path, "emotion_action_units-v1", change)
        with pytest.raises(TableError, match=message):
            load_emotion_table(path)


class TestPhraseTable:
    def test_describes_exactly_the_units_of_the_mapping(self, mapping):
        assert set(load_phrases().action_units) == set(mapping.action_units)

    def test_names_every_emotion(self):
        assert set(load_phrases().emotions) == {emotion.name for emotion in load_emotions()}

    def test_each_unit_has_five_wordings_per_level_and_form(self):
        for unit, phrase in load_phrases().singles.items():
            for level in LEVELS:
                for form in FORMS:
                    uses = (phrase.wordings.get((level, form, side), ()) for side in SIDES)
                    assert len({w for use in uses for w in use}) >= 5, (unit, level, form)

    def test_units_that_have_sides_on_the_rig_have_one_sided_wordings(self, mapping):
        for unit, phrase in load_phrases().singles.items():
            if mapping.info(unit).sides:
                sided = [
                    len(phrase.wordings.get((lv, f, "left"), ())) for lv in LEVELS for f in FORMS
                ]
                assert min(sided) >= 2, unit

    def test_no_text_stands_for_two_things(self):
        meanings: dict[str, set[tuple]] = {}
        for wording in load_phrases().wordings():
            for side, surfaces in wording.surfaces.items():
                for surface in surfaces:
                    bare = surface.text.removeprefix("the ").removeprefix("a ").removeprefix("an ")
                    meaning = (frozenset(wording.action_units), wording.level, side)
                    meanings.setdefault(bare, set()).add(meaning)
        assert not {text: said for text, said in meanings.items() if len(said) > 1}

    def test_one_sided_texts_name_their_side_and_others_none(self):
        for wording in load_phrases().wordings():
            for side, surfaces in wording.surfaces.items():
                for surface in surfaces:
                    named = {word for word in ("left", "right") if word in surface.text.split()}
                    assert named == ({side} - {"both"}), surface.text

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda t: t["phrases"][0]["wordings"]["light"]["noun"].append("raised {ears}"),
             r"phrases\[0\].wordings.light.noun: 'raised {ears}': expected at most one slot"),
            (lambda t: t["phrases"][0]["wordings"]["light"]["noun"].append("{brows} and {eyes}"),
             "expected at most one slot"),
            (lambda t: t["phrases"][0]["wordings"]["light"].update(noun=["one, two"]), "noun"),
            (lambda t: t["phrases"][0]["wordings"].pop("strong"), "'strong' is a required"),
            (lambda t: t["muscle_groups"].pop(0), "muscle_groups: AU1 must stand in exactly one"),
            (lambda t: t.update(frames=[row for row in t["frames"] if row["style"] != "cues"]),
             "frames of kind 'expressive' and style 'cues': expected one for 1 to"),
        ],
    )  # fmt: skip
    def test_a_broken_table_is_refused_by_its_field(self, tmp_path, change, message):
        path = broken_table(tmp_path, "phrases-v1", change)
        with pytest.raises(TableError, match=message):
            load_phrases(path)

    def test_a_unit_that_is_one_sided_in_some_forms_only_is_refused(self, tmp_path):
        def spoil(table):
            forms = next(row for row in table["phrases"] if row["action_units"] == ["AU12"])
            forms["wordings"]["light"]["noun"] = [
                "a faint smile",
                "a slight smile",
                "a small smile",
            ]

        with pytest.raises(TableError, match=r"no wording of \('light', 'noun'\) on side left"):
            load_phrases(broken_table(tmp_path, "phrases-v1", spoil))


class TestReading:
    def test_an_unknown_name_lists_the_known_ones(self):
        with pytest.raises(
            TableError, match="unknown table 'phrases-v0': expected one of phrases-v1"
        ):
            load_phrases("phrases-v0")

    def test_a_missing_file_is_named(self, tmp_path):
        with pytest.raises(TableError, match=r"phrases-v1\.json: cannot be read as JSON"):
            load_phrases(tmp_path / "phrases-v1.json")

    def test_what_is_read_cannot_be_changed(self):
        table = read_table("emotions-v1", "emotions")
        with pytest.raises(TypeError):
            table["emotions"][0]["name"] = "boredom"

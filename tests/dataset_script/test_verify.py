"""``countenance verify``: a sound dataset passes, and every planted corruption is named."""

import json
import re
import shutil
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from typer.testing import CliRunner

from countenance.au_mapping import load_mapping
from countenance.cards import render_dataset_card
from countenance.cli import app
from countenance.dataset_script import build_dataset
from countenance.dataset_script.checksums import CHECKSUMS, check_checksums, write_checksums
from countenance.dataset_script.verify import verify_dataset
from countenance.dataset_script.verify_report import Fault, VerifyReport
from countenance.dataset_script.verify_splits import SplitColumns, check_tag_shares
from countenance.errors import DatasetError
from countenance.generation import Transcript, emotion_names, transcript_id

TAGS = emotion_names()
TRAIN, TEST = "data/train-00000-of-00001.parquet", "data/test-00000-of-00001.parquet"
CUES_TRAIN = "cues/train-00000-of-00001.parquet"
LONG = "The kettle boiled over while nobody was watching it in the kitchen."
NEARLY = "The kettle boiled over while nobody was watching it in the kitchens!"


@dataclass(frozen=True)
class Cue:
    id: str
    description: str
    action_units: tuple[str, ...]
    form: str = "prompt"
    cue: str = "x"
    kind: str = "single"
    cues_version: str = "test"


CUES = [
    Cue(blake2b(text.encode(), digest_size=8).hexdigest(), text, units, cue="+".join(units))
    for text, units in (
        [
            ("inner brows raised", ("AU1C",)),
            ("a broad grin", ("AU12D",)),
            ("puffed cheeks", ("AU34C",)),
            ("The eyes are closed.", ("AU43E",)),
            ("knitted brows", ("AU4C",)),
            ("lips pursed forward", ("AU18C",)),
            ("wide eyes", ("AU5C",)),
            ("a wrinkled nose", ("AU9C",)),
            ("the left eyebrow raised", ("AUL2C",)),
            ("lips pressed together", ("AU24C",)),
        ]
    )
]


@pytest.fixture(scope="module")
def sound(sample_run, tmp_path_factory):
    """A real dataset over 60 packaged transcripts, with a small second config."""
    folder = tmp_path_factory.mktemp("verify") / "dataset"
    build_dataset(sample_run, folder, render_card=render_dataset_card, cues=CUES)
    write_checksums(folder)
    return folder


@pytest.fixture
def dataset(sound, tmp_path):
    return shutil.copytree(sound, tmp_path / "dataset")


def rewrite(dataset, file, change, schema=None):
    """Change the rows of a file, and the checksums with them, so that no hash gives it away."""
    table = pq.read_table(dataset / file)
    rows = table.to_pylist()
    rows = change(rows) or rows
    pq.write_table(pa.Table.from_pylist(rows, schema=schema or table.schema), dataset / file)
    write_checksums(dataset)


def first_with_units(rows):
    return next(number for number, row in enumerate(rows) if row["action_units"])


def found(dataset):
    return verify_dataset(dataset).faults


def test_a_sound_dataset_has_no_fault(sound):
    report = verify_dataset(sound)
    assert report.sound, report.first_faults()
    assert sum(report.rows["default"].values()) == 60
    assert sum(report.rows["cues"].values()) == len(CUES)
    assert report.summary == f"{sound}: sound; 70 rows of default, cues recomputed from v1"


def set_weight(value):
    def change(rows):
        weights = rows[first_with_units(rows)]["blendshapes"]
        weights[np.argmax(weights)] = value(max(weights))

    return change


def set_field(field, value):
    def change(rows):
        rows[first_with_units(rows)][field] = value

    return change


def strengthen(rows):
    row = rows[first_with_units(rows)]
    unit = row["action_units"][0]
    row["action_units"][0] = unit[:-1] + ("A" if unit[-1] > "B" else "E")


def swap_descriptions(rows):
    faces = {tuple(re.sub("[A-E]$", "", unit) for unit in row["action_units"]) for row in rows}
    assert len(faces) > 2
    first = first_with_units(rows)
    units = set(rows[first]["action_units"])
    other = next(
        row for row in rows if row["action_units"] and not units & set(row["action_units"])
    )
    rows[first]["description"] = other["description"]


def copy_transcript(rows):
    row = rows[first_with_units(rows)]
    row["description"] = row["transcript"]


def frown_happily(rows):
    units = ["AU4C", "AU15C"]
    rows[0] |= {
        "emotions": [TAGS.index("joy")],
        "action_units": units,
        "blendshapes": load_mapping("v1").to_blendshapes(units).tolist(),
        "description": "The brows are knit and the mouth corners sag.",
        "strategy": "generate",
    }


ROW_FAULTS = {
    "one weight off by a thousandth": (
        set_weight(lambda weight: weight - 1e-3),
        ("blendshapes", r"\w+ is 0\.\d+, expected 0\.\d+ for AU.* in table v1"),
    ),
    "one weight off by one bit": (
        set_weight(lambda weight: float(np.nextafter(np.float32(weight), np.float32(0)))),
        ("blendshapes", r"expected .* in table v1"),
    ),
    "not a number": (set_weight(lambda _: float("nan")), ("blendshapes", "is not a number")),
    "above one": (set_weight(lambda _: 1.2), ("blendshapes", r"is 1.2, outside \[0, 1\]")),
    "no weights": (set_field("blendshapes", None), ("blendshapes", "0 weights, expected 51")),
    "an intensity changed": (strengthen, ("blendshapes", "expected .* for AU")),
    "a unit that is none": (
        set_field("action_units", ["smile"]),
        ("action_units", "'smile' does not match"),
    ),
    "a unit of another table": (
        set_field("action_units", ["AU61B"]),
        ("action_units", "AU61"),
    ),
    "another table": (
        set_field("mapping_version", "extended"),
        ("mapping_version", "'extended', and stats.json says 'v1'"),
    ),
    "an unknown table": (set_field("mapping_version", "v9"), ("mapping_version", "'v9'")),
    "an id of another text": (
        set_field("id", "0123456789abcdef"),
        ("id", "expected [0-9a-f]{16}, the hash of its source and transcript"),
    ),
    "an id of no form": (set_field("id", "one"), ("id", "does not match")),
    "another face described": (swap_descriptions, ("description", "description_absent: it names")),
    "too little described": (
        set_field("description", "A face with a smile."),
        ("description", "description_(absent|unsaid): it"),
    ),
    "an empty description": (
        set_field("description", ""),
        ("description", "'' is too short"),
    ),
    "a description without words": (
        set_field("description", "..."),
        ("description", "description_empty: no word in it"),
    ),
    "a description in a loop": (
        set_field("description", "A smile smile smile smile smile."),
        ("description", "description_loop: 'smile' stands"),
    ),
    "a copied transcript": (copy_transcript, ("description", "description_copy: it is the")),
    "a foreign description": (
        set_field("description", "Die Augenbrauen sind hochgezogen und der Mund steht weit offen."),
        ("description", "description_language: not English"),
    ),
    "an unknown tag": (set_field("emotions", [99]), ("emotions", "class 99 is none of the 28")),
    "no tag": (set_field("emotions", []), ("emotions", r"\[\] (should be non-empty|is too short)")),
    "a tag that the face contradicts": (
        frown_happily,
        ("emotions", "tags: joy with AU4 and without AU12, AU13"),
    ),
    "nobody's word": (set_field("emotions_from", "parrot"), ("emotions_from", "'parrot' is not")),
    "a strength above one": (set_field("strength", 1.5), ("strength", "1.5 is greater than")),
    "a group renamed": (set_field("group", "0" * 16), ("group", "expected '[0-9a-f]{16}'")),
    "no part": (set_field("validation", None), ("validation", "None, and another row")),
}


@pytest.mark.parametrize("name", ROW_FAULTS)
def test_a_corrupted_row_is_named(dataset, name):
    change, (field, message) = ROW_FAULTS[name]
    rewrite(dataset, TRAIN, change)
    rows = [fault for fault in found(dataset) if fault.row is not None]
    named = [fault for fault in rows if fault.field == field and re.search(message, fault.message)]
    assert named, [str(fault) for fault in rows]
    assert {(fault.file, fault.row) for fault in named} == {(TRAIN, named[0].row)}
    assert named[0].id


def test_only_the_corrupted_row_is_named(dataset):
    rewrite(dataset, TRAIN, set_weight(lambda weight: weight - 1e-3))
    assert [(fault.file, fault.field) for fault in found(dataset)] == [(TRAIN, "blendshapes")]


def retell(transcript, source="text:planted"):
    return {
        "transcript": transcript,
        "source": source,
        "id": transcript_id(Transcript(transcript, source, "1")),
    }


@pytest.mark.parametrize(
    ("second", "message"),
    [(LONG.upper(), "the same words are in train too"), (NEARLY, "a near duplicate is in train")],
)
def test_a_text_on_both_sides_is_named(dataset, second, message):
    rewrite(dataset, TRAIN, lambda rows: rows[3].update(retell(LONG)))
    rewrite(dataset, TEST, lambda rows: rows[2].update(retell(second, "text:other")))
    faults = [fault for fault in found(dataset) if fault.field == "transcript"]
    assert [(fault.file, fault.row) for fault in faults] == [(TEST, 2)]
    assert message in faults[0].message
    assert f"{TRAIN} row 3" in faults[0].message


def test_a_repeated_id_is_named_with_both_places(dataset):
    rewrite(dataset, TRAIN, lambda rows: rows[5].update(id=rows[4]["id"]))
    assert [f.message for f in found(dataset) if f.row == 5 and "twice" in f.message] == [
        f"stands twice, first in {TRAIN} row 4"
    ]


def test_a_row_that_is_gone_is_missed_in_card_and_statistics(dataset):
    rewrite(dataset, TRAIN, lambda rows: rows[1:])
    messages = [str(fault) for fault in found(dataset)]
    assert "README.md: dataset_info: default train: 48 rows, and the files hold 47" in messages
    assert "stats.json: train_items: 48, and the files hold 47 rows" in messages
    assert "stats.json: items: 60, and the files hold 59 rows" in messages


def test_a_test_row_marked_for_validation_is_named(dataset):
    rewrite(dataset, TEST, lambda rows: rows[0].update(validation=True))
    assert next(str(fault) for fault in found(dataset)).endswith("True in the test split")


def test_vectors_of_another_length_are_named(dataset):
    table = pq.read_table(dataset / TRAIN)
    place = table.schema.get_field_index("blendshapes")
    schema = table.schema.set(place, pa.field("blendshapes", pa.list_(pa.float32())))
    schema = schema.remove_metadata()
    rewrite(dataset, TRAIN, lambda rows: rows[7]["blendshapes"].pop() and None, schema)
    faults = found(dataset)
    assert (TRAIN, 7, "50 weights, expected 51") in [(f.file, f.row, f.message) for f in faults]
    assert any("type list<" in fault.message for fault in faults)


@pytest.mark.parametrize(
    "column_type",
    [
        pa.float64(),
        pa.string(),
        pa.list_(pa.string()),
        pa.list_(pa.float64()),
        pa.list_(pa.list_(pa.float32())),
    ],
    ids=str,
)
@pytest.mark.parametrize("file", [TRAIN, CUES_TRAIN])
def test_blendshapes_of_another_type_are_named(dataset, file, column_type):
    table = pq.read_table(dataset / file)
    place = table.schema.get_field_index("blendshapes")
    column = pa.nulls(len(table), column_type)
    pq.write_table(table.set_column(place, "blendshapes", column), dataset / file)
    write_checksums(dataset)
    assert any(
        (fault.file, fault.field) == (file, "blendshapes")
        and re.match(r"type .*, expected fixed_size_list", fault.message)
        for fault in found(dataset)
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.drop_columns(["description"]), "description: column missing"),
        (lambda table: table.append_column("mood", [["x"] * len(table)]), "mood: column unknown"),
        (
            lambda table: table.set_column(
                table.schema.get_field_index("seed"), "seed", table["seed"].cast(pa.string())
            ),
            "seed: type string, expected int64",
        ),
    ],
)
def test_columns_that_are_not_ours_are_named(dataset, change, message):
    pq.write_table(change(pq.read_table(dataset / TRAIN)), dataset / TRAIN)
    write_checksums(dataset)
    assert any(f"{TRAIN}: {message}" in str(fault) for fault in found(dataset))


def test_a_cut_file_is_named(dataset):
    path = dataset / TEST
    path.write_bytes(path.read_bytes()[:-1000])
    messages = [str(fault) for fault in found(dataset)]
    assert f"{TEST}: sha256: not as it was written" in " ".join(messages)
    assert any(f"{TEST}: file: cannot be read as Parquet" in message for message in messages)


def test_a_flipped_byte_is_named(dataset):
    path = dataset / TRAIN
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(bytes(content))
    assert any(fault.file == TRAIN and fault.field == "sha256" for fault in found(dataset))


def test_a_changed_card_is_named(dataset):
    card = dataset / "README.md"
    text = card.read_text("utf-8")
    assert "num_examples: 48" in text
    card.write_text(text.replace("num_examples: 48", "num_examples: 47"), "utf-8")
    write_checksums(dataset)
    message = "README.md: dataset_info: default train: 47 rows, and the files hold 48"
    assert [str(fault) for fault in found(dataset)] == [message]


def test_changed_tag_counts_are_named(dataset):
    path = dataset / "stats.json"
    statistics = json.loads(path.read_text("utf-8"))
    statistics["tags"][0]["items"] += 1
    path.write_text(json.dumps(statistics), "utf-8")
    write_checksums(dataset)
    (fault,) = found(dataset)
    assert str(fault).startswith(f"stats.json: tags: {statistics['tags'][0]['tag']}: ")


def test_tags_without_names_are_named(dataset):
    path = dataset / "stats.json"
    statistics = json.loads(path.read_text("utf-8"))
    statistics["tags"][0]["tag"] = 7
    path.write_text(json.dumps(statistics), "utf-8")
    write_checksums(dataset)
    assert any(str(fault).startswith("stats.json: tags: 7: ") for fault in found(dataset))


def set_provenance(dataset, **values):
    path = dataset / "stats.json"
    statistics = json.loads(path.read_text("utf-8"))
    statistics["provenance"] |= values
    path.write_text(json.dumps(statistics), "utf-8")
    write_checksums(dataset)


def test_a_table_without_a_name_is_named(dataset):
    set_provenance(dataset, mapping_version=["v1"], phrase_table=2)
    assert [str(fault) for fault in found(dataset)] == [
        "stats.json: provenance: mapping_version is ['v1'], expected the name of a table",
        "stats.json: provenance: phrase_table is 2, expected the name of a table",
    ]


def test_cues_that_are_not_of_the_packaged_table_are_named(dataset):
    set_provenance(dataset, cues={"seed": 0, "combinations": 0})
    assert found(dataset) == ()  # another table's
    rewrite(dataset, CUES_TRAIN, lambda rows: rows[1].update(cues_version="cue_phrases-v1"))
    messages = [str(fault) for fault in found(dataset)]
    assert any("no cue of cue_phrases-v1 with the seed" in message for message in messages)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda d: (d / CHECKSUMS).unlink(), "checksums.json: sha256: missing: made by an older"),
        (lambda d: (d / CHECKSUMS).write_text("{}"), "checksums.json: sha256: cannot be read"),
        (lambda d: (d / CHECKSUMS).write_text('{"sha256": 1}'), "'sha256' is int, no object"),
        (lambda d: (d / "stats.json").unlink(), "stats.json: file: cannot be read"),
        (lambda d: (d / "stats.json").write_text("[]"), "stats.json: file: cannot be read (no obj"),
        (lambda d: (d / TEST).unlink(), "README.md: configs: no file data/test-*"),
        (lambda d: (d / TEST).unlink(), f"{TEST}: sha256: missing, but listed in checksums.json"),
        (lambda d: (d / "notes.txt").write_text("x"), "notes.txt: sha256: not listed in"),
        (
            lambda d: shutil.copy(d / TEST, d / "data" / "extra.parquet"),
            "data/extra.parquet: file: no config of README.md lists it",
        ),
    ],
)
def test_lost_and_strange_files_are_named(dataset, damage, message):
    damage(dataset)
    assert any(message in str(fault) for fault in found(dataset))


def test_hidden_files_are_not_part_of_a_dataset(dataset):
    (dataset / ".gitattributes").write_text("*.parquet filter=lfs")
    assert check_checksums(dataset) == []


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        (set_field("description", "a loud yawn"), "id", "the hash of its description"),
        (set_field("description", ""), "description", "description_empty: nothing in it"),
        (set_field("cue", "AU12C+AU6C"), "cue", "'AU12C+AU6C', and its action units are"),
        (set_field("kind", "pair"), "kind", "'pair', expected 'single' for 1 units"),
        (set_field("form", "poem"), "form", "'poem', expected 'sentence' or 'prompt'"),
        (set_field("action_units", ["AU99"]), "action_units", "99"),
        (set_field("action_units", []), "kind", "'single', expected 'rest' for 0 units"),
        (
            set_field("action_units", ["AU1C", "AU2C", "AU5C", "AU26C"]),
            "kind",
            "'single', expected 'several' for 4 units",
        ),
        (set_weight(lambda weight: weight / 2), "blendshapes", "expected"),
        (set_field("mapping_version", "extended"), "mapping_version", "says 'v1'"),
    ],
)
def test_the_second_config_is_checked_too(dataset, change, field, message):
    rewrite(dataset, CUES_TRAIN, change)
    faults = [fault for fault in found(dataset) if fault.field == field]
    assert faults
    assert faults[0].file == CUES_TRAIN
    assert message in faults[0].message


def test_a_cue_worded_the_same_on_both_sides_is_named(dataset):
    words = pq.read_table(dataset / CUES_TRAIN)["description"][0].as_py()
    rewrite(dataset, "cues/test-00000-of-00001.parquet", lambda r: r[0].update(description=words))
    assert any("the same words are in train too" in str(fault) for fault in found(dataset))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda d: shutil.rmtree(d), "no such folder"),
        (lambda d: (d / "README.md").unlink(), r"no dataset \(no README.md\)"),
        (lambda d: (d / "README.md").write_text("# Hello"), "its YAML cannot be read"),
        (
            lambda d: (d / "README.md").write_text("---\na: 1\n---\n"),
            r"\$: 'configs' is a required",
        ),
        (lambda d: (d / "README.md").write_text("---\n- a\n---\n"), "not of type 'object'"),
    ],
)
def test_what_is_no_dataset_is_refused(dataset, damage, message):
    damage(dataset)
    with pytest.raises(DatasetError, match=message):
        verify_dataset(dataset)


def set_info(change):
    return lambda front: change(front["dataset_info"][0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda front: front.update(configs=["x"]), r"\$.configs\[0\]: 'x' is not of type"),
        (lambda front: front.update(configs=[]), r"\$.configs: \[\] (should be non-empty|is too)"),
        (
            lambda front: front["configs"][0].update(data_files="data/*"),
            r"\$.configs\[0\].data_files: 'data/\*' is not of type 'array'",
        ),
        (lambda front: front["configs"][1].pop("config_name"), "'config_name' is a required"),
        (lambda front: front["configs"][0].pop("data_files"), "'data_files' is a required"),
        (lambda front: front["configs"][0]["data_files"][0].pop("path"), "'path' is a required"),
        (set_info(lambda info: info.update(splits=None)), "splits: None is not of type 'array'"),
        (set_info(lambda info: info.pop("splits")), "'splits' is a required property"),
        (set_info(lambda info: info["splits"][0].pop("num_examples")), "'num_examples' is a"),
        (set_info(lambda info: info["splits"][0].update(num_examples="9")), "'9' is not of type"),
        (lambda front: front.update(dataset_info="x"), r"\$.dataset_info: 'x' is not of type"),
        (lambda front: front.update(dataset_info=None), r"\$.dataset_info: None is not of type"),
    ],
)
def test_yaml_that_is_not_of_a_dataset_is_refused(dataset, change, message):
    card = dataset / "README.md"
    _, matter, text = card.read_text("utf-8").split("---\n", 2)
    front = yaml.safe_load(matter)
    change(front)
    card.write_text("---\n".join(["", yaml.safe_dump(front), text]), "utf-8")
    expected = rf"README.md: its YAML is not that of a dataset \(.*{message}.*; rebuild the dataset"
    with pytest.raises(DatasetError, match=expected):
        verify_dataset(dataset)


def test_two_processes_find_the_same(dataset, monkeypatch):
    from countenance.dataset_script import verify

    rewrite(dataset, TRAIN, set_weight(lambda weight: weight - 1e-3))
    alone = verify_dataset(dataset, workers=1)
    monkeypatch.setattr(verify, "_ROWS_FOR_PROCESSES", 0)
    assert verify_dataset(dataset, workers=2) == alone
    with pytest.raises(DatasetError, match="workers: expected 1 or more, found 0"):
        verify_dataset(dataset, workers=0)


def shares(in_test):
    """200 joys, so many of them in test."""
    sides = ["test"] * in_test + ["train"] * (200 - in_test)
    names = [str(number) for number in range(200)]
    return SplitColumns(
        ["f"] * 200, list(range(200)), sides, names, names, names, [False] * 200, [["joy"]] * 200
    )


def test_a_frequent_tag_may_deviate_by_one_point():
    assert check_tag_shares(shares(42), "README.md") == ([], ("joy", 1.0))
    (fault,), worst = check_tag_shares(shares(43), "README.md")
    assert str(fault) == (
        "README.md: emotions: joy: 21.50 % of its 200 items are in test, "
        "expected 20 % within 1 point"
    )
    assert worst == ("joy", 1.5)


def test_a_report_shows_the_first_faults_of_each_kind():
    faults = tuple(Fault("a.parquet", "id", "wrong", row, "x") for row in range(5))
    report = VerifyReport("d", {"default": {"train": 5}}, ("v1",), None, faults)
    assert report.first_faults() == [
        "a.parquet: row 0 (id x): id: wrong",
        "a.parquet: row 1 (id x): id: wrong",
        "a.parquet: row 2 (id x): id: wrong",
        "a.parquet: id: 2 more",
    ]
    assert report.summary == "d: 5 faults in 5 rows"


def test_the_command_says_one_line_or_names_the_faults(sound, dataset):
    runner = CliRunner()
    done = runner.invoke(app, ["verify", str(sound)])
    assert (done.exit_code, done.stdout.count("\n")) == (0, 1)
    assert "sound; 70 rows" in done.stdout
    rewrite(dataset, TRAIN, set_field("emotions", [99]))
    failed = runner.invoke(app, ["verify", str(dataset)])
    assert failed.exit_code == 1
    assert re.search(rf"{TRAIN}: row \d+ \(id [0-9a-f]+\): emotions: class 99", failed.stdout)
    as_json = runner.invoke(app, ["verify", str(dataset), "--json"])
    assert as_json.exit_code == 1
    report = json.loads(as_json.stdout)
    assert report["sound"] is False
    assert report["faults"][0]["file"]

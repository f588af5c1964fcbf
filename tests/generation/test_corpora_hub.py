"""Datasets by name: the option, rows from a local dataset folder, errors without a network."""

from pathlib import Path

import pytest

from countenance.errors import CorpusError
from countenance.generation.corpora import CorpusSpec, parse_corpus_option, read_corpora
from countenance.generation.corpora_hub import HubDataset
from countenance.generation.corpora_tables import describe_corpus, emotion_names, known_corpora

datasets = pytest.importorskip("datasets")


def dataset_folder(folder, splits, features):
    folder.mkdir(exist_ok=True)
    for split, columns in splits.items():
        data = datasets.Dataset.from_dict(columns, features=datasets.Features(features))
        data.to_parquet(folder / f"{split}-00000-of-00001.parquet")
    return folder


@pytest.fixture
def tagged(tmp_path):
    names = datasets.ClassLabel(names=list(emotion_names()))
    text, joy, fear = datasets.Value("string"), 17, 14
    return dataset_folder(
        tmp_path / "tagged",
        {
            "train": {
                "text": ["What a day that was!", "nothing scares me more @anna", None],
                "labels": [[joy], [fear, joy], [joy]],
                "id": ["a", "b", "c"],
            },
            "test": {
                "text": ["oh what a day that was", "the lift is stuck again"],
                "labels": [[fear], []],
                "id": ["d", "e"],
            },
        },
        {"text": text, "labels": datasets.List(names), "id": text},
    )


def hub(folder, **columns):
    return parse_corpus_option(f"hub:{folder}", **columns)


def failure(*specs):
    with pytest.raises(CorpusError) as caught:
        read_corpora(specs)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_name_a_configuration_and_a_revision():
    assert parse_corpus_option(
        "hub:someone/moods:small@v2", text_column="body", label_column="mood"
    ) == CorpusSpec("hub", hub=HubDataset("someone/moods", "small", "v2", "body", "mood"))
    assert parse_corpus_option("hub:someone/moods").hub == HubDataset("someone/moods")
    assert parse_corpus_option("hub:someone/moods").source == "hub:someone/moods"


def test_a_known_corpus_knows_its_dataset_and_columns():
    spec = parse_corpus_option("go_emotions=hub@1.0")
    assert spec.source == "go_emotions"
    assert spec.hub == HubDataset(
        "google-research-datasets/go_emotions", "simplified", "1.0", "text", "labels", "id"
    )


def test_a_file_of_that_name_is_still_a_path():
    assert parse_corpus_option("go_emotions=./hub").path == Path("hub")
    assert parse_corpus_option("csv=hub").path == Path("hub")


@pytest.mark.parametrize("name", [n for n in known_corpora() if describe_corpus(n).hub is None])
def test_a_corpus_that_the_hub_lacks_says_so(name):
    with pytest.raises(CorpusError, match=rf"{name}.*go_emotions.*write {name}=PATH"):
        parse_corpus_option(f"{name}=hub")


@pytest.mark.parametrize("name", ["", "moods", "someone/", "a/b/c", "a/b@", "a/b:", "@x"])
def test_a_name_of_another_form_is_told_the_form(name):
    with pytest.raises(CorpusError, match=r"expected hub:OWNER/NAME\[:CONFIGURATION\]"):
        parse_corpus_option(f"hub:{name}")


def test_path_and_dataset_exclude_each_other():
    with pytest.raises(CorpusError, match="expected a path or a Hub dataset, found both"):
        CorpusSpec("go_emotions", Path("x"), hub=HubDataset("a/b"))
    with pytest.raises(CorpusError, match="corpus 'hub': no dataset: write hub:OWNER/NAME"):
        CorpusSpec("hub")


def test_rows_go_through_the_same_rules_as_those_of_files(tagged):
    dropped = []
    reading = read_corpora([hub(tagged, label_column="labels")], on_drop=dropped.append)
    assert [(t.text, t.source_id, t.labels, t.part) for t in reading.transcripts] == [
        ("What a day that was!", "a", ("joy", "fear"), "train"),
        ("nothing scares me more @user", "b", ("fear", "joy"), "train"),
        ("the lift is stuck again", "e", (), "test"),
    ]
    assert reading.counts_as_dict() == {
        "hub:tagged": {"read": 5, "kept": 3, "dropped": {"near_duplicate": 1, "not_text": 1}}
    }
    assert [(d.file, d.row) for d in dropped] == [(tagged / "train", 3), (tagged / "test", 1)]


def test_a_folder_may_be_named_from_here(tagged, monkeypatch):
    monkeypatch.chdir(tagged.parent)
    spec = parse_corpus_option("hub:./tagged")
    assert spec.source == "hub:tagged"
    assert len(read_corpora([spec]).transcripts) == 3
    assert "cannot be read" in failure(parse_corpus_option("hub:./nowhere"))


def test_without_a_label_column_there_are_no_tags(tagged):
    assert {t.labels for t in read_corpora([hub(tagged)]).transcripts} == {()}


def test_tags_may_be_words_and_lack_for_a_row(tmp_path):
    text = datasets.Value("string")
    columns = {
        "body": ["one fine morning", "one dull morning", "one odd morning", "one last morning"],
        "mood": ["joy", "boredom", None, " relief "],
    }
    folder = dataset_folder(tmp_path / "words", {"train": columns}, {"body": text, "mood": text})
    reading = read_corpora([hub(folder, text_column="body", label_column="mood")])
    assert [(t.source_id, t.labels) for t in reading.transcripts] == [
        ("1", ("joy",)),
        ("4", ("relief",)),
    ]
    assert reading.counts["hub:words"].dropped == {"bad_label": 2}


def test_a_limit_takes_the_first_rows(tagged):
    assert len(read_corpora([hub(tagged)], limit=1).transcripts) == 1


def test_a_missing_column_lists_those_that_there_are(tagged):
    message = failure(hub(tagged, text_column="body"))
    assert "train: no column 'body'; found 'text', 'labels', 'id'" in message
    message = failure(hub(tagged, label_column="mood"))
    assert "train: no label column 'mood'; found 'text', 'labels', 'id'" in message


def test_classes_that_are_no_emotions_are_refused(tmp_path):
    text, stars = datasets.Value("string"), datasets.ClassLabel(names=["bad", "good"])
    columns = {"text": ["one fine morning"], "stars": [1]}
    folder = dataset_folder(tmp_path / "x", {"train": columns}, {"text": text, "stars": stars})
    message = failure(hub(folder, label_column="stars"))
    assert "'stars': none of its classes is a GoEmotions category; found bad, good" in message


def test_numbers_without_names_are_refused(tmp_path):
    columns = {"text": ["one fine morning"], "score": [3]}
    folder = dataset_folder(
        tmp_path / "x",
        {"train": columns},
        {"text": datasets.Value("string"), "score": datasets.Value("int64")},
    )
    message = failure(hub(folder, label_column="score"))
    assert "'score' holds int64, expected class labels or strings" in message


def test_without_a_network_one_line_says_what_to_do():
    message = failure(parse_corpus_option("go_emotions=hub"))
    assert message.startswith("corpus 'go_emotions': google-research-datasets/go_emotions cannot")
    assert message.endswith("download its files and give their path (go_emotions=PATH)")
    message = failure(parse_corpus_option("hub:someone/moods"))
    assert message.endswith("give their path (csv, jsonl or parquet=PATH)")


def test_a_folder_without_data_is_told_the_same(tmp_path):
    assert "cannot be read" in failure(hub(tmp_path / "nowhere"))


def test_a_damaged_file_is_told_in_one_line(tagged):
    (tagged / "train-00000-of-00001.parquet").write_bytes(b"PAR1 and no more")
    assert "cannot be read" in failure(hub(tagged))

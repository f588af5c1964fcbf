"""The packaged tables and sample transcripts: valid, complete, and frozen once released."""

import hashlib
import re
from collections import Counter
from pathlib import Path

import pytest

from countenance.errors import CorpusError
from countenance.generation.corpora import CorpusSpec, read_corpora
from countenance.generation.corpora_tables import (
    SAMPLES,
    describe_corpus,
    emotion_names,
    known_corpora,
)
from countenance.generation.tables_reading import read_table

TABLES = SAMPLES.parents[1] / "tables"
FROZEN = {
    TABLES / "corpora-v1.json": "9731d9c5ddca9fed5c6aa7a16e5e20df5fc0f931c7527fc76092d05e33278ea1",
    TABLES
    / "near_duplicates-v1.json": "cf6f79260ef8ef4cc4af8dd09a5f07c1ac0e242ba6e9b5863b5e5a1b96c337b0",
    TABLES
    / "language_check-v1.json": "47b6f13cd62be5d5c4ef978f80d1357c4634ddb252ea60616d557e7f64e43e53",
    SAMPLES: "b80d9f15c36c6aaf5bdbacb0d6db5a2b185a92d0e370c1f25e37939ec017e44b",
}


@pytest.fixture(scope="module")
def samples():
    return read_corpora([CorpusSpec("samples")])


@pytest.mark.parametrize("path", FROZEN, ids=lambda path: path.name)
def test_a_released_file_never_changes(path):
    assert hashlib.sha256(path.read_bytes()).hexdigest() == FROZEN[path]


def test_the_patterns_of_the_table_compile():
    for entry in read_table("corpora-v1", "corpora")["no_response"]:
        re.compile(entry["pattern"])


def test_every_tag_becomes_a_go_emotions_name():
    assert len(emotion_names()) == 28
    assert emotion_names()[-1] == "neutral"
    for name in known_corpora():
        assert {emotion for _, emotion in describe_corpus(name).labels} <= set(emotion_names())


def test_every_corpus_states_its_licence_and_authors():
    for name in known_corpora():
        assert describe_corpus(name).licence
        assert describe_corpus(name).citation


def test_an_unknown_corpus_is_told_the_known_ones():
    with pytest.raises(CorpusError, match="unknown corpus 'imdb': expected one of go_emotions, "):
        describe_corpus("imdb")


def test_all_samples_are_kept(samples):
    assert samples.counts_as_dict() == {"samples": {"read": 364, "kept": 364, "dropped": {}}}


def test_samples_are_balanced(samples):
    leading = Counter(t.labels[0] for t in samples.transcripts)
    assert leading == dict.fromkeys(emotion_names(), 13)
    for start in range(0, 364, 28):
        block = samples.transcripts[start : start + 28]
        assert {t.labels[0] for t in block} == set(emotion_names())


def test_samples_vary_in_length_and_strength(samples):
    lengths = [len(t.text.split()) for t in samples.transcripts]
    assert min(lengths) == 4
    assert max(lengths) == 35
    strengths = [t.intensity for t in samples.transcripts]
    assert all(0.0 <= strength <= 1.0 for strength in strengths)
    for emotion in set(emotion_names()) - {"neutral"}:
        of_emotion = [t.intensity for t in samples.transcripts if t.labels[0] == emotion]
        assert max(of_emotion) - min(of_emotion) >= 0.3


def test_sample_ids_are_unique_and_in_order(samples):
    ids = [t.source_id for t in samples.transcripts]
    assert ids == [f"s{number:03d}" for number in range(1, 365)]


def test_a_file_of_that_form_is_checked_row_by_row(tmp_path):
    path = tmp_path / "mine.tsv"
    path.write_text(
        "id\ttext\temotions\tintensity\n"
        "a\twhat a fine day\tjoy, love\t0.5\n"
        "b\twhat a hungry day\thunger\t0.5\n"
        "c\twhat a loud day\tjoy\tloud\n"
        "d\twhat a short row\tjoy\n"
    )
    reading = read_corpora([CorpusSpec("samples", path)])
    assert reading.transcripts[0].labels == ("joy", "love")
    assert reading.counts_as_dict()["samples"]["dropped"] == {
        "bad_intensity": 1,
        "bad_label": 1,
        "wrong_columns": 1,
    }


def test_the_readme_stands_beside_the_samples():
    assert "CC0" in (Path(SAMPLES).parent / "README.md").read_text("utf-8")

"""The real corpora, where they are at hand: nothing lost, nothing empty, fast enough.

No sentence of theirs stands here, and no assertion prints one.
"""

import time
from pathlib import Path

import pytest

from countenance.generation.corpora import CorpusSpec, read_corpora
from countenance.generation.corpora_tables import emotion_names
from countenance.generation.transcripts import clean_text, transcript_id

CORPORA = Path(__file__).resolve().parents[3] / "shared" / "data" / "corpora"
NAMES = ("go_emotions", "tweet_intensity", "isear", "meld")

pytestmark = pytest.mark.skipif(
    not CORPORA.is_dir(),
    reason=f"the real corpora are not at {CORPORA}: they are not published here",
)


@pytest.fixture(scope="module")
def timed():
    start = time.process_time()
    reading = read_corpora([CorpusSpec(name, CORPORA / name) for name in NAMES])
    return reading, time.process_time() - start


@pytest.fixture(scope="module")
def reading(timed):
    return timed[0]


def test_every_row_is_accounted_for(reading):
    assert tuple(reading.counts) == NAMES
    for counts in reading.counts.values():
        assert counts.read == counts.kept + sum(counts.dropped.values())


@pytest.mark.parametrize(
    ("name", "read", "share_kept"),
    [
        ("go_emotions", 52_201, 0.95),
        ("tweet_intensity", 6_302, 0.79),
        ("isear", 7_666, 0.93),
        ("meld", 11_098, 0.75),
    ],
)
def test_counts_are_plausible(reading, name, read, share_kept):
    counts = reading.counts[name]
    assert counts.read == read
    assert share_kept * read < counts.kept < read


def test_the_three_corpora_of_the_paper_hold_enough_distinct_transcripts(reading):
    assert sum(reading.counts[name].kept for name in NAMES[:3]) > 53_000


def test_tweets_that_differ_by_a_hashtag_are_merged(reading):
    # Their authors published many tweets twice, with and without the hashtag of the emotion.
    assert 700 < reading.counts["tweet_intensity"].dropped["near_duplicate"] < 1_100
    for name in ("go_emotions", "isear", "meld"):
        assert reading.counts[name].dropped["near_duplicate"] < 0.02 * reading.counts[name].read


def test_hardly_any_line_of_an_english_corpus_is_foreign(reading):
    assert sum(counts.dropped["foreign_language"] for counts in reading.counts.values()) < 20


def test_each_transcript_names_the_file_that_it_comes_from(reading):
    parts = {(t.source, t.part) for t in reading.transcripts}
    assert {part for source, part in parts if source == "go_emotions"} == {
        "dev",
        "test_part",
        "train",
    }
    assert ("tweet_intensity", "anger_train") in parts
    assert {part for source, part in parts if source == "isear"} == {"isear"}


def test_a_larger_limit_extends_a_smaller_one():
    specs = [CorpusSpec(name, CORPORA / name) for name in NAMES]
    small, large = (read_corpora(specs, limit=limit).transcripts for limit in (301, 2_000))
    for name in NAMES:
        few = [transcript_id(t) for t in small if t.source == name]
        many = [transcript_id(t) for t in large if t.source == name]
        assert few
        assert many[: len(few)] == few


def test_the_losses_are_of_the_kinds_these_corpora_have(reading):
    assert 140 <= reading.counts["isear"].dropped["no_response"] <= 175
    unexpected = {"malformed", "wrong_columns", "bad_label", "bad_intensity", "undecodable"}
    for counts in reading.counts.values():
        assert not unexpected & set(counts.dropped)


def test_no_transcript_is_empty_or_unclean(reading):
    sample = reading.transcripts[::7]
    assert sum(1 for t in sample if not t.text or clean_text(t.text) != t.text) == 0


def test_the_stray_marks_of_isear_are_gone(reading):
    accounts = [t.text for t in reading.transcripts if t.source == "isear"]
    assert sum("\u00e1" in text for text in accounts) == 0


def test_hardly_any_mojibake_is_left(reading):
    assert (
        sum("\u00f0\u0178" in t.text or "\u00e2\u20ac" in t.text for t in reading.transcripts) == 0
    )


def test_labels_are_go_emotions_names(reading):
    known = set(emotion_names())
    assert all(t.labels and known.issuperset(t.labels) for t in reading.transcripts)


def test_ids_are_unique(reading):
    assert len({transcript_id(t) for t in reading.transcripts}) == len(reading.transcripts)


def test_seventy_thousand_rows_take_less_than_twenty_seconds(timed):
    assert timed[1] < 20

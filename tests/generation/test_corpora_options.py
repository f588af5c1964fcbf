"""What ``--corpus NAME=PATH`` accepts, and what it answers to the rest."""

from pathlib import Path

import pytest

from countenance.errors import CorpusError
from countenance.generation.corpora import CorpusSpec, parse_corpus_option, read_corpora


def test_a_name_and_a_path():
    assert parse_corpus_option("go_emotions=data/ge") == CorpusSpec("go_emotions", Path("data/ge"))


def test_the_path_may_hold_an_equals_sign():
    assert parse_corpus_option("csv=a=b.csv").path == Path("a=b.csv")


def test_a_format_takes_a_text_column():
    assert parse_corpus_option("csv=x.csv", text_column="body").text_column == "body"


def test_samples_need_no_path():
    assert parse_corpus_option("samples").path.is_file()


def test_the_source_of_a_format_names_its_file_but_not_its_folder():
    assert CorpusSpec("csv", Path("/some/where/notes.csv")).source == "csv:notes.csv"
    assert CorpusSpec("isear", Path("/some/where/isear.csv")).source == "isear"


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("go_emotions", r"corpus 'go_emotions': expected NAME=PATH, .*go_emotions.*isear.*parquet"),
        ("", r"corpus '': expected NAME=PATH"),
        ("isear=", r"corpus 'isear=': the path after '=' is empty"),
        ("isear=  ", r"the path after '=' is empty"),
        (
            "imdb=x",
            r"unknown corpus 'imdb': expected a corpus \(go_em.*\), a format \(csv.*\) or hub:",
        ),
        ("=x", r"unknown corpus ''"),
    ],
)
def test_a_wrong_option_is_told_what_is_known(option, message):
    with pytest.raises(CorpusError, match=message):
        parse_corpus_option(option)


def test_only_samples_have_a_path_of_their_own():
    with pytest.raises(CorpusError, match="corpus 'meld': no path: write meld=PATH"):
        CorpusSpec("meld")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"limit": 0}, "limit: expected 1 or more transcripts, found 0"),
        ({"min_words": 0}, "min_words: expected 1 or more, found 0"),
        ({"max_characters": -1}, "max_characters: expected 1 or more, found -1"),
        ({"limit": 3, "seed": -1}, "seed: expected 0 or more, found -1"),
    ],
)
def test_numbers_out_of_range(arguments, message):
    with pytest.raises(CorpusError, match=message):
        read_corpora([CorpusSpec("samples")], **arguments)


def test_no_corpus_at_all():
    with pytest.raises(CorpusError, match="no corpus given"):
        read_corpora([])

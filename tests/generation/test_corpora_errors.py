"""A corpus that cannot be used ends in one line that names the file and what was expected."""

import gzip

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from countenance.errors import CorpusError
from countenance.generation.corpora import CorpusSpec, read_corpora


def failure(name, path, **options):
    with pytest.raises(CorpusError) as caught:
        read_corpora([CorpusSpec(name, path, **options)])
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.fixture
def parquet(tmp_path):
    path = tmp_path / "x.parquet"
    rows = [f"sentence number {number} of many" for number in range(5000)]
    pq.write_table(pa.table({"text": rows, "n": list(range(5000))}), path)
    return path


def test_no_such_path(tmp_path):
    message = failure("isear", tmp_path / "nowhere")
    assert "'isear'" in message
    assert "nowhere: no such file or folder" in message


def test_a_later_missing_corpus_is_told_before_the_first_is_read(tmp_path):
    packed = tmp_path / "x.csv"
    packed.write_bytes(gzip.compress(b"text\n"))
    with pytest.raises(CorpusError, match="no such file or folder"):
        read_corpora([CorpusSpec("csv", packed), CorpusSpec("meld", tmp_path / "nowhere")])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("go_emotions", r"*.tsv"),
        ("tweet_intensity", "*.tsv or *-ratings-*.txt"),
        ("isear", "*.csv"),
        ("meld", "*_sent_emo.csv"),
    ],
)
def test_a_folder_without_the_files_is_told_their_names(tmp_path, name, expected):
    (tmp_path / "readme.md").write_text("nothing here")
    assert f"expected files named {expected} (" in failure(name, tmp_path)


def test_a_folder_for_a_format(tmp_path):
    assert "is a folder; expected one csv file" in failure("csv", tmp_path)


def test_a_missing_column_is_answered_with_those_there_are(tmp_path, parquet):
    path = tmp_path / "x"
    path.write_text("title,body\nhello,a sentence of words\n")
    assert f"{path}: no column 'text'; found 'title', 'body'" in failure("csv", path)
    path.write_text("title\tbody\nhello\ta sentence of words\n")
    assert "no column 'text'; found 'title', 'body'" in failure("tsv", path)
    path.write_text('{"title": "x", "body": "a sentence of words"}\n')
    assert "no column 'text'; found 'title', 'body'" in failure("jsonl", path)
    assert "no column 'body'; found 'text', 'n'" in failure("parquet", parquet, text_column="body")


def test_a_column_of_numbers(parquet):
    assert "column 'n' holds int64, expected string" in failure("parquet", parquet, text_column="n")


def test_a_parquet_file_cut_in_half(parquet):
    content = parquet.read_bytes()
    parquet.write_bytes(content[: len(content) // 2])
    assert "x.parquet: not a whole Parquet file" in failure("parquet", parquet)


def test_a_parquet_file_damaged_in_the_middle(parquet):
    content = bytearray(parquet.read_bytes())
    content[100 : len(content) // 2] = b"\xff" * (len(content) // 2 - 100)
    parquet.write_bytes(content)
    assert "x.parquet" in failure("parquet", parquet)


def test_a_text_file_given_as_parquet(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("text\nthis is no parquet\n")
    assert "not a whole Parquet file" in failure("parquet", path)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (gzip.compress(b"text\nhello you there\n"), "gzip"),
        ("text\nhello you there\n".encode("utf-16"), "UTF-16"),
        (b"PK\x03\x04rest", "zip"),
        (b"PAR1rest", "Parquet"),
    ],
    # Not the bytes: gzip's hold the time, and the workers of pytest-xdist must agree on names.
    ids=["gzip", "UTF-16", "zip", "Parquet"],
)
@pytest.mark.parametrize("name", ["csv", "tsv", "jsonl", "text", "isear", "go_emotions"])
def test_packed_files_are_named(tmp_path, name, content, kind):
    path = tmp_path / "x"
    path.write_bytes(content)
    assert f"expected UTF-8 text, found {kind}" in failure(name, path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("csv", ""),
        ("csv", "text\n"),
        ("tsv", ""),
        ("tsv", "text\n"),
        ("jsonl", ""),
        ("text", ""),
        ("go_emotions", ""),
        ("isear", "emo;txt\n"),
        ("meld", "Utterance,Emotion,Dialogue_ID,Utterance_ID\n"),
    ],
)
def test_a_file_without_rows(tmp_path, name, content):
    path = tmp_path / "x"
    path.write_text(content)
    message = failure(name, path)
    assert "no rows" in message or "the file is empty" in message


def test_an_empty_file_among_good_ones(tmp_path):
    (tmp_path / "dev.tsv").write_text("a perfectly fine sentence\t2\tx\n")
    (tmp_path / "train.tsv").write_text("")
    assert "train.tsv: no rows" in failure("go_emotions", tmp_path)


def test_all_rows_dropped_tells_why(tmp_path):
    path = tmp_path / "x.txt"
    path.write_bytes(b"no\nyes\nv\xe9ritablement trop long\n")
    message = failure("text", path)
    assert "none of 3 rows is usable (too_short 2, undecodable 1)" in message


def test_a_header_that_is_broken(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text('text,"unclosed\n')
    assert "row 1 is no header with column names: malformed" in failure("csv", path)


def test_what_is_neither_file_nor_folder():
    assert "/dev/null: neither a file nor a folder" in failure("text", "/dev/null")

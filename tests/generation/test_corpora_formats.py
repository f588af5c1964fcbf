"""Any CSV, TSV, JSON lines, Parquet or text file by column name; one bad row never ends a run."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from countenance.generation.corpora import CorpusSpec, read_corpora

A, B, C = "the kettle sang all morning", "nobody came to the door", "we laughed until it hurt"


def read(name, path, text_column="text"):
    reading = read_corpora([CorpusSpec(name, path, text_column)])
    (counts,) = reading.counts.values()
    assert counts.read == counts.kept + sum(counts.dropped.values())
    return [(t.text, t.source_id) for t in reading.transcripts], dict(counts.dropped)


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return path


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_csv_finds_its_separator_in_the_header(tmp_path, delimiter):
    rows = ["id,text", f"a1,{A}", f"a2,{B}"]
    path = write(tmp_path / "x.csv", "\n".join(rows).replace(",", delimiter))
    assert read("csv", path) == ([(A, "a1"), (B, "a2")], {})


def test_csv_with_byte_order_mark_quotes_and_line_breaks(tmp_path):
    path = write(
        tmp_path / "x.csv", '\ufefftext,n\r\n"she said ""yes"",\r\nand left",1\r\n' + f"{A},2\r\n"
    )
    assert read("csv", path) == ([('she said "yes", and left', "1"), (A, "2")], {})


def test_csv_by_another_column(tmp_path):
    path = write(tmp_path / "x.csv", f"text,body\nshort,{A}\n")
    assert read("csv", path, "body")[0] == [(A, "1")]


def test_a_stray_quote_costs_its_own_line_only(tmp_path):
    lines = ["text,n", f"{A},1", '"never closed,2', f"{B},3", f"{C},4"]
    path = write(tmp_path / "x.csv", "\n".join(lines) + "\n")
    assert read("csv", path) == ([(A, "1"), (B, "3"), (C, "4")], {"malformed": 1})


def test_a_stray_quote_far_from_the_end_costs_its_own_line_only(tmp_path):
    numbers = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    lines = [f"{a} dogs {b} cats {c} sheep" for a in numbers for b in numbers for c in numbers]
    path = write(tmp_path / "x.csv", "\n".join(["text", '"open', *lines]))
    texts, dropped = read("csv", path)
    assert [text for text, _ in texts] == lines
    assert dropped == {"malformed": 1}


def test_tsv_takes_quotes_off_whole_fields_only(tmp_path):
    path = write(
        tmp_path / "x.tsv",
        f'id\ttext\n1\t"{A}"\n2\t"Yes," she said to me\n3\t"it ""hurt"" a lot"\n',
    )
    texts, dropped = read("tsv", path)
    assert [text for text, _ in texts] == [A, '"Yes," she said to me', 'it "hurt" a lot']
    assert dropped == {}


def test_jsonl(tmp_path):
    rows = [
        json.dumps({"text": A, "id": 17}),
        json.dumps({"text": B}),
        "",
        "{broken",
        json.dumps(["a", "list"]),
        json.dumps({"text": None}),
        json.dumps({"text": 3}),
        json.dumps({"other": "no text here at all"}),
        '{"text": "a lone \\ud83d surrogate here"}',
        '{"text": "a NUL \\u0000 in the text"}',
        "[" * 100_000,
    ]
    path = write(tmp_path / "x.jsonl", "\n".join(rows))
    assert read("jsonl", path) == (
        [(A, "17"), (B, "2")],
        {"empty": 1, "malformed": 3, "not_text": 2, "wrong_columns": 1, "undecodable": 2},
    )


def test_text_is_one_transcript_per_line(tmp_path):
    path = write(tmp_path / "x.txt", f"{A}\n\n{B}\r\n{C}")
    assert read("text", path) == ([(A, "1"), (B, "3"), (C, "4")], {"empty": 1})


@pytest.mark.parametrize("name", ["csv", "tsv", "text"])
def test_undecodable_huge_and_nul_lines_are_counted(tmp_path, name):
    header = b"" if name == "text" else b"text\n"
    lines = [A.encode(), b"caf\xe9 in the old town", b"NUL \0 in the line", b"y" * 1_000_000]
    lines += [b"z" * 3_000_000, b'"' + b"q" * 200_000, B.encode()]
    texts, dropped = read(name, write(tmp_path / "x", header + b"\n".join(lines)))
    assert [text for text, _ in texts] == [A, B]
    assert dropped == {"undecodable": 2, "too_long": 3}


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int8(), pa.string())]
)
def test_parquet(tmp_path, kind):
    table = pa.table(
        {"text": pa.array([A, None, B, "short"]).cast(kind), "id": [11, 12, None, 14], "n": [1] * 4}
    )
    pq.write_table(table, tmp_path / "x.parquet")
    found = read("parquet", tmp_path / "x.parquet")
    assert found == ([(A, "11"), (B, "3")], {"not_text": 1, "too_short": 1})


def test_parquet_with_bytes_that_are_no_utf8(tmp_path):
    bad = pa.array([A.encode(), b"caf\xe9 in the town", B.encode()]).view(pa.string())
    pq.write_table(pa.table({"text": bad}), tmp_path / "x.parquet")
    assert read("parquet", tmp_path / "x.parquet") == (
        [(A, "1"), (B, "3")],
        {"undecodable": 1},
    )


def test_a_parquet_id_that_is_no_utf8_does_not_cost_the_text(tmp_path):
    ids = pa.array([b"first", b"\xff\xfe"]).view(pa.string())
    pq.write_table(pa.table({"id": ids, "text": [A, B]}), tmp_path / "x.parquet")
    assert read("parquet", tmp_path / "x.parquet") == ([(A, "first"), (B, "2")], {})


def test_an_id_that_is_no_id_gives_way_to_the_row_number(tmp_path):
    ids = ["", "  ", "x" * 500, "a\u0000b", "\ud83d"]
    texts = [f"{A} and {word}" for word in ("one", "two", "three", "four", "five")]
    rows = [json.dumps({"id": i, "text": t}) for i, t in zip(ids, texts, strict=True)]
    path = write(tmp_path / "x.jsonl", "\n".join(rows))
    assert [source_id for _, source_id in read("jsonl", path)[0]] == ["1", "2", "3", "4", "5"]

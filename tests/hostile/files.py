"""The hostile texts as corpus files of every format, under hostile names, and where each stands."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from corpus import HostileText

from countenance.generation.corpora import CorpusSpec, parse_corpus_option

# What a downloaded file may be called; no slash, which no file name holds.
_EVIL_NAME = "=1+1`id`,<img src=x onerror=document.title=1>$(id)[a](www.example.invalid)``|"
_EVIL_IDS = (
    "",
    " =1+1",
    " <b onclick=x>",
    " \u202e",
    "\ud800",
    " " * 50,
    "|[x](y)",
    "\x1b[31m",
    "\0",
)
FORMATS = ("text", "csv", "tsv", "jsonl", "parquet", "go_emotions")
_ONE_LINE = ("text", "tsv", "go_emotions")
_FIRST = "A plain first line that nobody could object to"


@dataclass(frozen=True)
class HostileFile:
    """One corpus file: how it is read, and which text stands in which row (from 1)."""

    spec: CorpusSpec
    rows: dict[int, int]


def write_files(folder: Path, texts: Sequence[HostileText]) -> list[HostileFile]:
    """Spread the texts over one file of each format; a text that needs several lines over three."""
    shares: dict[str, list[HostileText]] = {name: [] for name in FORMATS}
    whole = [name for name in FORMATS if name not in _ONE_LINE]
    for text in texts:
        usable = whole if "\n" in text.text else FORMATS
        shares[usable[text.number % len(usable)]].append(text)
    writers = {
        "text": _text,
        "csv": _csv,
        "tsv": _tsv,
        "jsonl": _jsonl,
        "parquet": _parquet,
        "go_emotions": _go_emotions,
    }
    files = []
    for name, share in shares.items():
        path = folder / f"{name}{_EVIL_NAME}.{name}"
        path.write_bytes(writers[name](share)) if name != "parquet" else _parquet(share, path)
        first = 1 if name in ("text", "go_emotions") else 0
        rows = {row: text.number for row, text in enumerate(share, 1 + first)}
        files.append(HostileFile(parse_corpus_option(f"{name}={path}"), rows))
    return files


def evil_id(number: int) -> str:
    """The id of a text; ``c12`` and something nasty."""
    return f"c{number}{_EVIL_IDS[number // 6 % len(_EVIL_IDS)]}"


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _text(share: Sequence[HostileText]) -> bytes:
    # The first line is ours: what begins like a packed file is refused as a whole, see FILES.
    return _bytes("\n".join([_FIRST, *(text.text for text in share)]) + "\n")


def _csv(share: Sequence[HostileText]) -> bytes:
    rows = io.StringIO()
    writer = csv.writer(rows, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(["id", "text"])
    writer.writerows([evil_id(text.number), text.text] for text in share)
    return _bytes(rows.getvalue())


def _tsv(share: Sequence[HostileText]) -> bytes:
    lines = [f"{evil_id(text.number)}\t{text.text}" for text in share]
    return _bytes("\n".join(["id\ttext", *lines]) + "\n")


def _jsonl(share: Sequence[HostileText]) -> bytes:
    lines = [
        json.dumps({"id": evil_id(t.number), "text": t.text}, ensure_ascii=bool(t.number % 2))
        for t in share
    ]
    return _bytes("\n".join(lines) + "\n")


def _go_emotions(share: Sequence[HostileText]) -> bytes:
    labels = ("0", "27", "3,14", "99", "=1", "")
    lines = [f"{t.text}\t{labels[t.number // 6 % 6]}\t{evil_id(t.number)}" for t in share]
    return _bytes("\n".join([f"{_FIRST} at all\t27\tfirst", *lines]) + "\n")


def _parquet(share: Sequence[HostileText], path: Path) -> None:
    def column(values: list[str]) -> pa.Array:
        # Parquet promises UTF-8 and nobody checks it: lone surrogates go in as they are.
        return pa.array([_bytes(value) for value in values], pa.binary()).cast(
            pa.string(), safe=False
        )

    ids, texts = [evil_id(text.number) for text in share], [text.text for text in share]
    pq.write_table(pa.table({"id": column(ids), "text": column(texts)}), path)


# Whole files that cannot be read: name, format and bytes. Each is one refusal or counted rows.
FILES: tuple[tuple[str, str, bytes], ...] = (
    ("empty", "text", b""),
    ("nul bytes", "text", b"\0" * 5000),
    ("utf-16", "text", "I lost my keys again today".encode("utf-16")),
    ("gzip", "jsonl", b"\x1f\x8b\x08\0" + bytes(100)),
    ("zip", "csv", b"PK\x03\x04" + bytes(100)),
    ("parquet by name only", "parquet", b"PAR1" + bytes(100) + b"PAR1"),
    ("no newline, 5 MiB", "text", b"x" * (5 << 20)),
    ("quote that never closes", "csv", b'id,text\n1,"' + b"a,b\n" * 5000),
    ("100,000 columns", "csv", b"," * 100_000 + b"\n"),
    ("deep JSON", "jsonl", b"[" * 200_000 + b"\n"),
    ("JSON bomb of keys", "jsonl", b'{"text":' * 5000 + b"\n"),
    ("repeated keys", "jsonl", b'{"text":"a","text":{"x":1}}\n' * 50),
    ("numbers as text", "jsonl", b'{"text":1e999}\n{"text":NaN}\n{"text":[1]}\n'),
    ("a 9,999 digit number", "jsonl", b'{"text":' + b"9" * 9999 + b"}\n"),
    ("carriage returns only", "tsv", b"id\ttext\r1\tI lost my keys again today\r"),
    ("header twice", "csv", b"text,text\na,b\n"),
    ("control header", "csv", b"\x1b[31mtext\0,id\n1,2\n"),
)

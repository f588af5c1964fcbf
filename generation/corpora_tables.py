"""What is known of each corpus, as data: ``tables/corpora-v1.json`` and the emotion names."""

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ..errors import CorpusError
from .corpora_hub import HubDataset
from .tables_reading import load_emotions, read_table

SAMPLES = Path(__file__).parent / "samples" / "transcripts-v1.tsv"
CORPORA_TABLE = "corpora-v1"
_WORD = re.compile(r"[^\W_]+")
_APOSTROPHE = re.compile("['\u2019]")
_HUB_FIELDS = ("dataset", "configuration", "text_column", "label_column", "id_column")
FORMATS = ("csv", "tsv", "jsonl", "parquet", "text")


@dataclass(frozen=True, slots=True)
class CorpusDescription:
    """What a card or an error message says about a known corpus.

    Attributes:
        name: The name in ``--corpus NAME=PATH``.
        title: One line for people.
        files: Glob patterns of its files in a folder.
        format: What a file looks like, in words.
        licence: SPDX identifier, or words where there is none.
        citation: Authors, year, title.
        url: Where its authors publish it; may be empty.
        labels: Pairs (the corpus' tag, GoEmotions category).
        hub: The dataset on the Hub that publishes the same rows, or None where none is known.
    """

    name: str
    title: str
    files: tuple[str, ...]
    format: str
    licence: str
    citation: str
    url: str
    labels: tuple[tuple[str, str], ...]
    hub: HubDataset | None = None


def known_corpora() -> tuple[str, ...]:
    """Return the names of the corpora whose files are read as their authors publish them."""
    return tuple(_descriptions())


def describe_corpus(name: str) -> CorpusDescription:
    """Return the description of a known corpus.

    Raises:
        CorpusError: The name is unknown; the message lists the known ones.
    """
    try:
        return _descriptions()[name]
    except KeyError:
        known = ", ".join(known_corpora())
        raise CorpusError(f"unknown corpus {name!r}: expected one of {known}") from None


@lru_cache(maxsize=1)
def emotion_names() -> tuple[str, ...]:
    """Return the 28 categories in GoEmotions' order, neutral last.

    Raises:
        TableError: The packaged table is missing or malformed.
    """
    return tuple(emotion.name for emotion in load_emotions())


def is_no_response(text: str) -> bool:
    """Tell whether an answer says only that there is none ("[ No response.]").

    An answer of two or more sentences is kept: the second one often tells what happened after all.
    """
    if len(text) > 200 or re.search(r"[.!?]\W+\w", text.strip(" .[")):
        return False
    words = " ".join(_WORD.findall(_APOSTROPHE.sub("", text.casefold())))
    return any(pattern.fullmatch(words) for pattern in _no_response_patterns())


@lru_cache(maxsize=1)
def _descriptions() -> dict[str, CorpusDescription]:
    descriptions = {}
    for entry in read_table(CORPORA_TABLE, "corpora")["corpora"]:
        fields = dict(entry)
        fields["files"] = tuple(entry["files"])
        fields["labels"] = tuple((label["tag"], label["emotion"]) for label in entry["labels"])
        if "hub" in entry:
            columns = {key: entry["hub"][key] for key in _HUB_FIELDS}
            fields["hub"] = HubDataset(**columns)
        descriptions[entry["name"]] = CorpusDescription(**fields)
    return descriptions


@lru_cache(maxsize=1)
def _no_response_patterns() -> tuple[re.Pattern[str], ...]:
    return tuple(
        re.compile(entry["pattern"])
        for entry in read_table(CORPORA_TABLE, "corpora")["no_response"]
    )

"""Versioned synonym lexicons for text augmentation: the data model and its loader."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from jsonschema import Draft202012Validator

from ..errors import TableError

if TYPE_CHECKING:
    from collections.abc import Mapping

_ROOM = Path(__file__).parent
DEFAULT_LEXICON = "synonyms-v1"


@dataclass(frozen=True)
class SynonymLexicon:
    """Words that may stand for each other, and words that must stay where they are.

    Attributes:
        version: Name of the lexicon, equal to its file stem.
        synonyms: For each kind of text ("t" transcript, "e" emotion tags, "d" description), a word
            in lower case and the other members of its group.
        protected: A word in lower case that a word-order swap may not move, and how many words
            after it it also keeps in place.
    """

    version: str
    synonyms: Mapping[str, Mapping[str, tuple[str, ...]]]
    protected: Mapping[str, int]


def load_lexicon(name_or_path: str | Path = DEFAULT_LEXICON) -> SynonymLexicon:
    """Load a synonym lexicon.

    Args:
        name_or_path: Name of a packaged lexicon ("synonyms-v1"), or the path of a JSON file that
            follows ``schemas/lexicon.schema.json``.

    Returns:
        The lexicon, frozen.

    Raises:
        TableError: If it is unknown, unreadable, no JSON, breaks the schema, or has a word in two
            groups.
    """
    return _read(_find(name_or_path))


def _find(name_or_path: str | Path) -> Path:
    packaged = _ROOM / "lexicons" / f"{name_or_path}.json"
    path = packaged if packaged.is_file() else Path(name_or_path)
    try:
        found = path.is_file()
    except OSError as error:
        raise TableError(f"{path}: cannot read the lexicon ({error.strerror})") from error
    if not found:
        known = ", ".join(sorted(file.stem for file in (_ROOM / "lexicons").glob("*.json")))
        raise TableError(f"unknown lexicon {str(name_or_path)!r}: give one of {known}, or a file")
    return path


@cache
def _read(path: Path) -> SynonymLexicon:
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TableError(f"{path}: cannot read the lexicon ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise TableError(f"{path}: not valid JSON ({error})") from error
    schema = json.loads((_ROOM / "schemas" / "lexicon.schema.json").read_text(encoding="utf-8"))
    problem = next(Draft202012Validator(schema).iter_errors(table), None)
    if problem is not None:
        raise TableError(f"{path}: {problem.json_path}: {problem.message}")
    if table["version"] != path.stem:
        raise TableError(f"{path}: version {table['version']!r} differs from the file's name")
    home: dict[str, str] = {}
    for group in table["groups"]:
        for word in group["words"]:
            if word in home:
                raise TableError(
                    f"{path}: {word!r} stands in the groups {home[word]} and {group['id']}; "
                    "a word may stand in one only"
                )
            home[word] = group["id"]
    return SynonymLexicon(
        version=table["version"],
        synonyms=MappingProxyType(
            {
                kind: MappingProxyType(_synonyms(table["groups"], categories))
                for kind, categories in table["use"].items()
            }
        ),
        protected=MappingProxyType(
            {word: row["reach"] for row in table["protected"] for word in row["words"]}
        ),
    )


def _synonyms(groups: list[dict], categories: list[str]) -> dict[str, tuple[str, ...]]:
    return {
        word: tuple(other for other in group["words"] if other != word)
        for group in groups
        if group["category"] in categories
        for word in group["words"]
    }

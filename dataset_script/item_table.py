"""The items of a config as numbers: what statistics, split and bias tables need of ten million.

An item takes some forty bytes: the number of its list of tags, of its list of action units, a few
counts. Its texts are read once, on the way, and lie in a file (see ``rows``).
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..au_mapping import AUMapping
from ..generation.id_set import text_number
from ..generation.tables_reading import load_emotions
from .coded import CodeBook, Coded
from .mentions import Mentions

EXAMPLE_WORDS = range(4, 15)
_WHO = ("emotions_from", "strength_from")


@dataclass(frozen=True, eq=False)
class ItemTable:
    """Annotation records in the dataset's order, without their texts.

    Attributes:
        emotions: Tags of each.
        action_units: Units of each.
        strength: float64 (n_items,), NaN where nobody said.
        words: int32 (n_items,), words of the transcript.
        reads_well: bool (n_items,): fit for the card's example.
        mentions: Which texts mention which group of people.
        transcripts: How many different ones.
        descriptions: How many different ones.
        sources: Items of each source.
        whose: By ``emotions_from`` and ``strength_from``, the items of each word.
    """

    emotions: Coded
    action_units: Coded
    strength: np.ndarray
    words: np.ndarray
    reads_well: np.ndarray
    mentions: Mentions
    transcripts: int
    descriptions: int
    sources: Counter[str]
    whose: Mapping[str, Counter[str]]

    @classmethod
    def of(cls, rows: ItemTable | Iterable[Mapping[str, Any]]) -> ItemTable:
        """The table of records, or the table itself."""
        if isinstance(rows, ItemTable):
            return rows
        making = TableMaker()
        for row in rows:
            making.add(row)
        return making.finished()

    def __len__(self) -> int:
        return len(self.emotions)


class TableMaker:
    """Takes records one by one."""

    def __init__(self) -> None:
        self._emotions, self._units = CodeBook(), CodeBook()
        self._strength, self._words, self._well = array("d"), array("i"), array("b")
        self._transcripts, self._descriptions = array("Q"), array("Q")
        self._mentions = Mentions()
        self._sources: Counter[str] = Counter()
        self._whose: dict[str, Counter[str]] = {field: Counter() for field in _WHO}
        self._joyful = {emotion.name for emotion in load_emotions() if emotion.ekman == "joy"}

    def add(self, row: Mapping[str, Any]) -> None:
        """Put a record at the end."""
        text = row["transcript"]
        words = len(text.split())
        self._emotions.add(row["emotions"])
        self._units.add(row["action_units"])
        self._strength.append(np.nan if row["strength"] is None else row["strength"])
        self._words.append(words)
        self._well.append(
            row["emotions"][0] in self._joyful
            and words in EXAMPLE_WORDS
            and len(row["action_units"]) > 1
        )
        self._transcripts.append(text_number(text))
        self._descriptions.append(text_number(row["description"]))
        self._mentions.add(text)
        self._sources[row["source"]] += 1
        for field, found in self._whose.items():
            if field in row:
                found[row[field]] += 1

    def finished(self) -> ItemTable:
        """The table of all that was added; nothing may be added afterwards."""
        transcripts = _different(self._transcripts)
        descriptions = _different(self._descriptions)
        self._transcripts, self._descriptions = array("Q"), array("Q")
        return ItemTable(
            self._emotions.coded(),
            self._units.coded(),
            np.frombuffer(self._strength, dtype=np.float64),
            np.frombuffer(self._words, dtype=np.int32),
            np.frombuffer(self._well, dtype=bool),
            self._mentions,
            transcripts,
            descriptions,
            self._sources,
            self._whose,
        )


def _different(numbers: array[int]) -> int:
    """How many different numbers there are; they are sorted in their place."""
    found = np.frombuffer(numbers, dtype=np.uint64)
    found.sort()
    return int(len(found) > 0) + int(np.count_nonzero(found[1:] != found[:-1]))


class FaceWeights:
    """The blendshapes of items, made from the few thousand different faces that they show.

    Args:
        faces: Action units of each item.
        mapping: The table that makes the weights.

    Raises:
        ActionUnitError: A unit that the table does not know.
    """

    def __init__(self, faces: Coded, mapping: AUMapping) -> None:
        self._codes = faces.codes
        self._table = mapping.to_blendshapes_batch(faces.values)

    def __len__(self) -> int:
        return len(self._codes)

    def __getitem__(self, places: int | np.ndarray) -> np.ndarray:
        """float32 (51,) of one item, (n, 51) of several."""
        weights: np.ndarray = self._table[self._codes[places]]
        return weights

    def column(self, shape: int) -> np.ndarray:
        """float32 (n_items,): one blendshape of all items."""
        weights: np.ndarray = self._table[:, shape][self._codes]
        return weights

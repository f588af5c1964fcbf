"""Which texts mention which group of people: a bit for each group of ``bias_groups-v1.json``."""

from __future__ import annotations

import re
from array import array
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..generation.tables_reading import read_table

BIAS_TABLE = "bias_groups-v1"


class Mentions:
    """Takes texts one by one; says of a group who mentions it.

    Args:
        table: The word lists.

    Attributes:
        words: The table.
    """

    def __init__(self, table: str = BIAS_TABLE) -> None:
        self.words: Mapping[str, Any] = read_table(table, "bias_groups")
        self._patterns: list[re.Pattern[str]] = []
        self._bit: dict[tuple[str, str], int] = {}
        for dimension in self.words["dimensions"]:
            for group in dimension["groups"]:
                self._bit[dimension["title"], group["name"]] = len(self._patterns)
                self._patterns.append(_pattern(group["words"]))
        self._any = _pattern(
            [w for d in self.words["dimensions"] for group in d["groups"] for w in group["words"]]
        )
        self._bits = array("Q")

    def add(self, text: str) -> None:
        """Put a text at the end."""
        folded, bits = text.casefold(), 0
        if self._any.search(folded):  # most texts mention nobody: one search for all
            for number, pattern in enumerate(self._patterns):
                if pattern.search(folded):
                    bits |= 1 << number
        self._bits.append(bits)

    def of_group(self, dimension: str, group: str) -> np.ndarray:
        """Bool (n_texts,): which texts hold one of a group's words, as a word."""
        bit = np.uint64(1 << self._bit[dimension, group])
        held: np.ndarray = (np.frombuffer(self._bits, dtype=np.uint64) & bit) != 0
        return held


def _pattern(words: Sequence[str]) -> re.Pattern[str]:
    longest_first = sorted(words, key=lambda word: (-len(word), word))
    return re.compile(
        r"(?<![a-z])(?:"
        + "|".join(word.replace(" ", r"\s+") for word in longest_first)
        + r")(?![a-z])"
    )

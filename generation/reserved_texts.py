"""Texts that models are tested on, kept out of the texts that they are trained on.

The table holds hashes, not texts: whoever writes training texts need not read the questions. It is
made by ``python -m benchmarks.words --reserve`` from the prompts of ``benchmarks/words``.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

from .tables_reading import read_table

RESERVED_TABLE = "reserved_texts-v2"


def text_hash(text: str) -> str:
    """16 hexadecimal digits over a text's letters: case, signs and spaces make no difference.

    A text without letters ("1+2+5", an emoji) is told apart by its signs.
    """
    folded = text.casefold()
    letters = "".join(character for character in folded if character.isalpha())
    letters = letters or "".join(folded.split())
    return hashlib.sha256(letters.encode()).hexdigest()[:16]


@lru_cache(maxsize=2)
def reserved_hashes(name: str = RESERVED_TABLE) -> frozenset[str]:
    """Hashes of the reserved texts.

    Raises:
        TableError: The table is missing or breaks its schema.
    """
    return frozenset(read_table(name, "reserved_texts")["sha256"])

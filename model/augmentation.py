"""Augmentation while training: other wordings of a text, small perturbations of a face.

Paper, section IV-B: "we apply synonym replacement and word order swap in random samples of
(t, e, d)", and perturbation vectors with values from 0.0 to 0.2 are added to the blendshapes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from .lexicon import SynonymLexicon, load_lexicon

if TYPE_CHECKING:
    from numpy.typing import NDArray

TAG_SEPARATOR = ", "
_PIECES = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*|\s+|.", re.DOTALL)


def augment_text(
    text: str,
    kind: str,
    rng: np.random.Generator,
    *,
    synonym_rate: float = 0.1,
    swap_rate: float = 0.1,
    lexicon: SynonymLexicon | None = None,
) -> str:
    """Say the same in another way: synonyms, another word order, or both (drawn at random).

    A swap exchanges two neighbouring words of one clause, and never moves a word that carries side,
    negation, degree or the joints of a sentence, nor what such a word governs (see the lexicon).
    Emotion tags change places as a whole.

    Args:
        text: The text; for tags, joined by ", ".
        kind: "t" for a transcript, "e" for emotion tags, "d" for a description.
        rng: Source of the draws.
        synonym_rate: Share of the words to replace, in [0, 1]; at least one, where one is known.
        swap_rate: Share of the words to swap with their neighbour, in [0, 1]; at least one.
        lexicon: Synonyms and protected words; the packaged default when left out.

    Returns:
        The new text, equal to ``text`` where nothing can be changed.
    """
    lexicon = lexicon or load_lexicon()
    with_synonyms, with_swap = [(True, False), (False, True), (True, True)][rng.integers(3)]
    pieces: list[str] = _PIECES.findall(text)
    if with_synonyms and synonym_rate > 0:
        _replace_synonyms(pieces, lexicon.synonyms[kind], synonym_rate, rng)
    if with_swap and swap_rate > 0:
        if kind == "e":
            return _swap_tags("".join(pieces), rng)
        _swap_neighbours(pieces, lexicon.protected, swap_rate, rng)
    return "".join(pieces)


def _replace_synonyms(
    pieces: list[str],
    synonyms: Mapping[str, tuple[str, ...]],
    rate: float,
    rng: np.random.Generator,
) -> None:
    words = [i for i, piece in enumerate(pieces) if piece[0].isalpha()]
    known = [i for i in words if pieces[i].lower() in synonyms]
    if not known:
        return
    count = min(len(known), max(1, round(rate * len(words))))
    for i in rng.choice(known, size=count, replace=False):
        choices = synonyms[pieces[i].lower()]
        pieces[i] = _like(pieces[i], choices[rng.integers(len(choices))])
        _fix_article(pieces, int(i))


def _like(model: str, word: str) -> str:
    if len(model) > 1 and model.isupper():
        return word.upper()
    return word.capitalize() if model[0].isupper() else word


def _fix_article(pieces: list[str], i: int) -> None:
    if i >= 2 and pieces[i - 1].isspace() and pieces[i - 2].lower() in ("a", "an"):
        article = "an" if pieces[i][0].lower() in "aeiou" else "a"
        pieces[i - 2] = _like(pieces[i - 2], article) if pieces[i - 2] != "A" else article.title()


def _swap_tags(text: str, rng: np.random.Generator) -> str:
    tags = text.split(TAG_SEPARATOR)
    if len(tags) > 1:
        i = rng.integers(len(tags) - 1)
        tags[i], tags[i + 1] = tags[i + 1], tags[i]
    return TAG_SEPARATOR.join(tags)


def _swap_neighbours(
    pieces: list[str], protected: Mapping[str, int], rate: float, rng: np.random.Generator
) -> None:
    words = [i for i, piece in enumerate(pieces) if piece[0].isalpha()]
    fixed: set[int] = set()
    for position, i in enumerate(words):
        lowered = pieces[i].lower().replace("\u2019", "'")
        reach = 2 if lowered.endswith("n't") else protected.get(lowered)
        if reach is not None:
            fixed.update(words[max(0, position - (reach > 0)) : position + reach + 1])
    pairs = [
        (i, j)
        for i, j in pairwise(words)
        if j == i + 2 and pieces[i + 1].isspace() and i not in fixed and j not in fixed
    ]
    if not pairs:
        return
    count = min(len(pairs), max(1, round(rate * len(words) / 2)))
    for index in rng.choice(len(pairs), size=count, replace=False):
        i, j = pairs[index]
        pieces[i], pieces[j] = pieces[j], pieces[i]


def perturb_blendshapes(
    blendshapes: NDArray[np.float32],
    rng: np.random.Generator,
    *,
    maximum: float = 0.2,
    density: float = 0.5,
) -> NDArray[np.float32]:
    """Add a perturbation vector to each face (P13).

    Args:
        blendshapes: float32 (n, size) in [0, 1].
        rng: Source of the draws.
        maximum: Perturbations are uniform in [0, maximum] (paper: 0.2).
        density: Probability that a position is perturbed at all, in [0, 1].

    Returns:
        float32 (n, size), cut to [0, 1]; a new array.
    """
    shape = blendshapes.shape
    amount = rng.random(shape, dtype=np.float32) * np.float32(maximum)
    chosen = rng.random(shape, dtype=np.float32) < density
    return np.clip(blendshapes + amount * chosen, 0.0, 1.0)


def tag_text(tags: Sequence[str]) -> str:
    """Write emotion tags as one text for the encoder: ["joy", "excitement"] -> "joy, excitement".

    Plain words without a sentence around them, so that the text is the same for every dataset and
    a user can type tags in the same way.
    """
    return TAG_SEPARATOR.join(tags)

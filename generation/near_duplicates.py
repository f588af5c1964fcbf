"""Near-duplicates: two writings of the same short text, where one of them is enough.

The rule. Texts are compared by their *words*: case, punctuation, links, mentions, a leading "RT",
fillers ("oh", "really"), lengthened letters and repeats do not count, and spellings of the same
words are one ("im", "I am"). Two texts are near-duplicates when

- they have the same words in the same order. Of every ``WORDS_PER_SLIP`` words one light word
  ("of", "that") may lack or be another, and of every so many others one may be misspelt: five
  letters or more, the same first letter, one letter put in, left out, changed or swapped with the
  next; never a number or a feeling;
- negations are the same;
- emoji and sad faces are the same; in a text of ``WORDS_PER_SLIP`` words or more one side may lack
  some;
- their hashtag tails (the hashtags at the end) do not name different feelings, or, with fewer than
  ``MIN_BODY`` words before them, one holds the other and enough is the same in all.

Any other differing word keeps two texts apart: "I love this" and "I hate this". Nothing is drawn
and nothing depends on what comes later: each text is compared with those kept before it.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from itertools import groupby, pairwise

from rapidfuzz.distance import OSA, Levenshtein

from .tables_reading import read_table
from .transcripts import LINK, MENTION

NEAR_DUPLICATES_TABLE = "near_duplicates-v1"
WORDS_PER_SLIP = 6
MIN_BODY = 4
MAX_SHARED = 40
_MIN_TYPO_LETTERS = 5
_MIN_WORDS = 3
_APOSTROPHES = re.compile("(?<=\\w)['\u2018\u2019\u02bc`\u00b4](?=\\w)")
_SAD_FACE = re.compile(r"[:;=]['\u2019]?-?[(\[/|](?!\w)")
_TOKEN = re.compile(rf"{MENTION}\b|\b{LINK}\b|\[\w+\]|#?\w+|[^\w\s]")
_LENGTHENED = re.compile(r"(.)\1\1")
_RUN = re.compile(r"(.)\1+")


@dataclass(frozen=True, slots=True)
class Wording:
    """What of a text counts when it is compared.

    Attributes:
        words: Its words in order, without fillers, repeats and the hashtag tail.
        tail: The words of its hashtag tail.
        signs: Its emoji, other symbols and sad faces.
        negations: How often which negation stands in it, tail included; sorted.
    """

    words: tuple[str, ...]
    tail: frozenset[str]
    signs: frozenset[str]
    negations: tuple[tuple[str, int], ...]


class NearDuplicates:
    """The texts kept so far, found again by any part of their words.

    A text may hold one misspelt word in so many. Its words, light ones left out, are cut into one
    part more than that, so one part is the same in both texts of every pair that the rule allows:
    looking up the parts misses none, but for texts made by a template: of a part that more than
    ``MAX_SHARED`` kept texts have in common only the first of these are compared.
    """

    def __init__(self) -> None:
        self._texts: list[str] = []
        # Most parts are one text's, and a list for each would take half of all memory.
        self._by_part: dict[int, int | list[int]] = {}

    def find_or_add(self, text: str) -> int | None:
        """Return the number of the first kept text that this one repeats, or keep it.

        Kept texts are numbered from 0 in the order in which they came.
        """
        wording = word(text)
        parts = _parts(wording.words)
        for number in sorted({place for part in parts for place in self._sharing(part)}):
            # Worked out again: there are few candidates, and wordings take much memory.
            if is_same(word(self._texts[number]), wording):
                return number
        number = len(self._texts)
        for part in parts:
            sharing = self._by_part.setdefault(part, number)
            if isinstance(sharing, int):
                if sharing != number:
                    self._by_part[part] = [sharing, number]
            elif len(sharing) < MAX_SHARED:
                sharing.append(number)
        self._texts.append(text)
        return None

    def _sharing(self, part: int) -> Collection[int]:
        found = self._by_part.get(part, ())
        return (found,) if isinstance(found, int) else found


@lru_cache(maxsize=4096)
def word(text: str) -> Wording:
    """Return what of a cleaned text counts when it is compared."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    sad = {":("} if _SAD_FACE.search(folded) else set()
    tokens = _TOKEN.findall(_APOSTROPHES.sub("", folded))
    signs = {token for token in tokens if unicodedata.category(token[0])[0] == "S"}
    words = [token for token in tokens if _is_word(token)]
    if words[:1] == ["rt"]:
        words = words[1:]
    end = len(words)
    while end and words[end - 1].startswith("#"):
        end -= 1
    body, tail = _spelt_out(words[: end or None]), _spelt_out(words[end:] if end else [])
    negations = Counter(item for item in (*body, *tail) if item in _table().negations)
    return Wording(
        _without_fillers(body),
        frozenset(tail),
        frozenset(signs | sad),
        tuple(sorted(negations.items())),
    )


def is_same(first: Wording, second: Wording) -> bool:
    """Tell whether two wordings are near-duplicates by the rule of this module."""
    if first.negations != second.negations:
        return False
    shorter = min(len(first.words), len(second.words))
    return (
        _signs_agree(first.signs, second.signs, shorter)
        and _tails_agree(first.tail, second.tail, shorter)
        and _words_agree(first.words, second.words)
    )


@dataclass(frozen=True, slots=True)
class _Table:
    fillers: frozenset[str]
    light: frozenset[str]
    doubled: dict[str, str]
    variants: dict[str, tuple[str, ...]]
    negations: frozenset[str]
    emotion_stems: tuple[str, ...]


@lru_cache(maxsize=1)
def _table() -> _Table:
    table = read_table(NEAR_DUPLICATES_TABLE, "near_duplicates")
    return _Table(
        frozenset(table["fillers"]["words"]),
        frozenset(table["light"]["words"]),
        {_RUN.sub(r"\1", item): item for item in table["doubled"]["words"]},
        {key: tuple(value.split()) for key, value in table["variants"]["spellings"].items()},
        frozenset(table["negations"]["words"]),
        tuple(table["emotion_stems"]["stems"]),
    )


def _is_word(token: str) -> bool:
    return token not in (MENTION, LINK) and (len(token) > 1 or token.isalnum())


def _spelt_out(words: list[str]) -> list[str]:
    variants = _table().variants
    spelt: list[str] = []
    for item in words:
        bare = _shortened(item.removeprefix("#"))
        spelt.extend(variants.get(bare, (bare,)))
    return [item for item, _ in groupby(spelt)]


def _shortened(item: str) -> str:
    """Return a lengthened word at its usual length, any other as it is."""
    if not _LENGTHENED.search(item) or not item.isalpha():
        return item
    single = _RUN.sub(r"\1", item)
    return _table().doubled.get(single, single)


def _without_fillers(words: list[str]) -> tuple[str, ...]:
    kept = [item for item in words if item not in _table().fillers]
    return tuple(item for item, _ in groupby(kept if len(kept) >= _MIN_WORDS else words))


def _words_agree(first: tuple[str, ...], second: tuple[str, ...]) -> bool:
    if first == second:
        return True
    slips = min(len(first), len(second)) // WORDS_PER_SLIP
    if abs(len(first) - len(second)) > slips:
        return False
    typos = light = 0
    for change in Levenshtein.editops(first, second):
        gone = first[change.src_pos] if change.tag != "insert" else None
        come = second[change.dest_pos] if change.tag != "delete" else None
        if all(item is None or item in _table().light for item in (gone, come)):
            light += 1
        elif gone is not None and come is not None and _is_typo(gone, come):
            typos += 1
        else:
            return False
    return light <= slips and typos <= len(_heavy(first)) // WORDS_PER_SLIP


def _is_typo(one: str, other: str) -> bool:
    if min(len(one), len(other)) < _MIN_TYPO_LETTERS or one[0] != other[0]:
        return False
    if not (one.isalpha() and other.isalpha()) or _names_feeling((one, other)):
        return False
    return OSA.distance(one, other, score_cutoff=1) <= 1


def _signs_agree(first: frozenset[str], second: frozenset[str], words: int) -> bool:
    if first == second:
        return True
    return words >= WORDS_PER_SLIP and (first <= second or second <= first)


def _tails_agree(first: frozenset[str], second: frozenset[str], words: int) -> bool:
    if first == second:
        return True
    only_first, only_second = first - second, second - first
    if words < MIN_BODY:
        enough = words + len(first & second) >= MIN_BODY
        return enough and not (only_first and only_second)
    return not (_names_feeling(only_first) and _names_feeling(only_second))


def _names_feeling(tail: Collection[str]) -> bool:
    return any(item.startswith(_table().emotion_stems) for item in tail)


def _heavy(words: tuple[str, ...]) -> tuple[str, ...]:
    """Return the words that must be there: light ones may lack in a long text only."""
    if len(words) < WORDS_PER_SLIP:
        return words
    return tuple(item for item in words if item not in _table().light)


def _parts(words: tuple[str, ...]) -> list[int]:
    """Return a key for the words as a whole and for each part: how many words, which part, it."""
    heavy = _heavy(words)
    number = len(heavy) // WORDS_PER_SLIP + 1
    bounds = [place * len(heavy) // number for place in range(number + 1)]
    spans = [(0, len(heavy)), *(pairwise(bounds) if number > 1 else ())]
    parts = []
    for place, (start, end) in enumerate(spans):
        content = f"{len(heavy)} {place} {' '.join(heavy[start:end])}"
        digest = blake2b(content.encode("utf-8"), digest_size=8).digest()
        parts.append(int.from_bytes(digest, "big"))
    return parts

"""Is a line English? Dropped are only lines that are strongly evident not to be.

Short English slang ("Aww yay lol", names, spelled-out letters) looks like many rare languages to
any detector, and the corpora were gathered as English ones. So a line is foreign only when

- it has ``MIN_WORDS`` different words that are no names, hashtags or placeholders,
- fewer than ``ENGLISH_WORDS`` of them are unmistakably English, and
- the detector (py3langid, naive Bayes over byte n-grams, its model in the wheel) gives one other
  language at least ``FOREIGN_AT_LEAST`` and English at most ``ENGLISH_AT_MOST``. With fewer than
  ``LONG_LINE`` different words that language needs ``PLAINLY_FOREIGN``, or English may have at
  most ``ENGLISH_AT_MOST_IF_SHORT``.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from .tables_reading import read_table
from .transcripts import LINK, MENTION

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

LANGUAGE_CHECK_TABLE = "language_check-v1"
ENGLISH = "en"
MIN_WORDS = 3
ENGLISH_WORDS = 2
FOREIGN_AT_LEAST = 0.45
ENGLISH_AT_MOST = 0.02
ENGLISH_AT_MOST_IF_SHORT = 0.005
PLAINLY_FOREIGN = 0.9
LONG_LINE = 5
_PLACEHOLDER = re.compile(rf"\[\w+\]|{MENTION}\b|#\w+|\b{LINK}\b|\d+")
_WORD = re.compile(r"[^\W\d_]{2,}(?:'[^\W\d_]+)*|[^\W\d_]'[^\W\d_]+")


@dataclass(frozen=True, slots=True)
class LanguageEvidence:
    """What speaks for which language in a line.

    Attributes:
        language: The likeliest language (ISO 639), English included.
        probability: Its probability among the languages of the table, in [0, 1].
        english: The probability of English, in [0, 1].
    """

    language: str
    probability: float
    english: float


def is_foreign(text: str) -> bool:
    """Tell whether a cleaned line in Latin letters is strongly evident not to be English."""
    line = spoken_part(text)
    first, *others = _WORD.findall(_without_placeholders(text)) or [""]
    # A capital within a line is a name as a rule, and names have no language.
    words = {item.casefold() for item in (first, *others) if item is first or not item.istitle()}
    if len(words) < MIN_WORDS or len(words & _english_words()) >= ENGLISH_WORDS:
        return False
    evidence = weigh(line)
    plain = len(words) >= LONG_LINE or evidence.probability >= PLAINLY_FOREIGN
    limit = ENGLISH_AT_MOST if plain else ENGLISH_AT_MOST_IF_SHORT
    return (
        evidence.language != ENGLISH
        and evidence.probability >= FOREIGN_AT_LEAST
        and evidence.english <= limit
    )


def spoken_part(text: str) -> str:
    """Return the line in lower case without placeholders, hashtags and digits."""
    # Lower case, since capitals look like abbreviations or German to the detector.
    return " ".join(_without_placeholders(text).casefold().split())


def weigh(line: str) -> LanguageEvidence:
    """Return the evidence in a line that ``spoken_part`` has prepared."""
    ranking = _identifier().rank(line)
    language, probability = ranking[0]
    return LanguageEvidence(language, probability, dict(ranking)[ENGLISH])


def _without_placeholders(text: str) -> str:
    return _PLACEHOLDER.sub(" ", text.replace("\u2019", "'"))


@lru_cache(maxsize=1)
def _english_words() -> frozenset[str]:
    return frozenset(read_table(LANGUAGE_CHECK_TABLE, "language_check")["english"]["words"])


@lru_cache(maxsize=1)
def _identifier() -> "LanguageIdentifier":
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    codes = read_table(LANGUAGE_CHECK_TABLE, "language_check")["languages"]["codes"]
    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages([ENGLISH, *codes])
    return identifier

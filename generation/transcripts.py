"""The transcript: a short text with its origin, and the cleaning that every corpus goes through.

Cleaning changes only how a text is written, never what it says: it repairs mojibake, unescapes
HTML, drops invisible characters, and puts placeholders where a person or a page is named. What
cannot be made into a transcript is refused with a ``DropReason``, so that every loss is counted.
"""

import hashlib
import html
import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum

import ftfy

MENTION = "@user"
LINK = "http"

_UNPAIRED_SURROGATE = re.compile("[\ud800-\udfff]")
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_LINK = re.compile(
    r"(?:(?:https?://|www\.)(?=\w)|(?:pic\.twitter\.com|t\.co)/(?=\w))"
    r"[^\s<>()\[\]\"]*[^\s<>()\[\]\"'.,!?;:…]",
    re.IGNORECASE,
)
_EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+")
# A handle holds a letter; "@7pm" and "@ home" are no handles.
_HANDLE = re.compile(r"(?<![\w@])@(?!\d{1,2}(?:am|pm)\b)(?=\d*[^\W\d])\w+", re.IGNORECASE)
_REDDIT_USER = re.compile(r"(?<![\w/])/?u/\w[\w-]{2,}")
# Box drawing, blocks and Braille cells: pictures made of characters, which say nothing aloud.
_CHARACTER_ART = re.compile("[\u2500-\u259f\u2800-\u28ff]+")
_LOST_CHARACTER = "\ufffd"
# U+200D joins two emoji into one ("woman" + joiner + "laptop"); anywhere else it is invisible dirt.
_EMOJI_JOINER = re.compile(
    "(?<=[\u2600-\u27bf\ufe0f\U0001f000-\U0001faff])\u200d(?=[\u2190-\U0001faff])"
)
_EMOJI_STYLE = re.compile("[\ufe00-\ufe0f]")
_MAX_PASSES = 8


class DropReason(StrEnum):
    """Why a row of a corpus did not become a transcript of its own."""

    EMPTY = "empty"
    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"
    NO_RESPONSE = "no_response"
    NOT_TEXT = "not_text"
    FOREIGN_SCRIPT = "foreign_script"
    FOREIGN_LANGUAGE = "foreign_language"
    UNDECODABLE = "undecodable"
    MALFORMED = "malformed"
    WRONG_COLUMNS = "wrong_columns"
    BAD_LABEL = "bad_label"
    BAD_INTENSITY = "bad_intensity"
    DUPLICATE = "duplicate"
    NEAR_DUPLICATE = "near_duplicate"
    NOT_SAMPLED = "not_sampled"


@dataclass(frozen=True, slots=True)
class Transcript:
    """One cleaned text with its origin and what humans said about it.

    Attributes:
        text: Cleaned text: NFC, one line, no control characters, never empty.
        source: Name of the corpus (``go_emotions``, ``csv:reviews.csv``, ...).
        source_id: The corpus' own id of the row, or the row's number in its file.
        labels: Human tags as GoEmotions names, in the corpus' order; empty where there are none.
            Those of its duplicates and near-duplicates follow.
        intensity: Human rating of the strength of the emotion in [0, 1], or None; of several the
            highest.
        part: The file that it comes from, without folder and last ending (``train``,
            ``anger_dev``), or the split of a Hub dataset. Of duplicates the first one's.
    """

    text: str
    source: str
    source_id: str
    labels: tuple[str, ...] = ()
    intensity: float | None = None
    part: str = ""


@dataclass(frozen=True, slots=True)
class LengthLimits:
    """What length a transcript may have.

    Attributes:
        min_words: Fewest words, counted by ``count_words``.
        max_characters: Most characters after cleaning.
    """

    min_words: int
    max_characters: int


def transcript_id(transcript: Transcript) -> str:
    """Return the stable id: 16 hexadecimal digits of SHA-256 over source and normalised text.

    Spelling variants that ``normalise`` equates share an id within a source; the place of the file
    and the row's number do not matter.
    """
    content = f"{transcript.source}\n{normalise(transcript.text)}"
    return hashlib.sha256(content.encode("utf-8")).hexdigest()[:16]


def normalise(text: str) -> str:
    """Return the form under which two texts count as the same transcript.

    Case, punctuation and spaces are ignored, full-width and other compatibility forms are unified;
    letters, digits and symbols (emoji too: they carry the emotion) remain.
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    if folded.isascii():
        kept = [
            character for character in folded if character.isalnum() or character in "$+<=>^`|~"
        ]
    else:
        folded = _EMOJI_STYLE.sub("", folded)
        kept = [c for c in folded if unicodedata.category(c)[0] in "LMNS"]
    return unicodedata.normalize("NFC", "".join(kept))


def clean_text(text: str) -> str:
    """Return the text as one clean line; empty when nothing visible is left.

    In order: HTML entities unescaped, mojibake repaired (ftfy), invisible characters dropped and
    line breaks made spaces, pictures made of characters dropped, Unicode NFC, links → ``http``,
    mentions and mail addresses → ``@user``, white space collapsed. Repeated until nothing changes,
    since one step can uncover work for another (``&amp;lt;``). ``[NAME]`` and other placeholders
    of the corpora stay.

    Args:
        text: Any string without unpaired surrogates.
    """
    for _ in range(_MAX_PASSES):
        cleaned = _clean_once(text)
        if cleaned == text:
            break
        text = cleaned
    return text


def count_words(text: str) -> int:
    """Return the number of space-separated words with a letter or digit, placeholders left out."""
    return sum(
        1
        for word in text.split()
        if any(map(str.isalnum, word)) and word.strip(".,:;!?()\"'") not in (MENTION, LINK)
    )


def prepare_text(raw: object, limits: LengthLimits) -> str | DropReason:
    """Clean one raw value and check that it can be a transcript.

    Args:
        raw: What the corpus holds in the text field; anything but a string is refused.
        limits: The length that is asked for.

    Returns:
        The cleaned text, or the reason why there is none.
    """
    if not isinstance(raw, str):
        return DropReason.NOT_TEXT
    if "\0" in raw or _UNPAIRED_SURROGATE.search(raw):
        return DropReason.UNDECODABLE
    # Entities and mojibake shrink in cleaning, though hardly twentyfold; this bounds the work.
    if len(raw) > 20 * limits.max_characters + 1000:
        return DropReason.TOO_LONG
    text = clean_text(raw)
    return _refusal(text, limits) or text


def _refusal(text: str, limits: LengthLimits) -> DropReason | None:
    if not text:
        return DropReason.EMPTY
    letters = [character for character in text if character.isalpha()]
    if not letters:
        return DropReason.NOT_TEXT
    if len(text) > limits.max_characters:
        return DropReason.TOO_LONG
    if not text.isascii() and 2 * sum(map(_is_latin, letters)) < len(letters):
        return DropReason.FOREIGN_SCRIPT
    if count_words(text) < limits.min_words:
        return DropReason.TOO_SHORT
    return None


def _is_latin(letter: str) -> bool:
    return letter.isascii() or "LATIN" in unicodedata.name(letter, "")


def _clean_once(text: str) -> str:
    if "&" in text:
        text = _ENTITY.sub(lambda match: html.unescape(match.group()), text)
    if not text.isascii() and ftfy.is_bad(text):
        text = ftfy.fix_encoding(text)
    # Only now: mojibake is made of C1 control characters, without which it is beyond repair.
    if not text.isprintable():
        text = _drop_invisible(text)
    if not text.isascii():
        text = _CHARACTER_ART.sub(" ", text.replace(_LOST_CHARACTER, ""))
        text = unicodedata.normalize("NFC", text)
    if "." in text or "://" in text:
        text = _LINK.sub(LINK, text)
    if "@" in text:
        text = _HANDLE.sub(MENTION, _EMAIL.sub(MENTION, text))
    if "u/" in text:
        text = _REDDIT_USER.sub(MENTION, text)
    return " ".join(text.split())


def _drop_invisible(text: str) -> str:
    joiners = {match.start() for match in _EMOJI_JOINER.finditer(text)}
    kept = []
    for position, character in enumerate(text):
        if character.isspace():
            kept.append(" ")
        elif position in joiners or unicodedata.category(character)[0] != "C":
            kept.append(character)
    return "".join(kept)

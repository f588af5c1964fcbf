"""One reader per known corpus: the rows of its files as ``CorpusRow``, nothing skipped."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..errors import CorpusError
from .corpora_files import (
    Record,
    decode_utf8_or_cp1252,
    decode_utf8_or_latin1,
    read_delimited,
    read_tab_separated,
    reported_as_corpus_error,
    unquoted,
)
from .corpora_rows import CorpusRow, clean_identifier, expect_header, set_aside
from .corpora_tables import describe_corpus, emotion_names, is_no_response
from .transcripts import DropReason

LABEL_FILES = ("labels.txt", "emotions.txt")


def read_go_emotions(path: Path) -> Iterator[CorpusRow]:
    """Read one GoEmotions file: text, comma-separated label indices, comment id.

    The indices count the lines of ``labels.txt`` (or ``emotions.txt``) beside the file; without
    one, GoEmotions' own order.
    """
    names = _label_names(path.parent)
    for record in read_tab_separated(path):
        fields = record.value
        refused = set_aside(record, 3)
        if refused is not None:
            yield refused
            continue
        labels = _labels_at(fields[1], names)
        if labels is None:
            yield CorpusRow(record.row, reason=DropReason.BAD_LABEL)
        else:
            # Some texts of the published files are still quoted as in CSV, with "" inside.
            text = unquoted(fields[0]) if '""' in fields[0] else fields[0]
            yield CorpusRow(record.row, text, clean_identifier(fields[2], record.row), labels)


def read_tweet_intensity(path: Path) -> Iterator[CorpusRow]:
    """Read one WASSA-2017 file: id, text, emotion, intensity; the last may lack or be NONE."""
    emotions = dict(describe_corpus("tweet_intensity").labels)
    for record in read_tab_separated(path):
        refused = set_aside(record, 3, 4)
        if refused is not None:
            yield refused
            continue
        identifier, text, emotion, *rest = record.value
        rated = rest[0].strip() if rest else ""
        intensity = None if rated.casefold() in ("", "none") else _intensity(rated)
        if emotion.strip() not in emotions:
            yield CorpusRow(record.row, reason=DropReason.BAD_LABEL)
        elif intensity is not None and math.isnan(intensity):
            yield CorpusRow(record.row, reason=DropReason.BAD_INTENSITY)
        else:
            # The published files write a line break inside a tweet as backslash and n.
            text = text.replace("\\n", " ")
            labels = (emotions[emotion.strip()],)
            yield CorpusRow(
                record.row, text, clean_identifier(identifier, record.row), labels, intensity
            )


def read_isear(path: Path) -> Iterator[CorpusRow]:
    """Read the ISEAR file: ``emo;txt``; "no response" in its many wordings is set aside."""
    emotions = dict(describe_corpus("isear").labels)
    records = read_delimited(path, ";", decode_utf8_or_latin1)
    expect_header(path, next(records, None), ["emo", "txt"])
    for record in records:
        refused = set_aside(record, 2)
        if refused is not None:
            yield refused
            continue
        emotion, text = record.value
        text = _without_isear_marks(text)
        if emotion.strip() not in emotions:
            yield CorpusRow(record.row, reason=DropReason.BAD_LABEL)
        elif is_no_response(text):
            yield CorpusRow(record.row, reason=DropReason.NO_RESPONSE)
        else:
            yield CorpusRow(record.row, text, str(record.row), (emotions[emotion.strip()],))


def read_meld(path: Path) -> Iterator[CorpusRow]:
    """Read one MELD file (UTF-8 or Windows-1252); the id is ``<split>_<dialogue>_<utterance>``."""
    emotions = dict(describe_corpus("meld").labels)
    records = read_delimited(path, ",", decode_utf8_or_cp1252)
    columns = ["Utterance", "Emotion", "Dialogue_ID", "Utterance_ID"]
    header = expect_header(path, next(records, None), columns)
    positions = [header.index(column) for column in columns]
    split = path.name.removesuffix("_sent_emo.csv")
    for record in records:
        refused = set_aside(record, len(header))
        if refused is not None:
            yield refused
            continue
        text, emotion, dialogue, utterance = (record.value[position] for position in positions)
        if emotion.strip() not in emotions:
            yield CorpusRow(record.row, reason=DropReason.BAD_LABEL)
            continue
        row_id = clean_identifier(f"{split}_{dialogue}_{utterance}", record.row)
        yield CorpusRow(record.row, text, row_id, (emotions[emotion.strip()],))


def read_samples(path: Path) -> Iterator[CorpusRow]:
    """Read the packaged transcripts, or a file of that form: id, text, emotions, intensity."""
    known = set(emotion_names())
    records = read_tab_separated(path)
    expect_header(path, next(records, None), ["id", "text", "emotions", "intensity"])
    for record in records:
        row = record.row - 1
        refused = set_aside(Record(row, record.value, record.reason), 4)
        if refused is not None:
            yield refused
            continue
        identifier, text, emotions, rated = record.value
        labels = tuple(name.strip() for name in emotions.split(",") if name.strip())
        intensity = _intensity(rated)
        if not known.issuperset(labels):
            yield CorpusRow(row, reason=DropReason.BAD_LABEL)
        elif math.isnan(intensity):
            yield CorpusRow(row, reason=DropReason.BAD_INTENSITY)
        else:
            yield CorpusRow(row, text, clean_identifier(identifier, row), labels, intensity)


def _without_isear_marks(text: str) -> str:
    """Return an account on one line: without the "á" at its line ends, or brackets around it."""
    lines = [line.strip().removesuffix("á").rstrip() for line in text.splitlines()]
    joined = " ".join(lines).strip()
    bracketed = joined.startswith("[") and joined.endswith("]")
    return joined[1:-1].strip() if bracketed else joined


def _label_names(folder: Path) -> tuple[str, ...]:
    for name in LABEL_FILES:
        path = folder / name
        if path.is_file():
            with reported_as_corpus_error(path):
                content = path.read_bytes().decode("utf-8", errors="replace")
            names = tuple(line.strip() for line in content.splitlines() if line.strip())
            unknown = [name for name in names if name not in emotion_names()]
            if unknown or not names:
                found = repr(unknown[0][:40]) if unknown else "nothing"
                raise CorpusError(
                    f"{path}: expected GoEmotions category names, one per line; found {found}"
                )
            return names
    return emotion_names()


def _labels_at(indices: str, names: Sequence[str]) -> tuple[str, ...] | None:
    labels: list[str] = []
    for index in indices.split(","):
        digits = index.strip()
        if not (digits.isascii() and digits.isdigit() and len(digits) < 4):
            return None
        if int(digits) >= len(names):
            return None
        labels.append(names[int(digits)])
    return tuple(dict.fromkeys(labels))


def _intensity(text: str) -> float:
    """Return the rating, or NaN when it is no number in [0, 1]."""
    try:
        value = float(text)
    except ValueError:
        return math.nan
    return value if 0.0 <= value <= 1.0 else math.nan

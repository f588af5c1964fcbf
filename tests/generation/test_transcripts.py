"""What cleaning does to a text, when it refuses one, and what makes two texts the same."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countenance.generation.transcripts import (
    DropReason,
    LengthLimits,
    Transcript,
    clean_text,
    count_words,
    normalise,
    prepare_text,
    transcript_id,
)

LIMITS = LengthLimits(min_words=3, max_characters=80)

any_text = st.text(max_size=120)
pieces = [
    *(
        "&amp;",
        "&lt;",
        "amp;",
        "&",
        "@ann",
        "@",
        "u/",
        "/u/bob",
        "http://a.b/c",
        "www.",
        "https://",
    ),
    *("\u200b", "\u200d", "\ufeff", "\x07", "\x85", "😀", "❤\ufe0f", "Ã©", "â€™", "ð\x9f\x98\x8d"),
    *(" ", "\n", "\t", "é", "e\u0301", "⣿", "word", "[NAME]", "!", "1"),
]
messy_text = st.lists(st.sampled_from(pieces), max_size=14).map("".join)


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        ("  so \t much\n\nspace\u00a0here ", "so much space here"),
        ("salt &amp; pepper &lt;3", "salt & pepper <3"),
        ("twice &amp;lt;3 escaped", "twice <3 escaped"),
        ("AT&T and Q&A stay", "AT&T and Q&A stay"),
        ("itâ€™s mojibake", "it\u2019s mojibake"),
        ("what a day ð\x9f\x98\x8d", "what a day 😍"),
        ("cafe\u0301 by the sea", "café by the sea"),
        ("zero\u200bwidth \ufeffmarks\u202e here", "zerowidth marks here"),
        ("bell\x07 and esc\x1b[0m gone", "bell and esc[0m gone"),
        ("half a character \ufffd lost", "half a character lost"),
        ("hello @some_one, how are you", "hello @user, how are you"),
        ("thanks u/quiet-fox and /u/two_b", "thanks @user and @user"),
        ("write to ann.b@mail.example.org now", "write to @user now"),
        ("see you @7pm @ home", "see you @7pm @ home"),
        ("look (https://a.example/x?y=1&z=2), ok?", "look (http), ok?"),
        ("www.example.org/page. Nice", "http. Nice"),
        ("a picture pic.twitter.com/AbC12", "a picture http"),
        ("[NAME] told [NAME] off", "[NAME] told [NAME] off"),
        ("two women 👩\u200d💻 stay one sign", "two women 👩\u200d💻 stay one sign"),
        ("art ⣿⣿⣷ here", "art here"),
    ],
)
def test_cleaning_changes_the_writing_not_the_words(raw, cleaned):
    assert clean_text(raw) == cleaned


@settings(max_examples=200, deadline=None)
@given(st.one_of(any_text, messy_text))
def test_clean_text_is_one_visible_line_and_stable(raw):
    cleaned = clean_text(raw)
    assert cleaned == " ".join(cleaned.split())
    assert not any(unicodedata.category(c) in ("Cc", "Cs") for c in cleaned)
    assert unicodedata.is_normalized("NFC", cleaned)
    assert clean_text(cleaned) == cleaned


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (None, DropReason.NOT_TEXT),
        (12, DropReason.NOT_TEXT),
        (["a list"], DropReason.NOT_TEXT),
        ("", DropReason.EMPTY),
        (" \u200b\n", DropReason.EMPTY),
        ("12345 !!! ...", DropReason.NOT_TEXT),
        ("😀 😀 😀", DropReason.NOT_TEXT),
        ("Oh dear!", DropReason.TOO_SHORT),
        ("@a_user so http://x.example sad", DropReason.TOO_SHORT),
        ("long " * 17, DropReason.TOO_LONG),
        ("x" * 1_000_000, DropReason.TOO_LONG),
        ("a NUL\0 in the middle", DropReason.UNDECODABLE),
        ("half an emoji \ud83d here", DropReason.UNDECODABLE),
        ("это совсем другая азбука", DropReason.FOREIGN_SCRIPT),
        ("今日はとても嬉しい", DropReason.FOREIGN_SCRIPT),
    ],
)
def test_what_cannot_be_a_transcript_is_refused_with_its_reason(raw, reason):
    assert prepare_text(raw, LIMITS) is reason


def test_length_limits_are_inclusive():
    assert prepare_text("just three words", LIMITS) == "just three words"
    assert prepare_text("ab " * 26 + "cd", LIMITS) == "ab " * 26 + "cd"


def test_a_loan_word_does_not_make_a_text_foreign():
    text = "my gran says скоро whenever I ask"
    assert prepare_text(text, LIMITS) == text


@settings(max_examples=150, deadline=None)
@given(st.one_of(any_text, messy_text, st.integers(), st.none(), st.binary(max_size=5)))
def test_every_value_becomes_a_text_or_a_reason(raw):
    result = prepare_text(raw, LIMITS)
    assert isinstance(result, str)
    if not isinstance(result, DropReason):
        assert count_words(result) >= 3
        assert 0 < len(result) <= 80
        assert normalise(result)
        result.encode("utf-8")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Don't nap!", "dont nap"),
        ("Well-known,  fact.", "well known fact"),
        ("CAFÉ", "cafe\u0301"),
        ("I ❤ you", "i ❤\ufe0f you!!!"),
        ("Straße", "STRASSE"),
    ],
)
def test_case_punctuation_and_spaces_do_not_tell_texts_apart(one, other):
    assert normalise(one) == normalise(other)


def test_words_and_emoji_tell_texts_apart():
    texts = ["I sold it", "I sold it 😀", "I sold it 😭", "I sell it"]
    assert len({normalise(text) for text in texts}) == len(texts)


def test_the_id_depends_on_text_and_source_alone():
    transcript = Transcript("So sad today.", "isear", "7", ("sadness",), 0.5)
    assert transcript_id(transcript) == transcript_id(Transcript("so sad today", "isear", "9"))
    assert transcript_id(transcript) != transcript_id(Transcript("So sad today.", "meld", "7"))
    # Ids are written into published datasets: this one must never change.
    assert transcript_id(transcript) == "a4dd3a4ce0216cde"

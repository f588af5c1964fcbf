"""Small text work for the cues: filling patterns, naming a side, articles and capitals."""

from __future__ import annotations

import re
from collections.abc import Callable

BOTH, ONE = "both", "one"
SIDES = ("left", "right")
_PLACE = re.compile(r"\{(\w+)\}")
# "The left eyebrow", "your left eye": what becomes "one eyebrow", "one eye".
_BEFORE_SIDE = re.compile(
    r"\b(?:the|her|his|its|your|their)( own)? \{side\} (?=\w)|~ \{side\} ", re.I
)
_BESIDE = re.compile(r"\b(on|to) the \{side\}(?= side\b|$|[,.:)]| only\b| with\b)( side)?")


def fill_pattern(pattern: str, word: Callable[[str], str | None], form: str) -> str | None:
    """Fill the places of a pattern; a place with a capital gives its text one."""
    parts: list[str] = []
    end = 0
    for match in _PLACE.finditer(pattern):
        name = match[1]
        text = word(name.lower())
        if text is None:
            return None
        parts += [pattern[end : match.start()], _capital(text) if name[0].isupper() else text]
        end = match.end()
    return tidy("".join([*parts, pattern[end:]]), form)


def tidy(text: str, form: str) -> str:
    """Close the gaps that empty places leave; a sentence begins with a capital."""
    text = re.sub(r" +", " ", text).strip()
    text = re.sub(r" ([,.;:?!)*\]])", r"\1", text) if "*" not in text else _tidy_stars(text)
    text = text.strip(" ,;") if form == "prompt" else text
    return _capital(text) if form == "sentence" else text


def put_side(text: str, side: str) -> str | None:
    """Put a side into a text with its markup, or return None where the text cannot say it."""
    marked = "{side}" in text or "{S}" in text
    if side == BOTH:
        return None if "{side}" in text else text.replace("{S}", "")
    if side == ONE:
        text = text.replace("{S}", "one-sided ")
        text = _BESIDE.sub(r"\1 one side", text)
        text = _BEFORE_SIDE.sub(lambda m: "One " if m[0][0].isupper() else "one ", text)
        text = re.sub(r"^\{side\} (?=\w)", "one ", text)
        text = re.sub(r"(?<=[,:] )\{side\} (?=\w)|(?<=with )\{side\} (?=\w)", "one ", text)
    else:
        text = text.replace("{S}", f"{side}-sided ").replace("{side}", side)
    return None if "{side}" in text or not marked else text


def with_article(text: str) -> str:
    """Put "a" or "an" before a text."""
    return f"{'an' if text[:1] in 'aeiou' else 'a'} {text}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _tidy_stars(text: str) -> str:
    text = re.sub(r" ([,.;:?!)\]])", r"\1", text)
    return re.sub(r"^\* | \*$", "*", text)

"""Turning the table of cue phrases into text: one frame, filled with the words of one cue.

A place that a cue has no words for (a verb without a participle, a noun phrase without a side)
makes the frame unfit, and ``fill_frame`` returns None; the caller draws again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from ..au_mapping import ActionUnit, ActionUnitInfo
from .cue_table import NO_LETTER, CueFrame, CueRow, Deed, Degrees, WordSet
from .cue_text import BOTH, ONE, SIDES, fill_pattern, put_side, with_article

# Share of wordings without a degree word, at the letter that such a wording stands for.
_BARE_SHARE = 0.3
# Share of named one-sided nouns that say that the other side does nothing.
_ONLY_SHARE = 0.12
# Share of wordings of a look that is one-sided by its meaning, "a wink", that do not say so.
_UNSAID_SHARE = 0.6
_AGREEMENT = re.compile(r"\{([^{}|]*)\|([^{}|]*)\}")
_ARTICLE = re.compile(r"an? ")
_OBJECT_CASE = {"she": "her", "he": "him"}


@dataclass(frozen=True, slots=True)
class Voice:
    """Whose face is told.

    Attributes:
        who: "she", "the actor".
        possessive: "her", "his", "its" or "their".
    """

    who: str
    possessive: str


@dataclass(frozen=True, slots=True)
class Cue:
    """One row of the table at one strength, on one side.

    Attributes:
        row: Its row.
        letter: "A" to "E", or "none" for full weight.
        side: "both", "left", "right", or "one" for one side that the words leave open.
        units: The action units that it stands for.
        infos: What the mapping says about them.
    """

    row: CueRow
    letter: str
    side: str
    units: tuple[ActionUnit, ...]
    infos: tuple[ActionUnitInfo, ...]


def fill_frame(frame: CueFrame, cue: Cue, voice: Voice, rng: Random) -> str | None:
    """Fill a frame with words of a cue drawn at random, or return None where it does not fit."""
    words = _MAKERS[frame.use](frame, cue, voice, rng)
    if words is None:
        return None
    return fill_pattern(frame.pattern, words, frame.form)


def codes_of(units: Sequence[ActionUnit], rng: Random) -> str | None:
    """Write units as FACS coders do: "AU1B + L2C", "1B+4B"."""
    if not all(unit.code.isdigit() for unit in units):
        return None
    style = rng.randrange(3)
    texts = [str(unit) if style < 2 else str(unit).removeprefix("AU") for unit in units]
    return ("+" if rng.random() < 0.5 else " + ").join(texts)


def lines_of(cue: Cue) -> list[str]:
    """The whole texts that the table has for a cue."""
    lines = cue.row.lines.get(cue.letter, ())
    texts = [put_side(line, cue.side) for line in lines]
    if cue.side == ONE and cue.row.sided:
        # "Smirking" is one-sided by its meaning.
        texts += [line for line in lines if "{side}" not in line]
    return [text for text in texts if text is not None]


def degree(cue: Cue, degrees: Degrees, kind: str, rng: Random, blank: bool = True) -> str | None:
    """Draw a degree word, at times none where the letter allows it."""
    options = degrees.get((kind, cue.letter), ())
    bare = blank and cue.letter == cue.row.bare
    if bare and (not options or rng.random() < _BARE_SHARE):
        return ""
    return rng.choice(options) if options else None


# "As far as they go" needs a noun before it: without one (plural is None) it is no word.
def _degree_word(
    name: str, cue: Cue, degrees: Degrees, rng: Random, plural: bool | None = None
) -> str | None:
    word = degree(cue, degrees, name, rng, blank=name not in ("tag", "slang", "facs", "quant"))
    if word is None or (plural is None and "{" in word):
        return None
    return _AGREEMENT.sub(r"\1" if plural else r"\2", word)


_DEGREES = ("pre", "post", "verbal", "tag", "slang", "facs", "quant")
_Words = Callable[[str], str | None]


def _voice_word(name: str, voice: Voice) -> str | None:
    if name in ("who", "whose"):
        return voice.who if name == "who" else voice.possessive
    return _OBJECT_CASE.get(voice.who, voice.who) if name == "whom" else None


class _SetWords:
    """Words of one noun and its verbs."""

    def __init__(
        self, frame: CueFrame, cue: Cue, voice: Voice, rng: Random, words: WordSet
    ) -> None:
        self.cue, self.voice, self.rng, self.words = cue, voice, rng, words
        sided = cue.side != BOTH
        self.free = sided and not words.side and bool(words.any)
        nouns = words.any if self.free else words.side if sided else words.both
        self.plural = words.plural and not sided
        self.noun = self._on_side(rng.choice(nouns)) if nouns else None
        self.deed: Deed | None = rng.choice(words.deeds) if words.deeds else None
        self.move = rng.choice(words.moves) if words.moves else None
        # "Only her left eye only just narrows" says it twice.
        sure = cue.side in SIDES and cue.letter != "A" and not self.free
        self.only = sure and rng.random() < _ONLY_SHARE

    def __call__(self, name: str) -> str | None:
        if self.noun is None:
            return None
        if name in _DEGREES:
            return _degree_word(name, self.cue, self.words.degrees, self.rng, self.plural)
        maker = getattr(self, f"_{name}", None)
        return maker() if maker else _voice_word(name, self.voice)

    def _on_side(self, text: str) -> str | None:
        """Put side and number into a word of the table."""
        text = _AGREEMENT.sub(r"\1" if self.plural else r"\2", text)
        if "{side}" not in text:
            return text
        if self.cue.side == ONE and text.endswith(" {side}") and " the " not in text:
            return None
        return put_side(text, self.cue.side)

    def _noun_with(self, possessive: str) -> str:
        assert self.noun is not None
        text = self.noun.replace("~", possessive)
        return f"only {text}" if self.only else text

    def _the(self) -> str:
        return self._noun_with("the")

    def _her(self) -> str:
        return self._noun_with(self.voice.possessive)

    def _your(self) -> str:
        return self._noun_with("your")

    def _my(self) -> str:
        return self._noun_with("my")

    def _bare(self) -> str:
        assert self.noun is not None
        text = re.sub(r"^(both) of ~ ", r"\1 ", self.noun)
        text = re.sub(r"^(?:~|the) ", "", text)
        return text.replace("~", "the")

    def _be(self) -> str:
        return "are" if self.plural else "is"

    def _move0(self) -> str | None:
        return self._on_side(self.move[0]) if self.move else None

    def _moving(self) -> str | None:
        return self._on_side(self.move[2]) if self.move else None

    def _move(self) -> str | None:
        return self._on_side(self.move[0 if self.plural else 1]) if self.move else None

    def _do(self) -> str | None:
        return self.deed.base if self.deed else None

    def _does(self) -> str | None:
        return self.deed.third if self.deed else None

    def _doing(self) -> str | None:
        return self.deed.continuous if self.deed else None

    def _tail(self) -> str | None:
        return self._on_side(self.deed.tail) if self.deed else None

    def _done(self) -> str | None:
        if self.deed is None or not self.deed.participle:
            return None
        tail = self._on_side(self.deed.tail)
        return None if tail is None else f"{self.deed.participle} {tail}".strip()

    def _state(self) -> str | None:
        return self._on_side(self.rng.choice(self.words.states)) if self.words.states else None

    def _attr_bare(self) -> str | None:
        """A noun with its degree and participle before it: "slightly raised eyebrows"."""
        deeds = [deed for deed in self.words.deeds if deed.participle and not deed.tail]
        noun = self._bare()
        if not deeds or noun.startswith("both "):
            return None
        word = degree(self.cue, self.words.degrees, "attr", self.rng)
        if word is None:
            return None
        front = f"{word} {self.rng.choice(deeds).participle}".strip()
        if noun.startswith("one "):
            return f"one {front} {noun[4:]}"
        return f"{front} {noun}"

    def _a_attr(self) -> str | None:
        text = self._attr_bare()
        return text if text is None or self.plural or text[:4] == "one " else with_article(text)


class _PhraseWords:
    """Words of one noun phrase, or of one verb of the whole person."""

    def __init__(self, frame: CueFrame, cue: Cue, voice: Voice, rng: Random) -> None:
        self.cue, self.voice, self.rng, self.row = cue, voice, rng, cue.row
        ordered = frame.register in ("direction", "order")
        self.yours = ordered and "{acts" not in frame.pattern
        self.phrase = self._choose_phrase(frame) if frame.use == "nominal" else None
        self.act = self._choose_act() if frame.use == "act" else None
        self.fits = bool(self.phrase or self.act)

    def __call__(self, name: str) -> str | None:
        if name in _DEGREES:
            return _degree_word(name, self.cue, self.row.degrees, self.rng)
        maker = getattr(self, f"_{name}", None)
        return maker() if maker else _voice_word(name, self.voice)

    def _side_word(self) -> str | None:
        options = (put_side(text, self.cue.side) for text in self.row.side_words)
        fitting = [text for text in options if text]
        return self.rng.choice(fitting) if fitting else None

    def _choose_phrase(self, frame: CueFrame) -> str | None:
        if self.cue.side == BOTH:
            options = list(self.row.nominals)
        elif self.row.sided:
            options = [text for text in self.row.nominals if "{" in text]
        else:
            options = list(self.row.side_nominals)
        if self.cue.side == ONE and self.row.sided and self.rng.random() < _UNSAID_SHARE:
            options = [text.replace("{S}", "") for text in options if "{side}" not in text]
            return self.rng.choice(options) if options else None
        if "face" in frame.pattern:
            options = [text for text in options if "face" not in text]
        if frame.number == "singular":
            options = [text for text in options if _ARTICLE.match(text)]
        return put_side(self.rng.choice(options), self.cue.side) if options else None

    def _choose_act(self) -> tuple[str, str, str, str] | None:
        if not self.row.acts:
            return None
        base, third, continuous = self.rng.choice(self.row.acts)
        if self.cue.side == BOTH:
            return base, third, continuous, ""
        if self.cue.side == ONE and self.row.sided and self.rng.random() < _UNSAID_SHARE:
            return base, third, continuous, ""
        word = self._side_word() if self.row.act_sides else None
        return (base, third, continuous, f" {word}") if word else None

    def _graded(self, kind: str) -> tuple[str, str] | None:
        """The article of the phrase, or "", and its rest with a degree word before it."""
        assert self.phrase is not None
        article = _ARTICLE.match(self.phrase)
        rest = self.phrase[article.end() :] if article else self.phrase
        word = degree(self.cue, self.row.degrees, kind, self.rng, blank=kind == "adj")
        if word is None:
            return None
        text = f"{word} {rest}".strip()
        return (with_article(text) if article else text), text

    def _a_nominal(self) -> str | None:
        graded = self._graded("adj")
        return graded[0] if graded else None

    def _nominal(self) -> str | None:
        graded = self._graded("adj")
        return graded[1] if graded else None

    def _a_slang_nominal(self) -> str | None:
        graded = self._graded("slang_adj")
        return graded[0] if graded else None

    def _slang_nominal(self) -> str | None:
        graded = self._graded("slang_adj")
        return graded[1] if graded else None

    def _a_nominal_plain(self) -> str | None:
        return self.phrase

    def _nominal_plain(self) -> str | None:
        return _ARTICLE.sub("", self.phrase, count=1) if self.phrase else None

    def _verb(self, form: int, possessive: str) -> str | None:
        if self.act is None:
            return None
        text = self.act[form]
        if not possessive:
            text = text.replace("of ^", "of the").replace("^ ", "")
        return text.replace("^", possessive)

    def _act(self) -> str | None:
        return self._verb(0, "your" if self.yours else self.voice.possessive)

    def _acts(self) -> str | None:
        return self._verb(1, self.voice.possessive)

    def _acting(self) -> str | None:
        return self._verb(2, self.voice.possessive)

    def _act_bare(self) -> str | None:
        return self._verb(0, "")

    def _acting_their(self) -> str | None:
        return self._verb(2, "their")

    def _acting_my(self) -> str | None:
        return self._verb(2, "my")

    def _sw(self) -> str | None:
        if self.act is None:
            return None
        return self.act[3].replace("^", "your" if self.yours else self.voice.possessive)


def _set_words(frame: CueFrame, cue: Cue, voice: Voice, rng: Random) -> _Words | None:
    sided = cue.side != BOTH
    sets = [words for words in cue.row.sets if (words.side or words.any if sided else words.both)]
    return _SetWords(frame, cue, voice, rng, rng.choice(sets)) if sets else None


def _phrase_words(frame: CueFrame, cue: Cue, voice: Voice, rng: Random) -> _Words | None:
    words = _PhraseWords(frame, cue, voice, rng)
    return words if words.fits else None


def _code_words(frame: CueFrame, cue: Cue, voice: Voice, rng: Random) -> _Words | None:
    """Words of coders: numbers, Latin names and FACS's own ladder."""
    unit = cue.units[0]
    if not unit.code.isdigit():
        return None
    name = cue.infos[0].name.lower()
    lateral = {BOTH: "", ONE: "unilateral "}.get(cue.side, f"{cue.side} ")
    letter = "" if cue.letter == NO_LETTER else cue.letter
    number = f"AU{unit.code}" if rng.random() < 0.7 else f"AU {unit.code}"
    codes = [f"{lateral}{number}{letter}"]
    if cue.side != ONE:
        codes += [str(unit), str(unit)]
        # A number alone would be no more than a number.
        codes += [str(unit).removeprefix("AU")] if "FACS" in frame.pattern else []
    if cue.side in SIDES:
        codes += [f"{number}{letter} ({cue.side})", f"{number}{letter} {cue.side} side"]
    simple = {
        "code": rng.choice(codes),
        "codes": codes_of(cue.units, rng) if cue.side != ONE else None,
        "number": number,
        "plain_number": unit.code,
        # "Left eyes closed" is no English.
        "name": None if lateral and name.startswith("eyes") else name,
        "muscle": None if cue.side == ONE else cue.row.muscle,
        "lateral": lateral,
        "laterally": {BOTH: "", ONE: " on one side"}.get(cue.side, f" on the {cue.side}"),
    }

    def word(place: str) -> str | None:
        if place in _DEGREES:
            return _degree_word(place, cue, cue.row.degrees, rng)
        return simple.get(place)

    return word


_MAKERS: dict[str, Callable[[CueFrame, Cue, Voice, Random], _Words | None]] = {
    "set": _set_words,
    "nominal": _phrase_words,
    "act": _phrase_words,
    "facs": _code_words,
    "codes": _code_words,
}

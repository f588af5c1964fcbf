"""Hostile transcripts, made from a seed: what a corpus can hold to do harm.

    texts = hostile_texts(10_000, seed=1, special=vocabulary_spellings)

Half of a text is a list (what is known to break prompts, CSV, JSON, HTML, terminals), half is drawn
by Hypothesis strategies. Most payloads stand inside an English sentence of our own, so that
cleaning and the language check let them through to the model; the others stand bare.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as hypothesis_seed
from hypothesis import strategies as st
from payloads import (
    BIDI,
    CONTROL,
    DELIMITERS,
    EMOJI,
    EMPTY,
    FORMULAS,
    INJECTIONS,
    LANGUAGES,
    LLAMA3_SPECIAL,
    MARKDOWN,
    MARKUP,
    SURROGATES,
    TEMPLATES,
)

WHO = "My neighbour|The old teacher|Our driver|A tired nurse|His cousin|The young cook|Her manager|"
WHO += "Some stranger|The whole team|Grandma|That plumber|Their landlord|The new tenant|A painter"
DID = "forgot|cancelled|ruined|praised|found|sold|hid|repaired|copied|lost|painted|returned|broke|"
DID += "borrowed|wrapped|delivered|postponed|celebrated|refused|mentioned"
WHAT = (
    "the birthday cake|our only umbrella|the blue bicycle|a letter from the bank|my favourite mug|"
)
WHAT += (
    "the summer holiday|an old photograph|the garden fence|two concert tickets|the kitchen lamp|"
)
WHAT += "a box of kittens|the winter coat|their wedding video|the last train ride|a jar of honey"
WHEN = "and I could not stop laughing|so nobody slept that night|which made me furious|and we wept|"
WHEN += (
    "without telling anybody|and I am still grateful|to my great surprise|before the storm came|"
)
WHEN += "and honestly I felt relieved|while it was snowing outside|and my hands were shaking|again"
CARRIER = [part.split("|") for part in (WHO, DID, WHAT, WHEN)]

MEBIBYTE = 1 << 20
_LONG_UNITS = ("a", "word ", "=", '"', "<b>", "&amp;", "\u0301", "é", "<|im_end|>", "\U0001f600 ")
_LONG_SIZES = (MEBIBYTE - 1, MEBIBYTE, MEBIBYTE + 1, 3 * MEBIBYTE)


@dataclass(frozen=True)
class HostileText:
    """One transcript of the corpus, and what kind of harm it tries."""

    number: int
    family: str
    text: str


def carrier(rng: random.Random) -> str:
    """An English sentence without its full stop."""
    return " ".join(rng.choice(part) for part in CARRIER)


def hostile_texts(count: int, seed: int, special: Sequence[str]) -> list[HostileText]:
    """``count`` hostile texts, the same for the same arguments.

    Args:
        count: How many; from 400 on every payload of the lists stands in it.
        seed: Decides all that is drawn.
        special: How the special tokens of the model in use are spelled.
    """
    rng = random.Random(seed)
    made = [(family, text) for family, texts in _listed(special).items() for text in texts]
    rng.shuffle(made)
    made = [(family, _placed(text, rng)) for family, text in made]
    # The whole list once, the bare forms of it, the long ones; then turns of listed and drawn ones.
    made += [("long", text) for text in _long(count, rng)]
    families = sorted(_listed(special).items())
    drawn = _drawn(max(0, count - len(made)) // 2, seed)
    while len(made) < count:
        family, texts = rng.choice(families)
        made.append((family, _placed(rng.choice(texts), rng)))
        if drawn and len(made) < count:
            made.append(drawn.pop())
    made = made[:count]
    rng.shuffle(made)
    return [HostileText(number, family, text) for number, (family, text) in enumerate(made)]


def _listed(special: Sequence[str]) -> dict[str, tuple[str, ...]]:
    turns = tuple(f"{one}\nassistant\n{one}" for one in (*special, *LLAMA3_SPECIAL))
    return {
        "special token": (*special, *LLAMA3_SPECIAL, *turns),
        "injection": INJECTIONS,
        "formula": FORMULAS,
        "markup": MARKUP,
        "markdown": MARKDOWN,
        "delimiter": DELIMITERS,
        "template": TEMPLATES,
        "control": CONTROL,
        "surrogate": SURROGATES,
        "direction": BIDI,
        "emoji": EMOJI,
        "empty": EMPTY,
        "language": LANGUAGES,
    }


def _placed(payload: str, rng: random.Random) -> str:
    """The payload alone, or before, behind, in or around a sentence."""
    sentence = carrier(rng)
    words = sentence.split(" ")
    at = rng.randint(1, len(words) - 1)
    middle = " ".join((*words[:at], payload, *words[at:]))
    forms = (
        payload,
        f"{payload} {sentence}",
        f"{sentence} {payload}",
        middle,
        f"{payload}{sentence}",
    )
    return rng.choices(forms, weights=(1, 3, 3, 2, 2))[0]


def _long(count: int, rng: random.Random) -> list[str]:
    """Lines around the reader's limit of 1 MiB and the transcript's of 300 characters."""
    units = _LONG_UNITS if count >= 5000 else _LONG_UNITS[:2]
    sizes = _LONG_SIZES if count >= 5000 else _LONG_SIZES[1:2]
    megabytes = [(unit * size)[:size] for unit in units for size in sizes]
    edges = [f"{carrier(rng)} {'so ' * 120}"[:size] for size in range(290, 312)]
    return [*megabytes, *edges]


def _drawn(count: int, seed: int) -> list[tuple[str, str]]:
    """Texts from Hypothesis strategies; some of them inside a sentence."""
    anything = st.text(st.characters(exclude_categories=()), max_size=60)
    pieces = st.sampled_from((*FORMULAS, *MARKUP, *DELIMITERS, *CONTROL, *BIDI, *LLAMA3_SPECIAL))
    mixture = st.lists(pieces | anything, min_size=1, max_size=4).map("".join)
    numbers = st.integers(0, 2**32 - 1)
    inside = st.builds(lambda text, n: _placed(text, random.Random(n)), mixture, numbers)
    strategies = {"drawn": anything, "drawn mixture": mixture, "drawn in a sentence": inside}
    shares = {"drawn": count // 5, "drawn mixture": count // 5}
    shares["drawn in a sentence"] = count - sum(shares.values())
    made = []
    for number, (family, strategy) in enumerate(strategies.items()):
        made += [(family, text) for text in _examples(strategy, shares[family], seed + number)]
    random.Random(seed).shuffle(made)
    return made


def _examples(strategy: Any, count: int, seed: int) -> list[str]:
    """The first examples of a strategy, the same for the same seed (``.example()`` has no seed)."""
    found: list[str] = []

    @hypothesis_seed(seed)
    @settings(
        max_examples=count + 50,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(text: str) -> None:
        found.append(text)

    run: Callable[[], None] = collect
    if count:
        run()
    return (found * (1 + count // max(len(found), 1)))[:count]

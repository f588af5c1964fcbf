"""The answer's grammar: which tokens may come next, and which must.

The grammar says what the prompt's JSON schema says, and more than a schema can: no blanks (fewer
tokens), no repeated tag or action unit, no two units that exclude each other, ``neutral`` alone,
and units for everything but neutral. It is written in llguidance's dialect of Lark, whose
parametric rules carry a set of bits: one bit for each tag or unit that has been used.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from ..au_mapping import AUMapping
from ..errors import EngineError, TableError
from .generate_prompt import DESCRIPTION_PATTERN, GeneratePrompt, allows_empty, unit_pattern
from .llama_vocabulary import LlamaVocabulary
from .tables_reading import NEUTRAL, load_emotions

_MAX_BITS = 64
_FORCED_SETS_KEPT = 1024

Exclusions = Collection[tuple[str, str]]


def answer_grammar(
    prompt: GeneratePrompt,
    mapping: AUMapping,
    exclusions: Exclusions = (),
    emotions: Sequence[str] | None = None,
) -> str:
    """The grammar of one answer, in llguidance's Lark.

    Args:
        prompt: Keys and limits.
        mapping: The closed list of action units.
        exclusions: Pairs of unit ids that cannot show together.
        emotions: Tags that are given (human labels); None lets the model choose.

    Raises:
        TableError: The mapping has more than 64 units.
    """
    if len(mapping.action_units) > _MAX_BITS:
        raise TableError(
            f"mapping {mapping.version} has {len(mapping.action_units)} action units: the generate "
            f"strategy takes at most {_MAX_BITS}"
        )
    key_e, key_d, key_u = (json.dumps(key) + ":" for key in prompt.keys)
    rest = f"{_literal(',' + key_d)} description {_literal(',' + key_u + '[')}"
    least, most = prompt.description_characters
    units, any_units = f'{rest} units::0x0 "]}}"', f'{rest} (units::0x0)? "]}}"'
    opening = f"{_literal('{' + key_e + '[')}"
    if emotions is None:
        start = [
            f'{opening} {_quoted(NEUTRAL)} "]" {any_units}',
            f'{opening} tags::0x0 "]" {units}',
        ]
    else:
        given = ",".join(json.dumps(tag) for tag in emotions)
        ending = any_units if allows_empty(emotions) else units
        start = [f"{_literal('{' + key_e + '[' + given + ']')} {ending}"]
    names = [emotion.name for emotion in load_emotions() if emotion.name != NEUTRAL]
    lines = [
        "start: " + "\n  | ".join(start),
        'description: "\\"" DESCRIPTION "\\""',
        f"DESCRIPTION: /{DESCRIPTION_PATTERN}/ & /.{{{least},{most}}}/",
        *_set_rule("units", _unit_elements(mapping, exclusions), prompt.max_action_units),
    ]
    if emotions is None:
        elements = [(_quoted(name), [bit]) for bit, name in enumerate(names)]
        lines += _set_rule("tags", elements, prompt.max_emotions)
    return "\n".join(lines)


def _unit_elements(mapping: AUMapping, exclusions: Exclusions) -> list[tuple[str, list[int]]]:
    """Each unit as the model writes it, and the bits that must be clear before it may come."""
    bits = {name: bit for bit, name in enumerate(mapping.action_units)}
    barred: dict[str, set[int]] = {name: {bit} for name, bit in bits.items()}
    for first, second in exclusions:
        if first in bits and second in bits:
            barred[first].add(bits[second])
            barred[second].add(bits[first])
    return [
        (f'/"{unit_pattern(mapping, name)}"/', sorted(barred[name], key=lambda b: b != bit))
        for name, bit in bits.items()
    ]


def _set_rule(name: str, elements: Sequence[tuple[str, list[int]]], most: int) -> list[str]:
    """Rules for one to ``most`` different elements with commas between them.

    The first bit of an element is its own.
    """
    choices = [
        f"{text} {name}_rest::set_bit({bits[0]}) %if {_all_clear(bits)}" for text, bits in elements
    ]
    return [
        f"{name}::_: " + "\n  | ".join(choices),
        f'{name}_rest::_: ""\n  | "," {name}::_ %if bit_count_lt(_, {most})',
    ]


def _all_clear(bits: Iterable[int]) -> str:
    *others, last = bits
    condition = f"bit_clear({last})"
    for bit in reversed(others):
        condition = f"and(bit_clear({bit}), {condition})"
    return condition


def _literal(text: str) -> str:
    return json.dumps(text)


def _quoted(text: str) -> str:
    return _literal(json.dumps(text))


class GrammarCompiler:
    """Compiles answer grammars for one model's vocabulary and hands out fresh matchers.

    Args:
        vocabulary: The model's tokenizer; it must outlive this object.
        prompt: Keys and limits.
        mapping: The closed list of action units.
        exclusions: Pairs of unit ids that cannot show together.

    Raises:
        EngineError: llguidance refuses the vocabulary or the grammar.
    """

    def __init__(
        self,
        vocabulary: LlamaVocabulary,
        prompt: GeneratePrompt,
        mapping: AUMapping,
        exclusions: Exclusions = (),
    ) -> None:
        from llguidance.llamacpp import lltokenizer_from_vocab

        self._tokenizer: Any = lltokenizer_from_vocab(vocabulary.handle)
        self._name = vocabulary.name
        self._source = (prompt, mapping, exclusions)
        self._mask = np.zeros((1, -(-vocabulary.size // 32)), dtype=np.int32)
        self.vocabulary_size = vocabulary.size
        self._compiled = lru_cache(maxsize=_FORCED_SETS_KEPT)(self._compile)
        self._compiled(None)

    def matcher(self, emotions: Sequence[str] | None = None) -> Any:  # noqa: ANN401 - untyped
        """A matcher at the beginning of an answer; ``emotions`` are given tags, if any."""
        return self._compiled(tuple(emotions) if emotions else None).deep_copy()

    def allowed(self, matcher: Any) -> np.ndarray:  # noqa: ANN401 - untyped
        """Ids of the tokens that may come next, ascending; empty only after an internal error."""
        from llguidance.numpy import fill_next_token_bitmask

        fill_next_token_bitmask(matcher, self._mask, 0)
        bits = np.unpackbits(self._mask.view(np.uint8)[0], bitorder="little")
        return np.flatnonzero(bits[: self.vocabulary_size])

    def text(self, tokens: Sequence[int]) -> str:
        """The text of an answer's tokens."""
        return bytes(self._tokenizer.decode_bytes(list(tokens))).decode("utf-8", "replace")

    def tokenize(self, text: str) -> list[int]:
        """The tokens of an answer's text."""
        return list(self._tokenizer.tokenize_str(text))

    def _compile(self, emotions: tuple[str, ...] | None) -> Any:  # noqa: ANN401 - untyped
        from llguidance import LLMatcher

        grammar = answer_grammar(*self._source, emotions)
        matcher = LLMatcher(self._tokenizer, grammar, log_level=0)
        if matcher.is_error():
            reason = re.sub(r"\s+", " ", matcher.get_error())[:200]
            raise EngineError(f"{self._name}: the answer's grammar cannot be compiled ({reason})")
        return matcher

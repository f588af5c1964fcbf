"""A prompt in the model's own chat format, split around the transcript's place.

The template comes with the GGUF file and is untrusted: it is Jinja, rendered in the immutable
sandbox that transformers uses too. The transcript is untrusted as well, and never goes through the
template: a placeholder stands for it, the rendered text is cut there, and only the text around it
is tokenised with special tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import EngineError
from .llama_vocabulary import LlamaVocabulary

PLACEHOLDER = "TRANSCRIPT-e1b6f27c94"
# Some templates print today's date (Llama 3.1 and later); records must not depend on the day.
_DATE = "26 Jul 2024"

Message = dict[str, str]


@dataclass(frozen=True)
class PromptTokens:
    """The fixed parts of a prompt.

    Attributes:
        head: Tokens up to the transcript, the same for all items.
        tail: Tokens from the transcript to the beginning of the answer.
    """

    head: tuple[int, ...]
    tail: tuple[int, ...]


def prompt_tokens(vocabulary: LlamaVocabulary, messages: Sequence[Message]) -> PromptTokens:
    """Render messages with the model's own chat template and tokenise what surrounds the place.

    Args:
        vocabulary: The model's tokenizer and template.
        messages: ``{"role", "content"}`` each; exactly one content holds ``PLACEHOLDER``.

    Raises:
        EngineError: No template in the file, one that fails, or one that loses a message.
    """
    head, tail = split_prompt(render_chat(vocabulary, messages), vocabulary.name)
    tokens = vocabulary.tokenize(head, special=True)
    begin = vocabulary.begin_tokens()
    if begin and tokens[:1] != begin:
        tokens = [*begin, *tokens]
    return PromptTokens(tuple(tokens), tuple(vocabulary.tokenize(tail, special=True)))


def render_chat(vocabulary: LlamaVocabulary, messages: Sequence[Message]) -> str:
    """The messages in the model's chat format, up to the beginning of the answer.

    A template that takes no system message (Gemma's, for one) gets it before the first question.

    Raises:
        EngineError: See ``prompt_tokens``.
    """
    template = vocabulary.chat_template()
    if not template:
        raise EngineError(
            f"{vocabulary.name}: no chat template in this file; take an instruction-tuned model, "
            "for example Llama 3 8B Instruct, or use --strategy score"
        )
    failure = "it loses a message"
    for attempt in (list(messages), _without_system(messages)):
        try:
            text = _render(template, vocabulary, attempt)
        except Exception as error:
            failure = " ".join(str(error).split())[:200] or type(error).__name__
            continue
        if all(message["content"].strip() in text for message in attempt):
            return text
    raise EngineError(f"{vocabulary.name}: its chat template cannot be used ({failure})")


def split_prompt(text: str, name: str) -> tuple[str, str]:
    """What stands before and after the placeholder.

    Raises:
        EngineError: The placeholder is not there exactly once.
    """
    head, *tails = text.split(PLACEHOLDER)
    if len(tails) != 1:
        raise EngineError(
            f"{name}: its chat template prints the question {len(tails)} times, expected once"
        )
    return head, tails[0]


def _without_system(messages: Sequence[Message]) -> list[Message]:
    if not messages or messages[0]["role"] != "system":
        return list(messages)
    first = messages[1]
    joined = f"{messages[0]['content']}\n\n{first['content']}"
    return [{"role": first["role"], "content": joined}, *messages[2:]]


def _render(template: str, vocabulary: LlamaVocabulary, messages: Sequence[Message]) -> str:
    from llama_cpp.llama_chat_format import Jinja2ChatFormatter

    class FixedDateFormatter(Jinja2ChatFormatter):
        @staticmethod
        def strftime_now(f: str) -> str:
            return _DATE

    formatter: Any = FixedDateFormatter(
        template=template, eos_token=vocabulary.eos_text(), bos_token=vocabulary.bos_text()
    )
    return str(formatter(messages=list(messages)).prompt)

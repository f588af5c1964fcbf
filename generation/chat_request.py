"""What a chat model is sent for one transcript: the conversation, the schema and the seed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..au_mapping import AUMapping
from .chat_template import PLACEHOLDER, Message
from .generate_prompt import GeneratePrompt, allows_empty
from .transcripts import Transcript, transcript_id

_CHARACTERS_A_WORD = 5  # with the blank before it; English has more
# Servers read control tokens (<|im_end|>, [INST]) out of the whole prompt, transcripts included.
# A blank behind the bracket makes them ordinary characters; placeholders of corpora stay, and so
# does a word in small letters: [laughs].
_CONTROL = re.compile(
    r"<(?=[^<>]{1,64}>|\|)|\[(?!(?:NAME|RELIGION)\])(?=/?\w{2,32}\])(?=/?\w*[A-Z0-9_])"
)


def wire_schema(
    prompt: GeneratePrompt, mapping: AUMapping, emotions: Sequence[str] | None = None
) -> dict[str, Any]:
    """What the server is asked to hold the answer to: what all servers can, as near as may be.

    They know no ``uniqueItems``, and of ``pattern`` and ``maxLength`` llama.cpp heeds only the
    first, so that a number of words in the pattern stands for the description's length. The answer
    is checked against the prompt's own schema when it is here.

    Args:
        prompt: Keys and limits.
        mapping: The closed list of action units.
        emotions: Tags that are given, or None.
    """
    schema = prompt.schema(mapping)
    tags, description, units = prompt.keys
    most_words = prompt.description_characters[1] // _CHARACTERS_A_WORD
    fields = schema["properties"]
    for key in (tags, units):
        del fields[key]["uniqueItems"]
    pattern = f"^[A-Z][a-z'-]*([,;]? [A-Za-z][a-z'-]*){{3,{most_words - 1}}}[.]$"
    fields[description] = {"type": "string", "pattern": pattern}
    if emotions:
        # Item by item: a constant list would come with blanks that nobody chose.
        fields[tags] = {
            "type": "array",
            "prefixItems": [{"const": tag} for tag in emotions],
            "minItems": len(emotions),
            "maxItems": len(emotions),
        }
        if not allows_empty(emotions):
            fields[units]["minItems"] = 1
    return schema


def without_control_tokens(text: str) -> str:
    """The text with nothing left that a server could take for a control token of its model."""
    return _CONTROL.sub(lambda bracket: f"{bracket.group()} ", text)


def conversation(messages: Sequence[Message], text: str) -> list[Message]:
    """The prompt's messages with the transcript in its place."""
    plain = without_control_tokens(text)
    return [
        {**message, "content": message["content"].replace(PLACEHOLDER, plain)}
        for message in messages
    ]


def attempt_seed(run: int, transcript: Transcript, attempt: int) -> int:
    """The seed of one attempt at one item: 31 bits, which every server takes."""
    words = [run, int(transcript_id(transcript), 16), attempt]
    return int(np.random.SeedSequence(words).generate_state(1)[0]) >> 1

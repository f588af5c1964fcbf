"""The ``generate`` strategy's prompt: a versioned file, the messages and the schema made from it.

The closed lists are not copied into the file: ``{emotions}`` and ``{action_units}`` in its system
text are filled from the emotion table and the mapping in use, whose versions the record names too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..au_mapping import AUMapping
from .chat_template import PLACEHOLDER, Message
from .tables_reading import NEUTRAL, PROMPTS, load_emotions, read_table, reject

# One sentence: words of letters, set apart by single blanks with a comma or a semicolon at most.
# "[.]", not an escaped one: llama.cpp's schema converter takes no escapes.
DESCRIPTION_PATTERN = r"[A-Z][a-z'-]*([,;]? [A-Za-z][a-z'-]*)*[.]"
_PLACE = "{transcript}"


@dataclass(frozen=True)
class Example:
    """One worked example of a prompt, in our own words."""

    transcript: str
    emotions: tuple[str, ...]
    description: str
    action_units: tuple[str, ...]


@dataclass(frozen=True)
class GeneratePrompt:
    """A free-generation prompt (``prompts/generate-*.json``).

    Attributes:
        version: The file's stem, written into every record.
        keys: What the model calls ``emotions``, ``description`` and ``action_units``, in the order
            in which it writes them.
        max_emotions: Most tags.
        max_action_units: Most action units.
        description_characters: Least and greatest length of the description.
        system: The task, with ``{emotions}`` and ``{action_units}`` where the lists go.
        question: What the user says, with ``{transcript}``.
        examples: Earlier turns of the conversation.
    """

    version: str
    keys: tuple[str, str, str]
    max_emotions: int
    max_action_units: int
    description_characters: tuple[int, int]
    system: str
    question: str
    examples: tuple[Example, ...]

    @classmethod
    def load(cls, version: str | Path = "generate-v1") -> GeneratePrompt:
        """Read and check a packaged prompt, or a file.

        Raises:
            TableError: Unknown version, a file that breaks its schema, or an example that breaks
                the rules of the prompt.
        """
        data = read_table(version, "generate", PROMPTS)
        limits = data["limits"]
        keys = data["keys"]
        prompt = cls(
            version=data["version"],
            keys=(keys["emotions"], keys["description"], keys["action_units"]),
            max_emotions=limits["emotions"],
            max_action_units=limits["action_units"],
            description_characters=tuple(limits["description_characters"]),
            system=data["system"],
            question=data["question"],
            examples=tuple(Example(**row) for row in data["examples"]),
        )
        if len(set(prompt.keys)) < len(prompt.keys):
            reject(str(version), "$.keys", f"expected three different names, found {prompt.keys}")
        if prompt.question.count(_PLACE) != 1:
            reject(str(version), "$.question", f"expected {_PLACE} exactly once")
        return prompt

    @staticmethod
    def file(version: str) -> Path:
        """Where a packaged prompt lies."""
        return PROMPTS / f"{version}.json"

    def messages(self, mapping: AUMapping) -> list[Message]:
        """The conversation up to the answer, with ``PLACEHOLDER`` where the transcript goes."""
        units = ", ".join(_listed(mapping, name) for name in mapping.action_units)
        emotions = ", ".join(emotion.name for emotion in load_emotions())
        system = self.system.replace("{action_units}", units).replace("{emotions}", emotions)
        messages = [{"role": "system", "content": system}]
        for example in self.examples:
            messages += [
                {"role": "user", "content": self._ask(example.transcript)},
                {"role": "assistant", "content": self.answer_text(example)},
            ]
        return [*messages, {"role": "user", "content": self._ask(PLACEHOLDER)}]

    def answer_text(self, example: Example) -> str:
        """An example's answer as the model should write it: JSON without blanks."""
        values = (example.emotions, example.description, example.action_units)
        answer = dict(zip(self.keys, values, strict=True))
        return json.dumps(answer, ensure_ascii=False, separators=(",", ":"))

    def schema(self, mapping: AUMapping) -> dict[str, Any]:
        """The JSON schema (draft 2020-12) that every accepted answer fits."""
        emotions, description, units = self.keys
        least, most = self.description_characters
        properties = {
            emotions: {
                "type": "array",
                "items": {"enum": [emotion.name for emotion in load_emotions()]},
                "minItems": 1,
                "maxItems": self.max_emotions,
                "uniqueItems": True,
            },
            description: {
                "type": "string",
                "pattern": f"^{DESCRIPTION_PATTERN}$",
                "minLength": least,
                "maxLength": most,
            },
            units: {
                "type": "array",
                "items": {"type": "string", "pattern": f"^({_unit_patterns(mapping)})$"},
                "maxItems": self.max_action_units,
                "uniqueItems": True,
            },
        }
        return {
            "type": "object",
            "properties": properties,
            "required": list(self.keys),
            "additionalProperties": False,
        }

    def _ask(self, transcript: str) -> str:
        return self.question.replace(_PLACE, transcript)


def unit_pattern(mapping: AUMapping, name: str) -> str:
    """Regular expression of one unit as the model may write it: ``AU12[A-E]?``.

    A unit that acts on one side only must be given its side (``AU[LR]30[A-E]?``).
    """
    side = "[LR]" if mapping.info(name).side_required else ""
    return f"AU{side}{name.removeprefix('AU')}[A-E]?"


def allows_empty(emotions: Sequence[str]) -> bool:
    """Whether a face of these emotions may show no action unit at all."""
    return NEUTRAL in emotions


def _unit_patterns(mapping: AUMapping) -> str:
    return "|".join(unit_pattern(mapping, name) for name in mapping.action_units)


def _listed(mapping: AUMapping, name: str) -> str:
    """'12 lip corner puller': AU is said once, before the list, which saves 26 tokens."""
    return f"{name.removeprefix('AU')} {mapping.info(name).name.lower()}"


def as_answer(prompt: GeneratePrompt, data: Mapping[str, Any]) -> tuple[list[str], str, list[str]]:
    """Emotions, description and action units of a parsed answer."""
    emotions, description, units = prompt.keys
    return list(data[emotions]), str(data[description]), list(data[units])

"""How a server is told to hold its answer to a JSON schema, and which way one understands.

Nothing in the API says which form of ``response_format`` a server heeds, and some accept every form
and heed none. So each is tried with a schema that only one answer fits, on a question to which
nobody would give it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import EngineError
from .chat_model import ChatError, ChatModel, as_engine_error

_QUESTION = "Say good morning."
_WORD = "countenance-is-ready"
_RETRIES = 2
_REFUSED = (400, 415, 422, 500, 501)


@dataclass(frozen=True)
class Dialect:
    """One way to ask for JSON.

    Attributes:
        name: Goes into the run's manifest.
        openai: OpenAI's ``json_schema`` (vLLM, llama-server, SGLang), else ``json_object`` with a
            ``schema`` (llama_cpp.server and older llama-servers).
        sampling: Whether arguments go along that OpenAI's own API refuses.
    """

    name: str
    openai: bool
    sampling: bool

    def response_format(self, schema: dict[str, Any]) -> dict[str, Any]:
        """The API's argument that holds the answer to ``schema``."""
        if not self.openai:
            return {"response_format": {"type": "json_object", "schema": schema}}
        named = {"name": "answer", "strict": True, "schema": schema}
        return {"response_format": {"type": "json_schema", "json_schema": named}}

    def extra(self, min_p: float) -> dict[str, Any]:
        """No sampling habits of the server's own: what the engine in this process does."""
        if not self.sampling:
            return {}
        return {
            "min_p": min_p,
            "top_k": 0,
            "top_p": 1.0,
            "repeat_penalty": 1.0,
            "repetition_penalty": 1.0,
        }


DIALECTS = (
    Dialect("json_object", openai=False, sampling=True),
    Dialect("json_schema", openai=True, sampling=True),
    Dialect("json_schema-plain", openai=True, sampling=False),
)


async def find_dialect(server: ChatModel, dialects: Sequence[Dialect]) -> Dialect:
    """The first dialect in which the server keeps to a schema.

    Raises:
        EngineError: None, or the server does not answer.
    """
    schema = {
        "type": "object",
        "properties": {"word": {"enum": [_WORD]}},
        "required": ["word"],
        "additionalProperties": False,
    }
    reason = "it does not keep to the schema"
    for dialect in dialects:
        options = {"temperature": 0.0, "max_tokens": 64, **dialect.response_format(schema)}
        try:
            answer = await server.ask(
                [{"role": "user", "content": _QUESTION}],
                options,
                dialect.extra(min_p=0.0),
                retries=_RETRIES,
            )
        except ChatError as error:
            if error.status not in _REFUSED:
                remedy = "mend --base-url, --model or the key; see docs/engines.md"
                raise as_engine_error(server, error, remedy) from None
            reason = str(error)
            continue
        if _is_the_word(answer.text):
            return dialect
    raise EngineError(
        f"{server.place}: no answer that keeps to a JSON schema ({reason}); take a server that "
        "gives such answers: llama-server, vLLM, llama_cpp.server"
    )


def _is_the_word(text: str) -> bool:
    try:
        return bool(json.loads(text) == {"word": _WORD})
    except (ValueError, RecursionError):
        return False

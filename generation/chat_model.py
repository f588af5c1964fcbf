"""What answers a conversation: a server, or a model in this process. The annotator knows no more.

Everything that an answer holds is untrusted, whoever gave it: it is bounded and checked by us.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import EngineError
from .chat_template import Message

if TYPE_CHECKING:
    from .server_dialects import Dialect


@dataclass(frozen=True)
class ChatAnswer:
    """What the model wrote.

    Attributes:
        text: Its answer; "" where it gave none.
        finished: False where the token limit cut it off.
    """

    text: str
    finished: bool


class ChatError(Exception):
    """A request that got no answer, in one line.

    Attributes:
        status: The HTTP status, or 0 where there was none.
        code: The API's own words for it (``invalid_request_error context_length_exceeded``).
        passing: The same request may succeed later.
    """

    def __init__(self, reason: str, status: int, code: str, *, passing: bool) -> None:
        super().__init__(reason)
        self.status = status
        self.code = code
        self.passing = passing


class ChatModel(Protocol):
    """One chat model. To be used in one event loop.

    Attributes:
        kind: What failed where one of its answers fails: ``server`` or ``engine``.
        place: Its address or its file, for messages.
    """

    kind: str
    place: str

    async def open(self) -> Dialect:
        """See that it is there, and how it is told to hold an answer to a schema.

        Raises:
            EngineError: It is not there, or holds no answer to a schema.
        """
        ...

    def identity(self) -> dict[str, Any]:
        """Everything about it that decides an answer, as far as it has shown it by now."""
        ...

    async def ask(
        self,
        messages: Sequence[Message],
        options: Mapping[str, Any],
        extra: Mapping[str, Any],
        *,
        retries: int | None = None,
    ) -> ChatAnswer:
        """Send one conversation.

        Args:
            messages: ``{"role", "content"}`` each.
            options: Arguments of OpenAI's API (``temperature``, ``max_tokens``,
                ``response_format``).
            extra: Arguments that are not in it.
            retries: How often a request that failed on the way is sent again, where it can.

        Raises:
            ChatError: No answer.
        """
        ...

    async def close(self) -> None:
        """Free what it holds."""
        ...


def as_engine_error(chat: ChatModel, error: ChatError, remedy: str) -> EngineError:
    """One line for the user."""
    return EngineError(f"{chat.place}: {error}; {remedy}")

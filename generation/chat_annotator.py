"""The ``generate`` strategy over a chat model: the same task, rules and checks, other engines.

transcripts ─► conversation ─► chat model, held to a JSON schema ─► checks ─► faces, in the given
order. The chat model is a server (``ChatServer``) or runs in this process (``LocalChat``); both are
sent the same, and what they answer is read the same.

Who is to blame when a request fails decides what happens. An outage is nobody's item: the run
stops with one line, and what is not written yet is annotated when it goes on. An item is set aside
only where its request fails again after the model has just answered an ordinary one of the same
form (with given tags or without). The next session tries such items again; where there are many in
a row, ``annotate`` stops.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from typing import Any

from ..au_mapping import AUMapping
from ..closing import Closing
from ..errors import EngineError
from .answer_engine import GeneratedFace, HumanEmotions
from .chat_model import ChatAnswer, ChatError, ChatModel, as_engine_error
from .chat_request import attempt_seed, conversation, wire_schema
from .emotion_table import load_emotion_table
from .generate import TOO_LONG
from .generate_checks import TABLES, AnswerChecker
from .generate_prompt import GeneratePrompt
from .generate_sampling import GenerateSettings
from .tables_reading import load_emotions
from .transcripts import Transcript

_ORDINARY = "I waited at the station for an hour, and nobody came."
_ORDINARY_TAGS = ("disappointment",)
# So many finished answers may wait for a slow one before them.
_AHEAD = 4
_PROBE_RETRIES = 2
_TOO_LONG_STATUS = (400, 413, 422)
_CHARACTERS_A_TOKEN = 64


class ChatAnnotator(Closing):
    """Asks a chat model for whole annotations, several at a time.

    Args:
        chat: The model; closed with the annotator, or when opening it fails.
        prompt: The task.
        settings: Temperature, ``min_p``, ``max_tokens`` and ``retries``; the other two belong to
            ``GenerateAnnotator``.
        seed: Run seed; each attempt has its own seed, made from it, the item and the attempt.
        mapping: Table that the action units belong to.
        concurrency: Requests at the same time.

    Raises:
        EngineError: A server is not there, refuses the key, does not know the model, or takes no
            JSON schema; or the model cannot take this prompt.
    """

    def __init__(
        self,
        chat: ChatModel,
        prompt: GeneratePrompt,
        settings: GenerateSettings,
        seed: int,
        mapping: AUMapping,
        concurrency: int = 1,
    ) -> None:
        self.prompt = prompt
        self.settings = settings
        self.seed = seed
        self.mapping = mapping
        self._messages = prompt.messages(mapping)
        self._checker = AnswerChecker(prompt, mapping, load_emotion_table().exclusions)
        self._labels = frozenset(emotion.name for emotion in load_emotions())
        self._chat = chat
        self._concurrency = concurrency
        self._healthy_at = {True: 0.0, False: 0.0}  # by whether tags were given
        self._stopped: EngineError | None = None
        with ExitStack() as stack:
            from anyio.from_thread import start_blocking_portal

            self._portal = stack.enter_context(start_blocking_portal())
            stack.callback(self._portal.call, chat.close)
            self._portal.call(self._open)
            self._stack = stack.pop_all()
        # A process that forgot to close this would wait for the portal's thread for ever.
        atexit.register(self.close)

    async def _open(self) -> None:
        import anyio

        self._slots = anyio.Semaphore(self._concurrency)
        self._checking = anyio.Lock()
        self._dialect = await self._chat.open()
        try:
            await self._ask(_ORDINARY, None, 0, retries=_PROBE_RETRIES)
        except ChatError as error:
            remedy = (
                f"it cannot answer prompt {self.prompt.version}; give it more context or time, or "
                "a model whose chat template takes system messages"
            )
            raise as_engine_error(self._chat, error, remedy) from None

    def close(self) -> None:
        """End what is under way and close the connections."""
        atexit.unregister(self.close)
        self._stack.close()

    def identity(self) -> dict[str, Any]:
        """Everything here that decides what a record says, for the run's manifest.

        Where a server stands is left out: the same model may move to another address, and so are
        concurrency and time limits. What it says of its build and weights is in it.
        """
        settings = self.settings.as_dict()
        for name in ("slots", "transcript_tokens"):
            del settings[name]
        return {
            **self._chat.identity(),
            "schema_dialect": self._dialect.name,
            "prompt_sha256": _digest([self._messages, self._schema(None)]),
            **TABLES,
            "settings": settings,
        }

    def annotate(
        self,
        transcripts: Iterable[Transcript],
        human_emotions: HumanEmotions | None = None,
    ) -> Iterator[tuple[Transcript, GeneratedFace | str]]:
        """Annotate transcripts, in the given order.

        Args:
            transcripts: Read only a few times ``concurrency`` ahead.
            human_emotions: Tags that are known for a transcript (or none).

        Yields:
            Each transcript with its face, or with the reason why there is none: those of
            ``GenerateAnnotator`` and ``"server: ..."`` or ``"engine: ..."``.

        Raises:
            EngineError: The model is gone, refuses, or asks for a long rest. No item is lost.
        """
        waiting: deque[tuple[Transcript, Future[GeneratedFace | str]]] = deque()
        try:
            for transcript in transcripts:
                given = tuple(dict.fromkeys(human_emotions(transcript) if human_emotions else ()))
                future = self._portal.start_task_soon(self._outcome, transcript, given)
                waiting.append((transcript, future))
                while waiting and (
                    waiting[0][1].done() or len(waiting) >= _AHEAD * self._concurrency
                ):
                    yield waiting[0][0], waiting[0][1].result()
                    waiting.popleft()
            while waiting:
                yield waiting[0][0], waiting[0][1].result()
                waiting.popleft()
        finally:
            for _, future in waiting:
                future.cancel()

    async def _outcome(self, transcript: Transcript, given: tuple[str, ...]) -> GeneratedFace | str:
        from anyio.lowlevel import checkpoint

        unknown = [tag for tag in given if tag not in self._labels]
        if unknown:
            return f"check: unknown emotion {unknown[0][:40]!r} given"
        emotions = given or None
        outcome: GeneratedFace | str = ""
        async with self._slots:
            for attempt in range(self.settings.retries + 1):
                # A model in this process holds the event loop up; Ctrl-C is heard here only.
                await checkpoint()
                answer = await self._answer(transcript, emotions, attempt)
                if isinstance(answer, str):
                    return answer
                outcome = self._checked(answer, transcript, emotions, attempt)
                if isinstance(outcome, GeneratedFace):
                    break
        return outcome

    async def _answer(
        self, transcript: Transcript, emotions: tuple[str, ...] | None, attempt: int
    ) -> ChatAnswer | str:
        """The model's answer, or why this item gets none though the model answers others."""
        seed = attempt_seed(self.seed, transcript, attempt)
        reason = ""
        for _ in range(2):
            if self._stopped:
                raise self._stopped
            try:
                answer = await self._ask(transcript.text, emotions, seed)
            except ChatError as error:
                await self._blame_item_or_stop(error, time.monotonic(), tagged=bool(emotions))
                reason = TOO_LONG if _is_too_long(error) else f"{self._chat.kind}: {error}"
                if not error.passing:
                    break
            else:
                return answer
        return reason

    async def _blame_item_or_stop(
        self, error: ChatError, failed_at: float, *, tagged: bool
    ) -> None:
        """Return where the model answers an ordinary request of this form after the failure.

        Raises:
            EngineError: It does not, or it asks for a rest: no item's fault.
        """
        async with self._checking:
            if self._stopped:
                raise self._stopped
            if self._healthy_at[tagged] > failed_at and error.status != 429:
                return
            try:
                if error.status == 429:
                    raise error
                tags = _ORDINARY_TAGS if tagged else None
                await self._ask(_ORDINARY, tags, 0, retries=_PROBE_RETRIES)
            except ChatError as now:
                refuses = "does not answer any more"
                if not now.passing and tagged:
                    refuses = "takes no request with given tags (annotate with --labels ignore?)"
                remedy = (
                    f"the {self._chat.kind} {refuses}; what is annotated is kept, "
                    "and the same command goes on when it does"
                )
                self._stopped = as_engine_error(self._chat, now, remedy)
                raise self._stopped from None
            self._healthy_at[tagged] = time.monotonic()

    async def _ask(
        self,
        text: str,
        emotions: Sequence[str] | None,
        seed: int,
        *,
        retries: int | None = None,
    ) -> ChatAnswer:
        chosen = self.settings
        options = {
            "temperature": chosen.temperature,
            "max_tokens": chosen.max_tokens,
            "seed": seed,
            **self._dialect.response_format(self._schema(emotions)),
        }
        extra = self._dialect.extra(min_p=chosen.min_p)
        messages = conversation(self._messages, text)
        return await self._chat.ask(messages, options, extra, retries=retries)

    def _schema(self, emotions: Sequence[str] | None) -> dict[str, Any]:
        return wire_schema(self.prompt, self.mapping, emotions)

    def _checked(
        self,
        answer: ChatAnswer,
        transcript: Transcript,
        emotions: tuple[str, ...] | None,
        attempt: int,
    ) -> GeneratedFace | str:
        if not answer.finished:
            return f"unfinished: no end after {self.settings.max_tokens} tokens"
        if len(answer.text) > _CHARACTERS_A_TOKEN * self.settings.max_tokens:
            return f"check: an answer of {len(answer.text)} characters"
        found = self._checker.parse(answer.text, transcript.text, emotions)
        return found if isinstance(found, str) else GeneratedFace(*found, attempts=attempt + 1)


def _is_too_long(error: ChatError) -> bool:
    """Servers say it in the code (llama.cpp) or only in the message (vLLM)."""
    said = f"{error.code} {error}".lower()
    return error.status in _TOO_LONG_STATUS and "context" in said


def _digest(value: Any) -> str:  # noqa: ANN401 - any JSON value
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()

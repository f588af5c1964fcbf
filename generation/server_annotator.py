"""The ``generate`` strategy on a server: the same task, rules and checks, another engine.

transcripts ─► conversation ─► server, held to a JSON schema ─► checks ─► faces, in the given order.

Who is to blame when a request fails decides what happens. An outage is nobody's item: the run
stops with one line, and what is not written yet is annotated when it goes on. An item is set aside
only where its request fails again after the server has just answered an ordinary one.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import numpy as np

from ..au_mapping import AUMapping
from ..errors import EngineError
from .answer_engine import GeneratedFace, HumanEmotions
from .chat_server import ChatAnswer, ChatError, ChatServer, ServerSettings, as_engine_error
from .chat_template import PLACEHOLDER, Message
from .consistency import CONSISTENCY_TABLE
from .description_reading import READING_TABLE
from .emotion_table import EMOTION_TABLE, load_emotion_table
from .generate import TOO_LONG
from .generate_checks import CHECKS_TABLE, AnswerChecker
from .generate_prompt import GeneratePrompt, allows_empty
from .generate_sampling import GenerateSettings
from .phrases import PHRASES_TABLE
from .server_dialects import DIALECTS, Dialect, find_dialect
from .tables_reading import load_emotions
from .transcripts import Transcript, transcript_id

_ORDINARY = "I waited at the station for an hour, and nobody came."
# So many finished answers may wait for a slow one before them.
_AHEAD = 4
_PROBE_RETRIES = 2
_CHARACTERS_A_TOKEN = 64
_CHARACTERS_A_WORD = 5  # with the blank before it; English has more
# Servers read control tokens (<|im_end|>, [INST]) out of the whole prompt, transcripts included.
# A blank behind the bracket makes them ordinary characters; placeholders of corpora stay.
_CONTROL = re.compile(r"<(?=[^<>]{1,64}>|\|)|\[(?!(?:NAME|RELIGION)\])(?=/?[A-Z_]{2,32}\])")


@dataclass(frozen=True, slots=True)
class ServerModel:
    """A model that a server has; its file is not at hand.

    Attributes:
        name: What the server calls it.
    """

    name: str
    sha256: None = None

    @property
    def annotator(self) -> str:
        """The provenance name in every record."""
        return f"{self.name}@openai"


class ServerAnnotator:
    """Asks a server for whole annotations, several at a time.

    Args:
        model: The server's model.
        server: How it is reached.
        prompt: The task.
        settings: Temperature, ``min_p``, ``max_tokens`` and ``retries``; the other two belong to
            the engine in this process.
        seed: Run seed; each attempt has its own seed, made from it, the item and the attempt.
        mapping: Table that the action units belong to.

    Raises:
        EngineError: The server is not there, refuses the key, does not know the model, or takes no
            JSON schema or not this prompt.
        MissingDependencyError: The extra ``openai`` is not installed.
    """

    def __init__(
        self,
        model: ServerModel,
        server: ServerSettings,
        prompt: GeneratePrompt,
        settings: GenerateSettings,
        seed: int,
        mapping: AUMapping,
    ) -> None:
        self.prompt = prompt
        self.settings = settings
        self.seed = seed
        self.mapping = mapping
        self._messages = prompt.messages(mapping)
        self._checker = AnswerChecker(prompt, mapping, load_emotion_table().exclusions)
        self._labels = frozenset(emotion.name for emotion in load_emotions())
        self._concurrency = server.concurrency
        self._healthy_at = 0.0
        self._stopped: EngineError | None = None
        with ExitStack() as stack:
            self._server = ChatServer(model.name, server)
            from anyio.from_thread import start_blocking_portal

            self._portal = stack.enter_context(start_blocking_portal())
            stack.callback(self._portal.call, self._server.close)
            self._dialect, self._build, self._weights = self._portal.call(self._open)
            self._stack = stack.pop_all()

    async def _open(self) -> tuple[Dialect, str, dict[str, int]]:
        import anyio

        self._slots = anyio.Semaphore(self._concurrency)
        self._checking = anyio.Lock()
        weights = await _listed_model(self._server)
        dialect = await find_dialect(self._server, DIALECTS)
        self._dialect = dialect
        try:
            answer = await self._ask(_ORDINARY, None, 0, retries=_PROBE_RETRIES)
        except ChatError as error:
            remedy = f"it cannot answer prompt {self.prompt.version}; give it more context or time"
            raise as_engine_error(self._server, error, remedy) from None
        return dialect, answer.build, weights

    def close(self) -> None:
        """End what is under way and close the connections."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def identity(self) -> dict[str, Any]:
        """Everything here that decides what a record says, for the run's manifest.

        Where the server stands is left out: the same model may move to another address, and so are
        concurrency and time limits. What the server says of its build and weights is in it.
        """
        settings = self.settings.as_dict()
        for name in ("slots", "transcript_tokens"):
            del settings[name]
        return {
            "engine": "openai",
            "server_build": self._build,
            "server_weights": self._weights,
            "schema_dialect": self._dialect.name,
            "prompt_sha256": _digest([self._messages, self._schema(None)]),
            "emotion_table": EMOTION_TABLE,
            "checks_table": CHECKS_TABLE,
            "consistency_table": CONSISTENCY_TABLE,
            "reading_table": READING_TABLE,
            "phrase_table": PHRASES_TABLE,
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
            ``GenerateAnnotator`` and ``"server: ..."``.

        Raises:
            EngineError: The server is gone, refuses, or asks for a long rest. No item is lost.
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
        unknown = [tag for tag in given if tag not in self._labels]
        if unknown:
            return f"check: unknown emotion {unknown[0][:40]!r} given"
        emotions = given or None
        outcome: GeneratedFace | str = ""
        async with self._slots:
            for attempt in range(self.settings.retries + 1):
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
        """The server's answer, or why this item gets none though the server answers others."""
        seed = _seed(self.seed, transcript, attempt)
        reason = ""
        for _ in range(2):
            if self._stopped:
                raise self._stopped
            try:
                return await self._ask(transcript.text, emotions, seed)
            except ChatError as error:
                await self._blame_item_or_stop(error, time.monotonic())
                reason = TOO_LONG if "context" in error.code else f"server: {error}"
                if not error.passing:
                    break
        return reason

    async def _blame_item_or_stop(self, error: ChatError, failed_at: float) -> None:
        """Return where the server answers an ordinary request after the failure.

        Raises:
            EngineError: It does not, or it asks for a rest: no item's fault.
        """
        async with self._checking:
            if self._stopped:
                raise self._stopped
            if self._healthy_at > failed_at and error.status != 429:
                return
            try:
                if error.status == 429:
                    raise error
                await self._ask(_ORDINARY, None, 0, retries=_PROBE_RETRIES)
            except ChatError as now:
                remedy = (
                    "the server does not answer any more; what is annotated is kept, and the same "
                    "command goes on when it does"
                )
                self._stopped = as_engine_error(self._server, now, remedy)
                raise self._stopped from None
            self._healthy_at = time.monotonic()

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
        conversation = _conversation(self._messages, text)
        return await self._server.ask(conversation, options, extra, retries=retries)

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


def _conversation(messages: Sequence[Message], text: str) -> list[Message]:
    plain = without_control_tokens(text)
    return [
        {**message, "content": message["content"].replace(PLACEHOLDER, plain)}
        for message in messages
    ]


def _seed(run: int, transcript: Transcript, attempt: int) -> int:
    """31 bits, which every server takes."""
    words = [run, int(transcript_id(transcript), 16), attempt]
    return int(np.random.SeedSequence(words).generate_state(1)[0]) >> 1


async def _listed_model(server: ChatServer) -> dict[str, int]:
    """What the server's list says of the model's weights; refuses a model that is not listed."""
    try:
        rows = await server.models()
    except ChatError as error:
        remedy = "start the server, or mend --base-url or the key"
        raise as_engine_error(server, error, remedy) from None
    names = [server.shown(row["id"]) for row in rows]
    found = [row for row in rows if row["id"] == server.model]
    if rows and not found:
        listed = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
        raise EngineError(
            f"{server.url}: no model {server.model!r}; --model must name one of its own: {listed}"
        )
    about = found[0].get("meta") if found else None
    keys = ("n_params", "n_vocab", "n_embd", "size")
    about = about if isinstance(about, dict) else {}
    return {key: about[key] for key in keys if isinstance(about.get(key), int)}


def _digest(value: Any) -> str:  # noqa: ANN401 - any JSON value
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()

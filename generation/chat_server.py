"""A chat model behind an OpenAI-compatible server: how it is reached, asked and understood.

Everything that a server says is untrusted: its answers are bounded and checked by us, its words are
cut to one printable line before they are shown, and the key is taken out of them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ..errors import EngineError, MissingDependencyError, RunError
from .chat_model import ChatAnswer, ChatError, as_engine_error
from .chat_template import Message
from .server_dialects import DIALECTS, Dialect, find_dialect

KEY_VARIABLE = "OPENAI_API_KEY"
_SHOWN = 160
_LONGEST_URL = 2000


@dataclass(frozen=True)
class ServerSettings:
    """How a server is reached; nothing here decides what a record says.

    Attributes:
        base_url: Where the API begins, such as ``http://127.0.0.1:8080/v1``; without credentials.
        concurrency: Requests at the same time, 1 to 1024.
        timeout: Seconds that one request may take.
        request_retries: How often a request that failed on the way is sent again.
        any_build: Take answers of servers that name different builds of themselves; else a change
            stops the run.

    Raises:
        RunError: A value is out of its range, or the URL is none or holds credentials.
    """

    base_url: str = ""
    concurrency: int = 4
    timeout: float = 120.0
    request_retries: int = 6
    any_build: bool = False

    def __post_init__(self) -> None:
        _check_url(self.base_url)
        ranges = {"concurrency": (1, 1024), "timeout": (0.1, 86_400), "request_retries": (0, 100)}
        for name, (least, most) in ranges.items():
            value = getattr(self, name)
            if not least <= value <= most:
                raise RunError(f"{name}: expected {least} to {most}, found {value}")


def _key() -> str:
    key = os.environ.get(KEY_VARIABLE, "").strip()  # a file's last line end comes with it
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise RunError(
            f"{KEY_VARIABLE}: the key in this environment variable holds a blank or a character "
            "that no key has; set it anew"
        )
    return key


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        fault = parts.scheme not in ("http", "https") or not parts.hostname
        fault = fault or not (url.isascii() and url.isprintable()) or len(url) > _LONGEST_URL
        _ = parts.port  # raises where it is no number
    except ValueError:
        fault = True
    # A wrong URL is not quoted: whatever is in it may be a secret.
    if fault:
        raise RunError(
            "base-url: expected where the server's API begins, such as http://127.0.0.1:8080/v1; "
            "a host with other letters in its xn-- form"
        )
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise RunError(
            "base-url: must hold no user, password, query or fragment; "
            f"put the key into the environment variable {KEY_VARIABLE}"
        )


def parse_server_options(
    base_url: str | None,
    concurrency: int | None = None,
    timeout: float | None = None,
    request_retries: int | None = None,
    *,
    any_build: bool = False,
) -> ServerSettings | None:
    """The settings that ``--base-url`` and the options beside it stand for; None without.

    Raises:
        RunError: A value is out of its range, or one of the others stands without ``base_url``.
    """
    others = {
        "concurrency": concurrency,
        "timeout": timeout,
        "request_retries": request_retries,
        "any_build": any_build or None,
    }
    given: dict[str, Any] = {name: value for name, value in others.items() if value is not None}
    if base_url is not None:
        return ServerSettings(base_url, **given)
    if given:
        raise RunError(
            "concurrency, request-timeout, request-retries, any-build: only requests to a server "
            "have them; add --engine openai and --base-url"
        )
    return None


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


class ChatServer:
    """One server and one of its models. To be used in one event loop.

    Args:
        model: The model's name there.
        settings: How it is reached.

    Raises:
        MissingDependencyError: The extra ``openai`` is not installed.
    """

    kind = "server"

    def __init__(self, model: str, settings: ServerSettings) -> None:
        try:
            import httpx2
            import openai

            from .server_transport import BoundedTransport
        except ImportError:
            raise MissingDependencyError(
                "--engine openai needs the openai client: pip install 'countenance[openai]'"
            ) from None
        self.model = model
        self.place = settings.base_url
        self._build: str | None = None
        self._any_build = settings.any_build
        self._weights: dict[str, int] = {}
        self._seconds = settings.timeout
        self._key = _key()
        self._openai = openai
        self._client = openai.AsyncOpenAI(
            api_key=self._key or "none",
            base_url=settings.base_url,
            timeout=settings.timeout,
            max_retries=settings.request_retries,
            # Neither redirects nor the environment's proxies and .netrc: the key goes to one place.
            http_client=httpx2.AsyncClient(
                transport=BoundedTransport(settings.timeout, with_key=bool(self._key)),
                timeout=settings.timeout,
                headers={"Accept-Encoding": "identity"},
                follow_redirects=False,
                trust_env=False,
            ),
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()

    async def open(self) -> Dialect:
        """See that it has the model, and how it is told to hold an answer to a schema.

        Raises:
            EngineError: No answer, no such model, or no answer that keeps to a schema.
        """
        self._weights = await self._listed_weights()
        return await find_dialect(self, DIALECTS)

    async def _listed_weights(self) -> dict[str, int]:
        """What the server's list says of the model's weights; refuses a model not listed."""
        try:
            rows = await self.models()
        except ChatError as error:
            remedy = "start the server, or mend --base-url or the key"
            raise as_engine_error(self, error, remedy) from None
        names = [self.shown(row["id"]) for row in rows]
        found = [row for row in rows if row["id"] == self.model]
        if rows and not found:
            listed = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
            raise EngineError(
                f"{self.place}: no model {self.model!r}; --model must name one of its own: {listed}"
            )
        about = found[0].get("meta") if found else None
        keys = ("n_params", "n_vocab", "n_embd", "size")
        about = about if isinstance(about, dict) else {}
        return {key: about[key] for key in keys if isinstance(about.get(key), int)}

    def identity(self) -> dict[str, Any]:
        """What it says of its build and weights, in the list and in its last answer."""
        return {
            "engine": "openai",
            "server_build": "any" if self._any_build else self._build or "",
            "server_weights": self._weights,
        }

    async def models(self) -> list[dict[str, Any]]:
        """What the server lists; empty where it keeps no list.

        Raises:
            ChatError: No answer.
        """
        try:
            data = await self._send(
                self._client.with_options(max_retries=1).models.with_raw_response.list()
            )
        except ChatError as error:
            if error.status in (404, 405, 501):
                return []
            raise
        rows = data.get("data")
        rows = rows if isinstance(rows, list) else []
        return [row for row in rows if isinstance(row, dict) and isinstance(row.get("id"), str)]

    async def ask(
        self,
        messages: Sequence[Message],
        options: Mapping[str, Any],
        extra: Mapping[str, Any],
        *,
        retries: int | None = None,
    ) -> ChatAnswer:
        """Send one conversation; see ``ChatModel``.

        Args:
            messages: ``{"role", "content"}`` each.
            options: Arguments of the API.
            extra: Arguments that are not in OpenAI's own API.
            retries: Instead of the settings' ``request_retries``.

        Raises:
            ChatError: No answer.
        """
        client = self._client
        if retries is not None:
            client = client.with_options(max_retries=retries)
        create: Any = client.chat.completions.with_raw_response.create
        data = await self._send(
            create(model=self.model, messages=list(messages), extra_body=dict(extra), **options)
        )
        choices = data.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        message = choice.get("message") if isinstance(choice, dict) else None
        if not isinstance(choice, dict) or not isinstance(message, dict):
            raise ChatError(f"no chat completion: {self.shown(data)}", 200, "", passing=True)
        self._see_build(data.get("system_fingerprint"))
        text = message.get("content")
        return ChatAnswer(
            text=text if isinstance(text, str) else "",
            finished=choice.get("finish_reason") != "length",
        )

    def _see_build(self, found: Any) -> None:  # noqa: ANN401 - any JSON value
        build = found if isinstance(found, str) else ""
        if self._build is None:
            self._build = build
        if build != self._build and not self._any_build:
            raise EngineError(
                f"{self.place}: the server says that it is build {self.shown(build)!r} and said "
                f"{self.shown(self._build)!r} before; what is annotated is kept: go on with the "
                "first one, or begin a run with --any-build"
            )

    async def _send(self, request: Any) -> dict[str, Any]:  # noqa: ANN401 - the library's coroutine
        try:
            answer = await request
        except self._openai.APIStatusError as error:
            raise self._status_error(error) from None
        except self._openai.APITimeoutError:
            reason = f"no whole answer within {self._seconds:g} s"
            raise ChatError(reason, 0, "", passing=True) from None
        except self._openai.APIConnectionError as error:
            cause = error.__cause__ or error
            reason = self.shown(str(cause)) or type(cause).__name__
            raise ChatError(reason, 0, "", passing=True) from None
        except (ValueError, LookupError, AssertionError) as error:
            # The library's own trip over what a server sent.
            reason = f"no answer that can be read ({type(error).__name__})"
            raise ChatError(reason, 0, "", passing=True) from None
        data: dict[str, Any] = json.loads(answer.http_response.content)
        return data

    def _status_error(self, error: Any) -> ChatError:  # noqa: ANN401 - imported lazily
        status, body = int(error.status_code), error.body
        if isinstance(body, dict):
            body = body.get("error", body)
        known = body if isinstance(body, dict) else {}
        code = " ".join(str(known.get(key) or "") for key in ("type", "code"))
        says = body.get("message", body) if isinstance(body, dict) else body
        reason = f"HTTP {status}"
        if 300 <= status < 400:
            reason += ", a redirect, which is not followed"
        elif status in (401, 403):  # such answers like to quote the key
            reason += f", check the key in the environment variable {KEY_VARIABLE}"
        elif says:
            reason += f": {self.shown(says)}"
        passing = status >= 500 or status in (408, 409, 425, 429)
        return ChatError(reason, status, code[:200], passing=passing)

    def shown(self, words: Any) -> str:  # noqa: ANN401 - any JSON value
        """A server's words as one short printable line without the key."""
        text = words if isinstance(words, str) else json.dumps(words)
        if self._key:
            text = text.replace(self._key, "***")
        line = " ".join("".join(c if c.isprintable() else " " for c in text[:4000]).split())
        return line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…"

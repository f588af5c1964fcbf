"""What the server client puts between the ``openai`` library and the network.

The library retries what fails on the way (connections, timeouts, 408, 409, 429, 5xx) with backoff
and jitter, and waits as long as ``Retry-After`` asks. It trusts what arrives, though: it would
follow a redirect, read a body of any size for as long as bytes drip in, and take a page of HTML
for an answer. This transport makes every request end, within its time, as a whole JSON object or as
an error that the library retries. It also holds all requests back while the server asks for rest
(``Retry-After``, or an allowance of ``x-ratelimit-*`` that is used up), not only the one that was
told so. Of the server's headers nothing else is passed on, of ours nothing that is not needed.
"""

from __future__ import annotations

import json
import math
import random
import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

import anyio
import httpx2

# A list of models can be long; an answer is a few kilobytes.
LARGEST_ANSWER = 8 * 2**20
# The library gives up on longer rests, and the run then stops instead of seeming to hang.
LONGEST_REST = 120.0
_RESTING = frozenset({429, 503})
_SPREAD = 0.5
# Others would tell the server of this machine, or pass on what the environment holds for OpenAI.
_NEEDED = frozenset(
    ["accept", "accept-encoding", "authorization", "connection", "content-length"]
).union(["content-type", "host", "transfer-encoding", "user-agent"])
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_PIECE = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|s|m|h)")
_DURATION = re.compile(f"(?:{_PIECE.pattern}){{1,4}}")


class BoundedTransport(httpx2.AsyncBaseTransport):
    """HTTP with bounds, for JSON only.

    Args:
        seconds: Longest time of one request, from its sending to its answer's last byte.
        with_key: Whether there is a key; the library would send one of its own making.
    """

    def __init__(self, seconds: float, *, with_key: bool) -> None:
        self._seconds = seconds
        self._with_key = with_key
        # How many requests run side by side is decided where they are made.
        self._inner = httpx2.AsyncHTTPTransport(limits=httpx2.Limits(max_connections=None))
        self._rest_until = 0.0

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send one request; the answer's body is read whole and, where it succeeded, is JSON.

        Raises:
            httpx2.TransportError: No whole JSON answer; the library tries again.
        """
        needed = _NEEDED if self._with_key else _NEEDED - {"authorization"}
        sent = httpx2.Request(
            request.method,
            request.url,
            headers=[pair for pair in request.headers.items() if pair[0].lower() in needed],
            stream=request.stream,
            extensions=request.extensions,
        )
        while (rest := self._rest_until - time.monotonic()) > 0:
            await anyio.sleep(rest + random.uniform(0, _SPREAD))
        try:
            with anyio.fail_after(self._seconds):
                answer = await self._inner.handle_async_request(sent)
                try:
                    body = await _read(answer)
                finally:
                    await answer.aclose()
        except TimeoutError:
            raise httpx2.ReadTimeout(f"no whole answer within {self._seconds:g} s") from None
        rest = asked_rest(answer.headers) if answer.status_code in _RESTING else 0.0
        rest_of_all = max(rest, used_up(answer.headers))
        if 0 < rest_of_all <= LONGEST_REST:
            self._rest_until = max(self._rest_until, time.monotonic() + rest_of_all)
        if 200 <= answer.status_code < 300:
            _check_json(answer, body)
        # Whatever it says of it: the body is read as JSON, and errors are shown as text.
        headers = {"content-type": "application/json"}
        if rest:
            headers["retry-after"] = f"{rest:.3f}"
        return httpx2.Response(answer.status_code, headers=headers, content=body, request=request)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._inner.aclose()


def asked_rest(headers: Mapping[str, str]) -> float:
    """Seconds that ``Retry-After`` asks for (a number or a date); 0 where it does not.

    ``Retry-After-Ms``, an extension of OpenAI's and Azure's, goes before it.
    """
    milliseconds = _number(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    header = headers.get("retry-after", "")
    seconds = _number(header)
    if seconds is not None:
        return seconds
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - time.time())
    except (ValueError, OverflowError):
        return 0.0


def used_up(headers: Mapping[str, str]) -> float:
    """Seconds until an allowance is renewed of which nothing remains; 0 where something does.

    OpenAI's headers: ``x-ratelimit-remaining-requests: 0``, ``x-ratelimit-reset-requests: 6m0s``,
    and the same of tokens.
    """
    rest = 0.0
    for kind in ("requests", "tokens"):
        if headers.get(f"x-ratelimit-remaining-{kind}", "").strip() == "0":
            rest = max(rest, _duration(headers.get(f"x-ratelimit-reset-{kind}", "")))
    return rest


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return max(0.0, number) if math.isfinite(number) else None


def _duration(text: str) -> float:
    """Seconds of "1h2m3.5s", "20ms" or "30"; 0 for anything else."""
    if (seconds := _number(text)) is not None:
        return seconds
    if not _DURATION.fullmatch(text.strip()):
        return 0.0
    return sum(float(count) * _UNITS[unit] for count, unit in _PIECE.findall(text))


async def _read(answer: httpx2.Response) -> bytes:
    if answer.headers.get("content-encoding", "identity") != "identity":
        raise httpx2.RemoteProtocolError("the answer is compressed, which was not asked for")
    chunks, size = [], 0
    async for chunk in answer.aiter_raw():
        size += len(chunk)
        if size > LARGEST_ANSWER:
            raise httpx2.RemoteProtocolError(f"the answer is longer than {LARGEST_ANSWER} B")
        chunks.append(chunk)
    return b"".join(chunks)


def _check_json(answer: httpx2.Response, body: bytes) -> None:
    try:
        whole = isinstance(json.loads(body), dict)
    except (ValueError, RecursionError):
        whole = False
    if not whole:
        kind = answer.headers.get("content-type", "no content type")[:40]
        raise httpx2.RemoteProtocolError(f"the answer is no JSON object ({kind}, {len(body)} B)")

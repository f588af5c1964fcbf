"""What the server client puts between the ``openai`` library and the network.

The library retries what fails on the way (connections, timeouts, 408, 409, 429, 5xx) with backoff
and jitter, and waits as long as ``Retry-After`` asks. It trusts what arrives, though: it would
follow a redirect, read a body of any size for as long as bytes drip in, and take a page of HTML
for an answer. This transport makes every request end, within its time, as a whole JSON object or as
an error that the library retries. It also holds all requests back while the server asks for rest,
not only the one that was told so.
"""

from __future__ import annotations

import json
import time
from email.utils import parsedate_to_datetime

import anyio
import httpx2

# A list of models can be long; an answer is a few kilobytes.
LARGEST_ANSWER = 8 * 2**20
# The library gives up on longer rests, and the run then stops instead of seeming to hang.
LONGEST_REST = 120.0
_RESTING = frozenset({429, 503})


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
        if not self._with_key:
            request.headers.pop("Authorization", None)
        while (rest := self._rest_until - time.monotonic()) > 0:
            await anyio.sleep(rest)
        try:
            with anyio.fail_after(self._seconds):
                answer = await self._inner.handle_async_request(request)
                try:
                    body = await _read(answer)
                finally:
                    await answer.aclose()
        except TimeoutError:
            raise httpx2.ReadTimeout(f"no whole answer within {self._seconds:g} s") from None
        if answer.status_code in _RESTING:
            rest = asked_rest(answer.headers.get("retry-after"))
            if 0 < rest <= LONGEST_REST:
                self._rest_until = max(self._rest_until, time.monotonic() + rest)
        if 200 <= answer.status_code < 300:
            _check_json(answer, body)
        headers = {
            name: value
            for name, value in answer.headers.items()
            if name in ("content-type", "retry-after", "retry-after-ms", "x-should-retry")
        }
        return httpx2.Response(answer.status_code, headers=headers, content=body, request=request)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._inner.aclose()


def asked_rest(header: str | None) -> float:
    """Seconds of a ``Retry-After`` header (a number or a date); 0 where there is none."""
    if header is None:
        return 0.0
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - time.time())
    except (ValueError, OverflowError):
        return 0.0


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

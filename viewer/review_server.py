"""Serve a review on a loopback page, to one person, on the standard library's HTTP server.

Only 127.0.0.1 is bound. Every address of the page begins with a random token, so that no other
page or user of the machine can guess it; a request whose ``Host`` is not this server's is refused,
which stops DNS rebinding; a POST must be JSON from this very origin. The page may load nothing but
its own files, and no script can be made from text.
"""

from __future__ import annotations

import hmac
import json
import secrets
import socketserver
import sys
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from ..errors import ReviewError
from .review import PAGE, Review

HOST = "127.0.0.1"
MOST_BODY_BYTES = 20_000
_SECONDS_OF_SILENCE = 60
_FILES = {
    "": ("index.html", "text/html; charset=utf-8"),
    "review.css": ("review.css", "text/css; charset=utf-8"),
    **{
        name: (name, "text/javascript; charset=utf-8")
        for name in ("review.js", "item.js", "summary.js")
    },
}
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class ReviewServer(ThreadingHTTPServer):
    """A server of one review; ``serve_forever`` runs it, ``shutdown`` ends it.

    Args:
        review: What is served.
        port: 0 for any free one.

    Raises:
        ReviewError: The port cannot be had.
    """

    daemon_threads = True
    # Two servers on one port would share the visitors between them.
    allow_reuse_port = False

    def __init__(self, review: Review, port: int = 0) -> None:
        self.review = review
        self.token = secrets.token_urlsafe(24)
        try:
            super().__init__((HOST, port), _Handler)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ReviewError(f"port {port}: {reason}; choose another --port, or 0") from None

    def server_bind(self) -> None:
        """Bind without the reverse DNS look-up of ``HTTPServer``, which may take seconds."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = HOST, self.server_address[1]

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return f"http://{HOST}:{self.server_port}"

    @property
    def url(self) -> str:
        """The address of the page, token included."""
        return f"{self.origin}/{self.token}/"

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        """A browser that goes away in the middle of an answer is no news."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class _RefusedError(Exception):
    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


class _Handler(BaseHTTPRequestHandler):
    server: ReviewServer
    protocol_version = "HTTP/1.1"
    server_version = "countenance"
    sys_version = ""
    timeout = _SECONDS_OF_SILENCE

    def do_GET(self) -> None:
        self._answer(self._get)

    def do_POST(self) -> None:
        self._answer(self._post)

    def _answer(self, handle: Any) -> None:  # noqa: ANN401
        try:
            handle(self._route())
        except _RefusedError as refusal:
            self._refuse(refusal.status, str(refusal))
        except ReviewError as error:
            self._refuse(HTTPStatus.BAD_REQUEST, str(error))

    def _route(self) -> str:
        """The path after the token; refuses a foreign host and a wrong token."""
        port = self.server.server_port
        if self.headers.get("Host", "") not in (f"{HOST}:{port}", f"localhost:{port}"):
            raise _RefusedError(HTTPStatus.MISDIRECTED_REQUEST, "this host is not served here")
        token, _, rest = urlsplit(self.path).path.removeprefix("/").partition("/")
        if not hmac.compare_digest(token.encode(), self.server.token.encode()):
            raise _RefusedError(
                HTTPStatus.FORBIDDEN,
                "wrong or missing token; open the address that countenance review printed",
            )
        return rest

    def _get(self, route: str) -> None:
        review = self.server.review
        kind, _, name = route.partition("/")
        if route in _FILES:
            file, mime = _FILES[route]
            self._send(HTTPStatus.OK, (PAGE / file).read_bytes(), mime)
        elif route == "review":
            self._send_json(HTTPStatus.OK, review.state())
        elif route == "summary":
            self._send_json(HTTPStatus.OK, review.summary())
        elif kind == "items":
            self._send_json(HTTPStatus.OK, review.page(self._index(name)))
        elif kind == "faces" and name.endswith(".svg"):
            face = review.face(self._index(name.removesuffix(".svg")))
            self._send(HTTPStatus.OK, face.encode(), "image/svg+xml; charset=utf-8")
        else:
            raise _RefusedError(HTTPStatus.NOT_FOUND, "there is nothing here")

    def _index(self, text: str) -> int:
        known = range(len(self.server.review.items))
        if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) in known):
            raise _RefusedError(HTTPStatus.NOT_FOUND, "there is no such item")
        return int(text)

    def _post(self, route: str) -> None:
        body = self._body()
        if route != "verdicts":
            raise _RefusedError(HTTPStatus.NOT_FOUND, "there is nothing here")
        try:
            change = json.loads(body)
        except (ValueError, RecursionError):
            raise _RefusedError(HTTPStatus.BAD_REQUEST, "the verdict is not JSON") from None
        self._send_json(HTTPStatus.OK, self.server.review.judge(change))

    def _body(self) -> bytes:
        origins = {None, self.server.origin, f"http://localhost:{self.server.server_port}"}
        foreign = self.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin"
        if foreign or self.headers.get("Origin") not in origins:
            raise _RefusedError(HTTPStatus.FORBIDDEN, "verdicts are taken from this page only")
        if self.headers.get_content_type() != "application/json":
            raise _RefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "a verdict is application/json")
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()):
            raise _RefusedError(HTTPStatus.LENGTH_REQUIRED, "Content-Length is missing")
        if len(length) > 9 or int(length) > MOST_BODY_BYTES:
            raise _RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "a verdict is not that long")
        return self.rfile.read(int(length))

    def _refuse(self, status: HTTPStatus, message: str) -> None:
        # The body may not have been read, so the connection cannot be used again.
        self.close_connection = True
        self._send_json(status, {"error": message})

    def _send_json(self, status: HTTPStatus, value: Mapping[str, Any]) -> None:
        self._send(status, json.dumps(value).encode(), "application/json")

    def _send(self, status: HTTPStatus, body: bytes, mime: str) -> None:
        self.send_response(status)
        for name, text in _HEADERS.items():
            self.send_header(name, text)
        self.send_header("Content-Type", mime)
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Silent: the terminal belongs to the reviewer, and the address holds the token."""

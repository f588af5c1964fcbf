"""HTTP by the standard library: reading a request, meeting a fault, answering, keeping a log."""

import json
import re
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, unquote, urlsplit

from hub_store import HubError


@dataclass
class Fault:
    """What goes wrong, with which requests, and how often.

    kind: ``status`` (answer with it), ``drop_upload`` (close in the middle of the body) or
    ``drop_answer`` (do what was asked, then close without an answer).
    """

    kind: str
    method: str = ".*"
    path: str = ".*"
    times: int = 10**9
    status: int = 500

    def meets(self, method, path):
        return self.times > 0 and re.fullmatch(self.method, method) and re.search(self.path, path)


@dataclass
class Exchange:
    """One request as it was answered."""

    method: str
    path: str
    status: int
    uploaded: int
    authorized: bool


class Transport(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    uploaded = 0

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.serve("GET")

    def do_HEAD(self):
        self.serve("HEAD")

    def do_POST(self):
        self.serve("POST")

    def do_PUT(self):
        self.serve("PUT")

    @property
    def hub(self):
        return self.server.hub

    @property
    def store(self):
        return self.server.hub.store

    def serve(self, method):
        url = urlsplit(self.path)
        self.query, self.route = parse_qs(url.query), unquote(url.path)
        fault = self.hub.take_fault(method, self.route)
        if fault and fault.kind == "drop_upload":
            self.rfile.read(min(self.content_length() // 2, 2**16))
            self.record(method, 0)
            self.close_connection = True
            self.connection.shutdown(2)
            return
        self.body = self.read_body()
        self.mute = bool(fault and fault.kind == "drop_answer")
        self.method = method
        try:
            if fault and fault.kind == "status":
                raise HubError(fault.status, "a fault that was switched on")
            self.dispatch(url.path)
        except HubError as error:
            headers = {"X-Error-Message": error.message}
            if error.code:
                headers["X-Error-Code"] = error.code
            if error.status >= 500:
                headers["Retry-After"] = "0"
            self.answer_json({"error": error.message}, error.status, headers)

    def content_length(self):
        return int(self.headers.get("Content-Length") or 0)

    def read_body(self):
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(self.content_length())
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def record(self, method, status):
        path = urlsplit(self.path).path
        authorized = "Authorization" in self.headers
        uploaded = len(getattr(self, "body", b""))
        self.hub.log.append(Exchange(method, path, status, uploaded, authorized))

    def answer(self, content, status=200, headers=None):
        self.record(self.method, 0 if self.mute else status)
        if self.mute:
            self.close_connection = True
            self.connection.shutdown(2)
            return
        self.send_response(status)
        headers = {"Content-Length": str(len(content)), **(headers or {})}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.method != "HEAD":
            self.wfile.write(content)

    def answer_json(self, value, status=200, headers=None):
        headers = {"Content-Type": "application/json", **(headers or {})}
        self.answer(json.dumps(value).encode(), status, headers)

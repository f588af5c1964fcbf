"""A real chat server on loopback that answers soundly, or with the faults that a test plans.

It reads the transcript out of the last message and finds a plan for it: a list of faults, one for
each request in turn; behind the list's end the answer is sound. ``endless`` faults never end.
"""

import json
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = "sk-loopback-key-that-must-never-be-seen"
MODEL = "loopback-model"
FACE = {
    "e": ["joy"],
    "d": "Cheeks rise and the lip corners pull up in a warm smile.",
    "au": ["AU6C", "AU12D"],
}
BROKEN = {"e": ["joy"], "d": "smile", "au": ["AU999"]}
READY = "countenance-is-ready"


class LoopbackChat:
    """The server, its plans and what it has seen."""

    def __init__(self, port=0, key=None):
        self.plans = {}
        self.endless = {}
        self.everywhere = None
        self.models = [MODEL]
        self.key = key
        self.heeds_schema = True
        self.takes_given_tags = True
        self.build = "build-1"
        self.redirect_to = ""
        self.asked = []
        self.seeds = Counter()
        self.authorizations = set()
        self.header_names = set()
        self.busy = self.most_busy = 0
        self.slowness = 0.0
        self.lock = threading.Lock()
        self.released = threading.Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        self.server.chat = self
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/v1"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self):
        self.released.set()
        self.server.shutdown()
        self.server.server_close()

    def answer(self, text):
        """The face of a sound answer."""
        return FACE

    def times_asked(self, text):
        return sum(1 for _, asked in self.asked if asked == text)

    def next_fault(self, text):
        with self.lock:
            self.asked.append((time.monotonic(), text))
            plan = self.plans.get(text, [])
            return plan.pop(0) if plan else self.endless.get(text, self.everywhere)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        chat = self.server.chat
        if self.refused():
            return
        if chat.everywhere == "html":
            self.html()
        elif self.path != "/v1/models":
            self.give(404, {"error": {"message": "no such page"}})
        else:
            self.give(200, {"object": "list", "data": [{"id": name} for name in chat.models]})

    def do_POST(self):
        chat = self.server.chat
        length = int(self.headers["Content-Length"])
        body = self.rfile.read(length)
        if len(body) < length:  # the client hung up while it asked
            self.close_connection = True
            return
        request = json.loads(body)
        if self.refused():
            return
        text = request["messages"][-1]["content"]
        with chat.lock:
            chat.busy += 1
            chat.most_busy = max(chat.most_busy, chat.busy)
        try:
            time.sleep(chat.slowness)
            if READY in json.dumps(request["response_format"]):
                self.say(json.dumps({"word": READY}) if chat.heeds_schema else "Good morning!")
                return
            chat.seeds[text, request["seed"]] += 1
            fault = chat.next_fault(text)
            if not chat.takes_given_tags and "prefixItems" in json.dumps(request):
                fault = "bad_request"
            getattr(self, fault)() if fault else self.say(json.dumps(chat.answer(text)))
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        finally:
            with chat.lock:
                chat.busy -= 1

    def refused(self):
        chat, given = self.server.chat, self.headers.get("Authorization")
        chat.authorizations.add(given)
        chat.header_names.update(name.lower() for name in self.headers)
        if chat.key is None or given == f"Bearer {chat.key}":
            return False
        self.give(401, {"error": {"message": f"wrong key: {given}"}})
        return True

    def give(self, status, value, **headers):
        self.send(status, json.dumps(value).encode(), "application/json", headers)

    def send(self, status, body, kind, headers):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def say(self, content, reason="stop"):
        message = {"role": "assistant", "content": content}
        choice = {"index": 0, "message": message, "finish_reason": reason}
        build = self.server.chat.build
        self.give(200, {"id": "1", "system_fingerprint": build, "choices": [choice]})

    def log_message(self, *arguments):
        pass

    # faults

    def error_500(self):
        self.give(500, {"error": {"message": f"it broke\n\x1b[31m, key {KEY}"}})

    def bad_request(self):
        self.give(400, {"error": {"message": "cannot read this"}})

    def too_long(self):
        self.give(400, {"error": {"message": "long", "code": "context_length_exceeded"}})

    def rest_a_second(self):
        self.give(429, {"error": {"message": "slow down"}}, Retry_After="1")

    def rest_three_seconds(self):
        self.give(429, {"error": {"message": "slow down"}}, Retry_After="3")

    def rest_an_hour(self):
        self.give(429, {"error": {"message": "enough for today"}}, Retry_After="3600")

    def odd_charset(self):
        self.send(400, b"{}", "application/json; charset=hex", {})

    def odd_rest(self):
        self.send(503, b"{}", "application/json; charset=idna", {"Retry-After": "\xbd a second"})

    def used_up(self):
        limits = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "0m1.0s"}
        message = {"role": "assistant", "content": json.dumps(FACE)}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        answer = {"system_fingerprint": self.server.chat.build, "choices": [choice]}
        self.give(200, answer, **limits)

    def other_build(self):
        chat, self.server.chat.build = self.server.chat, "build-of-another-replica"
        self.say(json.dumps(FACE))
        chat.build = "build-1"

    def too_long_in_words(self):
        said = "This model's maximum context length is 512 tokens. Please reduce the length."
        self.give(400, {"error": {"message": said, "type": "BadRequestError", "code": 400}})

    def hang(self):
        self.server.chat.released.wait(30)

    def drip(self):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "100000")
        self.end_headers()
        while not self.server.chat.released.wait(0.05):
            self.wfile.write(b" ")
            self.wfile.flush()

    def cut(self):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b'{"choices": [{"mess')
        self.close_connection = True

    def html(self):
        self.send(200, b"<html><body>Log in to this network</body></html>", "text/html", {})

    def no_completion(self):
        self.give(200, {"choices": []})

    def huge(self):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(50 * 2**20))
        self.end_headers()
        for _ in range(50):
            self.wfile.write(b" " * 2**20)

    def compressed(self):
        self.send(200, b"\x1f\x8b" + b"\0" * 30, "application/json", {"Content-Encoding": "gzip"})

    def deep(self):
        self.say("[" * 5000)

    def breaks_schema(self):
        self.say(json.dumps(BROKEN))

    def cut_by_limit(self):
        self.say('{"e":["joy"],"d":"A face', reason="length")

    def redirect(self):
        self.give(307, {}, Location=self.server.chat.redirect_to + self.path)

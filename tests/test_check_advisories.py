"""The audit of the pins fails for a known fault and nothing else; an OSV service on loopback."""

import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

pytest.importorskip("pip_audit", reason="extra 'dev' is not installed")
sys.path.insert(0, str(Path(__file__).parent))
import check_advisories

FAULT = {
    "id": "PYSEC-0000-1",
    "summary": "breaks",
    "affected": [
        {
            "package": {"name": "badly", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.1"}]}],
        }
    ],
}


@pytest.fixture
def pins(tmp_path):
    path = tmp_path / "pins.txt"
    path.write_text("badly==1.0\nwell==2.0\n")
    return path


@pytest.fixture
def serve():
    """Start an OSV service that answers with a function of the package's name."""
    servers = []

    def start(answer):
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                length = int(self.headers["Content-Length"])
                name = json.loads(self.rfile.read(length))["package"]["name"]
                status, body = answer(name)
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/v1/query"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def audit(pins, tmp_path, capsys):
    def run(service, *options):
        stamp = str(tmp_path / "stamp")
        status = check_advisories.main(
            ["--pins", str(pins), "--service", service, "--stamp", stamp, *options]
        )
        return status, capsys.readouterr().out

    return run


def test_a_known_fault_is_named_and_fails(audit, serve):
    known = json.dumps({"vulns": [FAULT]}).encode()
    service = serve(lambda name: (200, known if name == "badly" else b"{}"))
    status, out = audit(service)
    assert status == 1
    assert out.splitlines() == [
        "badly 1.0: PYSEC-0000-1; fixed in: 1.1",
        "pip-audit: 1 of 2 pinned packages have known faults",
    ]


def test_sound_pins_are_asked_about_once_a_day(audit, serve, pins):
    asked = []
    service = serve(lambda name: asked.append(name) or (200, b"{}"))
    assert audit(service) == (0, "pip-audit: no known fault in 2 pinned packages\n")
    assert sorted(asked) == ["badly", "well"]
    assert audit(service)[1] == "pip-audit: these pins were found sound earlier today\n"
    assert len(asked) == 2
    pins.write_text("badly==1.1\n")
    assert audit(service)[1] == "pip-audit: no known fault in 1 pinned packages\n"


def test_a_service_that_is_away_fails_nothing(audit):
    status, out = audit("http://127.0.0.1:9/v1/query")
    assert status == 0
    assert out.startswith("pip-audit skipped: http://127.0.0.1:9/v1/query does not answer (")
    assert len(out.splitlines()) == 1


@pytest.mark.parametrize(
    "answer", [(500, b"<html>down</html>"), (200, b"<html>hello</html>")], ids=["500", "HTML"]
)
def test_a_service_that_answers_nonsense_fails_nothing(audit, serve, answer):
    status, out = audit(serve(lambda name: answer))
    assert status == 0
    assert "gave no usable answer (" in out
    assert len(out.splitlines()) == 1


def test_a_service_that_hangs_fails_nothing(audit, serve):
    status, out = audit(serve(lambda name: time.sleep(8) or (200, b"{}")), "--seconds", "2")
    assert (status, out.count("\n")) == (0, 1)
    assert "took more than 2 s" in out

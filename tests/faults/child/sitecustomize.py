"""Loaded by Python itself in every process of the bench: counts what it changes, and ends it there.

A point is a moment just before a file or folder under FAULT_WATCH is opened for writing, renamed,
removed, made or synced, and the moments before and after something is sent to the Hub. FAULT_POINTS
names a file that gets one line per point. At point number FAULT_AT the process gets SIGKILL.

FAULT_CONSTANTS makes constants small, so that a short run goes through what otherwise only a long
one does: JSON, module to name to value. A name that a module does not have is an error.
"""

import json
import os
import signal
import sys

_CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate"}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def _install(watched):
    at, passed = int(os.environ.get("FAULT_AT", "0")), 0
    log = os.environ.get("FAULT_POINTS")
    lines = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600) if log else None

    def point(what):
        nonlocal passed
        passed += 1
        if lines is not None:
            os.write(lines, f"{passed} {what}\n".encode())
        if passed == at:
            os.kill(os.getpid(), signal.SIGKILL)

    def hook(event, arguments):
        if event == "open":
            if not isinstance(arguments[2], int) or not arguments[2] & _WRITING:
                return
        elif event not in _CHANGES:
            return
        if isinstance(arguments[0], (str, bytes)):
            path = os.path.abspath(os.fsdecode(arguments[0]))  # noqa: PTH100 - pathlib is not loaded
            if path.startswith(watched):
                point(f"{event} {path}")

    def told(name, call):
        def wrapper(*arguments, **options):
            point(f"before {name}")
            answer = call(*arguments, **options)
            if name == "send":
                point(f"after {name}")
            return answer

        return wrapper

    import socket

    os.fsync = told("fsync", os.fsync)
    socket.socket.send = told("send", socket.socket.send)
    socket.socket.sendall = told("send", socket.socket.sendall)
    sys.addaudithook(hook)


class _Shrinking:
    """Lets the other finders find the modules of FAULT_CONSTANTS, and changes these when loaded."""

    def __init__(self, constants):
        self.constants = constants

    def find_spec(self, name, path=None, target=None):
        if name not in self.constants:
            return None
        others = (finder for finder in sys.meta_path if finder is not self)
        spec = next(filter(None, (finder.find_spec(name, path, target) for finder in others)), None)
        if spec is None:
            return None
        load = spec.loader.exec_module

        def load_and_change(module):
            load(module)
            for constant, value in self.constants[name].items():
                getattr(module, constant)
                setattr(module, constant, value)

        spec.loader.exec_module = load_and_change
        return spec


if os.environ.get("FAULT_CONSTANTS"):
    sys.meta_path.insert(0, _Shrinking(json.loads(os.environ["FAULT_CONSTANTS"])))
if os.environ.get("FAULT_WATCH"):
    _install(os.environ["FAULT_WATCH"])

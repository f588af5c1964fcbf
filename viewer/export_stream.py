"""Play a clip to a Live Link Face listener over UDP, in real time.

    stream_clip(clip, "127.0.0.1", 11111)

Unreal listens on port 11111 once the plugins Live Link and Apple ARKit Face Support are on. UDP has
no answer: whether anyone listens is not known here.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from ..errors import ExportError
from .export_clip import ExpressionClip
from .export_livelink import DEFAULT_PORT, packet

LOOPBACK = "127.0.0.1"


def stream_clip(
    clip: ExpressionClip,
    host: str = LOOPBACK,
    port: int = DEFAULT_PORT,
    *,
    subject: str = "countenance",
    on_frame: Callable[[], None] = lambda: None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Send one packet per frame, each at its time; a late frame is sent at once, none is left out.

    Args:
        clip: What to play.
        host: Name or address of the listener.
        port: Its UDP port, 1 to 65535.
        subject: Name under which the listener lists the face.
        on_frame: Called after each packet.
        clock: Seconds that only grow.
        sleep: Waits for some seconds.

    Returns:
        The number of packets sent.

    Raises:
        ExportError: The host is unknown, or a packet cannot be sent.
    """
    first = _frames_since_midnight(clip.fps)
    packets = [
        packet(row, frame=first + number, fps=clip.fps, subject=subject)
        for number, row in enumerate(clip.weights)
    ]
    family, address = _resolved(host, port)
    with socket.socket(family, socket.SOCK_DGRAM) as sender:
        start = clock()
        for number, data in enumerate(packets):
            wait = start + number / clip.fps - clock()
            if wait > 0:
                sleep(wait)
            _send(sender, data, address, f"{host}:{port}")
            on_frame()
    return len(packets)


def parse_address(text: str) -> tuple[str, int]:
    """Read `HOST`, `HOST:PORT` or `[IPv6]:PORT`; the port is 11111 where none is given.

    Raises:
        ExportError: It is none of these.
    """
    how = f"stream: expected HOST:PORT such as {LOOPBACK}:{DEFAULT_PORT}, found {text!r:.80}"
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ExportError(how) from error
    if not host or parts.netloc != text or "@" in text or port == 0 or text.endswith(":"):
        raise ExportError(how)
    return host, DEFAULT_PORT if port is None else port


def _frames_since_midnight(fps: int) -> int:
    now = datetime.now()
    seconds = now.hour * 3600 + now.minute * 60 + now.second + now.microsecond / 1e6
    return int(seconds * fps)


def _resolved(host: str, port: int) -> tuple[socket.AddressFamily, tuple[Any, ...]]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ExportError(
            f"stream: cannot find host {host!r:.80} ({reason}); give an address such as {LOOPBACK}"
        ) from error
    return found[0][0], found[0][4]


def _send(sender: socket.socket, data: bytes, address: tuple[Any, ...], name: str) -> None:
    try:
        sender.sendto(data, address)
    except ConnectionRefusedError:
        return  # on loopback the system tells when nobody listens; over a network it never does
    except OSError as error:
        raise ExportError(
            f"stream: cannot send to {name} ({error.strerror or error}); check the network"
        ) from error

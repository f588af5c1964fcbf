"""Live Link Face: the CSV that Epic's iOS app records, and the UDP packets that it sends.

Both carry 61 values: the 52 ARKit shapes and nine angles of head and eyes. We know 51 shapes, so
TongueOut and the angles are present and 0. CSV and packet differ in order: in recordings of the app
JawRight stands before JawLeft and MouthRight before MouthLeft, in packets (the order of Unreal's
EARFaceBlendShape) it is Left first.
"""

from __future__ import annotations

import struct
import uuid

import numpy as np

from ..au_mapping import ARKIT_51
from ..errors import ExportError
from .export_clip import ExpressionClip, Weights

_UNKNOWN_TO_US = (
    "TongueOut",
    "HeadYaw",
    "HeadPitch",
    "HeadRoll",
    "LeftEyeYaw",
    "LeftEyePitch",
    "LeftEyeRoll",
    "RightEyeYaw",
    "RightEyePitch",
    "RightEyeRoll",
)
_RIGHT_BEFORE_LEFT = {
    "jawLeft": "jawRight",
    "jawRight": "jawLeft",
    "mouthLeft": "mouthRight",
    "mouthRight": "mouthLeft",
}

CSV_SHAPES = tuple(_RIGHT_BEFORE_LEFT.get(name, name) for name in ARKIT_51)
"""Our 51 shapes in the order of the app's CSV."""

CSV_HEADER = (
    "Timecode",
    "BlendShapeCount",
    *(name[0].upper() + name[1:] for name in CSV_SHAPES),
    *_UNKNOWN_TO_US,
)
"""The 63 columns as the app writes them."""

CSV_RATES = (30, 60)
"""What the app records. Its CSV does not say which; see `livelink_csv`."""

VALUES = len(ARKIT_51) + len(_UNKNOWN_TO_US)
PACKET_VERSION = 6
DEFAULT_PORT = 11111
MAX_SUBJECT = 64

_SHORT_TAKE_STARTS_AT = 31
_DEVICES = uuid.UUID("b5b1c0de-6f61-4a0e-9d0f-4c1a5fac3511")


def livelink_csv(clip: ExpressionClip) -> str:
    """The clip as Live Link Face writes a take; time starts at 0.

    Unreal's importer takes a recording for 60 frames a second only if a timecode's frame number
    exceeds 30. A 60 fps clip too short to get there therefore starts at frame 31.

    Raises:
        ExportError: The clip does not run at 30 or 60 frames per second.
    """
    if clip.fps not in CSV_RATES:
        raise ExportError(
            f"fps: Live Link Face records 30 or 60 frames a second, the clip has {clip.fps}; "
            "give --fps 30 or --fps 60"
        )
    short = clip.fps == 60 and clip.frames <= _SHORT_TAKE_STARTS_AT
    first = _SHORT_TAKE_STARTS_AT if short else 0
    columns = [ARKIT_51.index(name) for name in CSV_SHAPES]
    rest = ",".join([f"{0:.10f}"] * len(_UNKNOWN_TO_US))
    lines = [",".join(CSV_HEADER)]
    for number, row in enumerate(clip.weights[:, columns].tolist(), start=first):
        values = ",".join(f"{weight:.10f}" for weight in row)
        lines.append(f"{timecode(number, clip.fps)},{VALUES},{values},{rest}")
    return "\n".join(lines) + "\n"


def timecode(frame: int, fps: int) -> str:
    """SMPTE time without drop frames, as the app writes it: `HH:MM:SS:FF.fff`."""
    seconds, rest = divmod(frame, fps)
    minutes, hours = seconds // 60, seconds // 3600
    return f"{hours % 24:02d}:{minutes % 60:02d}:{seconds % 60:02d}:{rest:02d}.000"


def packet(weights: Weights, *, frame: int, fps: int, subject: str = "countenance") -> bytes:
    """One frame as the app sends it, version 6; numbers are big-endian.

    Version (one byte), device id and subject name (each a length, int32, and the text), time as
    frame number (int32), part of a frame (float32) and rate (two int32), the number of values (one
    byte), and 61 values (float32). The device id derives from the subject, so it tells nothing of
    the machine.

    Args:
        weights: float32 (51,), in ARKit's order.
        frame: Frame number since midnight.
        fps: Frames per second.
        subject: Name under which the receiver lists the face: 1 to 64 printable ASCII characters.

    Raises:
        ExportError: The subject's name is none.
    """
    if not (1 <= len(subject) <= MAX_SUBJECT and subject.isascii() and subject.isprintable()):
        raise ExportError(
            f"subject: expected 1 to {MAX_SUBJECT} printable ASCII characters, found "
            f"{subject!r:.80}"
        )
    device = str(uuid.uuid5(_DEVICES, subject)).encode()
    name = subject.encode()
    values = np.zeros(VALUES, dtype=">f4")
    values[: len(ARKIT_51)] = weights
    return (
        struct.pack(">BI", PACKET_VERSION, len(device))
        + device
        + struct.pack(">I", len(name))
        + name
        + struct.pack(">ifiiB", frame, 0.0, fps, 1, VALUES)
        + values.tobytes()
    )

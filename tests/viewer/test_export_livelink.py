"""Live Link Face: the CSV as Epic's app records it, and its packets, read by PyLiveLinkFace."""

import csv
import io
import socket
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countenance.au_mapping import ARKIT_51
from countenance.errors import ExportError
from countenance.viewer.export_clip import ExpressionClip
from countenance.viewer.export_livelink import CSV_HEADER, livelink_csv, packet, timecode
from countenance.viewer.export_stream import parse_address, stream_clip

# The first line of a take recorded with the app (github.com/alexdjulin/
# LiveLinkFace-CSV-Retarget-For-Motionbuilder, csv/apfel.csv): JawRight and MouthRight come first.
RECORDED_HEADER = (
    "Timecode,BlendShapeCount,EyeBlinkLeft,EyeLookDownLeft,EyeLookInLeft,EyeLookOutLeft,"
    "EyeLookUpLeft,EyeSquintLeft,EyeWideLeft,EyeBlinkRight,EyeLookDownRight,EyeLookInRight,"
    "EyeLookOutRight,EyeLookUpRight,EyeSquintRight,EyeWideRight,JawForward,JawRight,JawLeft,"
    "JawOpen,MouthClose,MouthFunnel,MouthPucker,MouthRight,MouthLeft,MouthSmileLeft,"
    "MouthSmileRight,MouthFrownLeft,MouthFrownRight,MouthDimpleLeft,MouthDimpleRight,"
    "MouthStretchLeft,MouthStretchRight,MouthRollLower,MouthRollUpper,MouthShrugLower,"
    "MouthShrugUpper,MouthPressLeft,MouthPressRight,MouthLowerDownLeft,MouthLowerDownRight,"
    "MouthUpperUpLeft,MouthUpperUpRight,BrowDownLeft,BrowDownRight,BrowInnerUp,BrowOuterUpLeft,"
    "BrowOuterUpRight,CheekPuff,CheekSquintLeft,CheekSquintRight,NoseSneerLeft,NoseSneerRight,"
    "TongueOut,HeadYaw,HeadPitch,HeadRoll,LeftEyeYaw,LeftEyePitch,LeftEyeRoll,RightEyeYaw,"
    "RightEyePitch,RightEyeRoll"
)


@pytest.fixture(scope="module")
def live_link():
    return pytest.importorskip("pylivelinkface", reason="extra 'dev' is not installed")


def rows(clip):
    return list(csv.DictReader(io.StringIO(livelink_csv(clip))))


def one_hot_clip():
    """51 frames; in frame i only shape i shows, at (i + 1) / 51."""
    return ExpressionClip(ARKIT_51, np.diag(np.arange(1, 52) / 51), 60)


def test_the_header_is_the_app_s_own():
    assert ",".join(CSV_HEADER) == RECORDED_HEADER
    assert livelink_csv(one_hot_clip()).splitlines()[0] == RECORDED_HEADER


def test_each_weight_stands_under_its_name():
    for number, row in enumerate(rows(one_hot_clip())):
        assert row["BlendShapeCount"] == "61"
        values = {name: float(row[name]) for name in CSV_HEADER[2:]}
        name = ARKIT_51[number]
        name = name[0].upper() + name[1:]
        assert values.pop(name) == pytest.approx((number + 1) / 51, abs=1e-7)
        assert set(values.values()) == {0.0}


def test_the_names_are_those_of_pylivelinkface(live_link):
    assert {shape.name for shape in live_link.FaceBlendShape} == set(CSV_HEADER[2:])


def test_time_is_smpte_with_frames(face_clip):
    clip = face_clip(fps=60, frames=150)
    times = [row["Timecode"] for row in rows(clip)]
    assert (times[0], times[59], times[60], times[149]) == (
        "00:00:00:00.000",
        "00:00:00:59.000",
        "00:00:01:00.000",
        "00:00:02:29.000",
    )
    assert timecode(30 * 3725 + 7, 30) == "01:02:05:07.000"


@pytest.mark.parametrize(("fps", "frames"), [(60, 1), (60, 31), (60, 32), (30, 1), (30, 90)])
def test_unreal_infers_the_right_rate(face_clip, fps, frames):
    """Its importer takes a take for 60 fps when a frame number exceeds 30, else for 30 fps."""
    stamps = [row["Timecode"].split(":") for row in rows(face_clip(fps=fps, frames=frames))]
    inferred = 60 if max(float(stamp[3]) for stamp in stamps) > 30 else 30
    assert inferred == fps
    seconds = [int(s) + float(frame) / inferred for _, _, s, frame in stamps]
    assert np.diff(seconds) == pytest.approx(1 / fps)


def test_other_rates_are_refused(face_clip):
    with pytest.raises(ExportError, match="records 30 or 60 frames a second, the clip has 24"):
        livelink_csv(face_clip(fps=24))


def test_a_packet_is_byte_for_byte_that_of_pylivelinkface(live_link):
    """Apart from the time, of which theirs is now and their part of a frame is a fixed guess."""
    weights = np.linspace(0, 1, 51, dtype=np.float32)
    ours = packet(weights, frame=1234567, fps=60, subject="Ann")
    theirs = live_link.PyLiveLinkFace("Ann", ours[5:41].decode(), 60)
    for index, weight in enumerate(weights):
        shape = live_link.FaceBlendShape(index)
        theirs.set_blendshape(shape, float(weight), no_filter=True)
    encoded = theirs.encode()
    time = slice(5 + 36 + 4 + 3, 5 + 36 + 4 + 3 + 8)
    assert len(ours) == len(encoded)
    assert ours[: time.start] == encoded[: time.start]
    assert ours[time.stop :] == encoded[time.stop :]


@settings(max_examples=30, deadline=None)
@given(
    weights=st.lists(st.floats(0, 1, width=32), min_size=51, max_size=51),
    frame=st.integers(0, 240 * 86_400),
    fps=st.integers(30, 240),
    subject=st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=64),
)
def test_pylivelinkface_decodes_any_packet(live_link, weights, frame, fps, subject):
    has_face, face = live_link.PyLiveLinkFace.decode(
        packet(np.float32(weights), frame=frame, fps=fps, subject=subject)
    )
    assert has_face
    assert (face.name, face.fps, face._frames, face._version) == (subject, fps, frame, 6)
    assert face._denominator == 1
    for index, name in enumerate(ARKIT_51):
        shape = live_link.FaceBlendShape[name[0].upper() + name[1:]]
        assert face.get_blendshape(shape) == np.float32(weights[index])
    assert {face.get_blendshape(shape) for shape in list(live_link.FaceBlendShape)[51:]} == {0.0}


@pytest.mark.parametrize("subject", ["", "x" * 65, "Zoë", "a\nb"])
def test_a_subject_that_cannot_be_sent_is_refused(subject):
    with pytest.raises(ExportError, match="subject: expected 1 to 64 printable ASCII"):
        packet(np.zeros(51, np.float32), frame=0, fps=60, subject=subject)


@pytest.fixture
def listener():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(5)
        yield receiver


def test_a_listener_on_loopback_gets_every_frame_in_order(live_link, listener, face_clip):
    clip = face_clip(fps=120, jawOpen=np.linspace(0, 1, 24))
    port = listener.getsockname()[1]
    sender = threading.Thread(target=stream_clip, args=(clip, "127.0.0.1", port))
    sender.start()
    faces = [live_link.PyLiveLinkFace.decode(listener.recv(2048))[1] for _ in range(24)]
    sender.join()
    opened = [face.get_blendshape(live_link.FaceBlendShape.JawOpen) for face in faces]
    assert opened == pytest.approx(clip.weights[:, ARKIT_51.index("jawOpen")])
    assert np.diff([face._frames for face in faces]).tolist() == [1] * 23


def test_frames_keep_their_time_even_after_a_late_one(listener, face_clip):
    """A clock that stalls for 40 ms before frame 2: the rest is on time again."""
    now, waits, sent = [100.0], [], []

    def sleep(seconds):
        waits.append(seconds)
        now[0] += seconds

    def on_frame():
        sent.append(now[0] - 100)
        now[0] += 0.04 if len(sent) == 2 else 0.001

    port = listener.getsockname()[1]
    stream_clip(
        face_clip(fps=50, frames=6), "127.0.0.1", port, on_frame=on_frame,
        clock=lambda: now[0], sleep=sleep,
    )  # fmt: skip
    assert sent == pytest.approx([0, 0.02, 0.06, 0.061, 0.08, 0.10])
    assert min(waits) > 0


def test_nobody_listening_is_no_error(face_clip):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    assert stream_clip(face_clip(fps=240, frames=3), "127.0.0.1", port) == 3


def test_a_host_that_is_none_is_named(face_clip):
    with pytest.raises(ExportError, match=r"cannot find host 'no.such.host.invalid'"):
        stream_clip(face_clip(), "no.such.host.invalid", 11111)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:5000", ("127.0.0.1", 5000)),
        ("localhost", ("localhost", 11111)),
        ("[::1]:9", ("::1", 9)),
    ],
)
def test_addresses(text, address):
    assert parse_address(text) == address


@pytest.mark.parametrize(
    "text", ["", ":1", "a:b", "a:70000", "a:0", "a:", "http://a:1", "a:1/x", "u@a:1", "[::1"]
)
def test_an_address_that_is_none_is_refused(text):
    with pytest.raises(ExportError, match=r"stream: expected HOST:PORT such as 127.0.0.1:11111"):
        parse_address(text)

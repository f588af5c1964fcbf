"""What the faults happen to: made once, from the packaged transcripts and models."""

import json
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "hub")]  # these folders are no packages

from bench import KILLS, environment, run  # noqa: E402
from fault_table import FaultTable  # noqa: E402
from kinds import TINY_TRAINING, Annotate, Build, Push, Train  # noqa: E402


@pytest.fixture(scope="session")
def table():
    return FaultTable()


@pytest.fixture(scope="session")
def root(tmp_path_factory):
    """One short folder for all tries."""
    return tmp_path_factory.mktemp("faults")


@pytest.fixture(scope="session")
def warm_cache(sample_run, private_caches):
    """A cache with the language model requantised and calibrated."""
    return private_caches / "countenance"


@pytest.fixture(scope="session")
def datasets(sample_run, root, warm_cache):
    """Two datasets of one run, with other splits."""
    made = []
    for seed in (1, 0):
        out = root / f"dataset-{seed}"
        options = ("--out", out, "--seed", seed, "--no-cues")
        ended = run(("build", sample_run, *options), root, environment(warm_cache))
        assert ended.status == 0, ended.errors
        made.append(out)
    return made


@pytest.fixture(scope="session")
def checkpoint(datasets, root, warm_cache):
    """A finished checkpoint of another seed."""
    (root / "tiny.json").write_text(json.dumps(TINY_TRAINING))
    options = ("--out", "older", "--preset", "tiny.json", "--seed", 7)
    ended = run(("train", datasets[0], *options), root, environment(warm_cache))
    assert ended.status == 0, ended.errors
    return root / "older"


@pytest.fixture(scope="session")
def annotating(root, warm_cache):
    return Annotate(root, warm_cache, items=70 if KILLS > 10 else 30)


@pytest.fixture(scope="session")
def building(root, warm_cache, sample_run, datasets):
    return Build(root, warm_cache, sample_run, datasets[1])


@pytest.fixture(scope="session")
def training(root, warm_cache, datasets, checkpoint):
    return Train(root, warm_cache, datasets[0], checkpoint)


@pytest.fixture(scope="session")
def pushing(root, warm_cache, datasets):
    return Push(root, warm_cache, *datasets)

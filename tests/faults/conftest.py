"""What the faults happen to: made once, from the packaged transcripts and models."""

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "hub")]  # these folders are no packages

from bench import KILLS  # noqa: E402
from fault_table import FaultTable  # noqa: E402
from kinds import Annotate, Build, Push, Train  # noqa: E402


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
def annotating(root, warm_cache):
    return Annotate(root, warm_cache, items=70 if KILLS > 10 else 16)


@pytest.fixture(scope="session")
def building(root, warm_cache, sample_run):
    return Build(root, warm_cache, sample_run)


@pytest.fixture(scope="session")
def training(root, warm_cache, building):
    return Train(root, warm_cache, building)


@pytest.fixture(scope="session")
def pushing(root, warm_cache, building):
    return Push(root, warm_cache, building)

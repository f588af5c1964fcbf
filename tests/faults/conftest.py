"""What the faults happen to: made once, from the packaged transcripts and models."""

import sys
import time
from functools import partial
from pathlib import Path

import pytest

HERE = Path(__file__).parent
# These folders are no packages.
sys.path[:0] = [str(HERE), *(str(HERE.parent / name) for name in ("hub", "generation"))]

from answer_kinds import AskServer, Generate  # noqa: E402
from bench import KILLS  # noqa: E402
from fault_table import KILLS as KILLS_PROCESS  # noqa: E402
from fault_table import REST, FaultTable  # noqa: E402
from kinds import Annotate, Build, Push, Train  # noqa: E402

STARTED = time.monotonic()  # as pytest reads this file first; a wall clock may leap
TABLE = FaultTable()
VERBS = {"annotating": "annotate", "building": "build", "training": "train"}


def row_of(item):
    """The name of a test's row in the table; None where it has none."""
    mark = item.get_closest_marker("fault")
    if mark is None:
        return None
    parameters = getattr(item, "callspec", None)
    values = parameters.params if parameters else {}
    return mark.args[0].format(**{name: VERBS.get(v, v) for name, v in values.items()})


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """A test that was skipped has a row too, which says why."""
    report = yield
    row = row_of(item)
    if report.skipped and row and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2].removeprefix("Skipped: ")
        TABLE.add(row, 0, f"not tried here: {reason}")
    return report


def pytest_sessionfinish(session):
    """Of a whole bench: how long its process took."""
    if not TABLE.writes:
        return
    files = {item.path.name for item in session.items if item.path.parent == HERE}
    if files:
        process = KILLS_PROCESS if files == {"test_faults_kill.py"} else REST
        TABLE.took(process, time.monotonic() - STARTED)


@pytest.fixture
def row(request):
    """Enters how a test's fault went: ``row(tried, outcome, lost, doubled)``."""
    return partial(TABLE.add, row_of(request.node))


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


@pytest.fixture(scope="session")
def generating(root, warm_cache):
    return Generate(root, warm_cache, items=10)


@pytest.fixture(scope="session")
def asking(root):
    pytest.importorskip("openai", reason="extra 'openai' is not installed")
    return AskServer(root)

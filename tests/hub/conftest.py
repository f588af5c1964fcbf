"""One Hub on loopback for all tests here, and the processes that talk to it."""

import json
import os
import subprocess
import sys
from itertools import count
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # this folder is no package

from loopback_hub import TOKEN, LoopbackHub  # noqa: E402


@pytest.fixture(scope="session")
def running_hub(tmp_path_factory):
    hub = LoopbackHub(tmp_path_factory.mktemp("hub")).start()
    yield hub
    hub.stop()


@pytest.fixture
def hub(running_hub):
    """The Hub, without faults and with an empty log."""
    running_hub.faults.clear()
    running_hub.log.clear()
    yield running_hub
    running_hub.faults.clear()


@pytest.fixture
def repo_id(_numbers=count()):  # noqa: B008 - one counter for all tests
    return f"org/faces-{next(_numbers)}"


@pytest.fixture(scope="session")
def hub_environment(running_hub, tmp_path_factory):
    """Environment of a process for which the loopback Hub is the Hub, with caches of its own."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    return mine | {
        "HF_ENDPOINT": running_hub.endpoint,
        "HF_TOKEN": TOKEN,
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HOME": str(tmp_path_factory.mktemp("hf-home")),
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }


class Driver:
    """A process that pushes on demand."""

    def __init__(self, environment):
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "push_driver.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def push(self, folder, repo_id, what="dataset", **options):
        """The report, or {"error", "kind"}."""
        request = {"what": what, "folder": str(folder), "repo_id": repo_id, **options}
        print(json.dumps(request), file=self.process.stdin, flush=True)
        answer = json.loads(self.process.stdout.readline())
        return answer.get("report", answer)

    def stop(self):
        """End the process; returns all that it wrote on stderr."""
        if self.process.poll() is None:
            self.errors = self.process.communicate()[1]
        return self.errors


@pytest.fixture(scope="session")
def driver(hub_environment):
    driver = Driver(hub_environment)
    yield driver
    driver.stop()


@pytest.fixture
def push(driver, hub, repo_id):
    """Push to this test's own repository."""

    def run(folder, **options):
        return driver.push(folder, repo_id, **options)

    return run


@pytest.fixture
def remote(hub, repo_id):
    """What the Hub holds of this test's repository: path to bytes."""

    def read(revision="main", kind="datasets"):
        tree = hub.store.tree(kind, repo_id, revision)
        return {path: hub.store.content(kind, repo_id, path, revision) for path in tree}

    return read


@pytest.fixture
def commits(hub, repo_id):
    """Titles of the commits of main, newest first."""

    def read(kind="datasets"):
        return [title for _, title in hub.store.commits(kind, repo_id)]

    return read


@pytest.fixture
def folder(tmp_path, repo_id):
    """A small folder in the form of a dataset; `test_round_trip` pushes a real one.

    No two tests' files are the same: the Hub keeps a content once, whosever it is.
    """
    root = tmp_path / "dataset"
    (root / "data").mkdir(parents=True)
    (root / "images").mkdir()
    (root / "README.md").write_text("---\nlicense: other\n---\n# faces\n")
    (root / "stats.json").write_text('{"items": 3}\n')
    (root / "croissant.json").write_text("{}\n")
    (root / "data" / "train-00000-of-00001.parquet").write_bytes(repo_id.encode() * 20_000)
    (root / "data" / "test-00000-of-00001.parquet").write_bytes(repo_id.encode())
    (root / "images" / "tags.png").write_bytes(b"\x89PNG " + repo_id.encode())
    return root


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def local(folder):
    return lambda: contents(folder)

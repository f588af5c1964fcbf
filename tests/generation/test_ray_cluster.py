"""The cluster around a Ray run: what fits, what fails, who waits, and what is put back."""

import contextlib
import json
import logging
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import traceback

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countenance.errors import RunError
from countenance.generation import (
    AnnotationConfig,
    CorpusSpec,
    GenerateSettings,
    RaySettings,
    Transcript,
    annotate,
    parse_ray_option,
)
from countenance.generation import ray_annotator as ray_annotator_module
from countenance.generation import ray_cluster as ray_cluster_module
from countenance.generation.chat_server import ServerSettings
from countenance.generation.ray_actor import Fault
from countenance.generation.ray_annotator import batch_size
from countenance.generation.ray_cluster import actor_count, what_failed
from countenance.generation.waiting_parts import TODO

thorough = pytest.mark.skipif(
    not os.environ.get("COUNTENANCE_TEST_RAY"), reason="starts many processes: make test-ray"
)


@pytest.fixture
def ray():
    return pytest.importorskip("ray", reason="extra 'ray' is not installed")


def config(run, **options):
    samples = (CorpusSpec("samples"),)
    return AnnotationConfig(**{"corpora": samples, "out": run, "workers": 1, **options})


# Room


def nodes(*resources, dead=()):
    """What ``ray.nodes()`` says of machines with these resources; a dead one has none."""
    return [{"Alive": True, "Resources": one} for one in resources] + [
        {"Alive": False, "Resources": one} for one in dead
    ]


@pytest.mark.parametrize(
    ("cluster", "cpus", "asked", "count"),
    [
        (nodes({"CPU": 8}), 2, RaySettings(), 4),
        (nodes({"CPU": 8}), 2, RaySettings(actors=3), 3),
        (nodes({"CPU": 5}, {"CPU": 7}), 2, RaySettings(), 5),
        (nodes({"CPU": 4}, dead=[{"CPU": 4}, {}]), 2, RaySettings(), 2),
        (nodes({"memory": 1.0}, {"CPU": 4}), 2, RaySettings(), 2),
        (nodes({"CPU": 64, "GPU": 3}), 2, RaySettings(gpus_per_actor=0.5), 6),
        (nodes({"CPU": 64, "GPU": 3}), 2, RaySettings(gpus_per_actor=0.6), 3),
        (nodes({"CPU": 64, "GPU": 1}), 2, RaySettings(gpus_per_actor=0.1), 10),
        (nodes({"CPU": 64, "GPU": 3}, {"CPU": 64, "GPU": 4}), 2, RaySettings(gpus_per_actor=2), 3),
        (nodes({"CPU": 64}, {"CPU": 4, "GPU": 8}), 2, RaySettings(gpus_per_actor=1), 2),
    ],
)
def test_as_many_actors_are_started_as_fit_machine_by_machine(cluster, cpus, asked, count):
    assert actor_count(cluster, cpus, asked) == count


@pytest.mark.parametrize(
    ("cluster", "cpus", "asked", "message"),
    [
        (nodes({"CPU": 8}), 2, RaySettings(actors=5), r"5 with 2 CPU each .* room for 4 \(8 CPU"),
        (nodes({"CPU": 8}), 2, RaySettings(gpus_per_actor=1), "1 with 2 CPU and 1 GPU each do not"),
        (nodes(*[{"CPU": 1}] * 8), 4, RaySettings(), r"room for 0 \(8 CPU, 0 GPU on 8 machines"),
        ([], 1, RaySettings(), r"room for 0 \(0 CPU"),
    ],
)
def test_actors_that_never_fit_are_refused_instead_of_waited_for(cluster, cpus, asked, message):
    with pytest.raises(RunError, match=message):
        actor_count(cluster, cpus, asked)


@pytest.mark.parametrize("share", ["nan", "inf", "1.5", "0.00001"])
def test_gpus_that_ray_cannot_give_are_refused_in_one_line(share):
    line = f"expected 0, a share such as 0.5 or a whole number, found {float(share):g}"
    with pytest.raises(RunError, match=f"^gpus-per-actor: {line}$"):
        parse_ray_option("ray", gpus_per_actor=float(share))


# Failures


def as_ray_wraps(ray, error, title="ray::describe_annotator"):
    """What the driver catches when a worker raises this."""
    try:
        raise error
    except type(error):
        text = traceback.format_exc()
    wrapped = ray.exceptions.RayTaskError("task", text, error, title, 7, "127.0.0.1")
    assert str(wrapped).startswith("\x1b[36mray::")
    return wrapped


def test_a_workers_error_is_its_cause_and_not_the_header_of_its_traceback(ray):
    wrapped = as_ray_wraps(ray, ValueError("two\nlines, \x1b[31mred\x1b[0m and \u202e turned"))
    line = "ValueError: two lines, red and \\u202e turned"
    assert what_failed(wrapped) == line
    assert what_failed(wrapped.as_instanceof_cause()) == line
    assert what_failed(as_ray_wraps(ray, wrapped)) == line


def test_a_cause_that_ray_keeps_as_text_only_is_found_at_its_end(ray):
    told = str(as_ray_wraps(ray, ImportError("no module named 'tagger'")))
    died = ray.exceptions.ActorDiedError.from_task_error(
        as_ray_wraps(ray, ImportError("no module named 'tagger'"))
    )
    for error in (ray.exceptions.RaySystemError(told), died):
        assert what_failed(error) == "ImportError: no module named 'tagger'"


def test_a_very_long_error_is_cut_in_its_middle():
    line = what_failed(RuntimeError("begin " + "x" * 5000 + " end"))
    assert len(line) <= 400
    assert line.startswith("RuntimeError: begin ")
    assert line.endswith(" end")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"), "UnicodeDecodeError: 'utf-8' codec"),
        (PermissionError(13, "Permission denied", "m.gguf"), "PermissionError: .* 'm.gguf'"),
    ],
)
def test_whatever_an_actor_meets_comes_to_the_driver_as_one_line(error, line, caplog):
    fault = Fault.of(error)
    with pytest.raises(RunError, match=rf"^a Ray worker failed \({line}.*what is written .* kept$"):
        fault.raise_here()
    assert caplog.records[0].exc_info[1] is error


def test_a_lost_head_is_not_taken_for_a_full_disk(ray):
    lost = ConnectionError("head is gone")
    with (
        pytest.raises(RunError, match=r"^Ray: ConnectionError: head is gone; what is written"),
        ray_cluster_module.ray_failures(ray),
    ):
        raise lost


def test_a_cluster_of_another_version_is_one_line_with_both_versions(ray, tmp_path, monkeypatch):
    """Ray's own check is run, with what the head of an older cluster has stored."""
    from ray._private.utils import check_version_info

    stored = {"ray_version": "2.9.0", "python_version": "3.9.1"}
    monkeypatch.setattr(ray, "init", lambda *_, **__: check_version_info(stored, "node 127.0.0.1"))
    with pytest.raises(RunError) as raised:
        annotate(config(tmp_path / "run"), ray=RaySettings("auto"))
    line = str(raised.value)
    assert line.isprintable()
    assert line.startswith("on: the Ray cluster at auto is of another version (RuntimeError: ")
    for part in ("Ray: 2.9.0 Python: 3.9.1", f"Ray: {ray.__version__}", "the same Ray and Python"):
        assert part in line


def test_a_cluster_that_cannot_start_here_is_no_full_disk(ray, tmp_path, monkeypatch):
    """Ray's sockets lie under RAY_TMPDIR, and a socket's path may have 107 bytes."""
    long = tmp_path / ("x" * 107)
    long.mkdir()
    monkeypatch.setenv("RAY_TMPDIR", str(long))
    with pytest.raises(RunError, match=r"^on: Ray cannot start a cluster .* \(OSError: .*AF_UNIX"):
        annotate(config(tmp_path / "run"), ray=RaySettings())
    assert not ray.is_initialized()


# What is put back, and what is not waited for


def test_the_callers_settings_of_ray_data_are_put_back(ray):
    context = pytest.importorskip("ray.data").DataContext.get_current()
    wanted = {"target_max_block_size": 2**20, "execution_no_progress_timeout_s": -1}
    logger = logging.getLogger("ray.data")

    def now():
        return {name: getattr(context, name) for name in wanted}, logger.level

    before = now()
    with contextlib.suppress(RunError), ray_cluster_module._configured():
        assert now() == (wanted, logging.ERROR)
        raise RunError("a run that fails")
    assert now() == before
    assert before[0] != wanted


def test_files_that_are_made_anew_are_not_flushed_to_the_disk(tmp_path, monkeypatch):
    pytest.importorskip("pyarrow")
    flushed = []
    monkeypatch.setattr(os, "fsync", flushed.append)
    lines = [Transcript(f"Bus number {number} is late.", "text:a", "1") for number in range(40)]
    assert ray_annotator_module._write_todo(tmp_path / TODO, lines, 16) == 3
    assert len(list((tmp_path / TODO).iterdir())) == 3
    assert not flushed


# Batches


@settings(deadline=None)
@given(st.integers(1, 10**8), st.integers(1, 512), st.integers(1, 1024))
def test_a_batch_fills_its_engine_twice_where_there_is_so_much(items, actors, side_by_side):
    size = batch_size(items, actors, side_by_side)
    share = -(-items // actors)
    assert size >= max(16, min(share, 2 * side_by_side))
    assert size <= max(256, 4 * side_by_side)


def test_a_batch_of_an_engine_without_a_side_by_side_stays_small():
    sizes = [batch_size(items, 2, 1) for items in (1, 60, 400, 4000, 10**7)]
    assert sizes == [16, 16, 16, 125, 256]


@pytest.mark.parametrize(
    ("options", "width"),
    [
        ({"strategy": "score"}, 1),
        ({"strategy": "generate", "generation": GenerateSettings(slots=8)}, 8),
        ({"engine": "llama-cpp-chat"}, 1),
        (
            {
                "engine": "openai",
                "model": "m",
                "server": ServerSettings("http://127.0.0.1:1/v1", concurrency=50),
            },
            50,
        ),
    ],
)
def test_what_an_engine_works_on_side_by_side(tmp_path, options, width):
    assert config(tmp_path, **options).side_by_side == width


# A real cluster that is busy, and workers that fail

_SCRIPT = """
import json, os, sys, time
from pathlib import Path

import ray
import ray.data

from countenance.errors import RunError
from countenance.generation import AnnotationConfig, CorpusSpec, RaySettings, Transcript
from countenance.generation import ray_annotator
from countenance.generation.ray_actor import Description
from countenance.generation.waiting_parts import WaitingParts

folder = Path(sys.argv[1])
said = {}


def described(config):
    return Description({"seed": 3}, frozenset(), {})


def undescribed(config):
    raise KeyError("a field")


class Slow:
    def __init__(self, config, description):
        pass

    def __call__(self, batch):
        time.sleep(4)
        return {"part": [""], "fault": ["RunError"], "message": ["slow, but no less alive"]}


class Killer(Slow):
    def __call__(self, batch):
        with (folder / "deaths").open("a") as file:
            file.write("x")
        os._exit(1)


class NeverBorn(Slow):
    def __init__(self, config, description):
        raise UnicodeDecodeError("utf-8", b"\\xff", 0, 1, "bad start")


def run(name, actor=Slow, describe=described):
    ray_annotator.AnnotationActor, ray_annotator.describe_annotator = actor, describe
    config = AnnotationConfig(corpora=(CorpusSpec("samples"),), out=folder / name, workers=1)
    lines = [Transcript("The bus is late.", "text:a", "1")]
    try:
        with ray_annotator.open_ray_annotator(config, RaySettings(), show_progress=True) as there:
            list(there.outcomes(lines, WaitingParts(config.out, there.identity)))
    except RunError as error:
        said[name] = str(error)


@ray.remote(num_cpus=1)
def hold():
    (folder / "held").touch()
    while not (folder / "free").exists():
        time.sleep(0.1)


ray.init("local", num_cpus=1, include_dashboard=False, object_store_memory=200 * 2**20,
         log_to_driver=False)
context = ray.data.DataContext.get_current()
before = (context.enable_progress_bars, context.target_max_block_size)
holder = hold.remote()
while not (folder / "held").exists():
    time.sleep(0.1)
ray_annotator._FIRST_WAIT = 1
write = sys.stderr.write


def write_and_free(text):
    if "waiting for the Ray cluster" in text:
        (folder / "free").touch()
    return write(text)


sys.stderr.write = write_and_free
run("slow")
sys.stderr.write = write
run("undescribed", describe=undescribed)
run("never_born", NeverBorn)
run("killer", Killer)
said["deaths"] = len((folder / "deaths").read_text())
said["restored"] = before == (context.enable_progress_bars, context.target_max_block_size)
# Not printed: Ray prints there too.
(folder / "said.json").write_text(json.dumps(said))
"""


@thorough
def test_a_busy_cluster_is_waited_for_aloud_and_its_failures_are_single_lines(ray, tmp_path):
    place = tempfile.mkdtemp(prefix="ray-", dir="/tmp")  # sockets allow 107 bytes
    access = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    local = {
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_USAGE_STATS_ENABLED": "0",
        # Ray's own limit, half an hour by default, must not end a run whose model loads for long.
        "RAY_DATA_EXECUTION_NO_PROGRESS_TIMEOUT_S": "1",
    }
    try:
        done = subprocess.run(
            [sys.executable, "-c", _SCRIPT, tmp_path],
            env={**os.environ, **access, **local, "RAY_TMPDIR": place, "HOME": place},
            capture_output=True,
            text=True,
            timeout=900,
        )
    finally:
        shutil.rmtree(place, ignore_errors=True)
    assert done.returncode == 0, done.stderr
    said = json.loads((tmp_path / "said.json").read_text("utf-8"))
    assert "annotate: waiting for the Ray cluster, which is busy (0 min); Ctrl-C" in done.stderr
    assert said["slow"] == "slow, but no less alive"
    assert said["undescribed"].startswith("Ray: KeyError: 'a field'; what is written already")
    assert said["never_born"].startswith("Ray: UnicodeDecodeError: 'utf-8' codec can't")
    assert said["killer"].startswith("Ray: Actor")  # died, or is unavailable
    assert all(said[name].isprintable() for name in ("undescribed", "never_born", "killer"))
    assert said["deaths"] == 4
    assert said["restored"]


def test_what_is_printed_while_ray_runs_leaves_standard_output_alone(ray, monkeypatch, capsys):
    """Ray prints there of the cluster's troubles, in front of what ``--json`` prints."""
    monkeypatch.setattr(ray_cluster_module, "_connect", lambda *_: print("(raylet) a task failed"))
    with ray_cluster_module.connected(RaySettings(), 1):
        print("(raylet) again")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "(raylet) a task failed\n(raylet) again\n"

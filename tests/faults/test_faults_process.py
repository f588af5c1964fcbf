"""Too few files, a second process, a clock that leaps."""

import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from bench import HERE, LONGEST, Ended, run, start

pytestmark = pytest.mark.slow_fault

LOCKS = {"annotating": "run/run.lock", "building": ".dataset.making/lock"}
LOCKS["training"] = ".model.making/lock"


@pytest.mark.fault("process: two at once, {kind}")
@pytest.mark.parametrize("kind", LOCKS)
def test_a_second_process_is_refused_with_the_first_ones_pid(kind, request, root, row):
    kind_of_run = request.getfixturevalue(kind)
    kind_of_run.undisturbed()
    folder = root / f"two-{kind}"
    folder.mkdir()
    kind_of_run.prepare(folder, 0)
    arguments, settings = kind_of_run.command(folder, 0)
    first = start(arguments, folder, settings)
    deadline = time.monotonic() + LONGEST
    lock = folder / LOCKS[kind]
    while not (lock.exists() and lock.read_text()) and time.monotonic() < deadline:
        assert first.poll() is None
        time.sleep(0.005)
    first.send_signal(19)  # SIGSTOP: it holds the run for as long as the second one looks
    second = run(arguments, folder, settings)
    first.send_signal(18)
    output, errors = first.communicate(timeout=LONGEST)
    ended = Ended(first.returncode, output, errors)
    assert ended.status == 0, ended
    lost, doubled, unlike = kind_of_run.compare(folder, 0)
    told = second.one_clear_line(f"process {first.pid} is writing")
    outcome = "refused with the other's pid; the first as undisturbed"
    if not told or unlike:
        outcome = f"{second.errors[-300:]} {unlike}"
    row(1, outcome, lost, doubled)
    assert told, second
    assert not unlike


# Under 5 Python itself cannot start; over the last, nothing here is short of files.
TOO_FEW = {
    "annotating": (5, 6, 7, 8, 10),
    "building": (5, 6, 7, 8, 10),
    "training": (5, 6, 7, 8, 10),
}


@pytest.mark.fault("process: too few open files, {kind}")
@pytest.mark.parametrize("kind", LOCKS)
def test_too_few_open_files_are_one_line_or_do_no_harm(kind, request, root, row):
    kind_of_run = request.getfixturevalue(kind)
    kind_of_run.undisturbed()
    told, done, unlike, counts, odd = 0, 0, [], [0, 0], []
    for limit in TOO_FEW[kind]:
        folder = root / f"files-{kind}-{limit}"
        folder.mkdir()
        kind_of_run.prepare(folder, 0)
        arguments, settings = kind_of_run.command(folder, 0)

        def few_files(limit=limit):
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))

        ended = run(arguments, folder, settings, few_files)
        if ended.status == 0:
            done += 1
        elif ended.one_clear_line("Too many open files"):
            told += 1
            odd += [f"{limit}: {what}" for what in kind_of_run.strangers(folder)]
        else:
            odd.append(f"{limit}: {ended.errors[-300:]}")
        if ended.status != 0:
            ended = run(arguments, folder, settings)
            assert ended.status == 0, ended
        lost, doubled, found = kind_of_run.compare(folder, 0)
        counts = [counts[0] + lost, counts[1] + doubled]
        unlike += found
    outcome = f"{at_most(kind)}: one line {told} times, {done} times no harm; then as undisturbed"
    if odd or unlike or not told:
        outcome = f"{odd[:1]} {unlike[:3]} one line {told} times"
    row(len(TOO_FEW[kind]), outcome, *counts)
    assert told, "no limit was ever reached"
    assert not odd
    assert not unlike


def at_most(kind):
    return f"at most {', '.join(map(str, TOO_FEW[kind]))}"


@pytest.fixture(scope="module")
def clock(tmp_path_factory):
    """The library that makes the clock leap, compiled."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("needs Linux and a C compiler")
    library = tmp_path_factory.mktemp("clock") / "clock.so"
    source = Path(HERE) / "jumping_clock.c"
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl"]
    subprocess.run(command, check=True)
    return library


@pytest.mark.fault("process: a clock that leaps by hours to 20 years, {kind}")
@pytest.mark.parametrize("kind", LOCKS)
def test_a_clock_that_leaps_changes_nothing(kind, clock, request, root, row):
    kind_of_run = request.getfixturevalue(kind)
    kind_of_run.undisturbed()
    folder = root / f"clock-{kind}"
    folder.mkdir()
    kind_of_run.prepare(folder, 0)
    arguments, settings = kind_of_run.command(folder, 0)
    ended = run(arguments, folder, settings | {"LD_PRELOAD": str(clock)})
    assert ended.status == 0, ended
    lost, doubled, unlike = kind_of_run.compare(folder, 0)
    outcome = "as undisturbed" if not unlike else str(unlike[:3])
    row(1, outcome, lost, doubled)
    assert not unlike

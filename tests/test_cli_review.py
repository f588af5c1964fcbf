"""``countenance review`` as a user starts, stops and asks it."""

import json
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from functools import partial

import pytest


@pytest.fixture(scope="module")
def run(sample_run, tmp_path_factory):
    """A copy of the run, because the review writes into it."""
    return shutil.copytree(sample_run, tmp_path_factory.mktemp("runs") / "reviewed")


@pytest.fixture
def command(command):
    """Run ``countenance review``; gives (exit status, stdout, stderr)."""
    return partial(command, "review")


@pytest.fixture
def review(run):
    """Start a review of the run in a process of its own; gives (process, address)."""
    started = []

    def starting(*arguments):
        command = [sys.executable, "-m", "countenance.cli", "review", str(run), *arguments]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        # A test run in the background may ignore Ctrl-C, and its children would inherit that.
        process = subprocess.Popen(
            command, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL), **pipes
        )
        started.append(process)
        for line in process.stderr:
            if found := re.search(r"Review page: (http://127\.0\.0\.1:\d+/\S+/)", line):
                return process, found[1]
        raise AssertionError("no address")

    yield starting
    for process in started:
        if process.poll() is None:
            process.kill()
            process.wait()


def ask(address, change=None):
    body = None if change is None else json.dumps(change).encode()
    request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=120) as answer:
        return json.load(answer)


def test_a_review_is_served_stopped_resumed_and_summed_up(run, review, command):
    process, page = review("--items", "20", "--seed", "9")
    ids = ask(f"{page}review")["ids"]
    assert len(ids) == 20
    change = {"id": ids[0], "relation": "t-e", "verdict": "reject", "reason": "wrong-tag"}
    ask(f"{page}verdicts", change)
    process.kill()  # as unkindly as can be
    process.wait()

    process, page = review("--json")  # the sample is the verdict file's
    state = ask(f"{page}review")
    assert state["ids"] == ids
    assert state["verdicts"][ids[0]]["t-e"]["reason"] == "wrong-tag"
    ask(f"{page}verdicts", {"id": ids[1], "relation": "t-e", "verdict": "accept"})
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert json.loads(out)["relations"]["t-e"]["rate"] == 0.5

    status, out, _ = command(run, "--summary", "--json")
    assert status == 0
    summary = json.loads(out)
    assert summary["sample"] == {"items": 20, "drawn": 20, "seed": 9}
    assert summary["reasons"]["t-e"]["wrong-tag"]["count"] == 1
    status, out, _ = command(run, "--summary")
    assert "0 of 20 items reviewed in full (random sample, seed 9)" in out
    assert "50.0%" in out
    assert len((run / "review.jsonl").read_text().splitlines()) == 2


def test_the_verdicts_do_not_disturb_the_run(run, tmp_path):
    from countenance.generation import AnnotationConfig, CorpusSpec, annotate, check_parts

    (run / "review.jsonl").touch()
    check_parts(run)
    grown = shutil.copytree(run, tmp_path / "grown")
    statistics = annotate(AnnotationConfig((CorpusSpec("samples"),), grown, limit=60, seed=3))
    assert statistics["last_session"]["items"] == 0
    assert (grown / "review.jsonl").exists()


def test_a_summary_without_a_review_opens_and_writes_nothing(sample_run, command):
    status, out, _ = command(sample_run, "--summary", "--items", "10")
    assert status == 0
    assert "0 of 10 items reviewed in full (random sample, seed 0)" in out
    assert not (sample_run / "review.jsonl").exists()


def test_what_cannot_be_reviewed_is_one_line(run, tmp_path, command):
    unfinished = shutil.copytree(run, tmp_path / "unfinished")
    (unfinished / "stats.json").unlink()
    changed = shutil.copytree(run, tmp_path / "changed")
    with (changed / "parts" / "part-00000.jsonl").open("a") as file:
        file.write("x")
    (tmp_path / "notes.txt").write_text("dear diary\n")
    for arguments, message in (
        ((tmp_path,), "not a run folder"),
        ((unfinished,), "unfinished run (no stats.json)"),
        ((changed,), "not as the run left it"),
        ((run, "--out", tmp_path / "notes.txt"), "is no verdict of a review"),
        ((run, "--out", tmp_path / "a" / "b.jsonl"), "make it or choose another --out"),
        ((run, "--summary", "--out", tmp_path), "cannot be read (Is a directory)"),
    ):
        status, out, err = command(*arguments)
        assert (status, out) == (1, ""), err
        assert err.count("\n") == 1
        assert err.startswith("countenance: error: ")
        assert message in err


@pytest.mark.parametrize("option", [("--items", "0"), ("--port", "70000"), ("--seed", "-1")])
def test_wrong_use_is_status_2(run, command, option):
    status, out, err = command(run, *option)
    assert (status, out) == (2, "")
    assert "Invalid value" in err

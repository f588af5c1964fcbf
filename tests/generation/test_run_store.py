"""The run folder: nothing is lost, nothing stands twice, whatever happens to the files."""

import json
import os
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countenance.errors import RunError
from countenance.generation import read_manifest, read_records, read_run_statistics
from countenance.generation import run_store as run_store_module
from countenance.generation.run_files import (
    check_parts,
    finished_ids,
    part_checksums,
    part_files,
    seal,
    unseal,
    write_json,
)
from countenance.generation.run_store import RunStore

IDENTITY = {"model": "m", "seed": 1, "mapping_version": "v1"}


def entry(number, text="hello"):
    return {"id": f"{number:016x}", "transcript": text}


def fill(folder, count):
    with RunStore(folder, IDENTITY) as store:
        for number in range(count):
            store.append(entry(number))
        store.flush()


def test_a_store_gives_back_what_was_appended(tmp_path):
    fill(tmp_path / "run", 3)
    assert list(read_records(tmp_path / "run")) == [entry(n) for n in range(3)]


@given(st.text())
@settings(max_examples=100)
def test_any_text_survives_the_round_trip(text):
    line = seal(entry(1, text))
    assert line.count("\n") == 1
    assert line.isascii()
    assert unseal(line) == entry(1, text)


def test_reopening_knows_what_is_finished(tmp_path):
    with RunStore(tmp_path / "run", IDENTITY) as store:
        store.append(entry(1))
        store.reject({"id": entry(2)["id"], "reason": "too_many_tokens"})
    with RunStore(tmp_path / "run", IDENTITY) as store:
        assert store.finished_ids == {entry(1)["id"], entry(2)["id"]}
        assert store.repaired == 0


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_file_cut_anywhere_loses_only_the_line_that_was_cut(tmp_path_factory, data):
    run = tmp_path_factory.mktemp("cut") / "run"
    fill(run, 5)
    part = part_files(run)[0]
    whole = part.read_bytes()
    cut = data.draw(st.integers(0, len(whole)))
    part.write_bytes(whole[:cut])
    complete = whole[:cut].count(b"\n")
    with RunStore(run, IDENTITY) as store:
        assert store.accepted_ids == {entry(n)["id"] for n in range(complete)}
        for number in range(complete, 5):
            store.append(entry(number))
    assert part.read_bytes() == whole


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_flipped_bit_is_noticed_and_its_line_taken_out(tmp_path_factory, data):
    run = tmp_path_factory.mktemp("flip") / "run"
    fill(run, 4)
    part = part_files(run)[0]
    content = bytearray(part.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= 1 << data.draw(st.integers(0, 7))
    part.write_bytes(bytes(content))
    with pytest.raises(RunError, match="damaged line"):
        list(read_records(run))
    with RunStore(run, IDENTITY) as store:
        assert store.repaired >= 1
        for number in range(4):
            if entry(number)["id"] not in store.accepted_ids:
                store.append(entry(number))
    assert sorted(r["id"] for r in read_records(run)) == [entry(n)["id"] for n in range(4)]


def test_a_line_that_stands_twice_is_kept_once(tmp_path):
    fill(tmp_path / "run", 2)
    part = part_files(tmp_path / "run")[0]
    part.write_bytes(part.read_bytes() * 2)
    with RunStore(tmp_path / "run", IDENTITY) as store:
        assert store.repaired == 2
    assert len(list(read_records(tmp_path / "run"))) == 2


def test_parts_are_of_bounded_size(tmp_path, monkeypatch):
    monkeypatch.setattr(run_store_module, "RECORDS_PER_PART", 3)
    fill(tmp_path / "run", 5)
    fill_again = [path.name for path in part_files(tmp_path / "run")]
    assert fill_again == ["part-00000.jsonl", "part-00001.jsonl"]
    with RunStore(tmp_path / "run", IDENTITY) as store:
        store.append(entry(5))
        store.append(entry(6))
    assert [r["id"] for r in read_records(tmp_path / "run")] == [entry(n)["id"] for n in range(7)]


def test_where_no_new_part_can_be_opened_what_is_written_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(run_store_module, "RECORDS_PER_PART", 3)
    with RunStore(tmp_path / "run", IDENTITY) as store:
        for number in range(3):
            store.append(entry(number))
        (tmp_path / "run" / "parts" / "part-00001.jsonl").mkdir()
        with pytest.raises(IsADirectoryError):
            store.append(entry(3))
        store.flush()
    (tmp_path / "run" / "parts" / "part-00001.jsonl").rmdir()
    with RunStore(tmp_path / "run", IDENTITY) as store:
        assert len(store.finished_ids) == 3
        store.append(entry(3))
    assert [r["id"] for r in read_records(tmp_path / "run")] == [entry(n)["id"] for n in range(4)]


def test_a_run_of_other_settings_is_refused(tmp_path):
    fill(tmp_path / "run", 1)
    with pytest.raises(RunError, match=r"other settings \(seed: 1, now 2\); choose another --out"):
        RunStore(tmp_path / "run", {**IDENTITY, "seed": 2})
    fill(tmp_path / "run", 0)  # and the refusal released the lock


def test_a_second_process_is_refused_with_the_first_ones_pid(tmp_path):
    code = (
        "import sys; from pathlib import Path\n"
        "from countenance.generation.run_store import RunStore\n"
        "RunStore(Path(sys.argv[1]), {'model': 'm'})"
    )
    with RunStore(tmp_path / "run", IDENTITY):
        second = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "run")], capture_output=True, text=True
        )
    assert f"process {os.getpid()} is writing this run" in second.stderr


def test_a_folder_with_other_files_is_never_touched(tmp_path):
    (tmp_path / "thesis.txt").write_text("do not lose me")
    with pytest.raises(RunError, match="holds other files and no manifest"):
        RunStore(tmp_path, IDENTITY)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_file_in_place_of_the_folder_is_named(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(RunError, match="is a file; --out must name a folder"):
        RunStore(tmp_path / "run", IDENTITY)


def test_an_unwritable_place_is_named():
    with pytest.raises(RunError, match=r"/proc/run: cannot write this run .* choose another --out"):
        RunStore(run_store_module.Path("/proc/run"), IDENTITY)


def test_reading_what_is_no_run_says_so(tmp_path):
    with pytest.raises(RunError, match=r"not a run folder \(no manifest.json\)"):
        list(read_records(tmp_path))


def test_a_manifest_of_another_format_is_refused(tmp_path):
    write_json(tmp_path / "manifest.json", {"format": 99})
    with pytest.raises(RunError, match="field 'format' is not 2"):
        read_manifest(tmp_path)


def test_a_manifest_without_an_identity_is_refused_before_anything_is_made(tmp_path):
    write_json(tmp_path / "manifest.json", {"format": 2})
    with pytest.raises(RunError, match="field 'identity' is missing or cut"):
        RunStore(tmp_path, IDENTITY)
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.json"]


def test_a_hostile_line_is_a_damaged_line(tmp_path):
    fill(tmp_path / "run", 1)
    part = part_files(tmp_path / "run")[0]
    part.write_text("[" * 200_000 + "\n" + part.read_text() + '{"crc32":"0","entry":{}}\n')
    with RunStore(tmp_path / "run", IDENTITY) as store:
        assert store.repaired == 2
    assert list(read_records(tmp_path / "run")) == [entry(0)]


def test_a_backup_beside_the_parts_is_left_alone(tmp_path):
    fill(tmp_path / "run", 2)
    part = part_files(tmp_path / "run")[0]
    part.with_name("part-00000.bak.jsonl").write_bytes(part.read_bytes())
    fill(tmp_path / "run", 0)
    assert len(list(read_records(tmp_path / "run"))) == 2


def test_a_full_disk_leaves_no_temporary_file(tmp_path):
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from countenance.generation import write_json\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "write_json(Path(sys.argv[1]) / 'x.json', 'y' * 1000)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True
    )
    assert "File too large" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_what_a_kill_left_of_a_file_written_whole_is_removed(tmp_path):
    fill(tmp_path / "run", 2)
    left = [tmp_path / "run" / ".stats.json.tmp-4711"]
    left.append(tmp_path / "run" / "parts" / ".part-00000.jsonl.tmp-4711")
    for path in left:
        path.write_text("half")
    fill(tmp_path / "run", 0)
    assert not any(path.exists() for path in left)
    assert len(list(read_records(tmp_path / "run"))) == 2


def test_a_damaged_manifest_is_named(tmp_path):
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(RunError, match=r"manifest.json: cannot be read"):
        read_manifest(tmp_path)


def test_a_run_without_statistics_is_unfinished(tmp_path):
    fill(tmp_path / "run", 1)
    with pytest.raises(RunError, match=r"unfinished run \(no stats.json\)"):
        read_run_statistics(tmp_path / "run")
    for content in ("[]", "{}"):
        (tmp_path / "run" / "stats.json").write_text(content)
        with pytest.raises(RunError, match="no field 'accepted'; annotate again"):
            read_run_statistics(tmp_path / "run")
    (tmp_path / "run" / "stats.json").write_text("[")
    with pytest.raises(RunError, match=r"stats.json: cannot be read"):
        read_run_statistics(tmp_path / "run")


def test_json_is_written_whole_with_sorted_keys(tmp_path):
    write_json(tmp_path / "x.json", {"b": 1, "a": "ä"})
    assert (tmp_path / "x.json").read_text("utf-8") == '{\n  "a": "ä",\n  "b": 1\n}\n'
    assert json.loads((tmp_path / "x.json").read_text("utf-8")) == {"a": "ä", "b": 1}
    assert list(tmp_path.iterdir()) == [tmp_path / "x.json"]


def finished(folder, count):
    fill(folder, count)
    counts = {"accepted": count, "rejected": {}, "corpora": {}, "agreement": {}}
    write_json(folder / "stats.json", {**counts, "parts": part_checksums(folder)})
    return folder


def test_a_finished_run_is_as_it_was_left(tmp_path):
    check_parts(finished(tmp_path / "run", 3))


@pytest.mark.parametrize(
    "change",
    [
        lambda part: part.write_bytes(part.read_bytes().splitlines(keepends=True)[0]),
        lambda part: part.unlink(),
        lambda part: part.with_name("part-00001.jsonl").write_bytes(part.read_bytes()),
    ],
)
def test_a_part_that_was_changed_lost_or_added_is_named(tmp_path, change):
    run = finished(tmp_path / "run", 3)
    change(part_files(run)[0])
    with pytest.raises(RunError, match=r"part-0000\d.jsonl: not as the run left it"):
        check_parts(run)


def test_finished_ids_are_read_without_touching_the_run(tmp_path):
    assert finished_ids(tmp_path / "none") == set()
    run = finished(tmp_path / "run", 3)
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    assert finished_ids(run) == {entry(number)["id"] for number in range(3)}
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before

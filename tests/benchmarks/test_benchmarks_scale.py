"""The memory that a build needs does not grow with the records beyond a few numbers each."""

import subprocess
import sys
import tracemalloc
from functools import lru_cache

import pytest

from countenance.benchmarks import scale
from countenance.dataset_script import groups, rows, scratch
from countenance.dataset_script import items as items_module
from countenance.dataset_script.items import run_items
from countenance.generation import run_store

# Held whole, a record of the run takes 5,000 bytes and more.
MOST_BYTES_PER_RECORD = 700


@pytest.fixture
def few_faces(monkeypatch):
    monkeypatch.setattr(scale, "FACES", 150)


def peak(run):
    tracemalloc.start()
    try:
        made = run_items(run, seed=0)
        return tracemalloc.get_traced_memory()[1], made
    finally:
        tracemalloc.stop()


def test_the_peak_of_a_build_grows_by_some_hundred_bytes_a_record(few_faces, tmp_path, monkeypatch):
    # What is held at a time, made as small against these runs as it is against ten million.
    monkeypatch.setattr(scratch, "MOST_BYTES", 100_000)
    monkeypatch.setattr(scratch, "_READ_BYTES", 1_000)
    monkeypatch.setattr(run_store, "RECORDS_PER_PART", 100)
    monkeypatch.setattr(groups, "_FORMS_PER_BATCH", 50)
    monkeypatch.setattr(groups, "_FORMS_KEPT", 50)
    few_hashes = lru_cache(maxsize=50)(groups._piece_hash.__wrapped__)
    monkeypatch.setattr(groups, "_piece_hash", few_hashes)
    for module in (rows, items_module):
        monkeypatch.setattr(module, "ROWS_PER_GROUP", 100)
    sizes = {}
    for count in (500, 2_000):
        scale.store(tmp_path / str(count), count)
        # What the first call loads, tables and libraries, is no part of either peak.
        if not sizes:
            run_items(tmp_path / str(count) / "run", seed=0)
        sizes[count], made = peak(tmp_path / str(count) / "run")
        assert len(made.table) == count
    assert (sizes[2_000] - sizes[500]) / 1_500 < MOST_BYTES_PER_RECORD


def test_each_stage_runs_in_a_process_of_its_own_and_says_what_it_took(tmp_path):
    command = [sys.executable, scale.__file__, "--records", "300", "--json", "--keep", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = scale.json.loads(done.stdout)
    assert [row["stage"] for row in found] == ["store", "build", "verify"]
    assert all(row["peak_mib"] > 50 and row["seconds"] > 0 for row in found)
    assert len(list((tmp_path / "300" / "run" / "parts").iterdir())) == 1

"""Damaged files are found by their checksums; what they held is made again or refused."""

import json
import random
import shutil

import pytest
from bench import KILLS, environment, run
from kinds import (
    TINY_TRAINING,
    differences,
    hashes,
    ids_of_dataset,
    ids_of_run,
    lost_and_doubled,
    run_hashes,
)


@pytest.fixture(scope="module")
def finished(annotating):
    """Folder of an undisturbed annotate."""
    annotating.undisturbed()
    return annotating.root


def flip(path, draw):
    content = bytearray(path.read_bytes())
    content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    path.write_bytes(bytes(content))


def cut(path, draw):
    with path.open("r+b") as file:
        file.truncate(draw.randrange(path.stat().st_size))


SLOW = pytest.mark.slow_fault
DAMAGES = {
    "a bit flipped in a part file": (flip, "parts/part-00000.jsonl"),
    "a truncated part file": (cut, "parts/part-00000.jsonl"),
    "a truncated calibration.json": (cut, "calibration.json"),
    "a truncated stats.json": (cut, "stats.json"),
}


@pytest.mark.parametrize(
    "fault",
    [pytest.param(f, marks=() if "bit flipped in a part" in f else SLOW) for f in DAMAGES],
)
@pytest.mark.fault("damage: {fault}")
def test_a_damaged_run_is_noticed_and_annotated_anew(
    fault, finished, annotating, root, warm_cache, row
):
    damage, name = DAMAGES[fault]
    draw, total, unlike, tries = random.Random(fault), [0, 0], [], 5 if KILLS > 10 else 1
    for number in range(tries):
        folder = root / f"{fault.replace(' ', '-')}-{number}"
        folder.mkdir()
        annotating.prepare(folder, number)
        shutil.copytree(finished / "run", folder / "run")
        damage(folder / "run" / name, draw)
        if name != "calibration.json":  # build does not read that file
            options = ("--out", "dataset", "--no-cues")
            ended = run(("build", "run", *options), folder, environment(warm_cache))
            if not ended.one_clear_line("annotate"):
                unlike.append(f"build took it: {ended.errors}")
        arguments, settings = annotating.command(folder, number)
        ended = run(arguments, folder, settings)
        assert ended.status == 0, ended.errors
        expected, found = ids_of_run(finished / "run"), ids_of_run(folder / "run")
        for place, count in enumerate(lost_and_doubled(expected, found)):
            total[place] += count
        unlike += differences(records(finished / "run"), records(folder / "run"), fault)
    refused = "" if name == "calibration.json" else "refused by build; "
    outcome = str(unlike[:3]) if unlike else f"{refused}the same records after annotate"
    row(tries, outcome, *total)
    assert total == [0, 0]
    assert not unlike


def records(run_folder):
    """Every line of a run's record files by its id (a redone one stands at the end), and a file."""
    found = {"calibration.json": (run_folder / "calibration.json").read_text("utf-8")}
    for path in [*sorted((run_folder / "parts").iterdir()), run_folder / "rejects.jsonl"]:
        for line in path.read_text("utf-8").splitlines():
            found[json.loads(line)["entry"]["id"]] = line
    return found


@pytest.mark.slow_fault
@pytest.mark.fault("damage: a truncated manifest.json")
def test_a_truncated_manifest_is_one_line_and_nothing_is_lost(finished, annotating, root, row):
    folder = root / "manifest"
    folder.mkdir()
    annotating.prepare(folder, 0)
    shutil.copytree(finished / "run", folder / "run")
    manifest = folder / "run" / "manifest.json"
    whole = manifest.read_bytes()
    manifest.write_bytes(whole[: len(whole) // 2])
    arguments, settings = annotating.command(folder, 0)
    ended = run(arguments, folder, settings)
    manifest.write_bytes(whole)
    unlike = differences(run_hashes(finished / "run"), run_hashes(folder / "run"), "manifest")
    sound = ended.one_clear_line("manifest.json: cannot be read") and not unlike
    outcome = "one line; the records are untouched" if sound else ended.errors[-200:]
    row(1, outcome)
    assert sound, ended


READERS = {
    "verify": lambda: ("verify", "dataset"),
    "push": lambda: ("push", "dataset", "dataset", "org/faces"),
    "train": lambda: ("train", "dataset", "--out", "model", "--preset", "tiny.json"),
    "annotate": lambda: (
        *("annotate", "--text-column", "transcript", "--out", "run"),
        *("--corpus", "parquet=dataset/data/train-00000-of-00001.parquet"),
    ),
}


@pytest.mark.slow_fault
@pytest.mark.fault("damage: a half-written Parquet, read by {reader}")
@pytest.mark.parametrize("reader", READERS)
def test_a_half_written_parquet_is_refused(reader, building, root, warm_cache, row):
    folder = root / f"half-parquet-{reader}"
    shutil.copytree(building.dataset(), folder / "dataset")
    (folder / "tiny.json").write_text(json.dumps(TINY_TRAINING))
    file = folder / "dataset" / "data" / "train-00000-of-00001.parquet"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    before = hashes(folder)
    settings = environment(warm_cache) | {"HF_TOKEN": "none"}
    ended = run(READERS[reader](), folder, settings)
    words = "train-00000-of-00001.parquet"
    if reader == "verify":  # its result, not an error: which file is at fault
        sound = ended.status == 1 and words in ended.output and "Traceback" not in ended.errors
    else:
        sound = ended.one_clear_line(words)
    sound = sound and hashes(folder) == before
    outcome = "one line" if sound else f"{ended.errors[-300:]}{ended.output[-200:]}"
    row(1, outcome)
    assert sound, ended


@pytest.mark.slow_fault
@pytest.mark.fault("damage: a half-written Parquet, built again")
def test_a_damaged_dataset_is_built_again_to_the_same_bytes(building, root, row):
    building.undisturbed()
    folder = root / "rebuilt"
    folder.mkdir()
    building.prepare(folder, 0)
    shutil.copytree(building.root / "dataset", folder / "dataset")
    cut(next((folder / "dataset" / "data").glob("train*")), random.Random(1))
    arguments, settings = building.command(folder, 0)
    ended = run(arguments, folder, settings)
    assert ended.status == 0, ended.errors
    expected, found = building.root / "dataset", folder / "dataset"
    unlike = differences(hashes(expected), hashes(found), "rebuilt")
    counts = lost_and_doubled(ids_of_dataset(expected), ids_of_dataset(found))
    outcome = "as undisturbed" if not unlike else str(unlike[:3])
    row(1, outcome, *counts)
    assert not unlike


@pytest.mark.slow_fault
@pytest.mark.fault("damage: a truncated OUT.unfinished of train")
def test_a_truncated_training_state_is_one_line(training, root, row):
    training.undisturbed()
    folder = root / "state"
    folder.mkdir()
    training.prepare(folder, 0)
    (folder / "model.unfinished").write_bytes(b"\x00" * 1000)
    arguments, settings = training.command(folder, 0)
    ended = run(arguments, folder, settings)
    sound = ended.one_clear_line("model.unfinished: cannot read", "delete the file")
    (folder / "model.unfinished").unlink()
    again = run(arguments, folder, settings)
    assert again.status == 0, again.errors
    lost, doubled, unlike = training.compare(folder, 0)
    sound = sound and not unlike
    outcome = "one line; as undisturbed without it" if sound else f"{ended.errors[-200:]}{unlike}"
    row(1, outcome, lost, doubled)
    assert sound, ended

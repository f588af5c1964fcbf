"""Seconds and peak memory of store, build and verify, over synthetic records.

python benchmarks/scale.py [--records 20000 ...] [--stages store build verify] [--keep DIR] [--json]

Each stage is a process of its own and does what the command does: ``store`` puts N records
through ``RunStore`` and opens the run again as a resumed run would; ``build`` is ``build_dataset``;
``verify`` is ``verify_dataset``. Printed are the seconds, the highest resident memory of the
largest process (VmHWM), and that of all processes of the stage together, sampled.

``groups`` and ``split`` do only that part of a build, without a run, for sizes whose whole build
would take too long here.

The records are drawn by seed: words of a made-up vocabulary, one text in fifty another one with a
word before it; tags as frequent as in GoEmotions; faces and descriptions out of 5,000 that the
strategy `score` composes. Their ids are their own hashes. Nothing real is in them.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

STAGES = ("store", "build", "verify")
PARTS = ("groups", "split")
SEED = 7
FACES = 5_000
BATCH = 20_000
FREQUENCIES = (
    4703, 2719, 1820, 2924, 3471, 1299, 1596, 2580, 774, 1527, 2455, 945, 347, 945, 714, 2981,
    91, 1656, 2403, 192, 1895, 129, 1331, 177, 634, 1534, 1251, 16382,
)  # fmt: skip
IDENTITY = {
    "annotator": "synthetic@0",
    "calibration_sha256": "0" * 64,
    "emotion_table": "emotion_action_units-v2",
    "engine": "none",
    "head_sha256": "0" * 64,
    "labels": "use",
    "mapping_version": "v1",
    "model_sha256": "0" * 64,
    "phrase_table": "phrases-v2",
    "prompt_version": "score-v2",
    "seed": SEED,
    "strategy": "score",
    "tagger": "llm",
}


def synthetic_texts(count: int, seed: int = SEED) -> Iterator[str]:
    """Texts of 6 to 19 made-up words; one in fifty is the one before it with "well" in front."""
    rng = np.random.default_rng(seed)
    letters = np.array(list("abdeiklmnorstuvz"))
    words = ["".join(row) for row in rng.choice(letters, size=(30_000, 6))]
    before = ""
    for start in range(0, count, BATCH):
        size = min(BATCH, count - start)
        lengths = rng.integers(6, 20, size=size)
        drawn = rng.integers(len(words), size=int(lengths.sum())).tolist()
        copied = rng.random(size) < 0.02
        place = 0
        for length, copy in zip(lengths.tolist(), copied.tolist(), strict=True):
            own = " ".join([words[number] for number in drawn[place : place + length]])
            place += length
            text = f"well {before}" if copy and before else own
            before = own
            yield text


def synthetic_faces(seed: int = SEED) -> list[dict[str, Any]]:
    """Tags, strength, action units and description that agree with each other."""
    from countenance.generation import emotion_names
    from countenance.generation.composition import compose_description, draw_action_units
    from countenance.generation.consistency import answer_faults

    rng = np.random.default_rng(seed)
    chances = np.array(FREQUENCIES) / sum(FREQUENCIES)
    faces: list[dict[str, Any]] = []
    while len(faces) < FACES:
        size = rng.choice([1, 2, 3], p=[0.84, 0.15, 0.01])
        tags = rng.choice(emotion_names(), size=size, p=chances, replace=False).tolist()
        strength = round(float(rng.random()), 4)
        units = draw_action_units(tags, strength, rng)
        description = compose_description(units, tags, rng)
        names = [str(unit) for unit in units]
        if not answer_faults(tags, description, names, composed=True):
            faces.append(
                {
                    "emotions": tags,
                    "strength": strength,
                    "action_units": names,
                    "description": description,
                }
            )
    return faces


def synthetic_records(count: int, seed: int = SEED) -> Iterator[dict[str, Any]]:
    """Annotation records in the order of their making."""
    from countenance.generation import Transcript, transcript_id

    faces = synthetic_faces(seed)
    drawn = np.random.default_rng(seed + 1)
    chosen: list[int] = []
    for number, text in enumerate(synthetic_texts(count, seed)):
        if number % BATCH == 0:
            chosen = drawn.integers(len(faces), size=BATCH).tolist()
        face = faces[chosen[number % BATCH]]
        source_id = str(number)
        yield {
            "id": transcript_id(Transcript(text, "synthetic", source_id)),
            "transcript": text,
            **face,
            "emotions_from": "human",
            "strength_from": "model",
            "human_emotions": face["emotions"],
            "human_strength": None,
            "model_emotions": face["emotions"],
            "model_strength": face["strength"],
            "source": "synthetic",
            "source_id": source_id,
            **{key: IDENTITY[key] for key in ("annotator", "tagger", "strategy", "seed")},
            **{key: IDENTITY[key] for key in ("prompt_version", "mapping_version")},
        }


def store(folder: Path, count: int) -> None:
    """Write a run, then open it again and look every id up, as a resumed run does."""
    from countenance.generation import part_checksums, write_json
    from countenance.generation.run_files import STATISTICS
    from countenance.generation.run_store import RunStore

    run = folder / "run"
    with RunStore(run, IDENTITY) as opened:
        for number, record in enumerate(synthetic_records(count), 1):
            opened.append(record)
            if number % 10_000 == 0:
                opened.flush()
        opened.flush()
    with RunStore(run, IDENTITY) as opened:
        finished = opened.finished_ids
        missing = sum(record["id"] not in finished for record in opened.records())
        if missing or len(opened.accepted_ids) != count:
            raise SystemExit(f"{missing} ids missing, {len(opened.accepted_ids)} of {count} there")
    parts = part_checksums(run)
    counts = {"accepted": count, "rejected": {}, "corpora": {}, "agreement": {}, "parts": parts}
    write_json(run / STATISTICS, counts)


def build(folder: Path, count: int) -> None:
    """The dataset of the run."""
    from countenance.cards import render_dataset_card
    from countenance.dataset_script import build_dataset

    statistics = build_dataset(
        folder / "run", folder / "dataset", render_card=render_dataset_card, show_progress=True
    )
    if statistics["items"] != count or statistics["split"]["straddling_groups"]:
        raise SystemExit(f"{statistics['items']} items of {count}")


def verify(folder: Path, count: int) -> None:
    """Every row anew."""
    from countenance.dataset_script.verify import verify_dataset

    report = verify_dataset(folder / "dataset", show_progress=True)
    if not report.sound or sum(report.rows["default"].values()) != count:
        raise SystemExit(report.summary)


def groups(_: Path, count: int) -> None:
    """Near duplicates of the texts alone."""
    from countenance.dataset_script import duplicate_groups

    found = duplicate_groups(synthetic_texts(count))
    print(f"{int(found.max()) + 1} groups", file=sys.stderr)


def split(_: Path, count: int) -> None:
    """The split of items of which one in fifty has the group of another."""
    from countenance.dataset_script.coded import Coded
    from countenance.dataset_script.split import split_items

    rng = np.random.default_rng(SEED)
    lists = [tuple(face["emotions"]) for face in synthetic_faces()]
    labels = Coded(lists, rng.integers(len(lists), size=count, dtype=np.int32))
    of_item = np.arange(count)
    copies = np.flatnonzero(rng.random(count) < 0.02)
    of_item[copies] = np.maximum(copies - 1, 0)
    split_items(labels, of_item, seed=0)


def measure(stage: str, folder: Path, count: int) -> dict[str, Any]:
    """Run one stage in a process of its own."""
    import psutil

    code = (
        "import sys, json, resource, time; sys.path.insert(0, sys.argv[1])\n"
        "import scale; from pathlib import Path; began = time.perf_counter()\n"
        "scale.__dict__[sys.argv[2]](Path(sys.argv[3]), int(sys.argv[4]))\n"
        "seconds = time.perf_counter() - began\n"
        "used = [resource.getrusage(who) for who in "
        "(resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]\n"
        "print(json.dumps({'seconds': seconds, 'cpu': sum(u.ru_utime + u.ru_stime for u in used),"
        " 'peak': max(u.ru_maxrss for u in used) / 1024}))"
    )
    here = str(Path(__file__).parent)
    arguments = [sys.executable, "-c", code, here, stage, str(folder), str(count)]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    together = [0.0]

    def watch() -> None:
        tree = psutil.Process(process.pid)
        while process.poll() is None:
            try:
                members = [tree, *tree.children(recursive=True)]
                resident = sum(member.memory_info().rss for member in members) / 2**20
                together[0] = max(together[0], resident)
            except psutil.NoSuchProcess:
                pass
            time.sleep(0.2)

    watcher = threading.Thread(target=watch)
    watcher.start()
    output, _ = process.communicate()
    watcher.join()
    if process.returncode:
        raise SystemExit(f"{stage} of {count} records failed")
    found = json.loads(output.splitlines()[-1])
    return {
        "stage": stage,
        "records": count,
        "seconds": round(found["seconds"], 1),
        "cpu_seconds": round(found["cpu"], 1),
        "microseconds_cpu_per_record": round(1e6 * found["cpu"] / count, 1),
        "peak_mib": round(found["peak"]),
        "peak_mib_of_all_processes": round(max(together[0], found["peak"])),
    }


def main() -> None:
    """Run the stages for each size and print what they took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--records", type=int, nargs="+", default=[20_000])
    parser.add_argument("--stages", nargs="+", choices=STAGES + PARTS, default=list(STAGES))
    parser.add_argument("--keep", type=Path, help="folder for run and dataset, kept afterwards")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows = []
    for count in arguments.records:
        made = tempfile.mkdtemp(prefix="countenance-scale-")
        folder = arguments.keep / str(count) if arguments.keep else Path(made)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            for stage in arguments.stages:
                rows.append(measure(stage, folder, count))
                print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
            if (folder / "run").is_dir():
                rows[-1]["run_bytes"] = _size(folder / "run")
                rows[-1]["dataset_bytes"] = _size(folder / "dataset")
        finally:
            shutil.rmtree(made)
    if arguments.json:
        print(json.dumps(rows))
        return
    for row in rows:
        print("  ".join(f"{key} {value}" for key, value in row.items()))


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    main()

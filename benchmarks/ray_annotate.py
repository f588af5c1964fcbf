"""What Ray costs: two actors against two plain processes, and whether their records are equal.

python benchmarks/ray_annotate.py [--corpora DIR] [--items 400] [--repeats 3] [--on ray] [--json]

The transcripts (of the published corpora in DIR, or the packaged ones) are written as two files.
Two plain processes of one thread annotate one each, at the same time; then a Ray run with two
actors annotates both. The two ways take turns, `repeats` times; medians are printed. Seconds are
those of whole commands, start included. The rate after the start counts, for Ray, from the first
part on, and for plain processes what they report of themselves, which leaves loading out.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from countenance.generation import CorpusSpec, parse_corpus_option, read_corpora
from countenance.generation.run_files import part_files

CORPORA = ("go_emotions", "tweet_intensity", "isear", "meld")


def write_halves(corpora: Path | None, items: int, folder: Path) -> list[Path]:
    """The transcripts as two JSON lines files."""
    specs = [CorpusSpec("samples")]
    if corpora is not None:
        specs = [parse_corpus_option(f"{name}={corpora / name}") for name in CORPORA]
    found = read_corpora(specs, limit=items).transcripts
    middle = (len(found) + 1) // 2
    paths = []
    for number, half in enumerate((found[:middle], found[middle:])):
        path = folder / f"half{number}.jsonl"
        rows = [{"id": item.source_id, "text": item.text} for item in half]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
        paths.append(path)
    return paths


def start(halves: list[Path], out: Path, *options: str) -> subprocess.Popen[str]:
    """An ``annotate`` command over files."""
    corpora = [part for half in halves for part in ("--corpus", f"jsonl={half}")]
    command = [sys.executable, "-m", "countenance.cli", "annotate", *corpora, "--out", str(out)]
    command += ["--strategy", "score", "--workers", "1", "--json", *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def finish(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Its statistics."""
    out, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"{process.args}: failed")
    result: dict[str, Any] = json.loads(out)
    return result


def measure_plain(halves: list[Path], folder: Path) -> dict[str, float]:
    """Two processes side by side."""
    started = time.perf_counter()
    outs = [folder / "plain0", folder / "plain1"]
    both = [start([half], out) for half, out in zip(halves, outs, strict=True)]
    sessions = [finish(process)["last_session"] for process in both]
    return {
        "seconds": time.perf_counter() - started,
        "rate": sum(session["items_per_second"] for session in sessions),
    }


def measure_ray(halves: list[Path], folder: Path, on: str) -> dict[str, float]:
    """One Ray run of two actors."""
    started = time.perf_counter()
    session = finish(start(halves, folder / "ray", "--on", on, "--actors", "2"))["last_session"]
    batch = max(16, -(-session["items"] // 32))
    steady = session["seconds"] - session["seconds_to_first_part"]
    return {
        "seconds": time.perf_counter() - started,
        "rate": (session["items"] - batch) / steady,
        "to_first_part": session["seconds_to_first_part"],
    }


def parts(run: Path) -> bytes:
    """All records of a run as they stand."""
    return b"".join(path.read_bytes() for path in part_files(run))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpora", type=Path)
    parser.add_argument("--items", type=int, default=400)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--on", default="ray")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    plain, ray, equal = [], [], True
    with tempfile.TemporaryDirectory() as name:
        halves = write_halves(arguments.corpora, arguments.items, Path(name))
        items = sum(len(half.read_text("utf-8").splitlines()) for half in halves)
        for number in range(arguments.repeats):
            folder = Path(name) / str(number)
            plain.append(measure_plain(halves, folder))
            ray.append(measure_ray(halves, folder, arguments.on))
            together = parts(folder / "plain0") + parts(folder / "plain1")
            equal = equal and parts(folder / "ray") == together
    result: dict[str, Any] = {"items": items, "repeats": arguments.repeats, "same_bytes": equal}
    for label, runs in (("plain", plain), ("ray", ray)):
        for key in runs[0]:
            result[f"{label}_{key}"] = round(statistics.median(run[key] for run in runs), 2)
    result["rate_ray_of_plain"] = round(result["ray_rate"] / result["plain_rate"], 3)
    if arguments.json:
        print(json.dumps({**result, "runs": {"plain": plain, "ray": ray}}))
    else:
        for key, value in result.items():
            print(f"{key:<24}{value!s:>10}")


if __name__ == "__main__":
    main()

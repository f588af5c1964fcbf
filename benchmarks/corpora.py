"""What reading corpora keeps, drops and merges, and how long it takes.

python benchmarks/corpora.py [FOLDER] [--pairs 100] [--foreign 100] [--seed 0] [--json]

FOLDER holds go_emotions, tweet_intensity, isear and meld (default: ../shared/data/corpora). Counts
per corpus and CPU seconds are printed, in all and for the two checks alone. ``--pairs`` prints
near-duplicates, drawn by the seed, to be read and signed by a person; ``--foreign`` the lines that
went as foreign and those that came nearest to it. Sentences go to the terminal only.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Callable
from pathlib import Path

from countenance.generation import CorpusSpec, read_corpora
from countenance.generation.corpora_collector import DroppedRow
from countenance.generation.language_check import ENGLISH, is_foreign, spoken_part, weigh
from countenance.generation.near_duplicates import NearDuplicates
from countenance.generation.transcripts import DropReason

NAMES = ("go_emotions", "tweet_intensity", "isear", "meld")
DEFAULT_FOLDER = Path(__file__).resolve().parents[2] / "shared" / "data" / "corpora"


def main() -> None:
    """Read, count, measure and print."""
    arguments = _arguments()
    specs = [CorpusSpec(name, arguments.folder / name) for name in NAMES]
    start = time.process_time()
    dropped: list[DroppedRow] = []
    reading = read_corpora(specs, on_drop=dropped.append)
    seconds = time.process_time() - start
    texts = [transcript.text for transcript in reading.transcripts]
    result = {
        "counts": reading.counts_as_dict(),
        "kept": len(texts),
        "kept_of_the_papers_three": sum(reading.counts[name].kept for name in NAMES[:3]),
        "cpu_seconds": round(seconds, 2),
        "cpu_seconds_language_check": round(_seconds_of(is_foreign, texts), 2),
        "cpu_seconds_near_duplicates": round(_seconds_of(NearDuplicates().find_or_add, texts), 2),
    }
    print(json.dumps(result) if arguments.json else json.dumps(result, indent=1))
    if arguments.pairs:
        _print_pairs(dropped, arguments.pairs, random.Random(arguments.seed))
    if arguments.foreign:
        _print_foreign(dropped, texts, arguments.foreign)


def _seconds_of(check: Callable[[str], object], texts: list[str]) -> float:
    start = time.process_time()
    for text in texts:
        check(text)
    return time.process_time() - start


def _print_pairs(dropped: list[DroppedRow], number: int, rng: random.Random) -> None:
    pairs = [row for row in dropped if row.reason is DropReason.NEAR_DUPLICATE]
    print(f"\n{len(pairs)} near-duplicates, of which {min(number, len(pairs))}:")
    for row in rng.sample(pairs, min(number, len(pairs))):
        print(f"- {row.repeats}\n  {row.text}")


def _print_foreign(dropped: list[DroppedRow], texts: list[str], number: int) -> None:
    gone = [row.text for row in dropped if row.reason is DropReason.FOREIGN_LANGUAGE]
    print(f"\n{len(gone)} foreign lines:", *gone[:number], sep="\n- ")
    evidence = [(weigh(spoken_part(text)), text) for text in texts]
    nearest = sorted((one.english, text) for one, text in evidence if one.language != ENGLISH)
    print(f"\nthe {number} kept lines that look least English:")
    for english, text in nearest[:number]:
        print(f"{english:.3f} {text}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", nargs="?", type=Path, default=DEFAULT_FOLDER)
    parser.add_argument("--pairs", type=int, default=0)
    parser.add_argument("--foreign", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()

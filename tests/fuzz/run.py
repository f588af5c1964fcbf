"""Fuzz one target, guided by coverage: ``python tests/fuzz/run.py TARGET [--seconds 300]``.

Atheris (libFuzzer) starts from ``seeds/TARGET`` and keeps what reaches new code in
``.cache/fuzz/TARGET``. The first input that makes anything but an error of our family escape ends
it with status 1 and is kept there too, under ``crash-``; put it into ``regressions/TARGET`` when it
is mended. ``make fuzz`` runs all targets.
"""

import argparse
import os
import random
import sys
from pathlib import Path

import atheris

HERE = Path(__file__).parent
CACHE = HERE.parents[1] / ".cache" / "fuzz"
sys.path.insert(0, str(HERE))
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_DATASETS_OFFLINE", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

with atheris.instrument_imports(include=["countenance"], enable_loader_override=False):
    import fuzz_targets
    from json_mutator import mutate_bytes

_MOST_BYTES = 200_000


def mutate(data: bytes, max_size: int, seed: int) -> bytes:
    """Half of the changes keep JSON JSON, the others are libFuzzer's own."""
    rng = random.Random(seed)
    changed = mutate_bytes(data, rng) if rng.random() < 0.5 else None
    if changed is None or len(changed) > max_size:
        return atheris.Mutate(data, max_size)
    return changed


def main() -> None:
    """Parse the command line and fuzz until the time is over."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target", choices=sorted(fuzz_targets.TARGETS))
    parser.add_argument("--seconds", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    found = CACHE / options.target
    found.mkdir(parents=True, exist_ok=True)
    atheris.Setup(
        [
            sys.argv[0],
            f"-max_total_time={options.seconds}",
            f"-max_len={_MOST_BYTES}",
            f"-seed={options.seed}",
            f"-artifact_prefix={found}/",
            "-timeout=60",
            "-rss_limit_mb=4096",
            "-print_final_stats=1",
            "-verbosity=1",
            str(found),
            *(str(folder) for folder in folders(options.target)),
        ],
        lambda data: fuzz_targets.run_target(options.target, data),
        custom_mutator=mutate,
    )
    atheris.Fuzz()


def folders(target: str) -> list[Path]:
    """Where the inputs to begin with lie."""
    both = (HERE / "seeds" / target, HERE / "regressions" / target)
    return [folder for folder in both if folder.is_dir()]


if __name__ == "__main__":
    main()

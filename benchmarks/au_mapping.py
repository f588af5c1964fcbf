"""Speed of the AU mapping: single lists, batches and the inverse, against a plain Python loop.

    python -m benchmarks.au_mapping [--lists 20000] [--repeats 7] [--json]

Every figure includes the parsing of strings such as ``"AUL12B"``. The peers do the same work with
dictionaries, the way such tables are usually applied: tokens are parsed by a regular expression and
remembered, every shape takes its maximum, and 51 numbers come out; one peer stops there, the other
also applies the combination rules of the table, as the mapping does. Contenders run interleaved on
the same lists, on one thread, and the median of the repeats counts.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import sys
import time
from collections.abc import Callable, Sequence

import numpy as np

from countenance.au_mapping import ARKIT_51, INTENSITIES, AUMapping, load_mapping, side_of

Lists = Sequence[Sequence[str]]


class DictionaryLoop:
    """The peer: nested dictionaries and a loop, one list at a time.

    Args:
        mapping: Where weights and rules come from.
        rules: Whether to apply the combination rules, as the real mapping does.
    """

    _PATTERN = re.compile(r"(?:AU)?([LR])?(\d+)([A-E])?")

    def __init__(self, mapping: AUMapping, *, rules: bool) -> None:
        self._weights = {
            unit.removeprefix("AU"): dict(mapping.info(unit).weights)
            for unit in mapping.action_units
        }
        self._rules = mapping.rules if rules else ()
        self._parsed: dict[str, tuple[str | None, str, float]] = {}

    def to_blendshapes(self, action_units: Sequence[str]) -> list[float]:
        """The 51 weights of one list, in [0, 1]."""
        values = dict.fromkeys(ARKIT_51, 0.0)
        for token in action_units:
            if token not in self._parsed:
                self._parsed[token] = self._parse(token)
            side, code, strength = self._parsed[token]
            for shape, weight in self._weights[code].items():
                if side is None or side_of(shape) == side:
                    values[shape] = max(values[shape], weight * strength)
        return list(self._shown(values).values())

    def _parse(self, token: str) -> tuple[str | None, str, float]:
        match = self._PATTERN.fullmatch(token)
        assert match is not None
        side, code, letter = match.groups()
        return side, code, INTENSITIES[letter] if letter else 1.0

    def _shown(self, values: dict[str, float]) -> dict[str, float]:
        shown = dict(values)
        for rule in self._rules:
            for shape, other in rule.directed:
                x, y, p = values[shape], values[other], rule.parameters
                if rule.kind == "fade":
                    rise = min(max((y - p["from"]) / (p["to"] - p["from"]), 0.0), 1.0)
                    bound = x * (1.0 - (1.0 - p["keep"]) * rise)
                elif rule.kind == "oppose":
                    bound = x - p["share"] * max(min(x, y) - p["allowed"], 0.0)
                else:
                    bound = min(x, y)
                shown[shape] = min(shown[shape], bound)
        return shown


def random_lists(mapping: AUMapping, n: int, seed: int) -> list[list[str]]:
    """Lists of 1 to 8 different units with random letters and, where possible, sides."""
    rng = np.random.default_rng(seed)
    lists = []
    for _ in range(n):
        chosen = rng.choice(mapping.action_units, size=rng.integers(1, 9), replace=False)
        lists.append([_random_token(mapping, str(unit), rng) for unit in chosen])
    return lists


def _random_token(mapping: AUMapping, unit: str, rng: np.random.Generator) -> str:
    side = rng.choice(["", "", "L", "R"]) if mapping.info(unit).sides else ""
    return f"AU{side}{unit.removeprefix('AU')}{rng.choice(['', *INTENSITIES])}"


def measure(
    contenders: dict[str, tuple[Callable[[Lists], object], Lists]], repeats: int
) -> dict[str, float]:
    """Lists per second of every contender: the median over interleaved repeats."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(repeats):
        for name, (run, lists) in contenders.items():
            start = time.perf_counter()
            run(lists)
            seconds[name].append((time.perf_counter() - start) / len(lists))
    return {name: 1.0 / statistics.median(times) for name, times in seconds.items()}


def run_benchmark(n: int, repeats: int, seed: int) -> dict[str, float]:
    """Check that all contenders agree, then measure them."""
    mapping = load_mapping("v1")
    lists = random_lists(mapping, n, seed)
    plain = DictionaryLoop(mapping, rules=False)
    ruled = DictionaryLoop(mapping, rules=True)
    batch = mapping.to_blendshapes_batch(lists)
    some = lists[:500]
    assert np.array_equal(batch[:500], np.array([mapping.to_blendshapes(x) for x in some]))
    assert np.array_equal(batch[:500], np.array([ruled.to_blendshapes(x) for x in some], "f4"))
    inverse = lists[: max(1, n // 100)]
    vectors = dict(zip(map(tuple, inverse), batch, strict=False))
    return measure(
        {
            "batch": (mapping.to_blendshapes_batch, lists),
            "single": (lambda xs: [mapping.to_blendshapes(x) for x in xs], lists),
            "peer, dictionary loop without rules": (
                lambda xs: np.array([plain.to_blendshapes(x) for x in xs], np.float32),
                lists,
            ),
            "peer, dictionary loop with the same rules": (
                lambda xs: np.array([ruled.to_blendshapes(x) for x in xs], np.float32),
                lists,
            ),
            "inverse": (
                lambda xs: [mapping.to_action_units(vectors[tuple(x)]) for x in xs],
                inverse,
            ),
        },
        repeats,
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark and print a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--lists", type=int, default=20_000, help="how many AU lists")
    parser.add_argument("--repeats", type=int, default=7, help="interleaved repeats")
    parser.add_argument("--seed", type=int, default=0, help="seed of the lists")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args(argv)
    figures = run_benchmark(options.lists, options.repeats, options.seed)
    if options.json:
        settings = {"lists": options.lists, "repeats": options.repeats, "seed": options.seed}
        print(json.dumps({**settings, "lists_per_second": figures}, indent=2, sort_keys=True))
        return 0
    peer = figures["peer, dictionary loop without rules"]
    print(f"{'':44}{'lists/s':>12}{'of the peer':>14}")
    for name, rate in figures.items():
        ratio = "" if name == "inverse" else f"{rate / peer:.1f}x"
        print(f"{name:44}{rate:>12,.0f}{ratio:>14}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

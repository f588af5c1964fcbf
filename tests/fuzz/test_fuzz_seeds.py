"""Whatever other people write into a file, only an error of our own family comes out.

``make fuzz`` searches; here its seeds, what it once found, and a few changed seeds are run again.
"""

import json
import random

import pytest
from fuzz_targets import SEEDS, TARGETS, remove_folder, run_target
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from json_mutator import as_text, mutate_bytes, mutate_json

REGRESSIONS = SEEDS.parent / "regressions"
INPUTS = sorted(path for folder in (SEEDS, REGRESSIONS) for path in folder.glob("*/*"))
REFUSED = {"nested.json", "wrong", "ms"}
DEEP = b"[" * 100_000
JSON_KINDS = {
    "mapping_tables": ("",),
    "prompt_files": ("generate", "score", "emotions", "emotion_action_units", "generate_checks"),
    "config_files": ("preset", "checkpoint", "lexicon", "head", "run", "gltf", "verdicts"),
    "corpora_readers": ("jsonl",),
}


@pytest.fixture(scope="module", autouse=True)
def _own_folder():
    yield
    remove_folder()


def _seeds(target):
    return [path.read_bytes() for path in sorted((SEEDS / target).iterdir())]


@pytest.mark.parametrize("path", INPUTS, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_a_seed_is_read_and_a_regression_is_refused(path):
    """A seed that is refused would leave the fuzzer at the door."""
    wanted = path.is_relative_to(SEEDS) and path.name not in REFUSED
    assert run_target(path.parent.name, path.read_bytes()) == wanted


@pytest.mark.parametrize(
    ("target", "kind"), [(target, kind) for target, kinds in JSON_KINDS.items() for kind in kinds]
)
def test_json_that_is_nested_too_deeply_is_refused_in_one_line(target, kind):
    head = f"{kind}\n".encode() if kind else b""
    assert not run_target(target, head + DEEP)


@pytest.mark.parametrize("target", sorted(TARGETS))
def test_a_changed_seed_lets_nothing_else_escape(target):
    seeds = _seeds(target)

    @settings(
        max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    @given(st.integers(0, 2**32), st.sampled_from(seeds), st.binary(max_size=6), st.floats(0, 1))
    def run(number, seed, noise, place):
        changed = mutate_bytes(seed, random.Random(number)) if number % 4 else None
        at = int(place * len(seed))
        run_target(target, changed or seed[:at] + noise + seed[at + len(noise) :])

    run()


def test_the_mutator_keeps_json_and_repeats_itself():
    document = {"version": "x", "rows": [{"weight": 0.5, "names": ["a", "b"]}] * 3}
    made = [json.dumps(mutate_json(document, random.Random(n))) for n in range(200)]
    assert made == [json.dumps(mutate_json(document, random.Random(n))) for n in range(200)]
    assert len(set(made)) > 100
    assert document == {"version": "x", "rows": [{"weight": 0.5, "names": ["a", "b"]}] * 3}


def test_bytes_become_text_and_no_byte_is_refused():
    assert as_text("caf\u00e9 \ud800".encode("utf-8", "surrogatepass")) == "caf\u00e9 \ud800"
    assert as_text(b"\xff\x41") == "\udcffA"
    assert mutate_bytes(b"no JSON here", random.Random(0)) is None

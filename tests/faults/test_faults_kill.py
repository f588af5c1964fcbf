"""A run that SIGKILL ends at any moment is finished by the same command, as if undisturbed."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from bench import KILLS, WORKERS, kill_many

SEED = 7


@pytest.fixture(scope="module")
def count_of(annotating, building, training, pushing, root):
    """What comes of the kills of a kind; where they are few, all kinds go side by side."""
    kinds = {kind.name: kind for kind in (annotating, building, training, pushing)}
    if KILLS >= 10:
        return lambda name: kill_many(kinds[name], KILLS, SEED, root)
    with ThreadPoolExecutor(WORKERS) as pool:
        counts = {n: pool.submit(kill_many, kind, KILLS, SEED, root) for n, kind in kinds.items()}
    return lambda name: counts[name].result()


@pytest.mark.fault("SIGKILL: during {name}")
@pytest.mark.parametrize("name", ["annotate", "build", "train", "push"])
def test_a_killed_run_is_finished_by_the_same_command(name, count_of, row):
    count = count_of(name)
    row(count.tried, count.outcome, count.lost, count.doubled)
    assert count.sound, count
    assert count.tried == KILLS

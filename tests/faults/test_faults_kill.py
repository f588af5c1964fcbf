"""A run that SIGKILL ends at any moment is finished by the same command, as if undisturbed."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from bench import KILLS, WORKERS, kill_many

SEED = 7


@pytest.fixture(scope="module")
def counts(annotating, building, training, pushing, root):
    """What came of the kills, by kind; where they are few, the kinds go side by side."""
    kinds = (annotating, building, training, pushing)
    with ThreadPoolExecutor(WORKERS if KILLS < 10 else 1) as pool:
        return {kind.name: pool.submit(kill_many, kind, KILLS, SEED, root) for kind in kinds}


@pytest.mark.parametrize("name", ["annotate", "build", "train", "push"])
def test_a_killed_run_is_finished_by_the_same_command(name, counts, table):
    count = counts[name].result()
    outcome = "as undisturbed" if count.sound else "; ".join(count.unlike[:3]) or "not sound"
    table.add("SIGKILL", f"during {name}", count.tried, outcome, count.lost, count.doubled)
    assert count.sound, count
    assert count.tried == KILLS

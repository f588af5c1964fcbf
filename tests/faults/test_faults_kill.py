"""A run that SIGKILL ends at any moment is finished by the same command, as if undisturbed."""

import pytest
from bench import KILLS, kill_many

SEED = 7


@pytest.mark.parametrize("kind", ["annotating", "building", "training", "pushing"])
def test_a_killed_run_is_finished_by_the_same_command(kind, root, table, request):
    killed = request.getfixturevalue(kind)
    count = kill_many(killed, KILLS, SEED, root)
    outcome = "as undisturbed" if count.sound else "; ".join(count.unlike[:3]) or "not sound"
    fault = f"during {killed.name}"
    table.add("SIGKILL", fault, count.tried, outcome, count.lost, count.doubled)
    assert count.sound, count
    assert count.tried == KILLS

"""The page says what was tried here, what was not, and how long it took."""

import pytest
from fault_table import KILLS, REST, rendered

MADE = {"on": "2026-11-23", "python": "3.11", "system": "Linux", "cores": 2}
ROW = {"tried": 3, "lost": 0, "doubled": 1, "outcome": "a | b"}


def test_a_row_is_a_line_of_the_table():
    page = rendered({"rows": {"disk: full": ROW}, "made": MADE})
    assert "| disk: full | 3 | 0 | 1 | a / b |\n" in page


def test_the_whole_took_as_long_as_the_longer_of_two_processes_side_by_side():
    page = rendered({"rows": {}, "made": MADE, "seconds": {KILLS: 1014, REST: 360}})
    assert "\nThe whole took 16.9 minutes on 2 cores: 1,014 s for the kills, beside them " in page


@pytest.mark.parametrize("seconds", [{}, {KILLS: 1014}])
def test_without_both_processes_no_time_is_claimed(seconds):
    assert "minutes" not in rendered({"rows": {}, "made": MADE, "seconds": seconds})

"""Over thousands of items: descriptions differ, faces differ, and the length reads well."""

from collections import Counter

import numpy as np
import pytest

from countenance.generation.composition import (
    compose_description,
    draw_action_units,
    load_emotion_table,
    load_emotions,
)

COUNT = 5000


@pytest.fixture(scope="module")
def items():
    """Faces and descriptions of 5,000 seeded draws over all labels and strengths."""
    names = [emotion.name for emotion in load_emotions()]
    made = []
    for number in range(COUNT):
        rng = np.random.default_rng([5, number])
        emotions = [names[number % len(names)]]
        units = draw_action_units(emotions, float(rng.beta(2.5, 2.5)), rng)
        made.append((tuple(map(str, units)), compose_description(units, emotions, rng)))
    return made


def test_descriptions_are_distinct(items):
    assert len({text for _, text in items}) > 0.9 * COUNT


def test_no_description_is_common(items):
    assert Counter(text for _, text in items).most_common(1)[0][1] < 0.005 * COUNT


def test_faces_are_distinct(items):
    assert len({units for units, _ in items}) > 2500


def test_every_unit_comes_up(items):
    shown = {
        unit.rstrip("ABCDE").replace("L", "").replace("R", "") for face, _ in items for unit in face
    }
    assert {unit[2:] for unit in shown} == {unit[2:] for unit in load_emotion_table().action_units}


def test_descriptions_keep_to_a_readable_length(items):
    lengths = [len(text.split()) for _, text in items]
    assert np.mean([length > 35 for length in lengths]) < 0.005
    assert max(lengths) <= 45
    assert 10 < np.mean(lengths) < 22

"""How diverse faces and descriptions are over many items.

The same figures at full scale, over the label sets of a corpus in GoEmotions' form:

    python tests/generation/test_composition_diversity.py 60000 FOLDER
"""

import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from countenance.generation.composition import (
    compose_description,
    draw_action_units,
    load_emotion_table,
    load_emotions,
)

COUNT = 6000
NAMES = [emotion.name for emotion in load_emotions()]


def make(tag_sets, seed=5):
    """Faces and descriptions of seeded items: (tags, strength, units, text)."""
    items = []
    for number, tags in enumerate(tag_sets):
        rng = np.random.default_rng([seed, number])
        strength = float(rng.beta(2.5, 2.5))
        units = draw_action_units(tags, strength, rng)
        items.append((tags, strength, units, compose_description(units, tags, rng)))
    return items


def figures(items):
    """What the docs state."""
    felt = [item for item in items if item[0] != ["neutral"]]
    texts = Counter(text for *_, text in items)
    mean = [np.mean([unit.value for unit in units]) for _, _, units, _ in felt]
    return {
        "items": len(items),
        "distinct_descriptions": round(len(texts) / len(items), 4),
        "commonest_description": texts.most_common(1)[0][1],
        "faces": len({tuple(map(str, units)) for _, _, units, _ in items}),
        "unit_sets": len({tuple(unit.id for unit in units) for _, _, units, _ in items}),
        "mean_units_if_felt": round(float(np.mean([len(item[2]) for item in felt])), 2),
        "most_units": max(len(item[2]) for item in items),
        "strength_with_mean_intensity": round(
            float(np.corrcoef([strength for _, strength, *_ in felt], mean)[0, 1]), 3
        ),
        "mean_words": round(float(np.mean([len(text.split()) for *_, text in items])), 1),
        "most_words": max(len(text.split()) for *_, text in items),
    }


@pytest.fixture(scope="module")
def items():
    """One tag for most items, up to five for the others; all labels equally often."""
    rng = np.random.default_rng(9)
    sizes = rng.choice([1, 2, 3, 4, 5], p=[0.8, 0.14, 0.03, 0.02, 0.01], size=COUNT)
    return make([rng.choice(NAMES, size=size, replace=False).tolist() for size in sizes])


def test_descriptions_are_distinct(items):
    assert figures(items)["distinct_descriptions"] > 0.93


def test_no_description_is_common(items):
    assert figures(items)["commonest_description"] < 0.003 * COUNT


def test_faces_are_distinct(items):
    assert figures(items)["faces"] > 0.5 * COUNT
    assert figures(items)["unit_sets"] > 0.15 * COUNT


def test_every_unit_comes_up(items):
    shown = {unit.id for _, _, units, _ in items for unit in units}
    assert shown == load_emotion_table().action_units


def test_strength_moves_the_intensities(items):
    assert figures(items)["strength_with_mean_intensity"] > 0.4


def test_descriptions_keep_to_a_readable_length(items):
    lengths = [len(text.split()) for *_, text in items]
    assert np.mean([length > 35 for length in lengths]) < 0.005
    assert max(lengths) <= 45
    assert 10 < np.mean(lengths) < 22


def read_label_sets(folder):
    """The label sets of ``train.tsv``: indices in column 2, named in ``labels.txt``."""
    labels = (folder / "labels.txt").read_text("utf-8").split()
    lines = (folder / "train.tsv").read_text("utf-8").splitlines()
    return [[labels[int(index)] for index in line.split("\t")[1].split(",")] for line in lines]


if __name__ == "__main__":
    known = read_label_sets(Path(sys.argv[2]))
    picks = np.random.default_rng(1).integers(len(known), size=int(sys.argv[1]))
    started = time.process_time()
    made = make([known[pick] for pick in picks])
    print(f"{len(made) / (time.process_time() - started):.0f} items a second on one core")
    for name, value in figures(made).items():
        print(f"{name}: {value}")

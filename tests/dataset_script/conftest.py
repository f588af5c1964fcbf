"""A dataset of both configs, built once from a real run and hand-written cues."""

import hashlib
from dataclasses import dataclass

import pytest

from countenance.cards import render_dataset_card
from countenance.dataset_script import build_dataset

NAMES = {"AU2": "outer brows", "AU6": "cheeks", "AU12": "lip corners", "AU14": "dimples"}
DEGREES = {"A": "barely", "B": "slightly", "C": "clearly", "D": "strongly", "E": "fully"}
SIDES = {"": "both", "L": "the left", "R": "the right"}


@dataclass(frozen=True)
class Cue:
    id: str
    description: str
    action_units: tuple[str, ...]
    form: str
    cue: str
    kind: str = "single"
    cues_version: str = "cues-v1"


def make_cue(description, unit, form):
    number = hashlib.sha256(description.encode()).hexdigest()[:16]
    return Cue(number, description, (unit,), form, unit)


@pytest.fixture(scope="session")
def cues():
    """120 items: 60 written units, each as a sentence and as a prompt."""
    made = []
    for unit, name in NAMES.items():
        for letter, degree in DEGREES.items():
            for side, which in SIDES.items():
                written = f"AU{side}{unit[2:]}{letter}"
                made.append(make_cue(f"The {name}, {which}, rise {degree}.", written, "sentence"))
                made.append(make_cue(f"{name} up {degree}, {which}", written, "prompt"))
    return tuple(made)


@pytest.fixture(scope="session")
def published(sample_run, cues, tmp_path_factory):
    """A dataset folder with both configs."""
    out = tmp_path_factory.mktemp("published") / "both"
    build_dataset(sample_run, out, render_card=render_dataset_card, cues=cues)
    return out

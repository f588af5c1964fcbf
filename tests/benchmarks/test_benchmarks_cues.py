"""Ranking action units by a face: a unit's own face puts it first, and the command."""

import json

import numpy as np
import pytest

from countenance import load_mapping
from countenance.benchmarks import cues
from countenance.benchmarks._prompts import LETTERS, load_single_cues
from countenance.benchmarks.cues import UnitScores, main, measure_cues

MAPPING = load_mapping("v1")
SCORES = UnitScores.of_mapping()
CUES = load_single_cues()
SIDED = [cue.action_unit for cue in CUES if cue.sides]


def oracle(texts):
    """The face of the unit that each text names."""
    units = {}
    for cue in CUES:
        for by_letter in cue.texts.values():
            units |= {text: cue.action_unit + letter for letter, text in by_letter.items()}
        for by_side in cue.sides.values():
            for side, text in by_side.items():
                units[text] = f"AU{side[0].upper()}{cue.action_unit[2:]}D"
    return MAPPING.to_blendshapes_batch([[units[text]] for text in texts])


@pytest.mark.parametrize("unit", MAPPING.action_units)
@pytest.mark.parametrize("letter", "ABCDE")
def test_the_units_own_face_puts_it_first_at_every_intensity(unit, letter):
    face = MAPPING.to_blendshapes([unit + letter])[None]
    assert SCORES.first(face, unit).tolist() == [True]
    assert SCORES.first_by_plain_sum(face, unit).tolist() == [True]


@pytest.mark.parametrize("unit", MAPPING.action_units)
def test_no_other_unit_is_first_on_its_face_but_one_of_proportional_shapes(unit):
    face = MAPPING.to_blendshapes([unit])[None]
    first = {other for other in MAPPING.action_units if SCORES.first(face, other)[0]}
    assert first == ({"AU26", "AU27"} if unit in ("AU26", "AU27") else {unit})


def test_a_face_at_rest_has_no_first_unit():
    face = np.zeros((1, 51))
    assert not any(SCORES.first(face, unit)[0] for unit in MAPPING.action_units)
    assert not any(SCORES.first_by_plain_sum(face, unit)[0] for unit in MAPPING.action_units)


def test_strength_is_one_on_the_own_full_face_and_grows_with_the_letter():
    for unit in MAPPING.action_units:
        faces = MAPPING.to_blendshapes_batch([[unit + letter] for letter in "ABCDE"])
        values = SCORES.strengths(faces, unit)
        assert values[-1] == pytest.approx(1.0)
        assert (np.diff(values) > 0).all()


@pytest.mark.parametrize("unit", SIDED)
def test_the_side_difference_has_the_sign_of_the_side(unit):
    faces = MAPPING.to_blendshapes_batch([[unit.replace("AU", f"AU{side}")] for side in "LR"])
    assert SCORES.side_differences(faces, unit) == pytest.approx([1.0, -1.0])


def test_the_faces_that_are_asked_for_pass_everything():
    figures = measure_cues(oracle, CUES)
    for part in ("first", "first_by_plain_sum", "stronger", "sides"):
        assert figures[part]["all"]["share"] == 1.0
    assert figures["failures"] == []
    assert figures["first"]["all"]["total"] == 26 * len(LETTERS) * 2
    assert figures["stronger"]["all"]["total"] == 26 * 3 * 2
    assert figures["sides"]["all"]["total"] == len(SIDED) * 2 * 2


def test_a_face_at_rest_passes_nothing_and_every_failure_is_told():
    figures = measure_cues(lambda texts: np.zeros((len(texts), 51)), CUES)
    parts = ("first", "first_by_plain_sum", "stronger", "sides")
    assert [figures[part]["all"]["passed"] for part in parts] == [0, 0, 0, 0]
    told = sum(figures[part]["all"]["total"] for part in ("first", "stronger", "sides"))
    assert len(figures["failures"]) == told


def test_the_wrong_unit_is_named():
    smile = MAPPING.to_blendshapes(["AU12C"])
    figures = measure_cues(lambda texts: np.repeat(smile[None], len(texts), 0), CUES)
    assert figures["first"]["by_unit"]["AU12"]["share"] == 1.0
    assert figures["first"]["all"]["passed"] == len(LETTERS) * 2
    assert any(line.startswith("AU1B ") and "AU12 is first" in line for line in figures["failures"])


@pytest.fixture
def answered_by_the_oracle(monkeypatch):
    monkeypatch.setattr(cues, "open_contenders", lambda arguments, texts: ({"model": oracle}, None))


def test_the_command_prints_a_table_or_json(answered_by_the_oracle, capsys):
    assert main([]) == 0
    table = capsys.readouterr().out
    assert "first, plain sum" in table
    assert "first in fewer than half of its texts: none" in table
    assert main(["--json"]) == 0
    figures = json.loads(capsys.readouterr().out)["results"]["model"]
    assert set(figures) == {"first", "first_by_plain_sum", "stronger", "sides"}
    assert main(["--json", "--failures"]) == 0
    assert json.loads(capsys.readouterr().out)["results"]["model"]["failures"] == []


def test_a_missing_checkpoint_is_one_line(tmp_path, capsys):
    assert main(["--model", str(tmp_path / "none")]) == 1
    assert capsys.readouterr().err.count("\n") == 1

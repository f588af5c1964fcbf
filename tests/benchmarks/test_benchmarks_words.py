"""Judging faces against the prompts: perfect, empty and one-sided answers, and the command."""

import json

import numpy as np
import pytest

from countenance import load_mapping
from countenance.au_mapping import mirrored_shape
from countenance.benchmarks import words
from countenance.benchmarks._prompts import load_prompts
from countenance.benchmarks._shares import Share
from countenance.benchmarks.words import main, measure_words

MAPPING = load_mapping("v1")
SET = load_prompts()
MIRROR = [MAPPING.blendshapes.index(mirrored_shape(name) or name) for name in MAPPING.blendshapes]


def oracle(texts):
    """The face that the expected action units give."""
    units = {prompt.text: prompt.expected_action_units for prompt in SET.prompts}
    for pair in (*SET.strength_pairs, *SET.side_pairs):
        units |= dict(zip(pair.texts, pair.expected_action_units, strict=True))
    return MAPPING.to_blendshapes_batch([units[text] for text in texts])


def neutral(texts):
    return np.zeros((len(texts), 51), dtype=np.float32)


def shares(figures):
    parts = ("prompts", "strength_pairs", "side_pairs", "side_texts")
    return [figures[part]["all"]["share"] for part in parts]


def test_the_expected_faces_pass_everything():
    figures = measure_words(oracle, SET)
    assert shares(figures) == [1.0, 1.0, 1.0, 1.0]
    assert figures["failures"] == []


def test_a_face_at_rest_passes_only_the_prompts_that_ask_for_it():
    figures = measure_words(neutral, SET)
    by_category = figures["prompts"]["by_category"]
    assert {name for name, row in by_category.items() if row["passed"]} == {"rest"}
    assert shares(figures)[1:] == [0.0, 0.0, 0.0]
    failed = len(SET.prompts) - by_category["rest"]["total"]
    assert len(figures["failures"]) == failed + len(SET.strength_pairs) + len(SET.side_pairs)


def test_faces_mirrored_left_to_right_have_every_side_wrong():
    figures = measure_words(lambda texts: oracle(texts)[:, MIRROR], SET)
    assert figures["side_texts"]["all"]["passed"] == 0
    assert figures["prompts"]["by_category"]["one_sided"]["passed"] == 0
    assert figures["strength_pairs"]["all"]["share"] == 1.0


def test_a_model_that_always_shows_the_left_is_right_for_half_of_the_side_texts():
    of_left = {text: pair.texts[0] for pair in SET.side_pairs for text in pair.texts}
    figures = measure_words(lambda texts: oracle([of_left.get(t, t) for t in texts]), SET)
    assert figures["side_texts"]["all"]["share"] == 0.5
    assert figures["side_pairs"]["all"]["passed"] == 0


def test_strength_must_grow_by_the_margin():
    of_weaker = {pair.texts[1]: pair.texts[0] for pair in SET.strength_pairs}
    figures = measure_words(lambda texts: oracle([of_weaker.get(t, t) for t in texts]), SET)
    assert figures["strength_pairs"]["all"]["passed"] == 0


def test_parts_add_up_and_a_half_has_its_own_entries():
    whole = measure_words(oracle, SET)
    halves = [measure_words(oracle, SET.half(half)) for half in ("open", "held_out")]
    for part in ("prompts", "strength_pairs", "side_pairs", "side_texts"):
        totals = [figures[part]["all"]["total"] for figures in halves]
        assert sum(totals) == whole[part]["all"]["total"]
    by_register = whole["prompts"]["by_register"].values()
    assert sum(row["total"] for row in by_register) == len(SET.prompts)


def test_a_failure_is_told_with_its_values():
    lines = measure_words(neutral, SET)["failures"]
    assert lines[0] == (
        "p001 'both eyebrows shoot up to her hairline': browOuterUp > 0.3 (0.00, 0.30); "
        "browInnerUp > 0.2 (0.00, 0.20); browOuterUp > browDown + 0.2 (0.00, 0.20)"
    )
    assert "l001 " in "\n".join(lines)
    assert "s001 " in "\n".join(lines)


def test_a_share_has_its_wilson_interval():
    # Newcombe 1998, table I: 15 of 148 gives .0624 to .1605 by the score method.
    share = Share.of([True] * 15 + [False] * 133)
    assert (share.passed, share.total) == (15, 148)
    assert (round(share.low, 4), round(share.high, 4)) == (0.0624, 0.1605)
    assert Share.from_dict(share.as_dict()).share == share.share
    assert str(share).split() == ["15", "of", "148", "10.1", "%", "[6.2,", "16.0]"]


@pytest.fixture
def answered_by_the_oracle(monkeypatch):
    """The command, with the expected faces for a model: what it prints is known."""
    monkeypatch.setattr(
        words, "open_contenders", lambda arguments, texts: ({"model": oracle}, None)
    )


def test_without_a_half_the_held_out_one_is_not_touched(monkeypatch, capsys):
    asked = []

    def open_contenders(arguments, texts):
        asked.extend(texts)
        return {"model": lambda lines: (asked.extend(lines), oracle(lines))[1]}, None

    monkeypatch.setattr(words, "open_contenders", open_contenders)
    assert main([]) == 0
    assert set(asked) == set(SET.half("open").texts())
    assert "held" not in capsys.readouterr().out


def test_failures_of_the_held_out_half_need_its_name(answered_by_the_oracle, capsys):
    with pytest.raises(SystemExit) as refusal:
        main(["--half", "both", "--failures"])
    assert refusal.value.code == 2
    assert "ask for --half open, or for the final report --half held_out" in capsys.readouterr().err
    assert main(["--half", "held_out", "--failures"]) == 0


@pytest.mark.parametrize("half", ["open", "held_out", "both"])
def test_failures_are_in_the_report_only_when_asked_for(half, answered_by_the_oracle, capsys):
    assert main(["--half", half, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    halves = report["results"]["model"]
    assert set(halves) == ({"open", "held_out"} if half == "both" else {half})
    assert all("failures" not in figures for figures in halves.values())


def test_the_table_shows_every_category_and_register(answered_by_the_oracle, capsys):
    assert main(["--half", "both"]) == 0
    printed = capsys.readouterr().out
    for name in {*(p.category for p in SET.prompts), *(p.register for p in SET.prompts)}:
        assert printed.count(name) >= 2
    assert "model, held-out half" in printed


def test_peers_need_a_dataset(capsys):
    with pytest.raises(SystemExit) as refusal:
        main(["--peers"])
    assert refusal.value.code == 2
    assert "give its folder with --dataset" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["--dataset", "somewhere", "--peers", "--peer-rows", "3"])
    assert "--peer-rows must be 10 or more" in capsys.readouterr().err


def test_a_missing_checkpoint_is_one_line(tmp_path, capsys):
    assert main(["--model", str(tmp_path / "none")]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1

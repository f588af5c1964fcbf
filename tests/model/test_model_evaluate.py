"""Evaluation: a report on the test split, against the mean face of the train split."""

import json
import sys
from contextlib import ExitStack

import numpy as np
import pytest

from countenance.errors import DatasetError, ModelError
from countenance.model import evaluate, load_model
from countenance.model.data import load_expressions
from countenance.model.evaluate import main

evaluate_module = sys.modules["countenance.model.evaluate"]


TINY = {
    "samples": 20,
    "mlp_steps": 2,
    "map_items": 4,
    "paths": 2,
    "path_steps": 3,
    "action_unit_items": 4,
    "examples": 2,
}


def test_the_report_says_how_far_off_the_model_is(tiny_checkpoint, tiny_dataset, tmp_path):
    metrics = evaluate(tiny_checkpoint, tiny_dataset, tmp_path / "report", **TINY)
    assert json.loads((tmp_path / "report" / "metrics.json").read_text()) == metrics
    test = load_expressions(tiny_dataset, "test")
    train = load_expressions(tiny_dataset, "train")
    faces = load_model(tiny_checkpoint).express(test.texts["d"]).numpy()
    found = metrics["text_to_expression"]["description"]
    assert found["items"] == 16
    assert found["mae"]["value"] == pytest.approx(np.abs(faces - test.blendshapes).mean(), rel=1e-4)
    base = np.abs(train.blendshapes.mean(axis=0) - test.blendshapes).mean()
    assert found["baseline_mae"]["value"] == pytest.approx(base, rel=1e-5)
    assert list(metrics["text_to_expression"]) == [
        "transcript",
        "emotion tags",
        "description",
        "all",
    ]
    for figures in (found, metrics["reconstruction"]):
        assert figures["mae"]["low"] <= figures["mae"]["value"] <= figures["mae"]["high"]


def test_the_report_is_readable(tiny_checkpoint, tiny_dataset, tmp_path):
    metrics = evaluate(tiny_checkpoint, tiny_dataset, tmp_path, **TINY)
    lines = (tmp_path / "report.md").read_text().splitlines()
    row = next(line for line in lines if line.startswith("| description"))
    assert f"{metrics['text_to_expression']['description']['mae']['value']:.4f}" in row
    assert sum(line.startswith("| face (reconstruction)") for line in lines) == 1
    assert sum(line.startswith("| nearest neighbour") for line in lines) == 1


def test_a_kind_that_no_item_has_is_left_out(tiny_checkpoint, make_items, write_dataset, tmp_path):
    items = [item | {"emotions": []} for item in make_items(4, 0)]
    source = write_dataset(tmp_path / "d", {"train": make_items(4, 1), "test": items})
    metrics = evaluate(tiny_checkpoint, source, tmp_path / "report", **TINY)
    assert list(metrics["text_to_expression"]) == ["transcript", "description", "all"]


def test_the_same_seed_gives_the_same_report(tiny_checkpoint, tiny_dataset, tmp_path):
    first, second = (
        evaluate(tiny_checkpoint, tiny_dataset, tmp_path / name, **TINY) for name in "ab"
    )
    assert first == second


def test_a_dataset_of_another_mapping_is_refused(
    tiny_checkpoint, make_items, write_dataset, tmp_path
):
    items = [item | {"mapping_version": "extended"} for item in make_items(4, 0)]
    source = write_dataset(tmp_path / "d", {"train": items, "test": items})
    with pytest.raises(DatasetError, match="mapping_version is 'extended', expected 'v1'"):
        evaluate(tiny_checkpoint, source, tmp_path / "report")
    assert not (tmp_path / "report").exists()


def test_the_report_goes_to_a_folder(tiny_checkpoint, tiny_dataset, tmp_path):
    file = tmp_path / "report.md"
    file.write_text("keep me")
    with pytest.raises(ModelError, match="expected a folder to write the report to"):
        evaluate(tiny_checkpoint, tiny_dataset, file)
    assert file.read_text() == "keep me"


def test_main_tells_an_error_in_one_line(tiny_dataset, tmp_path, capsys):
    assert main([str(tmp_path), tiny_dataset, "--out", str(tmp_path / "report")]) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith(f"error: {tmp_path}: no checkpoint")
    assert captured.err.count("\n") == 1


def test_a_report_folder_that_cannot_be_written_is_told_at_once(tmp_path):
    (tmp_path / "file").write_text("keep me")
    for out in (tmp_path / "file" / "report", tmp_path / "file" / "deeper" / "report"):
        with pytest.raises(ModelError, match=r"cannot write .*file.*; choose another --out"):
            evaluate(tmp_path / "no checkpoint", tmp_path / "no dataset", out)


def test_a_full_disk_is_told_and_leaves_no_half_report(
    tiny_checkpoint, tiny_dataset, tmp_path, full_disk, monkeypatch
):
    out = tmp_path / "report"
    evaluate(tiny_checkpoint, tiny_dataset, tmp_path / "warm", **TINY)  # caches the features
    before = evaluate_module.render_report
    limits = ExitStack()

    def fill_the_disk(metrics):
        limits.enter_context(full_disk())
        return before(metrics)

    monkeypatch.setattr(evaluate_module, "render_report", fill_the_disk)
    with (
        limits,
        pytest.raises(ModelError, match=r"cannot write .*report \(File too large\); choose"),
    ):
        evaluate(tiny_checkpoint, tiny_dataset, out, **TINY)
    assert list(out.iterdir()) == []

"""Evaluation: a report on the test split, against the mean face of the train split."""

import json
import shutil
import sys
from contextlib import ExitStack
from pathlib import Path

import datasets
import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from countenance.cli import app
from countenance.errors import DatasetError, ModelError
from countenance.model import evaluate, load_model
from countenance.model.data import load_expressions
from countenance.model.evaluate import main
from countenance.model.evaluation_settings import EvaluationSettings
from countenance.progress import Progress

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


@pytest.mark.parametrize(
    ("said", "precision"),
    [
        ('{"encode_precision": "bfloat16"}', "bfloat16"),
        ('{"encode_precision": "float32"}', "float32"),
        ('{"encode_precision": "int4"}', "float32"),
        ("{}", "float32"),
        ("[", "float32"),
        (None, "float32"),
    ],
)
def test_baselines_learn_from_features_of_the_precision_that_the_model_learned_from(
    said, precision, tmp_path
):
    if said is not None:
        (tmp_path / "training_config.json").write_text(said)
    assert evaluate_module._trained_precision(tmp_path) == precision


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


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("config.json", "{}", r"holds a checkpoint \(config.json\)"),
        ("model.safetensors", "", r"holds a checkpoint \(model.safetensors\)"),
        ("metrics.json", '{"kept_step": 3}', "not written by an evaluation"),
        ("metrics.json", "[", "not written by an evaluation"),
    ],
)
def test_a_folder_that_holds_something_else_is_left_alone(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(ModelError, match=message + ".*; choose another --out"):
        evaluate("no checkpoint", "no dataset", tmp_path)
    assert [path.read_text() for path in tmp_path.iterdir()] == [content]


def test_a_checkpoint_is_never_its_own_report_folder(tiny_checkpoint, tiny_dataset):
    files = [path for path in Path(tiny_checkpoint).iterdir() if path.is_file()]
    before = [path.read_bytes() for path in files]
    with pytest.raises(ModelError, match="holds a checkpoint"):
        evaluate(tiny_checkpoint, tiny_dataset, tiny_checkpoint, **TINY)
    assert [path.read_bytes() for path in files] == before
    assert sorted(Path(tiny_checkpoint).glob("*.*")) == sorted(files)


def test_an_older_report_is_gone_before_a_new_one_is_begun(
    tiny_checkpoint, tiny_dataset, tmp_path, monkeypatch
):
    out = tmp_path / "report"
    evaluate(tiny_checkpoint, tiny_dataset, out, **TINY)
    (out / "report.html").write_text("of the older report")
    (out / "notes.txt").write_text("keep me")

    def stop(metrics):
        assert not (out / "metrics.json").exists()
        raise KeyboardInterrupt

    monkeypatch.setattr(evaluate_module, "render_report", stop)
    with pytest.raises(KeyboardInterrupt):
        evaluate(tiny_checkpoint, tiny_dataset, out, **TINY)
    assert [path.name for path in out.iterdir()] == ["notes.txt"]


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


def test_card_writes_the_results_into_the_checkpoints_own_readme(
    tiny_checkpoint, tiny_dataset, tmp_path, monkeypatch
):
    checkpoint = tmp_path / "checkpoint"
    shutil.copytree(tiny_checkpoint, checkpoint)
    monkeypatch.setattr(EvaluationSettings, "quick", lambda **given: EvaluationSettings(**TINY))
    command = ["evaluate", str(checkpoint), tiny_dataset, "--out", str(tmp_path / "report")]
    result = CliRunner().invoke(app, [*command, "--quick", "--card"])
    assert result.exit_code == 0, result.output
    metrics = json.loads((tmp_path / "report" / "metrics.json").read_text())
    card = (checkpoint / "README.md").read_text()
    head = yaml.safe_load(card[4:].partition("\n---\n")[0])
    first = head["model-index"][0]["results"][0]["metrics"][0]
    assert first["name"] == "MAE from text (transcript)"
    assert first["value"] == round(metrics["text_to_expression"]["transcript"]["mae"]["value"], 5)
    assert "| untrained autoencoder |" in card
    assert tiny_dataset not in card


def test_card_without_a_local_checkpoint_is_told_before_the_measuring(tiny_dataset, tmp_path):
    command = ["evaluate", "owner/name", tiny_dataset, "--out", str(tmp_path / "report"), "--card"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code != 0
    assert "a card needs a local folder" in result.output + str(result.exception)
    assert not (tmp_path / "report").exists()


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


def with_cues(folder, items, count, action_units=("AU12B",)):
    """Add the configuration `cues` to a dataset folder, as the published form declares it."""
    rows = [
        {
            "id": f"cue-{i}",
            "description": f"{item['description']} {i}",
            "action_units": list(action_units),
            "blendshapes": item["blendshapes"],
            "form": "sentence",
            "kind": "single",
            "cue": "AU12",
        }
        for i, item in enumerate(items)
    ]
    (folder / "cues").mkdir()
    for split, part in (("train", rows[count:]), ("test", rows[:count])):
        datasets.Dataset.from_list(part).to_parquet(str(folder / "cues" / f"{split}.parquet"))
    configs = [
        {"config_name": "default", "default": True, "data_files": parquet_files("data")},
        {"config_name": "cues", "data_files": parquet_files("cues")},
    ]
    (folder / "README.md").write_text(f"---\n{yaml.safe_dump({'configs': configs})}---\n")


def parquet_files(folder):
    return [{"split": s, "path": f"{folder}/{s}*.parquet"} for s in ("train", "test")]


def test_cues_and_action_units_are_measured_where_the_dataset_has_them(
    tiny_checkpoint, make_items, write_dataset, tmp_path
):
    splits = {
        name: [item | {"action_units": ["AU12C", "AU6B"]} for item in make_items(12, seed)]
        for name, seed in (("train", 1), ("test", 2))
    }
    source = write_dataset(tmp_path / "d", splits)
    with_cues(tmp_path / "d", make_items(12, 3), 5)
    metrics = evaluate(tiny_checkpoint, source, tmp_path / "report", **TINY)
    assert list(metrics["text_to_expression"]) == [
        "transcript",
        "emotion tags",
        "description",
        "cues",
        "all",
    ]
    assert metrics["text_to_expression"]["cues"]["items"] == 5
    assert metrics["text_to_expression"]["all"]["items"] == 12
    assert set(metrics["action_units"]) == {
        "tolerance",
        "dataset_faces",
        "reconstruction",
        "transcript",
        "emotion tags",
        "description",
        "cues",
    }
    assert metrics["action_units"]["description"]["items"] == TINY["action_unit_items"]
    assert "cues" not in metrics["baselines"]["tag_mean"]
    assert "cues" in metrics["baselines"]["nearest_neighbour"]


def test_faces_of_the_train_cues_are_inside_the_training_range_and_have_their_own_mean(
    tiny_checkpoint, make_items, write_dataset, tmp_path
):
    still = [item | {"blendshapes": [0.0] * 51} for item in make_items(8, 1)]
    moved = [item | {"blendshapes": [0.0, 1.0] * 25 + [1.0]} for item in make_items(8, 2)]
    lacking = write_dataset(tmp_path / "lacking", {"train": still, "test": moved})
    having = write_dataset(tmp_path / "having", {"train": still, "test": moved})
    with_cues(tmp_path / "having", moved, 4)
    without, found = (
        evaluate(tiny_checkpoint, source, tmp_path / f"report{number}", **TINY)
        for number, source in enumerate((lacking, having))
    )
    before, after = (
        [metrics["distribution"]["reconstruction"]["faces"]["outside_training_range"]]
        + [part["range_violations"] for part in metrics["paths"].values()]
        for metrics in (without, found)
    )
    assert all(first > second for first, second in zip(before, after, strict=True))
    assert max(after) <= 25 / 51  # the cues raise 26 of the weights
    assert found["text_to_expression"]["cues"]["baseline_mae"]["value"] == 0
    assert found["baselines"]["mean_vector"]["cues"]["mae"]["value"] == 0
    mean = found["text_to_expression"]["description"]["baseline_mae"]["value"]
    assert mean == pytest.approx(26 / 51)


def test_the_progress_of_reading_action_units_fills(
    tiny_checkpoint, make_items, write_dataset, tmp_path, monkeypatch
):
    bars = []

    class Counted(Progress):
        def __init__(self, what, total):
            super().__init__(what, total, enabled=False)
            self.done = 0
            bars.append(self)

        def update(self, count=1, note=""):
            self.done += count

    monkeypatch.setattr("countenance.model.evaluation.Progress", Counted)
    items = [item | {"action_units": ["AU12C"]} for item in make_items(6, 2)]
    # No emotions, and cues that list no unit: parts that are not read must not be counted.
    items = [item | {"emotions": []} for item in items]
    # Another name than above: the cache of `datasets` keys a folder's configuration by it.
    source = write_dataset(tmp_path / "idle", {"train": items, "test": items})
    with_cues(tmp_path / "idle", make_items(12, 3), 5, action_units=[])
    metrics = evaluate(tiny_checkpoint, source, tmp_path / "report", **TINY)
    assert "cues" not in metrics["action_units"]
    (bar,) = [bar for bar in bars if bar.what == "read action units"]
    assert bar.done == bar.total == 4 * TINY["action_unit_items"]


def test_every_method_is_compared_on_every_kind(tiny_checkpoint, tiny_dataset, tmp_path):
    metrics = evaluate(tiny_checkpoint, tiny_dataset, tmp_path, **TINY)
    assert metrics["action_units"] is None  # the tiny dataset lists none
    assert set(metrics["baselines"]) == {
        "mean_vector",
        "tag_mean",
        "nearest_neighbour",
        "ridge",
        "mlp",
        "untrained_autoencoder",
    }
    for kind, found in metrics["text_to_expression"].items():
        mean = metrics["baselines"]["mean_vector"][kind]
        assert mean["mae"] == pytest.approx(found["baseline_mae"])
        assert mean["mae_above"]["value"] == pytest.approx(
            mean["mae"]["value"] - found["mae"]["value"]
        )
    assert set(metrics["retrieval"]["description"]["latent"]) == {
        "text_to_expression",
        "expression_to_text",
    }
    assert metrics["baseline_training"]["mlp"]["steps"] == TINY["mlp_steps"]
    assert metrics["settings"]["path_steps"] == metrics["paths"]["between_items"]["steps"] == 3

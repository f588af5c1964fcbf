"""Training: a function of its configuration, with a checkpoint folder as its only trace."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from countenance.errors import DatasetError, ModelError
from countenance.model import ExpressionModel, TrainingConfig, load_model, train
from countenance.model import fit as fit_module
from countenance.model.fit import batch_size, count_steps, learning_rate_factor
from countenance.model.train import main


def test_a_run_writes_a_checkpoint_that_loads_and_repeats_its_figures(tiny_settings, tmp_path):
    out = tmp_path / "run" / "model"
    metrics = train(TrainingConfig(**tiny_settings, output=str(out)))
    assert json.loads((out / "metrics.json").read_text()) == metrics
    assert metrics["items"] == {"train": 36, "validation": 4}
    assert metrics["steps"] == 6
    assert metrics["epochs"] == 1.5  # a pass has 4 steps, what is left over waits for another
    assert [row["step"] for row in metrics["history"]] == [3, 6]
    settings = json.loads((out / "training_config.json").read_text())
    assert TrainingConfig.from_dict(settings).max_steps == 6
    model = ExpressionModel.from_pretrained(out)
    assert model.config.mapping_version == "v1"
    assert model.config.blendshape_names[23] == "mouthSmileLeft"
    assert model.express(["joy"]).shape == (1, 51)
    assert [path.name for path in out.parent.iterdir()] == ["model"]


def test_the_same_seed_gives_the_same_weights(tiny_settings, tiny_checkpoint, tmp_path):
    train(TrainingConfig(**tiny_settings, output=str(tmp_path / "again")))
    again = (tmp_path / "again" / "model.safetensors").read_bytes()
    assert again == Path(tiny_checkpoint, "model.safetensors").read_bytes()


def test_another_seed_gives_other_weights(tiny_settings, tiny_checkpoint, tmp_path):
    train(TrainingConfig(**tiny_settings, output=str(tmp_path / "other"), seed=1))
    other = (tmp_path / "other" / "model.safetensors").read_bytes()
    assert other != Path(tiny_checkpoint, "model.safetensors").read_bytes()


def test_training_leaves_the_global_random_state_alone(tiny_settings, tmp_path):
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    train(TrainingConfig(**tiny_settings, output=str(tmp_path / "model")))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_the_number_of_threads_is_put_back(tiny_settings, tmp_path):
    before = torch.get_num_threads()
    settings = tiny_settings | {"max_steps": 1, "threads": 2}
    metrics = train(TrainingConfig(**settings, output=str(tmp_path / "model")))
    assert metrics["threads"] == 2
    assert torch.get_num_threads() == before


def test_training_learns_what_the_texts_say(tiny_settings, tmp_path):
    settings = tiny_settings | {"max_steps": 150, "perturbation": 0.1, "learning_rate": 1e-2}
    settings |= {"evaluations": 10}
    metrics = train(TrainingConfig(**settings, output=str(tmp_path / "model")))
    first, last = metrics["history"][0], metrics["validation"]
    assert last["loss"] < 0.8 * first["loss"]


def test_dropout_is_repeatable_too(tiny_settings, tmp_path):
    settings = tiny_settings | {"model": tiny_settings["model"] | {"dropout": 0.2}}
    for name in "ab":
        train(TrainingConfig(**settings, output=str(tmp_path / name)))
    first, second = (tmp_path / name / "model.safetensors" for name in "ab")
    assert first.read_bytes() == second.read_bytes()


def test_the_last_weights_are_kept_when_asked(tiny_settings, tmp_path):
    settings = tiny_settings | {"keep": "last", "learning_rate": 0.0001, "evaluations": 6}
    metrics = train(TrainingConfig(**settings, output=str(tmp_path / "model")))
    assert metrics["kept_step"] == metrics["steps"] == 6


def test_the_best_weights_are_kept_and_patience_ends_the_run(tiny_settings, tmp_path):
    settings = tiny_settings | {
        "learning_rate": 3.0,
        "max_steps": 40,
        "evaluations": 40,
        "patience": 3,
    }
    metrics = train(TrainingConfig(**settings, output=str(tmp_path / "model")))
    losses = {row["step"]: row["loss"] for row in metrics["history"]}
    assert metrics["kept_step"] == min(losses, key=losses.get)
    assert metrics["steps"] == metrics["kept_step"] + 3 < 40


def test_patience_waits_for_the_best_also_where_the_last_weights_are_kept(
    tiny_settings, tmp_path, monkeypatch
):
    losses = iter([2.0, 1.0, 3.0, 2.0, 1.5, 1.2, 1.1, 1.05])  # falls again, never to the best
    figures = {"mae_reconstruction": 0.1}
    monkeypatch.setattr(fit_module, "validate", lambda *_: figures | {"loss": next(losses)})
    settings = tiny_settings | {"max_steps": 8, "evaluations": 8, "patience": 3, "keep": "last"}
    metrics = train(TrainingConfig(**settings, output=str(tmp_path / "model")))
    assert metrics["kept_step"] == metrics["steps"] == 5


def test_a_loss_that_is_not_finite_ends_the_run_with_a_reason(tiny_settings, tmp_path):
    settings = tiny_settings | {"learning_rate": 1e30}
    with pytest.raises(ModelError, match=r"validation loss is \S+ after \d+ steps; lower learning"):
        train(TrainingConfig(**settings, output=str(tmp_path / "model")))
    assert not (tmp_path / "model").exists()


def test_steps_are_bounded_by_epochs_and_by_max_steps():
    assert count_steps(100, TrainingConfig(batch_size=32, epochs=3)) == 9
    assert count_steps(100, TrainingConfig(batch_size=32, epochs=3, max_steps=5)) == 5
    assert count_steps(100, TrainingConfig(batch_size=32, epochs=None, max_steps=50)) == 50


def test_the_learning_rate_rises_then_falls():
    config = TrainingConfig(schedule="cosine", warmup=0.1)
    factors = [learning_rate_factor(step, 100, config) for step in range(100)]
    assert factors[0] == pytest.approx(0.1)
    assert max(factors) == factors[9] == factors[10] == 1.0
    assert factors[99] < 0.001
    flat = TrainingConfig(schedule="constant")
    assert {learning_rate_factor(step, 100, flat) for step in range(100)} == {1.0}


def test_an_existing_checkpoint_is_replaced_only_when_asked(tiny_settings, tmp_path):
    out = tmp_path / "model"
    config = TrainingConfig(**tiny_settings, output=str(out))
    train(config)
    before = (out / "model.safetensors").read_bytes()
    with pytest.raises(ModelError, match="already holds a checkpoint"):
        train(config)
    train(TrainingConfig(**tiny_settings, output=str(out), overwrite=True, seed=3))
    assert (out / "model.safetensors").read_bytes() != before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("model")] == ["model"]


def test_a_folder_with_other_things_in_it_is_never_touched(tiny_settings, tmp_path):
    out = tmp_path / "home"
    out.mkdir()
    (out / "letter.txt").write_text("keep me")
    config = TrainingConfig(**tiny_settings, output=str(out), overwrite=True)
    with pytest.raises(ModelError, match="holds no checkpoint, so it is left alone"):
        train(config)
    assert (out / "letter.txt").read_text() == "keep me"


def test_dataset_and_output_must_be_given(tiny_settings):
    with pytest.raises(ModelError, match="give dataset and output"):
        train(TrainingConfig(**tiny_settings))


def test_one_item_is_too_few(tiny_settings, make_items, write_dataset, tmp_path):
    source = write_dataset(tmp_path / "one", {"train": make_items(1, 0)})
    settings = tiny_settings | {"dataset": source}
    with pytest.raises(DatasetError, match="one train item is too few"):
        train(TrainingConfig(**settings, output=str(tmp_path / "model")))


def test_an_unknown_text_encoder_is_told(tiny_settings, tmp_path):
    settings = tiny_settings | {"text_encoder": str(tmp_path / "nowhere")}
    with pytest.raises(ModelError, match=r"cannot open the text encoder .*nowhere"):
        train(TrainingConfig(**settings, output=str(tmp_path / "model")))


def test_another_rig_size_than_the_mapping_is_told(
    tiny_settings, make_items, write_dataset, tmp_path
):
    items = make_items(4, 0)
    for item in items:
        item["blendshapes"] = item["blendshapes"][:20]
    source = write_dataset(tmp_path / "small", {"train": items})
    settings = tiny_settings | {"dataset": source, "expression_size": 20}
    with pytest.raises(ModelError, match="expression_size is 20, expected 51"):
        train(TrainingConfig(**settings, output=str(tmp_path / "model")))


def test_main_trains_from_a_preset_with_settings(tiny_settings, tmp_path, capsys):
    preset = tmp_path / "tiny.json"
    preset.write_text(json.dumps({k: v for k, v in tiny_settings.items() if k != "dataset"}))
    out = tmp_path / "model"
    arguments = [tiny_settings["dataset"], "--out", str(out), "--preset", str(preset)]
    assert main([*arguments, "--seed", "4", "--set", "max_steps=2", "--set", "keep=last"]) == 0
    settings = json.loads((out / "training_config.json").read_text())
    assert (settings["seed"], settings["max_steps"], settings["keep"]) == (4, 2, "last")
    captured = capsys.readouterr()
    again = ["--set", "seed=5", "--set", "max_steps=null", "--set", "epochs=1", "--overwrite"]
    assert main([*arguments, *again]) == 0
    settings = json.loads((out / "training_config.json").read_text())
    assert (settings["seed"], settings["max_steps"], settings["epochs"]) == (5, None, 1)
    assert captured.out == ""
    assert "train: step 2/2  validation loss" in captured.err


def test_main_refuses_an_unknown_field(tmp_path, capsys):
    assert main([str(tmp_path), "--out", str(tmp_path / "x"), "--set", "epoch=1"]) == 1
    assert capsys.readouterr().err.startswith("error: --set: unknown field 'epoch'; known are")


def test_main_tells_an_error_in_one_line(tmp_path, capsys):
    assert main([str(tmp_path), "--out", str(tmp_path / "x"), "--set", "epochs"]) == 1
    assert capsys.readouterr().err == (
        "error: --set epochs: expected FIELD=JSON, such as max_steps=100\n"
    )


@pytest.mark.parametrize(
    ("launcher", "processes"),
    [
        (["accelerate.commands.launch", "--cpu", "--num_processes", "1"], 1),
        # On CPUs accelerate's own launcher needs MPI for more; torchrun speaks the same protocol.
        (["torch.distributed.run", "--nproc-per-node", "2"], 2),
    ],
)
def test_it_runs_under_a_launcher(launcher, processes, tiny_settings, tmp_path):
    preset = tmp_path / "tiny.json"
    preset.write_text(json.dumps({k: v for k, v in tiny_settings.items() if k != "dataset"}))
    out = tmp_path / "model"
    command = [sys.executable, "-m", *launcher, "-m", "countenance.model.train"]
    arguments = [tiny_settings["dataset"], "--out", str(out), "--preset", str(preset)]
    environment = os.environ | {
        "ACCELERATE_USE_CPU": "true",
        "COUNTENANCE_CACHE": str(tmp_path / "cache"),
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(
        [*command, *arguments], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    metrics = json.loads((out / "metrics.json").read_text())
    assert (metrics["processes"], metrics["steps"]) == (processes, 6)
    alone = train(TrainingConfig(**tiny_settings, output=str(tmp_path / "alone")))
    for here, there in zip(alone["history"], metrics["history"], strict=True):
        assert here == pytest.approx(there, rel=1e-4)  # the order of sums differs, nothing else
    assert ExpressionModel.from_pretrained(out).express(["joy"]).shape == (1, 51)


def test_several_layers_of_the_text_encoder_are_trained_on_and_used(tiny_settings, tmp_path):
    settings = tiny_settings | {"text_encoder_layers": [0, 1], "encode_precision": "auto"}
    train(TrainingConfig(**settings, output=str(tmp_path / "out")))
    model = load_model(tmp_path / "out")
    assert model.config.text_encoder_layers == [0, 1]
    assert model.text_projector.in_features == model.config.text_encoder_width == 32
    assert model.express(["joy"]).shape == (1, 51)
    said = json.loads((tmp_path / "out" / "training_config.json").read_text())
    assert said["encode_precision"] in ("float32", "bfloat16")


def test_layers_that_the_encoder_lacks_are_told_before_training(tiny_settings, tmp_path):
    settings = tiny_settings | {"text_encoder_layers": [99]}
    with pytest.raises(ModelError, match=r"has hidden states 0 to \d+, not 99"):
        train(TrainingConfig(**settings, output=str(tmp_path / "out")))
    assert not (tmp_path / "out").exists()


def test_cues_are_trained_on_as_often_as_asked(make_items, write_dataset, tiny_settings, tmp_path):
    source = write_dataset(tmp_path / "data", {"train": make_items(40, 1)})
    cues = write_dataset(tmp_path / "cues", {"train": make_items(20, 3)})
    Path(cues, "data").rename(Path(source, "cues"))
    Path(source, "README.md").write_text(
        "---\nconfigs:\n- config_name: default\n  data_files: [{split: train, path: data/*}]\n"
        "- config_name: cues\n  data_files: [{split: train, path: cues/*}]\n---\n"
    )
    for repeats, expected in ((0, 36), (1, 54), (3, 54 + 2 * 18)):
        settings = tiny_settings | {"dataset": source, "cue_repeats": repeats}
        metrics = train(TrainingConfig(**settings, output=str(tmp_path / f"model{repeats}")))
        assert metrics["items"]["train"] == pytest.approx(expected, abs=2 * repeats)


def test_a_batch_is_shared_evenly_and_never_larger_than_the_data():
    config = TrainingConfig(batch_size=32)
    assert [batch_size(n, config, 2) for n in (100, 32, 31, 2)] == [32, 32, 30, 2]
    with pytest.raises(ModelError, match="1 train items are too few for 2 processes"):
        batch_size(1, config, 2)


def test_a_folder_without_a_name_is_no_place_for_a_checkpoint(tiny_settings):
    with pytest.raises(ModelError, match="/: cannot be replaced by a checkpoint"):
        train(TrainingConfig(**tiny_settings, output="/"))

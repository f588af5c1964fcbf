"""Loading a checkpoint: whole, or a reason in one line."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from countenance.errors import ModelError
from countenance.model import ExpressionConfig, load_model
from countenance.model import checkpoint as checkpoint_module
from countenance.model.checkpoint import check_output, write_checkpoint


@pytest.fixture
def checkpoint(tiny_checkpoint, tmp_path) -> Path:
    return Path(shutil.copytree(tiny_checkpoint, tmp_path / "copy"))


def edit_config(folder, **changes):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))


def edit_weights(folder, change):
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def test_a_checkpoint_loads_ready_for_use(checkpoint, capfd):
    model = load_model(checkpoint)
    assert not model.training
    assert model.express(["joy"]).shape == (1, 51)
    assert capfd.readouterr() == ("", "")


def test_a_checkpoint_holds_what_it_needs_and_no_pickle(checkpoint):
    assert sorted(path.name for path in checkpoint.iterdir()) == [
        "config.json",
        "configuration_countenance.py",
        "metrics.json",
        "model.safetensors",
        "modeling_countenance.py",
        "text_encoder_countenance.py",
        "training_config.json",
    ]
    modes = {path.stat().st_mode for path in checkpoint.iterdir()}
    assert len(modes) == 1


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: shutil.rmtree(f), "no such folder; give one written by countenance train"),
        (lambda f: (f / "config.json").unlink(), r"no checkpoint \(no config.json\)"),
        (lambda f: (f / "config.json").write_text("{"), r"config.json: not valid JSON"),
        (lambda f: (f / "model.safetensors").unlink(), "no weights"),
        (
            lambda f: (f / "config.json").write_text('{"model_type": "bert"}'),
            "model_type is 'bert', expected 'countenance'",
        ),
        (lambda f: (f / "model.safetensors").write_bytes(b"junk"), "cannot load the checkpoint"),
        (lambda f: edit_config(f, dropout="a"), "dropout must be a number, not 'a'"),
        (lambda f: edit_config(f, blendshape_names=5), "blendshape_names must be a list of names"),
        (lambda f: edit_config(f, text_encoder=5), "text_encoder must be a string, not 5"),
        (
            lambda f: edit_weights(f, lambda w: w.pop("text_projector.bias")),
            r"do not fit the configuration: missing keys text_projector\.bias",
        ),
        (
            lambda f: edit_weights(f, lambda w: w.update(extra=torch.zeros(1))),
            "do not fit the configuration: unexpected keys extra",
        ),
        (
            lambda f: edit_weights(f, lambda w: w.update({"text_projector.bias": torch.ones(3)})),
            "cannot load the checkpoint",
        ),
    ],
)
def test_a_spoilt_checkpoint_is_refused(checkpoint, spoil, message, capfd):
    spoil(checkpoint)
    with pytest.raises(ModelError, match=message) as caught:
        load_model(checkpoint)
    assert "\n" not in str(caught.value)
    assert str(checkpoint) in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_a_file_is_no_checkpoint(tmp_path):
    path = tmp_path / "model.bin"
    path.write_bytes(b"")
    with pytest.raises(ModelError, match="expected a checkpoint folder, found a file"):
        load_model(path)


def test_a_model_of_another_mapping_is_refused(checkpoint):
    assert load_model(checkpoint, mapping_version="v1").config.mapping_version == "v1"
    with pytest.raises(ModelError, match="trained on mapping 'v1', expected 'extended'"):
        load_model(checkpoint, mapping_version="extended")


def test_a_missing_text_encoder_is_told_at_once_unless_it_is_not_needed(checkpoint):
    config = json.loads((checkpoint / "config.json").read_text())
    config["text_encoder"] = "/nowhere/encoder"
    (checkpoint / "config.json").write_text(json.dumps(config))
    load_model(checkpoint, with_text_encoder=False)
    with pytest.raises(ModelError, match="cannot load the text encoder '/nowhere/encoder'"):
        load_model(checkpoint)


def test_the_configuration_says_nothing_of_training(checkpoint):
    config = json.loads((checkpoint / "config.json").read_text())
    assert not [key for key in config if "lambda" in key or "learning" in key]
    assert ExpressionConfig.from_pretrained(checkpoint).mapping_version == "v1"


def test_a_missing_packaged_checkpoint_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr(checkpoint_module, "PACKAGED_CHECKPOINT", tmp_path / "none")
    with pytest.raises(ModelError, match="no trained model comes with this installation; train"):
        load_model(checkpoint_module.PACKAGED_CHECKPOINT)


def test_a_repository_that_cannot_be_reached_is_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        ModelError, match=r"some/model: cannot load the checkpoint \(no such folder"
    ):
        load_model("some/model")


def test_a_checkpoint_that_cannot_be_read_is_told(checkpoint, unreadable_file):
    (checkpoint / "config.json").unlink()
    (checkpoint / "config.json").symlink_to(unreadable_file)
    with pytest.raises(ModelError, match=r"config\.json: cannot read it \(Input/output error\)"):
        load_model(checkpoint)


def test_a_partly_missing_text_encoder_is_told_in_one_line(
    checkpoint, tiny_sentence_encoder, tmp_path, capfd
):
    encoder = Path(shutil.copytree(tiny_sentence_encoder, tmp_path / "encoder"))
    edit_config(checkpoint, text_encoder=str(encoder))
    edit_weights(encoder, lambda w: w.pop("encoder.layer.0.output.dense.bias"))
    with pytest.raises(
        ModelError, match=r"1 weights are missing: encoder\.layer\.0\.output\.dense\.bias\. Give"
    ) as caught:
        load_model(checkpoint)
    assert "\n" not in str(caught.value)
    (encoder / "model.safetensors").write_bytes(b"junk")
    with pytest.raises(
        ModelError, match=r"cannot load the text encoder .*encoder.*whole"
    ) as caught:
        load_model(checkpoint)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_a_place_that_cannot_be_written_is_told_before_training(tmp_path):
    (tmp_path / "file").write_text("keep me")
    for output in (tmp_path / "file" / "ck", tmp_path / "file" / "deeper" / "ck"):
        with pytest.raises(ModelError, match=r"cannot write .*; choose another --out") as caught:
            check_output(output, overwrite=False)
        assert str(output.parent) in str(caught.value)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs the /proc of Linux")
def test_a_folder_that_cannot_be_created_is_told_before_training():
    with pytest.raises(ModelError, match=r"^cannot write /proc/nope \(.*\); choose another --out$"):
        check_output(Path("/proc/nope/ck"), overwrite=False)


def test_looking_whether_a_place_can_be_written_leaves_nothing_there(tmp_path):
    check_output(tmp_path / "new" / "ck", overwrite=False)
    assert [path.name for path in tmp_path.rglob("*")] == ["new"]


@pytest.mark.parametrize("size", [10, 2000])  # met by the configuration, by the weights
def test_a_full_disk_is_told_and_the_old_checkpoint_stands(
    checkpoint, tiny_model, full_disk, monkeypatch, size
):
    before = (checkpoint / "model.safetensors").read_bytes()
    monkeypatch.setattr(checkpoint_module, "probe_folder", lambda _: None)  # fills up afterwards
    with (
        pytest.raises(
            ModelError, match=r"cannot write .*copy \(.*; choose another --out"
        ) as caught,
        full_disk(size),
    ):
        write_checkpoint(tiny_model, checkpoint, training_config={}, metrics={}, overwrite=True)
    assert "\n" not in str(caught.value)
    assert (checkpoint / "model.safetensors").read_bytes() == before
    assert [path.name for path in checkpoint.parent.iterdir()] == ["copy"]

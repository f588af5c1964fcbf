"""Precision and trackers: "auto" picks what the device is good at; logs change no weight."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from countenance.errors import ModelError
from countenance.model import TrainingConfig, accelerating, train
from countenance.model import fit as fit_module
from countenance.model.accelerating import choose_encode_precision, choose_precision, log_figures


@pytest.fixture
def tensorboard_installed():
    pytest.importorskip("tensorboard", reason="extra 'tensorboard' is not installed")


def scalars(folder):
    """What TensorBoard reads: by tag, the value at each step."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    return {
        tag: {event.step: event.value for event in events.Scalars(tag)}
        for tag in events.Tags()["scalars"]
    }


@pytest.mark.parametrize(("supported", "chosen"), [(True, "bfloat16"), (False, "float32")])
def test_texts_are_encoded_in_bfloat16_where_the_cpu_computes_in_it(supported, chosen, monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: supported)
    cpu = torch.device("cpu")
    assert choose_encode_precision("auto", cpu) == chosen
    assert choose_encode_precision("float32", cpu) == "float32"
    assert choose_encode_precision("bfloat16", cpu) == "bfloat16"


@pytest.mark.parametrize(
    ("device", "supported", "chosen"),
    [("cuda", True, "bf16"), ("cuda", False, "no"), ("cpu", True, "no"), ("mps", True, "no")],
)
def test_auto_is_bf16_on_gpus_that_compute_in_it(device, supported, chosen, monkeypatch):
    def is_bf16_supported(*, including_emulation):
        return supported or including_emulation

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", is_bf16_supported)
    assert choose_precision("auto", torch.device(device)) == chosen
    for given in ("no", "bf16", "fp16"):
        assert choose_precision(given, torch.device(device)) == given


def test_the_checkpoint_tells_what_auto_came_to(tiny_settings, tiny_checkpoint, tmp_path):
    out = tmp_path / "model"
    train(TrainingConfig(**tiny_settings, output=str(out), mixed_precision="auto"))
    if not torch.cuda.is_available():
        assert json.loads((out / "training_config.json").read_text())["mixed_precision"] == "no"
        assert weights(out) == weights(tiny_checkpoint)


def test_runs_of_one_process_may_differ_in_precision(tiny_settings, tiny_checkpoint, tmp_path):
    for precision, same in (("bf16", False), ("no", True)):
        out = tmp_path / precision
        metrics = train(TrainingConfig(**tiny_settings, output=str(out), mixed_precision=precision))
        assert metrics["steps"] == 6
        assert (weights(out) == weights(tiny_checkpoint)) is same


@pytest.mark.usefixtures("tensorboard_installed")
def test_tensorboard_reads_the_history_and_no_weight_depends_on_it(
    tiny_settings, tiny_checkpoint, tmp_path
):
    out = tmp_path / "model"
    metrics = train(TrainingConfig(**tiny_settings, output=str(out), trackers="tensorboard"))
    found = scalars(tmp_path / "model.logs")
    assert set(found) == {"validation/loss", "train/ae", "train/emb", "train/multi"} | {
        f"validation/{name}"
        for name in ("ae", "emb", "multi", "mae_reconstruction", "mae_t", "mae_e", "mae_d")
    }
    for row in metrics["history"]:
        assert found["validation/loss"][row["step"]] == pytest.approx(row["loss"])
        assert found["train/emb"][row["step"]] == pytest.approx(row["train_emb"])
    assert weights(out) == weights(tiny_checkpoint)


@pytest.mark.usefixtures("tensorboard_installed")
def test_a_run_that_goes_on_may_log_elsewhere(tiny_settings, tmp_path, monkeypatch):
    class StoppedError(Exception):
        pass

    def stop(accelerator, figures, step):
        log_figures(accelerator, figures, step)
        if step == 6:
            raise StoppedError

    settings = tiny_settings | {"output": str(tmp_path / "model"), "evaluations": 6}
    with monkeypatch.context() as patch:
        patch.setattr(fit_module, "log_figures", stop)
        with pytest.raises(StoppedError):
            train(TrainingConfig(**settings))
    logs = tmp_path / "logs"
    train(TrainingConfig(**settings, trackers="tensorboard", log_folder=str(logs)))
    assert list(scalars(logs)["validation/loss"]) == [6]


def test_no_logs_are_written_unless_asked_for(tiny_checkpoint):
    assert not Path(f"{tiny_checkpoint}.logs").exists()


def test_a_missing_extra_is_told_before_anything_is_computed(tiny_settings, tmp_path, monkeypatch):
    monkeypatch.setattr(accelerating, "find_spec", lambda name: None)
    config = TrainingConfig(**tiny_settings, output=str(tmp_path / "m"), trackers="tensorboard")
    with pytest.raises(ModelError, match=r"install the extra \(pip install .*\[tensorboard\]"):
        train(config)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("tensorboard_installed")
def test_a_log_folder_that_cannot_be_is_told(tiny_settings, tmp_path):
    (tmp_path / "file").write_text("")
    settings = tiny_settings | {"log_folder": str(tmp_path / "file"), "trackers": "tensorboard"}
    with pytest.raises(ModelError, match=r"logs in .*file \(File exists\); give another log"):
        train(TrainingConfig(**settings, output=str(tmp_path / "model")))


def test_logs_that_cannot_be_written_are_told():
    def log(values, step):
        raise OSError(28, "No space left on device")

    accelerator = SimpleNamespace(trackers=[1], log=log, logging_dir="logs")
    with pytest.raises(ModelError, match=r"cannot write the logs in logs \(No space left on dev"):
        log_figures(accelerator, {"loss": 1.0}, 3)


def weights(folder):
    """The bytes of a checkpoint's weights."""
    return Path(folder, "model.safetensors").read_bytes()

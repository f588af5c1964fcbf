"""A training that was stopped at any moment ends with the weights of one that was not."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safetensors import safe_open

from countenance.errors import ModelError
from countenance.model import TrainingConfig, train
from countenance.model import fit as fit_module

# A pass has 4 steps, and a state is saved after every third: in the middle of passes too.
LONG = {"max_steps": 120, "evaluations": 40, "schedule": "cosine", "warmup": 0.1, "patience": 25}


@pytest.fixture
def long_settings(tiny_settings):
    """A run of 120 steps with dropout, validated at every third."""
    return tiny_settings | LONG | {"model": tiny_settings["model"] | {"dropout": 0.1}}


class StoppedError(Exception):
    """Stands for a crash."""


def stop_at(monkeypatch, step):
    """Let training crash after a step."""
    add = fit_module._Run.add

    def crash(run, terms):
        add(run, terms)
        if run.outcome.steps == step:
            raise StoppedError

    monkeypatch.setattr(fit_module._Run, "add", crash)


@pytest.mark.parametrize("step", [3, 5, 8, 13, 119])
def test_a_stopped_run_goes_on_and_ends_with_the_same_weights(
    step, long_settings, tmp_path, monkeypatch
):
    undisturbed = train(TrainingConfig(**long_settings, output=str(tmp_path / "whole")))
    config = TrainingConfig(**long_settings, output=str(tmp_path / "model"))
    with monkeypatch.context() as patch:
        stop_at(patch, step)
        with pytest.raises(StoppedError):
            train(config)
    assert (tmp_path / "model.unfinished").exists() == (step > 3)
    resumed = train(config)
    assert weights(tmp_path / "model") == weights(tmp_path / "whole")
    for name in ("history", "validation", "steps", "kept_step", "epochs"):
        assert resumed[name] == undisturbed[name]
    assert not (tmp_path / "model.unfinished").exists()


def test_a_run_killed_by_sigkill_goes_on(long_settings, tmp_path):
    train(TrainingConfig(**long_settings, output=str(tmp_path / "whole")))
    preset = tmp_path / "long.json"
    preset.write_text(json.dumps({k: v for k, v in long_settings.items() if k != "dataset"}))
    out = tmp_path / "model"
    command = [sys.executable, "-m", "countenance.model.train", long_settings["dataset"]]
    command += ["--out", str(out), "--preset", str(preset)]
    process = subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1"})
    unfinished = tmp_path / "model.unfinished"
    deadline = time.monotonic() + 120
    while not unfinished.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    with safe_open(unfinished, "pt") as file:
        steps = json.loads(file.metadata()["countenance"])["facts"]["steps"]
    assert 0 < steps < 120
    subprocess.run(command, env=os.environ | {"OMP_NUM_THREADS": "1"}, check=True)
    assert weights(out) == weights(tmp_path / "whole")


def test_an_unfinished_run_of_other_settings_is_refused_and_overwritten_when_asked(
    long_settings, tmp_path, monkeypatch
):
    with monkeypatch.context() as patch:
        stop_at(patch, 10)
        with pytest.raises(StoppedError):
            train(TrainingConfig(**long_settings, output=str(tmp_path / "model")))
    other = long_settings | {"seed": 7}
    with pytest.raises(ModelError, match=r"unfinished run of another setting \(seed\); give the"):
        train(TrainingConfig(**other, output=str(tmp_path / "model")))
    train(TrainingConfig(**other, output=str(tmp_path / "model"), overwrite=True))
    train(TrainingConfig(**other, output=str(tmp_path / "fresh")))
    assert weights(tmp_path / "model") == weights(tmp_path / "fresh")


def test_an_unfinished_run_on_other_data_is_refused(
    long_settings, make_items, write_dataset, tmp_path, monkeypatch
):
    with monkeypatch.context() as patch:
        stop_at(patch, 10)
        with pytest.raises(StoppedError):
            train(TrainingConfig(**long_settings, output=str(tmp_path / "model")))
    # The folder keeps its name and gets other content.
    settings = dict(long_settings)
    settings["dataset"] = write_dataset(tmp_path / "other", {"train": make_items(40, 9)})
    with pytest.raises(ModelError, match="unfinished run of another dataset"):
        train(TrainingConfig(**settings, output=str(tmp_path / "model")))


def test_a_damaged_state_is_told(long_settings, tmp_path):
    Path(tmp_path / "model.unfinished").write_bytes(b"no tensors")
    with pytest.raises(ModelError, match=r"cannot read the unfinished run .* delete the file"):
        train(TrainingConfig(**long_settings, output=str(tmp_path / "model")))


def card(facts):
    return f"trained on {facts['items']['train']} items, seed {facts['training']['seed']}\n"


def test_a_kill_before_the_last_step_is_finished_by_the_same_call(tiny_settings, tmp_path):
    """The checkpoint stands, and the file of the unfinished run was not removed yet."""
    config = TrainingConfig(**tiny_settings, output=str(tmp_path / "model"))
    metrics = train(config, render_card=card)
    before = {path: path.read_bytes() for path in (tmp_path / "model").iterdir()}
    assert (tmp_path / "model" / "README.md").read_text().startswith("trained on ")
    (tmp_path / "model.unfinished").write_bytes(b"state")
    assert train(config, render_card=card) == metrics
    assert {path: path.read_bytes() for path in (tmp_path / "model").iterdir()} == before
    assert [path.name for path in tmp_path.iterdir() if "model" in path.name] == ["model"]
    (tmp_path / "model.unfinished").write_bytes(b"state")
    other = TrainingConfig(**tiny_settings | {"seed": 7}, output=str(tmp_path / "model"))
    with pytest.raises(ModelError, match="already holds a checkpoint"):
        train(other)


def weights(folder):
    """The bytes of a checkpoint's weights."""
    return (folder / "model.safetensors").read_bytes()


def test_a_run_that_diverged_leaves_no_state_in_the_way(long_settings, tmp_path):
    wild = long_settings | {"learning_rate": 1e30}
    with pytest.raises(ModelError, match="lower learning_rate"):
        train(TrainingConfig(**wild, output=str(tmp_path / "model")))
    assert not (tmp_path / "model.unfinished").exists()


def test_other_marks_for_validation_are_other_data(
    long_settings, make_items, write_dataset, tmp_path, monkeypatch
):
    settings = long_settings | {"dataset": str(tmp_path / "data")}
    for marked in (range(4), range(4, 8)):
        shutil.rmtree(tmp_path / "data", ignore_errors=True)
        items = [item | {"validation": n in marked} for n, item in enumerate(make_items(40, 1))]
        write_dataset(tmp_path / "data", {"train": items})
        with monkeypatch.context() as patch:
            stop_at(patch, 10)
            expected = StoppedError if 0 in marked else ModelError
            with pytest.raises(expected, match=None if 0 in marked else "of another dataset"):
                train(TrainingConfig(**settings, output=str(tmp_path / "model")))

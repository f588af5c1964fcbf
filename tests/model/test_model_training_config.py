"""Training settings: every preset loads, nonsense is refused with a reason."""

import json

import pytest

from countenance.errors import ModelError
from countenance.model import TrainingConfig


def test_the_paper_preset_is_the_papers():
    config = TrainingConfig.from_preset("paper")
    assert (config.lambda_ae, config.lambda_emb, config.lambda_multi) == (1, 10, 10)
    assert (config.learning_rate, config.batch_size, config.epochs) == (1e-5, 256, 200)
    assert config.max_steps is None
    assert config.text_encoder == "openai/clip-vit-base-patch32"
    assert (config.perturbation, config.text_variants > 0) == (0.2, True)


@pytest.mark.parametrize("name", ["paper", "cpu", "demo"])
def test_presets_survive_json(name):
    config = TrainingConfig.from_preset(name)
    assert TrainingConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_overrides_replace_and_none_keeps():
    config = TrainingConfig.from_preset("paper", epochs=3, seed=None, output="x")
    assert (config.epochs, config.seed, config.output) == (3, 0, "x")


def test_a_preset_may_be_a_file(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text('{"epochs": 2}')
    assert TrainingConfig.from_preset(path).epochs == 2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"learning_rate": 0}, "learning_rate is 0, expected above 0"),
        ({"learning_rate": "fast"}, "learning_rate is 'fast', expected of type float"),
        ({"learning_rate": float("nan")}, "learning_rate is nan, expected a finite number"),
        ({"batch_size": 2.5}, "batch_size is 2.5, expected of type int"),
        ({"seed": True}, "seed is True, expected of type int"),
        ({"lambda_emb": -1}, "lambda_emb is -1, expected 0 or more"),
        ({"swap_rate": 1.1}, r"swap_rate is 1.1, expected in \[0, 1\]"),
        ({"schedule": "linear"}, "schedule is 'linear', expected one of constant, cosine"),
        (
            {"mixed_precision": "bf8"},
            "mixed_precision is 'bf8', expected one of auto, no, bf16, fp",
        ),
        ({"trackers": "paper"}, "trackers is 'paper', expected one of null, tensorboard"),
        ({"log_folder": 3}, "log_folder is 3, expected of type str or null"),
        ({"epochs": 0}, "epochs is 0, expected above 0, or null"),
        ({"threads": 0}, "threads is 0, expected above 0, or null"),
        ({"epochs": None}, "give epochs, max_steps or both"),
        ({"validation": 0.0}, "validation is 0.0, expected between 0 and 1"),
        ({"kind_weights": [0, 0, 0]}, "kind_weights is .*, expected three weights"),
        ({"kind_weights": [1, 1]}, "kind_weights is .*, expected three weights"),
        ({"text_encoder_layers": [0, -1]}, r"text_encoder_layers is \[0, -1\], expected different"),
        ({"text_encoder_layers": [2, 2]}, "expected different numbers from 0 up, or null"),
        ({"text_encoder_layers": []}, "expected different numbers from 0 up, or null"),
        ({"text_encoder_layers": "026"}, "expected different numbers from 0 up, or null"),
        ({"encode_precision": "fp16"}, "encode_precision is 'fp16', expected one of auto, float32"),
        ({"model": {"depth": 3}}, r"unknown field model\.depth; known are latent_size"),
        ({"model": {"hidden_size": 10}}, r"model: num_attention_heads \(4\) must divide"),
        ({"model": []}, "model is .*, expected an object of model sizes"),
        ({"overwrite": "yes"}, "overwrite is 'yes', expected of type bool"),
    ],
)
def test_nonsense_is_refused(settings, message):
    with pytest.raises(ModelError, match=message):
        TrainingConfig(**settings)


def test_unknown_fields_are_refused():
    with pytest.raises(ModelError, match="settings: unknown field 'epoch'; known are dataset"):
        TrainingConfig.from_dict({"epoch": 3})


@pytest.mark.parametrize(
    ("content", "message"),
    [("{", "not valid JSON"), ("[]", "expected a JSON object"), ('{"x": 1}', "unknown field 'x'")],
)
def test_a_malformed_preset_is_refused(tmp_path, content, message):
    path = tmp_path / "mine.json"
    path.write_text(content)
    with pytest.raises(ModelError, match=message):
        TrainingConfig.from_preset(path)


def test_an_unknown_preset_lists_the_known_ones():
    with pytest.raises(ModelError, match="unknown preset 'fast': give one of cpu, demo, paper, or"):
        TrainingConfig.from_preset("fast")


def test_a_preset_that_cannot_be_read_is_told(unreadable_file):
    with pytest.raises(ModelError, match=r"cannot read the preset \(Input/output error\)"):
        TrainingConfig.from_preset(unreadable_file)

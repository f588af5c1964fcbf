"""Text features: encoded once, then found again."""

import numpy as np
import pytest
import torch

from countenance.cache import cache_folder
from countenance.model import ExpressionConfig
from countenance.model import features as features_module
from countenance.model.features import embed_texts, encoder_key
from countenance.model.text_encoder_countenance import FrozenTextEncoder
from countenance.model.text_encoders import describe_text_encoder

TEXTS = ["joy", "a face strongly in anger , brows lowered and knit", "i feel sadness .", ""]


@pytest.fixture
def config(tiny_sentence_encoder) -> ExpressionConfig:
    return ExpressionConfig(**describe_text_encoder(tiny_sentence_encoder))


def test_the_features_are_the_encoders_in_the_order_of_the_texts(config):
    features = embed_texts(TEXTS, config, batch_size=2)
    assert features.dtype == np.float32
    assert features.shape == (4, 16)
    expected = torch.cat([FrozenTextEncoder(config)([text]) for text in TEXTS])
    torch.testing.assert_close(torch.from_numpy(np.array(features)), expected)


def test_the_second_time_no_encoder_is_needed(config, monkeypatch, tmp_path):
    first = embed_texts(TEXTS, config)

    def fail(*_args, **_settings):
        raise AssertionError("encoded again")

    monkeypatch.setattr(FrozenTextEncoder, "__call__", fail)
    assert np.array_equal(embed_texts(TEXTS, config), first)


def test_a_text_is_encoded_once_whatever_stands_beside_it(config, monkeypatch):
    first = embed_texts(TEXTS, config)
    encoded = []
    call = FrozenTextEncoder.__call__

    def spy(encoder, texts, **settings):
        encoded.extend(texts)
        return call(encoder, texts, **settings)

    monkeypatch.setattr(FrozenTextEncoder, "__call__", spy)
    again = embed_texts(["a new text", *TEXTS[::-1], "joy"], config)
    assert encoded == ["a new text"]
    assert np.array_equal(again[1:5], first[::-1])
    assert np.array_equal(again[5], first[0])


def test_a_stopped_encoding_keeps_its_finished_parts(config, monkeypatch):
    monkeypatch.setattr(features_module, "_TEXTS_PER_PART", 2)
    call, calls = FrozenTextEncoder.__call__, []

    def stop_at_the_second(encoder, texts, **settings):
        calls.append(texts)
        return call(encoder, texts, **settings) if len(calls) < 2 else 1 / 0

    monkeypatch.setattr(FrozenTextEncoder, "__call__", stop_at_the_second)
    with pytest.raises(ZeroDivisionError):
        embed_texts(TEXTS, config)
    monkeypatch.setattr(FrozenTextEncoder, "__call__", call)
    progress = Counter()
    assert embed_texts(TEXTS, config, progress=progress).shape == (4, 16)
    assert progress.steps == [2, 2]  # two were there, two came


def test_the_features_cannot_be_changed_by_accident(config):
    with pytest.raises(ValueError, match="read-only"):
        embed_texts(TEXTS, config)[0] = 0


def test_the_key_follows_from_the_encoder(config):
    key = encoder_key(config)
    assert key == encoder_key(ExpressionConfig(**describe_text_encoder(config.text_encoder)))
    for field, value in (
        ("text_encoder_normalize", False),
        ("text_encoder_pooling", "cls"),
        ("text_encoder_max_length", 8),
        ("text_encoder_layers", [1]),
    ):
        other = ExpressionConfig(**{**describe_text_encoder(config.text_encoder), field: value})
        assert encoder_key(other) != key
    assert encoder_key(config, "bfloat16") != key
    assert encoder_key(config, "float32") == key


def test_bfloat16_features_are_kept_apart_from_float32_ones(config):
    exact = np.array(embed_texts(TEXTS, config))
    rough = embed_texts(TEXTS, config, precision="bfloat16")
    assert rough.dtype == np.float32
    assert not np.array_equal(rough, exact)
    np.testing.assert_allclose(rough, exact, atol=0.03)
    assert np.array_equal(embed_texts(TEXTS, config), exact)


def test_a_failed_run_leaves_no_features_behind(config, monkeypatch, tmp_path):
    monkeypatch.setattr(FrozenTextEncoder, "__call__", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        embed_texts(TEXTS, config)
    assert not list((tmp_path / "cache").rglob("*.npy"))


def test_the_cache_folder_is_the_users_choice(monkeypatch, tmp_path):
    assert cache_folder() == tmp_path / "cache"
    monkeypatch.delenv("COUNTENANCE_CACHE")
    assert cache_folder().parts[-2:] == (".cache", "countenance")


def test_progress_counts_every_text(config):
    counter = Counter()
    embed_texts(TEXTS, config, progress=counter)
    assert sum(counter.steps) == len(TEXTS)


class Counter:
    """Stands for a progress bar."""

    def __init__(self):
        self.steps = []

    def update(self, count):
        self.steps.append(count)

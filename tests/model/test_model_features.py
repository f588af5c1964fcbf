"""Text features: encoded once, then found again."""

import dataclasses

import numpy as np
import pytest
import torch

from countenance.cache import cache_folder
from countenance.model import ExpressionConfig
from countenance.model.features import embed_texts, features_key
from countenance.model.modeling_countenance import FrozenTextEncoder
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
    files = list((tmp_path / "cache" / "text_features").iterdir())
    assert [path.name for path in files] == [f"{features_key(TEXTS, config)}.npy"]


def test_the_features_cannot_be_changed_by_accident(config):
    with pytest.raises(ValueError, match="read-only"):
        embed_texts(TEXTS, config)[0] = 0


def test_the_key_follows_from_texts_and_encoder(config):
    key = features_key(TEXTS, config)
    assert key == features_key(list(TEXTS), config)
    assert key != features_key(TEXTS[::-1], config)
    assert features_key(["ab", "c"], config) != features_key(["a", "bc"], config)
    for field, value in (
        ("text_encoder_normalize", False),
        ("text_encoder_pooling", "cls"),
        ("text_encoder_max_length", 8),
    ):
        other = ExpressionConfig(**{**describe_text_encoder(config.text_encoder), field: value})
        assert features_key(TEXTS, other) != key


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
    @dataclasses.dataclass
    class Counter:
        count: int = 0

        def update(self, count: int) -> None:
            self.count += count

    counter = Counter()
    embed_texts(TEXTS, config, progress=counter)
    assert counter.count == len(TEXTS)

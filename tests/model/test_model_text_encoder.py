"""The frozen text encoder: the features are those of the libraries that the encoders come from."""

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModelWithProjection, CLIPTokenizer, SiglipConfig

from countenance.errors import ModelError
from countenance.model import ExpressionConfig, ExpressionModel
from countenance.model.configuration_countenance import resolve_text_encoder
from countenance.model.text_encoder_countenance import FrozenTextEncoder, _batches_of_like_length
from countenance.model.text_encoders import describe_text_encoder, text_encoder_identity

TEXTS = ["a smile", "the brows are lowered and knit, in anger", "joy"]


@pytest.fixture(scope="module")
def tiny_clip(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("tiny-clip")
    letters = "abcdefghijklmnopqrstuvwxyz,"
    pieces = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{c}</w>" for c in letters)]
    tokenizer = CLIPTokenizer(vocab={piece: i for i, piece in enumerate(pieces)}, merges=[])
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = CLIPTextConfig(
        vocab_size=len(pieces),
        hidden_size=16,
        intermediate_size=32,
        projection_dim=12,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=24,
        bos_token_id=0,
        eos_token_id=1,
    )
    CLIPTextModelWithProjection(config).save_pretrained(folder)
    return str(folder)


def test_clip_features_are_transformers_own_text_embeds(tiny_clip):
    fields = describe_text_encoder(tiny_clip)
    assert fields["text_encoder_pooling"] == "projection"
    assert fields["text_encoder_width"] == 12
    assert fields["text_encoder_max_length"] == 24
    features = FrozenTextEncoder(ExpressionConfig(**fields))(TEXTS, batch_size=2)
    tokenizer = CLIPTokenizer.from_pretrained(tiny_clip)
    clip = CLIPTextModelWithProjection.from_pretrained(tiny_clip).eval()
    for text, feature in zip(TEXTS, features, strict=True):
        tokens = tokenizer([text], truncation=True, max_length=24, return_tensors="pt")
        with torch.no_grad():
            torch.testing.assert_close(clip(**tokens).text_embeds[0], feature)


def test_the_packaged_encoder_agrees_with_sentence_transformers(packaged_encoder):
    library = pytest.importorskip("sentence_transformers", reason="the peer is not installed")
    config = ExpressionConfig(**describe_text_encoder(packaged_encoder))
    assert config.text_encoder_pooling == "mean"
    assert config.text_encoder_normalize
    assert config.text_encoder_max_length == 256
    features = FrozenTextEncoder(config)(TEXTS)
    theirs = library.SentenceTransformer(resolve_text_encoder(packaged_encoder), device="cpu")
    expected = torch.from_numpy(theirs.encode(TEXTS))
    torch.testing.assert_close(features, expected, atol=1e-5, rtol=1e-5)


def test_the_packaged_encoder_is_the_default_and_found_offline(packaged_encoder):
    assert ExpressionConfig().text_encoder == packaged_encoder
    assert Path(resolve_text_encoder(packaged_encoder), "model.safetensors").is_file()
    model = ExpressionModel(ExpressionConfig())
    assert model.express(["a slight, knowing smile"]).shape == (1, 51)


def test_other_names_are_left_as_they_are():
    assert resolve_text_encoder("openai/clip-vit-base-patch32") == "openai/clip-vit-base-patch32"


def test_it_is_loaded_at_the_first_text_and_never_trained(tiny_model):
    encoder = tiny_model.text_encoder
    assert encoder._model is None
    tiny_model.train()
    tiny_model.express(["joy"])
    assert not encoder._model.training
    assert not any(p.requires_grad for p in encoder._model.parameters())
    tiny_model.train()
    assert not encoder._model.training
    assert not encoder(["joy"]).requires_grad


def test_padding_does_not_change_a_feature(tiny_sentence_encoder):
    encoder = FrozenTextEncoder(ExpressionConfig(**describe_text_encoder(tiny_sentence_encoder)))
    alone = encoder(["joy"])
    padded = encoder(["joy", "a face strongly in anger , brows lowered and knit"])
    torch.testing.assert_close(padded[:1], alone)
    torch.testing.assert_close(alone.norm(dim=1), torch.ones(1))


def test_layers_are_pooled_each_by_itself_and_joined(tiny_sentence_encoder):
    config = ExpressionConfig(**describe_text_encoder(tiny_sentence_encoder, layers=[0, 1]))
    assert config.text_encoder_width == 32
    encoder = FrozenTextEncoder(config)
    features = encoder(TEXTS)
    tokens = encoder._tokenizer(TEXTS, padding=True, return_tensors="pt")
    states = encoder._model(**tokens, output_hidden_states=True).hidden_states
    mask = tokens["attention_mask"].unsqueeze(-1)
    for layer, part in enumerate(features.split(16, dim=1)):
        mean = (states[layer] * mask).sum(1) / mask.sum(1)
        torch.testing.assert_close(part, torch.nn.functional.normalize(mean, dim=1))


def test_the_last_layer_alone_is_what_no_layers_mean(tiny_sentence_encoder):
    plain = FrozenTextEncoder(ExpressionConfig(**describe_text_encoder(tiny_sentence_encoder)))
    features = plain(TEXTS)
    last = plain._model.config.num_hidden_layers
    fields = describe_text_encoder(tiny_sentence_encoder, layers=[last])
    torch.testing.assert_close(FrozenTextEncoder(ExpressionConfig(**fields))(TEXTS), features)


def test_a_layer_that_the_encoder_lacks_is_named(tiny_sentence_encoder):
    config = ExpressionConfig(**describe_text_encoder(tiny_sentence_encoder, layers=[0, 99]))
    with pytest.raises(ValueError, match=r"has hidden states 0 to \d+, not 99"):
        FrozenTextEncoder(config)(TEXTS)


def test_clip_has_no_layers_to_choose(tiny_clip):
    with pytest.raises(ModelError, match="gives its projection; leave text_encoder_layers out"):
        describe_text_encoder(tiny_clip, layers=[0])


def test_emoji_that_the_tokenizer_lacks_are_told_apart(packaged_encoder):
    encoder = FrozenTextEncoder(ExpressionConfig(**describe_text_encoder(packaged_encoder)))
    angry, party, spelt = encoder(["so \U0001f621", "so \U0001f389", "so pouting face"])
    assert torch.cosine_similarity(angry, party, dim=0) < 0.8
    torch.testing.assert_close(angry, spelt)


def test_signs_that_the_tokenizer_knows_stay(packaged_encoder):
    encoder = FrozenTextEncoder(ExpressionConfig(**describe_text_encoder(packaged_encoder)))
    encoder.load()
    text = "caf\u00e9 \u2665 na\u00efve \u4eba"
    assert encoder._with_named_symbols(text) == text


def test_bfloat16_is_close_and_float32_exact_again_after_it(packaged_encoder):
    encoder = FrozenTextEncoder(ExpressionConfig(**describe_text_encoder(packaged_encoder)))
    exact = encoder(TEXTS)
    rough = encoder(TEXTS, dtype=torch.bfloat16)
    assert rough.dtype == torch.float32
    assert torch.cosine_similarity(exact, rough).min() > 0.999
    assert not torch.equal(exact, rough)
    assert torch.equal(encoder(TEXTS), exact)


@given(
    st.lists(st.text(max_size=200), max_size=60),
    st.integers(1, 20),
    st.none() | st.integers(1, 300),
)
def test_batches_hold_every_text_once_and_no_more_than_they_may(texts, batch_size, tokens):
    batches = list(_batches_of_like_length(texts, batch_size, tokens))
    assert sorted(i for batch in batches for i in batch) == list(range(len(texts)))
    assert all(1 <= len(batch) <= batch_size for batch in batches)
    lengths = [len(texts[i]) for batch in batches for i in batch]
    assert lengths == sorted(lengths)
    if tokens is not None:
        for batch in batches:
            longest = max(len(texts[i]) for i in batch) // 4 + 2
            assert len(batch) == 1 or len(batch) * longest <= tokens


def test_an_encoder_without_sentence_transformers_files_is_mean_pooled(
    tiny_sentence_encoder, tmp_path
):
    for path in Path(tiny_sentence_encoder).glob("*.*"):
        if path.name != "modules.json":
            (tmp_path / path.name).write_bytes(path.read_bytes())
    fields = describe_text_encoder(str(tmp_path))
    assert fields["text_encoder_pooling"] == "mean"
    assert not fields["text_encoder_normalize"]
    assert fields["text_encoder_max_length"] == 64


def _copy(source: str, target: Path) -> None:
    for path in Path(source).rglob("*"):
        if path.is_file():
            copy = target / path.relative_to(source)
            copy.parent.mkdir(exist_ok=True, parents=True)
            copy.write_bytes(path.read_bytes())


def test_a_pooling_that_we_do_not_know_is_refused(tiny_sentence_encoder, tmp_path):
    _copy(tiny_sentence_encoder, tmp_path)
    pooling = tmp_path / "1_Pooling" / "config.json"
    pooling.write_text(json.dumps({"pooling_mode_max_tokens": True}))
    with pytest.raises(ModelError, match=r"cannot pool by .*max_tokens.*, only by mean or cls"):
        describe_text_encoder(str(tmp_path))


def test_a_layer_that_we_do_not_know_is_refused(tiny_sentence_encoder, tmp_path):
    _copy(tiny_sentence_encoder, tmp_path)
    (tmp_path / "modules.json").write_text(json.dumps([{"path": "3", "type": "x.models.Dense"}]))
    with pytest.raises(ModelError, match="cannot use its Dense layer"):
        describe_text_encoder(str(tmp_path))


def test_a_missing_encoder_says_what_to_do(tmp_path):
    config = ExpressionConfig(text_encoder=str(tmp_path / "none"))
    with pytest.raises(
        OSError, match=r"cannot load the text encoder .*none.*countenance\[embedded"
    ):
        ExpressionModel(config).express(["joy"])


def _drop_weights(folder: Path, part: str) -> None:
    weights = load_file(folder / "model.safetensors")
    kept = {name: value for name, value in weights.items() if part not in name}
    assert len(kept) < len(weights)
    save_file(kept, folder / "model.safetensors", {"format": "pt"})


def test_an_encoder_that_lacks_weights_is_refused(tiny_sentence_encoder, tmp_path):
    _copy(tiny_sentence_encoder, tmp_path)
    _drop_weights(tmp_path, "layer.0.attention.output")
    encoder = FrozenTextEncoder(ExpressionConfig(**describe_text_encoder(str(tmp_path))))
    with pytest.raises(
        OSError,
        match=r"4 weights are missing: encoder\.layer\.0\.attention\.output\.LayerNorm\.bias, .*",
    ):
        encoder(["joy"])


def test_a_clip_without_its_projection_is_refused(tiny_clip, tmp_path):
    _copy(tiny_clip, tmp_path)
    _drop_weights(tmp_path, "text_projection")
    encoder = FrozenTextEncoder(ExpressionConfig(**describe_text_encoder(str(tmp_path))))
    with pytest.raises(OSError, match=r"1 weights are missing: text_projection\.weight\. Give"):
        encoder(["joy"])


def test_a_pooler_that_nothing_reads_may_be_missing(tiny_sentence_encoder, tmp_path):
    _copy(tiny_sentence_encoder, tmp_path)
    _drop_weights(tmp_path, "pooler.")
    whole, rest = (
        FrozenTextEncoder(ExpressionConfig(**describe_text_encoder(folder)))(TEXTS)
        for folder in (tiny_sentence_encoder, str(tmp_path))
    )
    torch.testing.assert_close(whole, rest)


def test_a_model_that_is_no_encoder_of_text_is_refused(tmp_path):
    SiglipConfig().save_pretrained(tmp_path)
    with pytest.raises(
        ModelError, match=r"config\.json \(siglip\) has no hidden_size; give an enc"
    ):
        describe_text_encoder(str(tmp_path))


def test_a_wrong_value_in_an_encoders_configuration_is_told(tiny_sentence_encoder, tmp_path):
    _copy(tiny_sentence_encoder, tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"hidden_size": "a"}))
    with pytest.raises(ModelError, match=r"field 'hidden_size'.* expected int, got str") as caught:
        describe_text_encoder(str(tmp_path))
    assert "\n" not in str(caught.value)


def test_a_wrong_feature_width_is_told(tiny_sentence_encoder):
    config = ExpressionConfig(text_encoder=tiny_sentence_encoder, text_encoder_width=7)
    with pytest.raises(ValueError, match=r"gives 16 features, expected text_encoder_width \(7\)"):
        FrozenTextEncoder(config)(["joy"])


def test_the_identity_of_an_encoder_follows_its_weights(tiny_sentence_encoder, tmp_path):
    _copy(tiny_sentence_encoder, tmp_path)
    before = text_encoder_identity(str(tmp_path))
    assert before == text_encoder_identity(str(tmp_path))
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    assert text_encoder_identity(str(tmp_path)) != before
    assert text_encoder_identity("some/encoder", "abc") == "some/encoder@abc"

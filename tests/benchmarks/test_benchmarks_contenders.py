"""The packaged checkpoint, and the peers trained beside it, answer the benchmarks."""

import json

import datasets
import numpy as np
import pytest

from countenance import load_mapping
from countenance.benchmarks import cues, words
from countenance.benchmarks._contenders import count_known, train_peers
from countenance.benchmarks._prompts import load_prompts

EMOTIONS = ["anger", "joy"]
FACES = {
    "A wide smile.": ("joy", ["AU12E"]),
    "A broad, happy grin.": ("joy", ["AU6D", "AU12E"]),
    "Brows pulled hard together.": ("anger", ["AU4E"]),
    "A deep, angry frown.": ("anger", ["AU4E", "AU7D"]),
}


@pytest.fixture
def small_dataset(tmp_path):
    """40 items that say what they show, as the Parquet files of a built dataset."""
    mapping = load_mapping("v1")
    texts = [*FACES, load_prompts().half("open").prompts[0].text.upper() + "."] * 8
    known = [FACES.get(text, ("joy", ["AU1D", "AU2D"])) for text in texts]
    columns = {
        "transcript": [f"Line {number}." for number in range(len(texts))],
        "emotions": [[EMOTIONS.index(emotion)] for emotion, _ in known],
        "description": texts,
        "blendshapes": [mapping.to_blendshapes(units).tolist() for _, units in known],
        "mapping_version": ["v1"] * len(texts),
    }
    features = datasets.Features(
        {
            "transcript": datasets.Value("string"),
            "emotions": datasets.List(datasets.ClassLabel(names=EMOTIONS)),
            "description": datasets.Value("string"),
            "blendshapes": datasets.List(datasets.Value("float32")),
            "mapping_version": datasets.Value("string"),
        }
    )
    (tmp_path / "small" / "data").mkdir(parents=True)
    for split in ("train", "test"):
        table = datasets.Dataset.from_dict(columns, features=features)
        table.to_parquet(str(tmp_path / "small" / "data" / f"{split}-00000-of-00001.parquet"))
    return tmp_path / "small"


def test_the_command_measures_the_checkpoint_and_its_peers(packaged_model, small_dataset, capsys):
    options = ["--dataset", str(small_dataset), "--peers", "--json"]
    assert words.main(options) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["checkpoint"] == "packaged"
    assert report["training_texts"]["known_texts"] == 1
    assert set(report["results"]) == {"model", "ridge", "mlp", "nearest"}
    for halves in report["results"].values():
        assert halves["open"]["prompts"]["all"]["total"] == len(load_prompts().half("open").prompts)
    assert cues.main(["--dataset", str(small_dataset)]) == 0
    assert "texts that its training data holds too: 0" in capsys.readouterr().out


def test_peers_learn_the_faces_of_their_texts(packaged_model, small_dataset):
    from countenance.model import load_model
    from countenance.model.data import load_expressions

    train = load_expressions(small_dataset, "train")
    peers = train_peers(train, load_model(packaged_model), rows=1000, seed=0)
    smile, frown = (
        load_mapping("v1").blendshapes.index(n) for n in ("mouthSmileLeft", "browDownLeft")
    )
    for express in peers.values():
        faces = express(["A wide smile.", "A deep, angry frown."])
        assert faces.shape == (2, 51)
        assert faces.min() >= 0.0
        assert faces.max() <= 1.0
        assert faces[0, smile] > faces[1, smile]
        assert faces[1, frown] > faces[0, frown]
    nearest = peers["nearest"](["A wide smile."])
    assert np.allclose(nearest, load_mapping("v1").to_blendshapes(["AU12E"]))
    assert count_known(["a WIDE smile", "a new text"], train) == 1

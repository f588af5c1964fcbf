"""Run in an environment that holds only the built wheel: every room imports, its data is there.

Called by `make wheel`; not a pytest file, because pytest is not installed in that environment.
"""

from importlib import import_module
from importlib.metadata import version

import countenance

assert "site-packages" in str(countenance.__file__), countenance.__file__

ROOMS = ("au_mapping", "cards", "dataset_script", "generation", "model", "viewer")
for room in ROOMS:
    import_module(f"countenance.{room}")
import_module("countenance.cli")
import_module("countenance.demo")

mapping = countenance.load_mapping("v1")
assert mapping.matrix.shape == (26, 51)
assert countenance.load_mapping("extended").blendshapes == mapping.blendshapes

from countenance.generation import CorpusSpec, load_reference, read_corpora  # noqa: E402
from countenance.generation.action_unit_draw import draw_action_units  # noqa: E402
from countenance.generation.scoring import ScorePrompt  # noqa: E402

assert len(read_corpora([CorpusSpec("samples")]).transcripts) > 300
assert len(ScorePrompt.load().answers) == 28
assert len(load_reference()) == 224
import numpy as np  # noqa: E402

units = draw_action_units(["joy"], 0.5, np.random.default_rng(0))
face = mapping.to_blendshapes(units)
assert face.max() > 0
assert countenance.draw_face(face).startswith("<svg")
from countenance.au_mapping import load_target  # noqa: E402
from countenance.viewer.head3d import head_mesh  # noqa: E402

assert len(load_target("mediapipe-v1").controls) == 52
assert head_mesh().targets.shape[0] == 51

from countenance.viewer.review import PAGE, load_reasons  # noqa: E402

assert len(load_reasons()) == 3
for name in ("index.html", "review.css", "review.js", "item.js", "summary.js"):
    assert (PAGE / name).is_file(), name

from countenance.cards.render import DATASET_TEMPLATE, MODEL_TEMPLATE, _environment  # noqa: E402
from countenance.model import PACKAGED_CHECKPOINT, TrainingConfig  # noqa: E402
from countenance.model.lexicon import load_lexicon  # noqa: E402

TrainingConfig.from_preset("cpu")
assert load_lexicon()
for name in ("config.json", "model.safetensors", "README.md"):
    assert (PACKAGED_CHECKPOINT / name).is_file(), name
for name in (DATASET_TEMPLATE, MODEL_TEMPLATE):
    assert _environment().get_template(name)
from countenance.viewer.evaluation_report import _environment as page_environment  # noqa: E402

assert page_environment().get_template("evaluation.html.jinja")
from countenance.viewer.web_head import PAGE_FILES  # noqa: E402

for name in ("head.html", "head.css", "head.js", "page.css", "page.js"):
    assert (PAGE_FILES / name).is_file(), name
print(f"countenance {version('countenance')}: the wheel is complete")

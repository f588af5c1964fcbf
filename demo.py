"""The whole road on a small scale: ``countenance demo``, a few minutes on two cores, no network.

Packaged transcripts, packaged language model, packaged text encoder; what comes out is a run, a
dataset that ``load_dataset`` opens, a model that ``from_pretrained`` opens, and pictures.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from .cards import render_dataset_card, render_model_card
from .dataset_script import build_dataset
from .errors import RenderError
from .generation import AnnotationConfig, CorpusSpec, annotate
from .model import ExpressionModel, TrainingConfig, load_model, train
from .model.evaluation_settings import EvaluationSettings
from .viewer import face_grid, face_strip, save_image
from .viewer.evaluation_report import evaluate_with_report

EMOTIONS = ("joy", "anger", "sadness", "surprise", "disgust", "fear")
SENTENCES = (
    "a slight, knowing smile",
    "a wide, joyous laugh",
    "A person feels sadness, with lip dropped and inner brows raised.",
    "furious, jaw clenched",
    "scared, eyes wide open",
    "bored and tired",
)
PATH_ENDS = ("sadness", "excitement")
PATH_STEPS = 7


def run_demo(out: Path, *, seed: int = 0, show_progress: bool = False) -> Iterator[str]:
    """Walk the road; yields a line after every stretch.

    Args:
        out: Folder for everything; a second run replaces what the first one made.
        seed: Seed of all draws.
        show_progress: Show on stderr how far the annotation is.
    """
    started = time.monotonic()
    run, dataset, checkpoint = out / "run", out / "dataset", out / "model"
    shutil.rmtree(run, ignore_errors=True)  # an older demo may have had another seed or tables
    settings = AnnotationConfig((CorpusSpec("samples"),), run, seed=seed)
    records = annotate(settings, show_progress=show_progress)
    yield f"run       {run}  ({records['accepted']} records)"
    counts = build_dataset(
        run, dataset, render_card=render_dataset_card, draw_faces=face_grid, seed=seed
    )
    yield f"dataset   {dataset}  ({counts['train_items']} train, {counts['test_items']} test items)"
    config = TrainingConfig.from_preset(
        "demo", dataset=str(dataset), output=str(checkpoint), seed=seed, overwrite=True
    )
    train(config, render_card=render_model_card)
    yield f"model     {checkpoint}"
    settings_of_report = EvaluationSettings.quick(seed=seed)
    evaluate_with_report(checkpoint, dataset, out / "report", settings_of_report)
    yield f"report    {out / 'report' / 'report.html'}"
    for name, path in draw_pictures(load_model(checkpoint), out).items():
        yield f"{name:<9} {path}"
    yield f"done in {time.monotonic() - started:.0f} s"


def draw_pictures(model: ExpressionModel, folder: Path) -> dict[str, Path]:
    """Draw what a model makes of emotion words, of sentences, and of a path through its space.

    Args:
        model: A trained model.
        folder: Where ``emotions.png``, ``sentences.png`` and ``path.png`` go.

    Raises:
        RenderError: The folder cannot be written.
    """
    pictures = {name: folder / f"{name}.png" for name in ("emotions", "sentences", "path")}
    for name, texts in (("emotions", EMOTIONS), ("sentences", SENTENCES)):
        faces_of_texts = model.express(list(texts)).numpy()
        title = f"What the model makes of {'emotion words' if name == 'emotions' else name}"
        save_image(pictures[name], faces_of_texts, list(texts), columns=3, title=title)
    faces = list(model.interpolate(*PATH_ENDS, steps=PATH_STEPS).numpy())
    captions = [PATH_ENDS[0], *[""] * (PATH_STEPS - 2), PATH_ENDS[1]]
    title = f"From {PATH_ENDS[0]} to {PATH_ENDS[1]} in {PATH_STEPS} even steps through latent space"
    try:
        pictures["path"].write_bytes(face_strip(faces, captions, title=title))
    except OSError as error:
        raise RenderError(f"{pictures['path']}: cannot be written ({error.strerror})") from error
    return pictures

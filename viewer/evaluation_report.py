"""An evaluation as a folder that a person reads: HTML with its pictures inside, PNG, Markdown.

The page is one file that loads nothing: pictures are data URIs, and a content security policy
forbids scripts and requests. Texts of the dataset are untrusted; the template escapes every value.
"""

from __future__ import annotations

from base64 import b64encode
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from ..errors import RenderError
from ..model.checkpoint import write_text
from ..model.evaluate import begin_report, check_report_folder, measure_checkpoint, write_metrics
from ..model.evaluation import Evaluation, Example
from ..model.evaluation_data import KIND_NAMES
from ..model.evaluation_markdown import METHOD_NAMES, method_label
from ..model.evaluation_settings import EvaluationSettings
from .evaluation_figures import error_figure, map_figure, path_strips
from .face import draw_face
from .images import render_png
from .rig import load_rig

_FACE_SIZE = 112
_SHAPES_NAMED = 4
_LONGEST_TEXT = 600
_PATH_TITLES = {
    "between_items": "Paths between the latents of random faces",
    "between_draws": "Paths between random draws from the latent space",
}


def evaluate_with_report(
    checkpoint: str | Path,
    dataset: str | Path,
    out: str | Path,
    settings: EvaluationSettings | None = None,
) -> dict[str, Any]:
    """Measure a checkpoint and write ``report.html``, PNG figures, ``report.md``, ``metrics.json``.

    Args:
        checkpoint: Checkpoint folder or Hub name.
        dataset: Dataset folder or Hub name.
        out: Report folder; ``metrics.json`` is written last.
        settings: What to measure, on how much.

    Returns:
        What ``metrics.json`` holds.

    Raises:
        ModelError: If the checkpoint or its text encoder cannot be used, or ``out`` is a file,
            holds a checkpoint or somebody else's ``metrics.json``, or cannot be written.
        DatasetError: If the dataset cannot be used, or was built with another mapping.
        RenderError: If the report cannot be written.
    """
    folder = Path(out)
    check_report_folder(folder)
    evaluation = measure_checkpoint(checkpoint, dataset, settings or EvaluationSettings())
    begin_report(folder)
    write_report(evaluation, folder)
    write_metrics(evaluation.metrics, folder)
    return evaluation.metrics


def write_report(evaluation: Evaluation, folder: Path) -> None:
    """Write ``report.html`` and its figures as PNG files beside it.

    Raises:
        RenderError: If the folder cannot be written.
    """
    figures = draw_figures(evaluation)
    page = render_page(evaluation, figures)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in figures.items():
            (folder / f"{name}.png").write_bytes(content)
        write_text(folder / "report.html", page)
    except OSError as error:
        reason = error.strerror or error
        raise RenderError(f"{folder}: cannot write the report ({reason}); choose another") from None


def draw_figures(evaluation: Evaluation) -> dict[str, bytes]:
    """PNG figures by name: ``errors``, ``latent_map`` (where there is one), ``path_*``."""
    figures = {"errors": error_figure(evaluation.metrics)}
    if evaluation.latent_map is not None:
        figures["latent_map"] = map_figure(evaluation.latent_map)
    if _has_faces(evaluation):
        for name, paths in evaluation.paths.items():
            figures[f"path_{name}"] = path_strips(paths, _PATH_TITLES[name])
    return figures


def render_page(evaluation: Evaluation, figures: dict[str, bytes]) -> str:
    """The report as one HTML page.

    Args:
        evaluation: What was measured.
        figures: PNG bytes by name, from ``draw_figures``.
    """
    examples = [_shown(example) for example in evaluation.examples if _has_faces(evaluation)]
    return (
        _environment()
        .get_template("evaluation.html.jinja")
        .render(
            metrics=evaluation.metrics,
            pictures={name: _data_uri(content) for name, content in figures.items()},
            alts=alternative_texts(evaluation.metrics),
            examples=examples,
            kind_names=KIND_NAMES,
            method_names=METHOD_NAMES
            | {
                name: method_label(name, evaluation.metrics)
                for name in evaluation.metrics["baselines"]
            },
        )
    )


def alternative_texts(metrics: dict[str, Any]) -> dict[str, str]:
    """What each figure shows, in words and figures, for those who do not see it."""
    errors = [
        f"{kind}: model {found['mae']['value']:.4f}, "
        + ", ".join(
            f"{method_label(name, metrics)} {by_kind[kind]['mae']['value']:.4f}"
            for name, by_kind in metrics["baselines"].items()
            if kind in by_kind
        )
        for kind, found in metrics["text_to_expression"].items()
    ]
    texts = {"errors": f"Mean absolute error by method. {'; '.join(errors)}."}
    if metrics["latent_map"]:
        counts = metrics["latent_map"]["texts"].items()
        said = ", ".join(f"{number} of kind {KIND_NAMES[kind]}" for kind, number in counts)
        texts["latent_map"] = (
            f"Scatter plot by t-SNE of test texts ({said}), coloured by kind on the left and by "
            "emotion tag on the right. The tables below give how they group."
        )
    for name, found in metrics["paths"].items():
        ratio = found["step_size_ratio"]
        how = f"; largest over mean step {ratio['median']:.2f} at the median" if ratio else ""
        texts[f"path_{name}"] = f"{_PATH_TITLES[name]}, decoded and drawn as rows of faces{how}."
    return texts


def _has_faces(evaluation: Evaluation) -> bool:
    """Whether the vectors are faces that the rig can draw."""
    sizes = {paths.shape[2] for paths in evaluation.paths.values()}
    return sizes == {len(load_rig().blendshapes)}


def _shown(example: Example) -> dict[str, str]:
    text = example.text
    shown = {
        "kind": KIND_NAMES[example.kind],
        "text": text if len(text) <= _LONGEST_TEXT else text[: _LONGEST_TEXT - 1] + "…",
    }
    for name, face in (("wanted", example.wanted), ("decoded", example.decoded)):
        shown[name] = _data_uri(render_png(draw_face(face, size=_FACE_SIZE), _FACE_SIZE))
        shown[f"{name}_alt"] = _in_words(face)
    return shown


def _in_words(face: Any) -> str:  # noqa: ANN401
    ranked = sorted(zip(face, load_rig().blendshapes, strict=True), reverse=True)[:_SHAPES_NAMED]
    strongest = ", ".join(f"{name} {weight:.2f}" for weight, name in ranked if weight >= 0.05)
    return f"face with {strongest}" if strongest else "neutral face"


def _data_uri(png: bytes) -> str:
    return f"data:image/png;base64,{b64encode(png).decode()}"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader(__package__, "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["figure"] = _figure_cell
    environment.filters["signed"] = _signed_cell
    environment.filters["number"] = _number
    return environment


def _figure_cell(figure: dict[str, float] | None) -> str:
    return "{value:.4f} [{low:.4f}, {high:.4f}]".format(**figure) if figure else "-"


def _signed_cell(figure: dict[str, float]) -> str:
    return "{value:+.4f} [{low:+.4f}, {high:+.4f}]".format(**figure)


def _number(value: float | None, digits: int = 3) -> str:
    return "-" if value is None else f"{value:.{digits}f}"

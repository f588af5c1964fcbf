"""The measuring itself: one checkpoint, one dataset, all figures; nothing is written here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ..au_mapping import AUMapping, load_mapping
from ..au_mapping.vocabulary import ARKIT_51
from ..errors import TableError
from ..progress import Progress
from . import evaluation_baselines as baselines
from .evaluation_action_units import TOLERANCE, action_unit_scores, decoded_units, read_units
from .evaluation_authors import authors_network
from .evaluation_data import KIND_NAMES, EvaluationSplit, Pairs, draw_rows, load_split
from .evaluation_distribution import frechet_distance, share_outside
from .evaluation_map import LatentMap, map_latents
from .evaluation_paths import latent_paths, path_figures
from .evaluation_retrieval import distinct_faces, distinct_texts, retrieve_both_ways
from .evaluation_settings import EvaluationSettings
from .metrics import compare_errors, error_report
from .modeling_countenance import ExpressionModel

if TYPE_CHECKING:
    from numpy.typing import NDArray

MODEL = "model"


@dataclass(frozen=True)
class Example:
    """A test text with the face that the dataset gives it and the one that the model gives it."""

    kind: str
    text: str
    wanted: NDArray[np.float32]
    decoded: NDArray[np.float32]


@dataclass(frozen=True)
class Evaluation:
    """What was measured.

    Attributes:
        metrics: All figures, plain numbers (the content of ``metrics.json``).
        latent_map: The texts on a plane, or ``None`` where there are too few.
        paths: float32 (paths, steps, size), decoded, by sort (see ``evaluation_paths``).
        examples: Test texts with faces. The texts come from the dataset: treat them as untrusted.
    """

    metrics: dict[str, Any]
    latent_map: LatentMap | None
    paths: dict[str, NDArray[np.float32]]
    examples: list[Example]


def measure(
    model: ExpressionModel,
    dataset: str | Path,
    settings: EvaluationSettings,
    train_precision: str = "float32",
) -> Evaluation:
    """Measure a model on the test split of a dataset.

    Args:
        model: The model; its text encoder is loaded only where features are not cached.
        dataset: Dataset folder or Hub name.
        settings: What to measure, on how much.
        train_precision: What the text encoder computes the baselines' training features in; those
            that the model was trained on are in the cache. Test texts are always in float32.

    Raises:
        DatasetError: If the dataset cannot be used, or was built with another mapping.
        ModelError: If the text encoder cannot be used.
    """
    test = load_split(dataset, "test", model.config)
    train = load_split(
        dataset,
        "train",
        model.config,
        limit=settings.train_items,
        seed=settings.seed,
        precision=train_precision,
    )
    ours = _Answers.of(model, test, settings.batch_size)
    figures = _Figures(train, test, settings)
    others, rebuilt, training = _baselines(model, train, test, settings)
    latents = {kind: ours.latents[kind] for kind in test.pairs}
    paths = latent_paths(
        model,
        test.faces,
        count=settings.paths,
        steps=settings.path_steps,
        seed=settings.seed,
        batch_size=settings.batch_size,
    )
    latent_map = _latent_map(test, latents, settings)
    metrics: dict[str, Any] = {
        "split": "test",
        "items": len(test.faces),
        "train_items": len(train.faces),
        "mapping_version": test.mapping_version,
        "text_encoder": model.config.text_encoder,
        "bootstrap_samples": settings.samples,
        "seed": settings.seed,
        "reconstruction": figures.reconstruction(ours.reconstruction),
        "text_to_expression": figures.by_kind(ours.faces),
        "baselines": figures.compared(ours.faces, others),
        "baseline_training": training,
        "reconstruction_baselines": figures.rebuilt(ours.reconstruction, rebuilt),
        "action_units": _action_units(model, test, ours, settings),
        "retrieval": _retrieval(test, ours, others, settings),
        "distribution": figures.distribution(ours, others),
        "latent_map": None if latent_map is None else latent_map.figures,
        "paths": {name: path_figures(part, train.all_faces) for name, part in paths.items()},
    }
    return Evaluation(metrics, latent_map, paths, _examples(test, ours, settings))


@dataclass(frozen=True)
class _Answers:
    """What the model makes of the test split."""

    reconstruction: NDArray[np.float32]
    faces: dict[str, NDArray[np.float32]]
    latents: dict[str, NDArray[np.float32]]
    expression_latents: dict[str, NDArray[np.float32]]

    @classmethod
    @torch.no_grad()
    def of(cls, model: ExpressionModel, test: EvaluationSplit, batch_size: int) -> _Answers:
        def batched(run: Callable[[Tensor], Tensor], rows: NDArray) -> NDArray:
            parts = torch.from_numpy(rows).split(batch_size)
            return torch.cat([run(part) for part in parts]).cpu().numpy()

        latents = {
            kind: batched(model.text_projector, p.features) for kind, p in test.pairs.items()
        }
        return cls(
            reconstruction=batched(lambda part: model.decode(model.encoder(part)), test.faces),
            faces={kind: batched(model.decode, points) for kind, points in latents.items()},
            latents=latents,
            expression_latents={
                kind: batched(model.encoder, pairs.faces) for kind, pairs in test.pairs.items()
            },
        )


@dataclass(frozen=True)
class _Figures:
    """Errors and distributions of decoded faces, of the model and of the baselines."""

    train: EvaluationSplit
    test: EvaluationSplit
    settings: EvaluationSettings

    def _draws(self) -> dict[str, Any]:
        return {"samples": self.settings.samples, "seed": self.settings.seed}

    def _report(
        self, predicted: NDArray, target: NDArray, items: NDArray, kind: str = ""
    ) -> dict[str, Any]:
        mean = self.train.mean_face(kind)
        figures = error_report(predicted, mean, target, items=items, **self._draws())
        return {"items": len(np.unique(items)), **figures}

    def reconstruction(self, predicted: NDArray) -> dict[str, Any]:
        faces = self.test.faces
        return self._report(predicted, faces, np.arange(len(faces)))

    def by_kind(self, answers: dict[str, NDArray]) -> dict[str, Any]:
        table = {}
        for name, (predicted, target, items) in self._rows(answers).items():
            # Cues are the one kind that a report calls by the dataset's own name.
            table[name] = self._report(predicted, target, items, name)
        return table

    def _rows(self, answers: dict[str, NDArray]) -> dict[str, tuple[NDArray, NDArray, NDArray]]:
        """Predicted, target and items by name of the kind; ``all`` joins t, e and d."""
        pairs = self.test.pairs
        rows = {
            KIND_NAMES[kind]: (answers[kind], pairs[kind].faces, pairs[kind].items)
            for kind in pairs
            if kind in answers
        }
        joined = [rows[KIND_NAMES[kind]] for kind in pairs if kind != "cues" and kind in answers]
        if joined:
            predicted, target, items = (np.concatenate(part) for part in zip(*joined, strict=True))
            rows["all"] = (predicted, target, items)
        return rows

    def compared(
        self, ours: dict[str, NDArray], others: dict[str, baselines.Predictions]
    ) -> dict[str, Any]:
        """For every baseline and kind its errors, and how far its MAE is above the model's."""
        table: dict[str, Any] = {name: {} for name in others}
        other_rows = {name: self._rows(answers) for name, answers in others.items()}
        for kind, (reference, target, items) in self._rows(ours).items():
            answering = {n: rows[kind][0] for n, rows in other_rows.items() if kind in rows}
            answering = {n: rows for n, rows in answering.items() if len(rows) == len(target)}
            figures = compare_errors(answering, reference, target, items=items, **self._draws())
            for name, values in figures.items():
                table[name][kind] = values
        return table

    def rebuilt(self, ours: NDArray, others: dict[str, NDArray]) -> dict[str, Any]:
        return compare_errors(others, ours, self.test.faces, **self._draws())

    def distribution(
        self, ours: _Answers, others: dict[str, baselines.Predictions]
    ) -> dict[str, Any]:
        """Fréchet distance to the real faces, and share of values outside the training's range."""
        table: dict[str, Any] = {
            "train_split": {"faces": self._distance(self.train.faces, self.test.faces)},
            "reconstruction": {"faces": self._distance(ours.reconstruction, self.test.faces)},
        }
        for name, answers in {MODEL: ours.faces, **others}.items():
            table[name] = {
                kind: self._distance(predicted, target)
                for kind, (predicted, target, _) in self._rows(answers).items()
            }
        return table

    def _distance(self, faces: NDArray, real: NDArray) -> dict[str, float | None]:
        enough = min(len(faces), len(real)) > 1
        return {
            "frechet": frechet_distance(faces, real) if enough else None,
            "outside_training_range": share_outside(faces, self.train.all_faces),
        }


def _baselines(
    model: ExpressionModel,
    train: EvaluationSplit,
    test: EvaluationSplit,
    settings: EvaluationSettings,
) -> tuple[dict[str, baselines.Predictions], dict[str, NDArray], dict[str, Any]]:
    """By baseline: answers to texts, reconstructions of the test faces, and how it was trained."""
    seed = settings.seed
    training: dict[str, Any] = {}
    answers = {
        "mean_vector": baselines.mean_vector(train, test),
        "tag_mean": baselines.tag_mean(train, test),
        "nearest_neighbour": baselines.nearest_neighbour(train, test),
        "ridge": baselines.ridge(train, test, seed=seed),
    }
    answers["mlp"], training["mlp"] = baselines.mlp(
        train, test, steps=settings.mlp_steps, seed=seed
    )
    untrained = _Answers.of(_untrained(model, seed), test, settings.batch_size)
    answers["untrained_autoencoder"] = untrained.faces
    rebuilt = {"untrained_autoencoder": untrained.reconstruction}
    if settings.baselines == "all":
        name = "authors_architecture"
        answers[name], rebuilt[name], training[name] = authors_network(
            train, test, steps=settings.authors_steps, seed=seed
        )
    return answers, rebuilt, training


def _untrained(model: ExpressionModel, seed: int) -> ExpressionModel:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return ExpressionModel(model.config).eval()


def _retrieval(
    test: EvaluationSplit,
    ours: _Answers,
    others: dict[str, baselines.Predictions],
    settings: EvaluationSettings,
) -> dict[str, Any]:
    """By kind: in the latent space by angle, and by distance of the decoded face."""
    table: dict[str, Any] = {}
    for kind, pairs in test.pairs.items():
        rows = draw_rows(len(pairs), settings.retrieval_items, settings.seed)
        texts = distinct_texts([pairs.texts[row] for row in rows])[1]
        numbers = texts, distinct_faces(pairs.faces[rows])
        latent = ours.latents[kind][rows], ours.expression_latents[kind][rows]
        table[KIND_NAMES[kind]] = {
            "latent": retrieve_both_ways(*latent, *numbers, cosine=True),
            "decoded": {
                name: retrieve_both_ways(
                    answers[kind][rows], pairs.faces[rows], *numbers, cosine=False
                )
                for name, answers in {MODEL: ours.faces, **others}.items()
                if kind in answers and name != "tag_mean"
            },
        }
    return table


def _action_units(
    model: ExpressionModel,
    test: EvaluationSplit,
    ours: _Answers,
    settings: EvaluationSettings,
) -> dict[str, Any] | None:
    """Scores of decoded faces; None where the dataset lists no units or the table is unknown."""
    mapping = _mapping_of(model)
    if mapping is None or test.action_units is None or not any(test.action_units):
        return None
    draws = {"samples": settings.samples, "seed": settings.seed}
    limit = settings.action_unit_items
    rows = draw_rows(len(test.faces), limit, settings.seed)
    listed = [test.action_units[row] for row in rows]
    parts = {"dataset_faces": (listed, test.faces[rows])}
    parts["reconstruction"] = listed, ours.reconstruction[rows]
    for kind, pairs in test.pairs.items():
        chosen = draw_rows(len(pairs), limit, settings.seed)
        units = pairs.take(chosen).action_units
        if units is not None and any(units):
            parts[KIND_NAMES[kind]] = units, ours.faces[kind][chosen]
    table: dict[str, Any] = {"tolerance": TOLERANCE}
    work = sum(len(faces) for _, faces in parts.values())
    with Progress("read action units", work) as progress:
        for name, (units, faces) in parts.items():
            found = decoded_units(faces, mapping, progress.update)
            wanted = [read_units(of_item) for of_item in units]
            table[name] = action_unit_scores(wanted, found, **draws)
    return table


def _mapping_of(model: ExpressionModel) -> AUMapping | None:
    if model.config.expression_size != len(ARKIT_51):
        return None
    try:
        return load_mapping(model.config.mapping_version)
    except TableError:
        return None


def _latent_map(
    test: EvaluationSplit, latents: dict[str, NDArray], settings: EvaluationSettings
) -> LatentMap | None:
    """Distinct texts of the same drawn items, every kind."""
    points, kinds, tags = [], [], []
    for kind, pairs in test.pairs.items():
        drawn = set(draw_rows(_items_of(test, kind), settings.map_items, settings.seed).tolist())
        rows = [row for row, item in enumerate(pairs.items) if int(item) in drawn]
        first, _ = distinct_texts([pairs.texts[row] for row in rows])
        chosen = [rows[position] for position in first]
        points.append(latents[kind][chosen])
        kinds += [kind] * len(chosen)
        tags += [pairs.tags[row][0] if pairs.tags[row] else "" for row in chosen]
    return map_latents(np.concatenate(points), kinds, tags, seed=settings.seed)


def _items_of(test: EvaluationSplit, kind: str) -> int:
    return len(test.pairs[kind]) if kind == "cues" else len(test.faces)


def _examples(test: EvaluationSplit, ours: _Answers, settings: EvaluationSettings) -> list[Example]:
    """Drawn test texts, as many of every kind."""
    chosen = []
    for kind, pairs in test.pairs.items():
        count = -(-settings.examples // len(test.pairs))
        for row in draw_rows(len(pairs), count, settings.seed) if count else ():
            chosen.append(_example(kind, pairs, ours.faces[kind], int(row)))
    return chosen


def _example(kind: str, pairs: Pairs, decoded: NDArray, row: int) -> Example:
    return Example(kind, pairs.texts[row], pairs.faces[row], decoded[row])

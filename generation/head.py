"""The calibration head: small linear models from the LLM's answers to tags and a strength.

Its input is what one reading gives anyway: the standardised log-probability of every tag's name,
and the model's last hidden state where it answered. Tags are one logistic regression each. The
strength is one ridge regression for each emotion that people rated, mixed by how probable that
emotion is. Weights are safetensors, the rest is JSON with the report of the fit; no sentence of a
corpus is in either. ``fit_head.py`` makes it, ``LOG.md`` says why it looks like this.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jsonschema import Draft202012Validator
from safetensors import SafetensorError
from safetensors.numpy import load, save

from ..errors import TableError
from .tables_reading import NEUTRAL, SCHEMAS

HEADS = Path(__file__).parent / "heads"
WEIGHTS = "head.safetensors"
DESCRIPTION = "head.json"
TENSORS = (
    "feature_means",
    "feature_deviations",
    "tag_weights",
    "tag_biases",
    "rated_weights",
    "rated_biases",
    "strength_weights",
    "strength_biases",
)


@dataclass(frozen=True, eq=False)
class CalibrationHead:
    """Linear models over ``n_features`` figures of a reading (see ``head_input``).

    Attributes:
        about: ``head.json``: version, model, prompt, tags, thresholds, the report of the fit.
        tensors: float32. ``feature_means`` and ``feature_deviations`` (n_features,);
            ``tag_weights`` (n_features, n_tags) and ``tag_biases`` (n_tags,) of the tags' logistic
            regressions; ``rated_weights`` (n_features, n_rated) and ``rated_biases`` (n_rated,) of
            a softmax over the rated emotions; ``strength_weights`` (n_features, n_rated) and
            ``strength_biases`` (n_rated,) of the strengths given each of these.
    """

    about: Mapping[str, Any]
    tensors: Mapping[str, np.ndarray]

    @property
    def name(self) -> str:
        """Version and the start of the weights' hash, as written into every record."""
        return f"{self.about['version']}@{self.about['weights_sha256'][:12]}"

    @cached_property
    def tags(self) -> tuple[str, ...]:
        """Tags in the order of ``tag_probabilities``."""
        return tuple(self.about["tags"])

    def tag_probabilities(self, features: np.ndarray) -> np.ndarray:
        """Probability of every tag: (n_features,) to float64 (n_tags,), or with leading axes.

        Rare and common tags are partly evened out (``Penalties.prior``), so it is no frequency.
        """
        logits = self._linear(features, "tag")
        probabilities: np.ndarray = 1.0 / (1.0 + np.exp(-logits))
        return probabilities

    def choose_tags(self, probabilities: np.ndarray) -> tuple[str, ...]:
        """The best tag, and further ones at least ``second_tag`` probable; neutral only alone."""
        order = np.argsort(-probabilities, kind="stable")
        first = self.tags[order[0]]
        if first == NEUTRAL:
            return (first,)
        further = [
            self.tags[index]
            for index in order[1 : self.about["max_tags"]]
            if probabilities[index] >= self.about["second_tag"] and self.tags[index] != NEUTRAL
        ]
        return (first, *further)

    def strength(self, features: np.ndarray, emotions: Sequence[str] = ()) -> float:
        """How strongly the emotion is felt, in [0, 1].

        Args:
            features: (n_features,).
            emotions: Tags that are known already; without any, or where none of them is near a
                rated emotion, the strengths are mixed by the emotions' own probabilities.
        """
        rated = self.about["rated"]
        groups = self.about["strength_groups"]
        places = [rated.index(groups[emotion]) for emotion in emotions if emotion in groups]
        strengths = self._linear(features, "strength")
        if places:
            return float(np.clip(strengths[places].mean(), 0.0, 1.0))
        shares = _softmax(self._linear(features, "rated"))
        return float(np.clip(shares @ strengths, 0.0, 1.0))

    def _linear(self, features: np.ndarray, name: str) -> np.ndarray:
        tensors = self.tensors
        standard = (features - tensors["feature_means"]) / tensors["feature_deviations"]
        outcome: np.ndarray = standard @ tensors[f"{name}_weights"].astype(np.float64)
        return outcome + tensors[f"{name}_biases"]

    def save(self, folder: Path) -> None:
        """Write ``head.safetensors`` and ``head.json`` into ``folder``, which is created."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / WEIGHTS).write_bytes(pack_tensors(self.tensors))
        text = json.dumps(self.about, indent=2, ensure_ascii=False) + "\n"
        (folder / DESCRIPTION).write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> CalibrationHead:
        """Read a head; nothing in its files is executed.

        Raises:
            TableError: A file is missing, damaged, of another form, or the two do not belong
                together.
        """
        try:
            about = json.loads((folder / DESCRIPTION).read_text("utf-8"))
            content = (folder / WEIGHTS).read_bytes()
            tensors = load(content)
        except (OSError, ValueError, RecursionError, SafetensorError) as error:
            raise TableError(
                f"{folder}: not a calibration head ({error}); make one with 'countenance fit-head'"
            ) from None
        schema = json.loads((SCHEMAS / "head.schema.json").read_text("utf-8"))
        problem = next(Draft202012Validator(schema).iter_errors(about), None)
        if problem is not None:
            raise TableError(
                f"{folder / DESCRIPTION}: {problem.json_path}: {problem.message[:160]}"
            )
        if hashlib.sha256(content).hexdigest() != about["weights_sha256"]:
            raise TableError(f"{folder / WEIGHTS}: not the weights that {DESCRIPTION} describes")
        _check_shapes(folder, about, tensors)
        return cls(about, tensors)


def head_input(standardised_tag_scores: np.ndarray, hidden_states: np.ndarray) -> np.ndarray:
    """The features of readings: (n, n_tags) and (n, hidden_size) side by side, float64."""
    return np.concatenate(
        [standardised_tag_scores.astype(np.float64), hidden_states.astype(np.float64)], axis=-1
    )


def pack_tensors(tensors: Mapping[str, np.ndarray]) -> bytes:
    """The bytes of ``head.safetensors``."""
    return save({name: np.ascontiguousarray(tensors[name], np.float32) for name in TENSORS})


def _softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max())
    shares: np.ndarray = powers / powers.sum()
    return shares


def _check_shapes(folder: Path, about: Mapping[str, Any], tensors: Mapping[str, Any]) -> None:
    missing = [name for name in TENSORS if name not in tensors]
    if missing:
        raise TableError(f"{folder / WEIGHTS}: no tensor {missing[0]!r}")
    width = len(tensors["feature_means"])
    columns = {"tag": len(about["tags"]), "rated": len(about["rated"])}
    columns["strength"] = columns["rated"]
    expected: dict[str, tuple[int, ...]] = {
        "feature_means": (width,),
        "feature_deviations": (width,),
    }
    for name, count in columns.items():
        expected |= {f"{name}_weights": (width, count), f"{name}_biases": (count,)}
    for name, shape in expected.items():
        found = tensors[name]
        if found.shape != shape or found.dtype != np.float32 or not np.isfinite(found).all():
            raise TableError(
                f"{folder / WEIGHTS}: {name}: expected finite float32 {shape}, found "
                f"{found.dtype} {found.shape}"
            )
    if not (tensors["feature_deviations"] > 0).all():
        raise TableError(f"{folder / WEIGHTS}: feature_deviations: expected positive figures")
    unknown = set(about["strength_groups"].values()) - set(about["rated"])
    if unknown:
        raise TableError(
            f"{folder / DESCRIPTION}: $.strength_groups: {min(unknown)!r} has no strength model"
        )

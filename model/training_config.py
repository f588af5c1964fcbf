"""Everything that a training run can be told, checked before anything is computed."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import ModelError
from .configuration_countenance import ExpressionConfig
from .lexicon import DEFAULT_LEXICON

_PRESETS = Path(__file__).parent / "presets"
_POSITIVE = ("expression_size", "learning_rate", "batch_size", "evaluations", "encode_batch_size")
_NOT_NEGATIVE = (
    "cue_repeats",
    "text_noise",
    "lambda_ae",
    "lambda_emb",
    "lambda_multi",
    "weight_decay",
    "text_variants",
    "perturbation",
    "gradient_clip",
    "seed",
)
_SHARES = (
    "warmup",
    "validation",
    "synonym_rate",
    "swap_rate",
    "perturbation_density",
)
_CHOICES: dict[str, tuple[str | None, ...]] = {
    "schedule": ("constant", "cosine"),
    "keep": ("best", "last"),
    "mixed_precision": ("auto", "no", "bf16", "fp16"),
    "encode_precision": ("auto", "float32", "bfloat16"),
    "trackers": (None, "tensorboard"),
}
_MODEL_FIELDS = (
    "latent_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "dropout",
    "initializer_range",
)
_INTEGER_LIMIT = 2**63  # JSON has whole numbers of any length, torch has not


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number too large for a float
        return False


@dataclass
class TrainingConfig:
    """Settings of a training run; the defaults of the method are the paper's.

    Attributes:
        dataset: Folder or Hub name of a built dataset.
        output: Checkpoint folder to write.
        overwrite: Replace ``output`` when it already holds a checkpoint. A folder that holds
            anything else is never touched.
        model: Sizes of the model, fields of ``ExpressionConfig`` (latent_size, hidden_size,
            intermediate_size, num_hidden_layers, num_attention_heads, dropout, initializer_range).
        expression_size: Blendshape weights per face in the dataset.
        text_encoder: Folder or Hub name of the frozen text encoder.
        text_encoder_revision: Its git revision on the Hub.
        text_encoder_layers: Its hidden states that are pooled and joined, 0 for the word
            embeddings; ``None`` for the last one alone. Not for CLIP.
        lambda_ae: Weight of the reconstruction loss.
        lambda_emb: Weight of the embedding alignment loss.
        lambda_multi: Weight of the multimodal reconstruction loss.
        learning_rate: Peak learning rate of AdamW.
        weight_decay: Decoupled weight decay; 0 makes AdamW the Adam of the paper.
        schedule: "constant", or "cosine" down to 0 at the last step.
        warmup: Share of the steps over which the learning rate rises from 0.
        gradient_clip: Largest L2 norm of the gradient; 0 switches clipping off.
        batch_size: Items per step over all processes together.
        epochs: Passes over the training items; ``None`` leaves ``max_steps`` alone to decide.
        max_steps: Most steps; ``None`` leaves ``epochs`` alone to decide.
        patience: Stop after this many validations without a better one; ``None`` never stops.
        evaluations: Validations over the run, evenly spread.
        keep: Which weights are saved: those of the "best" validation, or the "last".
        validation: Share of the train split held out for validation, where the dataset does not
            mark the items for it itself.
        kind_weights: Relative chance of transcript, tags and description to be drawn as S; an item
            that has only kinds of weight 0 draws among its texts alike.
        cue_repeats: How often each item of the dataset's ``cues`` stands in an epoch, where there
            are any; 0 leaves them out.
        text_variants: Augmented variants per text, encoded ahead; 0 switches augmentation off.
        synonym_rate: Share of the words replaced by a synonym in a variant.
        swap_rate: Share of the words that change places in a variant.
        lexicon: Name or path of the synonym lexicon.
        perturbation: Largest value of a blendshape perturbation; 0 switches it off.
        perturbation_density: Chance that a blendshape is perturbed at all.
        perturbed_target: Learn to reproduce the perturbed face, as the authors' code does, instead
            of the clean one.
        text_noise: Standard deviation of the noise that is added to every text feature in training
            (the packaged encoder's features have a mean square of 1/384, 0.05 squared).
        mixed_precision: "no", "bf16" or "fp16", as accelerate takes it, or "auto": bf16 on a GPU
            that computes in it, else no.
        encode_batch_size: Most texts per forward pass of the text encoder.
        encode_precision: "float32" or "bfloat16", what the text encoder computes in ahead of
            training, or "auto": bfloat16 where the hardware computes in it, else float32.
        threads: CPU threads of a process; ``None`` leaves torch's choice. On a busy machine one
            thread is many times faster than one per core.
        trackers: "tensorboard" writes the figures of every validation for TensorBoard; ``None``
            writes none. No weight depends on it.
        log_folder: Where trackers write; ``None`` stands for ``OUTPUT.logs``.
        seed: Seed of every draw.
    """

    dataset: str = ""
    output: str = ""
    overwrite: bool = False
    model: dict[str, Any] = field(default_factory=dict)
    expression_size: int = 51
    text_encoder: str = "sentence-transformers/all-MiniLM-L6-v2"
    text_encoder_revision: str | None = None
    text_encoder_layers: tuple[int, ...] | None = None
    lambda_ae: float = 1.0
    lambda_emb: float = 10.0
    lambda_multi: float = 10.0
    learning_rate: float = 1e-5
    weight_decay: float = 0.0
    schedule: str = "constant"
    warmup: float = 0.0
    gradient_clip: float = 0.0
    batch_size: int = 256
    epochs: int | None = 200
    max_steps: int | None = None
    patience: int | None = None
    evaluations: int = 20
    keep: str = "best"
    validation: float = 0.05
    kind_weights: tuple[float, float, float] = (1.0, 1.0, 1.0)
    cue_repeats: int = 1
    text_variants: int = 1
    synonym_rate: float = 0.1
    swap_rate: float = 0.1
    lexicon: str = DEFAULT_LEXICON
    perturbation: float = 0.2
    perturbation_density: float = 0.5
    perturbed_target: bool = False
    text_noise: float = 0.0
    mixed_precision: str = "no"
    encode_precision: str = "float32"
    encode_batch_size: int = 64
    threads: int | None = None
    trackers: str | None = None
    log_folder: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        self._check_types()
        for name in _POSITIVE:
            self._require(name, getattr(self, name) > 0, "above 0")
        for name in _NOT_NEGATIVE:
            self._require(name, getattr(self, name) >= 0, "0 or more")
        for name in _SHARES:
            self._require(name, 0 <= getattr(self, name) <= 1, "in [0, 1]")
        for name, choices in _CHOICES.items():
            known = ", ".join("null" if choice is None else choice for choice in choices)
            self._require(name, getattr(self, name) in choices, f"one of {known}")
        for name in ("epochs", "max_steps", "patience", "threads"):
            value = getattr(self, name)
            self._require(name, value is None or value > 0, "above 0, or null")
        self._require("validation", 0 < self.validation < 1, "between 0 and 1")
        if self.epochs is None and self.max_steps is None:
            raise ModelError("training configuration: give epochs, max_steps or both")
        self._check_kind_weights()
        self._check_layers()
        unknown = sorted(set(self.model) - set(_MODEL_FIELDS))
        if unknown:
            raise ModelError(
                f"training configuration: unknown field model.{unknown[0]}; known are "
                f"{', '.join(_MODEL_FIELDS)}"
            )
        try:
            ExpressionConfig(**self.model)
        except (TypeError, ValueError) as error:
            raise ModelError(f"training configuration: model: {error}") from error

    def _check_types(self) -> None:
        for item in dataclasses.fields(self):
            value = getattr(self, item.name)
            kind = str(item.type).removesuffix(" | None")
            optional = str(item.type).endswith("None")
            if value is None and optional:
                continue
            expected: dict[str, tuple[type, ...]] = {
                "bool": (bool,),
                "int": (int,),
                "float": (int, float),
                "str": (str,),
            }
            known = expected.get(kind)
            if known is None:
                continue
            right = isinstance(value, known) and (kind == "bool" or not isinstance(value, bool))
            self._require(item.name, right, f"of type {kind}{' or null' if optional else ''}")
            if kind == "float":
                self._require(item.name, _is_finite(value), "a finite number")
            if kind == "int":
                self._require(item.name, abs(value) < _INTEGER_LIMIT, "a number of 63 bits")
        self._require("model", isinstance(self.model, dict), "an object of model sizes")

    def _check_kind_weights(self) -> None:
        weights = self.kind_weights
        right = (
            isinstance(weights, list | tuple)
            and len(weights) == 3
            and all(isinstance(w, int | float) and _is_finite(w) and w >= 0 for w in weights)
            and sum(weights) > 0
        )
        self._require("kind_weights", right, "three weights (t, e, d), 0 or more, not all 0")
        self.kind_weights = (weights[0], weights[1], weights[2])

    def _check_layers(self) -> None:
        layers = self.text_encoder_layers
        if layers is None:
            return
        right = (
            isinstance(layers, list | tuple)
            and all(type(layer) is int and layer >= 0 for layer in layers)
            and len(set(layers)) == len(layers) > 0
        )
        self._require("text_encoder_layers", right, "different numbers from 0 up, or null")
        self.text_encoder_layers = tuple(layers)

    def _require(self, name: str, right: bool, expected: str) -> None:
        if not right:
            found = getattr(self, name)
            raise ModelError(f"training configuration: {name} is {found!r}, expected {expected}")

    @classmethod
    def from_dict(cls, settings: dict[str, Any], source: str = "settings") -> TrainingConfig:
        """Build a configuration from a dictionary.

        Args:
            settings: Values by field name; the rest keep their defaults.
            source: Where they come from, for messages.

        Returns:
            The checked configuration.

        Raises:
            ModelError: If a field is unknown or a value is wrong.
        """
        known = [item.name for item in dataclasses.fields(cls)]
        unknown = sorted(set(settings) - set(known))
        if unknown:
            raise ModelError(
                f"{source}: unknown field {unknown[0]!r}; known are {', '.join(known)}"
            )
        return cls(**settings)

    @classmethod
    def from_preset(
        cls,
        name_or_path: str | Path,
        **overrides: Any,  # noqa: ANN401
    ) -> TrainingConfig:
        """Load a preset.

        Args:
            name_or_path: "paper", "cpu", "demo", or the path of a JSON file with fields of this
                class.
            **overrides: Fields that replace those of the preset; ``None`` keeps the preset's.

        Returns:
            The checked configuration.

        Raises:
            ModelError: If the preset is unknown, unreadable, no JSON object, or holds an unknown
                field or a wrong value.
        """
        packaged = _PRESETS / f"{name_or_path}.json"
        path = packaged if packaged.is_file() else Path(name_or_path)
        try:
            if not path.is_file():
                known = ", ".join(sorted(file.stem for file in _PRESETS.glob("*.json")))
                raise ModelError(
                    f"unknown preset {str(name_or_path)!r}: give one of {known}, or a file"
                )
            settings = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ModelError(f"{path}: cannot read the preset ({error.strerror})") from error
        except (ValueError, RecursionError) as error:
            raise ModelError(f"{path}: not valid JSON ({error})") from error
        if not isinstance(settings, dict):
            raise ModelError(f"{path}: expected a JSON object of training settings")
        given = {key: value for key, value in overrides.items() if value is not None}
        return cls.from_dict(settings | given, source=str(path))

    def to_dict(self) -> dict[str, Any]:
        """All settings, ready for JSON."""
        return dataclasses.asdict(self)

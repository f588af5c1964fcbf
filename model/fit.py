"""The optimisation loop: steps, validations, early stopping, which weights are kept, resuming."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader

from ..errors import ModelError
from ..progress import Progress
from .accelerating import log_figures
from .losses import AlignmentLoss, total_loss
from .modeling_countenance import ExpressionModel
from .resume import RunState, UnfinishedRun
from .training_config import TrainingConfig
from .validation import ValidationItems, validate


class DivergedError(ModelError):
    """The loss is no longer finite."""


@dataclass
class Fit:
    """Outcome of a run.

    Attributes:
        model: The trained model, in evaluation mode on the CPU, with the kept weights.
        train_items: Items of an epoch, repeated cues counted.
        validation_items: Items validated on.
        steps: Optimisation steps made.
        epochs: Passes over the items made.
        kept_step: Step after which the kept weights stood.
        validation: Figures of the kept weights.
        history: Figures of every validation, with ``step`` and the mean training terms since the
            one before.
        samples_per_second: Items per second in the steps, validation left out.
        seconds: Spent in steps and validations, those of earlier sessions included.
    """

    model: ExpressionModel
    train_items: int
    validation_items: int
    steps: int = 0
    epochs: float = 0.0
    kept_step: int = 0
    validation: dict[str, float] = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)
    samples_per_second: float = 0.0
    seconds: float = 0.0


def batch_size(items: int, config: TrainingConfig, processes: int = 1) -> int:
    """Items of a step over all processes together: a dataset below one batch is one batch.

    Raises:
        ModelError: There are fewer items than processes.
    """
    size = min(config.batch_size, items)
    size -= size % processes
    if not size:
        raise ModelError(f"{items} train items are too few for {processes} processes")
    return size


def steps_per_epoch(items: int, config: TrainingConfig) -> int:
    """Steps of one pass over ``items`` items.

    What does not fill a batch waits for another epoch's order: so several processes, which share
    each batch evenly, take the same steps as one. A dataset below one batch is one batch.
    """
    return max(1, items // config.batch_size)


def count_steps(items: int, config: TrainingConfig) -> int:
    """Steps of a whole run over ``items`` items: what epochs and max_steps allow."""
    epochs = config.epochs and config.epochs * steps_per_epoch(items, config)
    return min(bound for bound in (config.max_steps, epochs) if bound is not None)


def learning_rate_factor(step: int, total: int, config: TrainingConfig) -> float:
    """Share of the peak learning rate at a step (0, 1 ... total - 1)."""
    rising = round(config.warmup * total)
    if step < rising:
        return (step + 1) / rising
    if config.schedule == "constant":
        return 1.0
    return 0.5 * (1.0 + math.cos(math.pi * (step - rising) / max(1, total - rising)))


def fit(
    model: ExpressionModel,
    loader: DataLoader,
    held: ValidationItems,
    loss: AlignmentLoss,
    config: TrainingConfig,
    accelerator: Accelerator,
    unfinished: UnfinishedRun | None = None,
) -> Fit:
    """Train a model.

    Args:
        model: The model, with its initial weights.
        loader: Batches as ``TrainingItems`` gives them; its dataset has ``set_epoch``.
        held: Items to validate on.
        loss: The objective.
        config: The settings.
        accelerator: Where and on how many processes to run.
        unfinished: Where the run's state is kept after every validation, and looked for first.

    Returns:
        The outcome.

    Raises:
        ModelError: If the loss is no longer finite, or the state cannot be read or written.
    """
    items = len(loader.dataset)  # type: ignore[arg-type]
    total = count_steps(items, config)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    schedule = LambdaLR(optimizer, lambda step: learning_rate_factor(step, total, config))
    run = _Run(Fit(model, items, len(held.blendshapes)), total, config, accelerator)
    prepared: Any = accelerator.prepare(model, optimizer, loader, schedule)
    wrapped, optimizer, batches, schedule = prepared
    earlier = unfinished.load() if unfinished else None
    if earlier:
        run.restore(earlier, optimizer, schedule)
        if run.is_over():
            return run.finish()
    first_epoch, made = divmod(run.outcome.steps, steps_per_epoch(items, config))
    with Progress("train", total, enabled=accelerator.is_main_process) as progress:
        progress.update(run.outcome.steps)
        for epoch in range(first_epoch, total):  # an epoch has at least one step
            batches.set_epoch(epoch)
            torch.manual_seed(config.seed + epoch)  # dropout, the same whenever an epoch is entered
            if earlier and made:
                torch.set_rng_state(earlier.tensors["random/state"])
            for batch in accelerator.skip_first_batches(batches, made) if made else batches:
                run.add(take_step(wrapped, batch, loss, optimizer, schedule, config, accelerator))
                progress.update(1)
                if run.validation_is_due():
                    try:
                        progress.say(run.validate(held, loss))
                    except DivergedError:
                        # Other settings are wanted now; the state would only stand in their way.
                        if unfinished and accelerator.is_main_process:
                            unfinished.remove()
                        raise
                    if unfinished and accelerator.is_main_process:
                        unfinished.save(run.state(optimizer, schedule))
                if run.is_over():
                    return run.finish()
            made = 0
    return run.finish()


def take_step(
    model: torch.nn.Module,
    batch: dict[str, Tensor],
    loss: AlignmentLoss,
    optimizer: Any,  # noqa: ANN401
    schedule: Any,  # noqa: ANN401
    config: TrainingConfig,
    accelerator: Accelerator,
) -> dict[str, Tensor]:
    """One optimisation step on a batch of ``TrainingItems``; gives the terms of the loss."""
    output = model(blendshapes=batch["blendshapes"], text_features=batch["text_features"])
    terms = loss(**{name: value.float() for name, value in output.items()}, target=batch["target"])
    accelerator.backward(total_loss(terms))
    if config.gradient_clip > 0:
        accelerator.clip_grad_norm_(model.parameters(), config.gradient_clip)
    optimizer.step()
    schedule.step()
    optimizer.zero_grad()
    return terms


class _Run:
    """Where a run stands: steps, sums since the last validation, the best weights so far."""

    def __init__(
        self,
        outcome: Fit,
        total: int,
        config: TrainingConfig,
        accelerator: Accelerator,
    ) -> None:
        self.outcome = outcome
        self.total = total
        self.config = config
        self.accelerator = accelerator
        self.every = max(1, total // config.evaluations)
        self._sums: dict[str, Tensor] = {}
        self._since = 0
        self._waited = 0
        self._best = math.inf
        self._kept: dict[str, Tensor] = {}
        self._seconds = 0.0
        self._began = self._clock = time.monotonic()
        outcome.model.train()

    def add(self, terms: dict[str, Tensor]) -> None:
        self.outcome.steps += 1
        self._since += 1
        for name in ("ae", "emb", "multi"):
            self._sums[name] = self._sums.get(name, torch.zeros_like(terms[name])) + terms[name]

    def state(self, optimizer: Any, schedule: Any) -> RunState:  # noqa: ANN401
        """Everything that the rest of the run depends on."""
        outcome, state = self.outcome, RunState()
        state.add("model", self.accelerator.unwrap_model(outcome.model).state_dict())
        state.add("kept", self._kept)
        state.add("random", {"state": torch.get_rng_state()})
        state.add_optimizer(optimizer)
        state.facts |= {
            "schedule": schedule.state_dict(),
            "steps": outcome.steps,
            "kept_step": outcome.kept_step,
            "validation": outcome.validation,
            "history": outcome.history,
            "waited": self._waited,
            "best": self._best,
            "seconds": self._seconds,
            "all_seconds": outcome.seconds + time.monotonic() - self._began,
        }
        return state

    def restore(self, state: RunState, optimizer: Any, schedule: Any) -> None:  # noqa: ANN401
        """Stand where ``state`` was taken."""
        outcome, facts = self.outcome, state.facts
        self.accelerator.unwrap_model(outcome.model).load_state_dict(state.group("model"))
        self._kept = state.group("kept")
        state.restore_optimizer(optimizer)
        schedule.load_state_dict(facts["schedule"])
        outcome.steps, outcome.kept_step = facts["steps"], facts["kept_step"]
        outcome.validation, outcome.history = facts["validation"], facts["history"]
        self._waited, self._best = facts["waited"], facts["best"]
        self._seconds, outcome.seconds = facts["seconds"], facts["all_seconds"]

    def validation_is_due(self) -> bool:
        return self.outcome.steps % self.every == 0 or self.outcome.steps == self.total

    def is_over(self) -> bool:
        patience = self.config.patience
        return self.outcome.steps >= self.total or (
            patience is not None and self._waited >= patience
        )

    def validate(self, held: ValidationItems, loss: AlignmentLoss) -> str:
        """Validate, remember the best weights, and say in one line how it goes."""
        self._seconds += time.monotonic() - self._clock
        outcome = self.outcome
        model = self.accelerator.unwrap_model(outcome.model)
        figures = validate(model, held, loss, self.config.batch_size)
        if not math.isfinite(figures["loss"]):
            raise DivergedError(
                f"the validation loss is {figures['loss']} after {outcome.steps} steps; lower "
                "learning_rate or set gradient_clip"
            )
        trained = {  # each process saw its share of every batch
            f"train_{name}": float(self.accelerator.reduce(value, "mean")) / self._since
            for name, value in self._sums.items()
        }
        outcome.history.append({"step": outcome.steps, **figures, **trained})
        log_figures(self.accelerator, figures | trained, outcome.steps)
        self._sums, self._since = {}, 0
        better = figures["loss"] < self._best  # of all, also where the last weights are kept
        self._best = min(self._best, figures["loss"])
        self._waited = 0 if better else self._waited + 1
        if better or self.config.keep == "last":
            outcome.validation, outcome.kept_step = figures, outcome.steps
            state = model.state_dict()
            self._kept = {name: value.detach().clone() for name, value in state.items()}
        self._clock = time.monotonic()
        return (
            f"step {outcome.steps}/{self.total}  validation loss {figures['loss']:.4f}  "
            f"face {figures['mae_reconstruction']:.4f}"
            + "".join(f"  {k} {figures[f'mae_{k}']:.4f}" for k in "ted" if f"mae_{k}" in figures)
        )

    def finish(self) -> Fit:
        outcome = self.outcome
        model = self.accelerator.unwrap_model(outcome.model)
        model.load_state_dict(self._kept)
        outcome.model = model.to("cpu").eval()
        outcome.epochs = outcome.steps / steps_per_epoch(outcome.train_items, self.config)
        seen = outcome.steps * min(self.config.batch_size, outcome.train_items)
        outcome.seconds += time.monotonic() - self._began
        outcome.samples_per_second = seen / max(self._seconds, 1e-9)
        return outcome

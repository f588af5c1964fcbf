"""Unfinished runs: everything that a killed training needs to go on as if nothing had happened.

One safetensors file beside the checkpoint folder, ``OUTPUT.unfinished``, renewed after every
validation in one move and removed when the checkpoint stands. Tensors (weights, the best weights,
the optimizer's moments, torch's random state) are tensors; all else is JSON in its header.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ..errors import ModelError
from .checkpoint import cannot_write
from .training_config import TrainingConfig

_HEADER = "countenance"
# Where things lie has no influence on what a run computes; the data have a digest of their own.
_NO_INFLUENCE = ("dataset", "output", "overwrite", "threads", "trackers", "log_folder")


@dataclass
class RunState:
    """Where a run stood after a validation.

    Attributes:
        tensors: By name: ``model/…``, ``kept/…`` (the best weights so far), ``optimizer/N/…``,
            ``random`` (torch's generator), ``sum/…``.
        facts: The rest, plain JSON.
    """

    tensors: dict[str, Tensor] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    def add(self, group: str, tensors: dict[str, Tensor]) -> None:
        """Take copies of tensors in under ``group/``."""
        for name, value in tensors.items():
            self.tensors[f"{group}/{name}"] = value.detach().cpu().contiguous().clone()

    def group(self, name: str) -> dict[str, Tensor]:
        """The tensors under ``name/``, without that prefix."""
        prefix = f"{name}/"
        return {
            key.removeprefix(prefix): value
            for key, value in self.tensors.items()
            if key.startswith(prefix)
        }

    def add_optimizer(self, optimizer: Any) -> None:  # noqa: ANN401
        """Take the state of a torch optimizer in."""
        state = optimizer.state_dict()
        for index, moments in state["state"].items():
            self.add(f"optimizer/{index}", moments)
        self.facts["optimizer"] = state["param_groups"]

    def restore_optimizer(self, optimizer: Any) -> None:  # noqa: ANN401
        """Give a torch optimizer over the same weights its state back."""
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in self.group("optimizer").items():
            index, _, moment = name.partition("/")
            state.setdefault(int(index), {})[moment] = value
        optimizer.load_state_dict({"state": state, "param_groups": self.facts["optimizer"]})


class UnfinishedRun:
    """The file of an unfinished run.

    Args:
        config: The run's settings; ``output`` says where the file lies.
        data: SHA-256 (hex) of what is trained on.
    """

    def __init__(self, config: TrainingConfig, data: str) -> None:
        output = Path(config.output).absolute()
        self.path = output.with_name(f"{output.name}.unfinished")
        # One name for all sessions: what a kill leaves is written over, and goes with the run.
        self._temporary = self.path.with_name(f"{self.path.name}.tmp")
        settings = {k: v for k, v in config.to_dict().items() if k not in _NO_INFLUENCE}
        self._identity = {
            "settings": json.loads(json.dumps(settings)),
            "data": data,
            "torch": torch.__version__,
        }
        self._overwrite = config.overwrite

    def load(self) -> RunState | None:
        """What is there of an earlier session of this run; None where it begins.

        Raises:
            ModelError: The file is damaged, or of a run with other settings or data; with
                ``overwrite`` it is left out of account instead.
        """
        try:
            with safe_open(self.path, "pt") as file:
                state = RunState({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
                header = json.loads((file.metadata() or {})[_HEADER])
            state.facts = header["facts"]
            found = header["identity"]
        except FileNotFoundError:
            return None
        except (OSError, SafetensorError, KeyError, ValueError, RecursionError) as error:
            if self._overwrite:
                return None
            raise ModelError(
                f"{self.path}: cannot read the unfinished run ({error}); delete the file to start "
                "over"
            ) from error
        if found == self._identity:
            return state
        if self._overwrite:
            return None
        raise ModelError(
            f"{self.path}: an unfinished run of another {_difference(found, self._identity)}; give "
            "the same settings to finish it, or delete the file to start over"
        )

    def save(self, state: RunState) -> None:
        """Replace what is there.

        Raises:
            ModelError: It cannot be written; what was there stays.
        """
        header = {"identity": self._identity, "facts": state.facts}
        try:
            save_file(state.tensors, self._temporary, {_HEADER: json.dumps(header)})
            self._temporary.replace(self.path)
        except (OSError, SafetensorError) as error:
            self._temporary.unlink(missing_ok=True)
            raise cannot_write(self.path, error) from error

    def remove(self) -> None:
        """The run is finished."""
        self._temporary.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)


def finished_before(config: TrainingConfig) -> dict[str, Any] | None:
    """Metrics of this very run where it was killed between its last two steps; None otherwise.

    The checkpoint stands then, whole, and the file of the unfinished run was not yet removed: a
    state that only a kill leaves, since nothing is begun where a checkpoint stands.

    Args:
        config: The run's settings, with "auto" resolved.
    """
    output = Path(config.output).absolute()
    if config.overwrite or not UnfinishedRun(config, "").path.is_file():
        return None
    try:
        written = json.loads((output / "training_config.json").read_text("utf-8"))
        metrics: dict[str, Any] = json.loads((output / "metrics.json").read_text("utf-8"))
    except (OSError, ValueError):
        return None
    mine = json.loads(json.dumps(config.to_dict()))
    free = set(_NO_INFLUENCE) - {"dataset"}
    return metrics if _without(written, free) == _without(mine, free) else None


def _without(settings: dict[str, Any], names: set[str]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name not in names}


def _difference(found: dict[str, Any], expected: dict[str, Any]) -> str:
    theirs = found.get("settings", {})
    changed = [k for k, v in expected["settings"].items() if theirs.get(k) != v]
    if changed:
        return f"setting ({', '.join(changed)})"
    if found.get("torch") != expected["torch"]:
        return f"torch ({found.get('torch')})"
    return "dataset"


def data_digest(*arrays: Any) -> str:  # noqa: ANN401
    """SHA-256 (hex) of numpy arrays, their shapes included."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(memoryview(array.reshape(-1)).cast("B"))
    return digest.hexdigest()

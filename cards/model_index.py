"""The test results of a model in the form that the Hub reads: ``model-index``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

MODEL_NAME = "countenance"
TASK: dict[str, Any] = {"task_type": "text-to-expression", "task_name": "Text to facial expression"}


def model_index(evaluation: Mapping[str, Any]) -> list[dict[str, Any]]:
    """MAE per kind of text, MAE of the reconstruction, and R@10 of the retrieval.

    Args:
        evaluation: ``metrics.json`` of ``countenance evaluate``.

    Raises:
        KeyError: A figure is missing.
    """
    from huggingface_hub.repocard_data import EvalResult, eval_results_to_model_index

    def result(kind: str, metric: str, name: str, value: float) -> EvalResult:
        return EvalResult(
            **TASK,
            dataset_type=dataset_name(evaluation),
            dataset_name=dataset_name(evaluation),
            dataset_config="cues" if kind == "cues" else "default",
            dataset_split=evaluation["split"],
            metric_type=metric,
            metric_name=name,
            metric_value=round(value, 5),
        )

    results = [
        result(kind, "mae", f"MAE from text ({kind})", found["mae"]["value"])
        for kind, found in evaluation["text_to_expression"].items()
    ]
    rebuilt = evaluation["reconstruction"]["mae"]["value"]
    results.append(result("face", "mae", "MAE of the reconstruction", rebuilt))
    for kind, found in evaluation["retrieval"].items():
        recall = found["latent"]["text_to_expression"]["recall_at_10"]
        results.append(result(kind, "recall_at_10", f"R@10, text to expression ({kind})", recall))
    return eval_results_to_model_index(MODEL_NAME, results)


def dataset_name(evaluation: Mapping[str, Any]) -> str:
    """The dataset's name on the Hub, or of a folder its last part: its path is the author's own."""
    dataset = str(evaluation["dataset"])
    return PurePath(dataset).name if evaluation["dataset_is_folder"] else dataset

"""The figures of an evaluation as a short Markdown report."""

from __future__ import annotations

from typing import Any

METHOD_NAMES = {
    "model": "model",
    "mean_vector": "mean vector",
    "tag_mean": "tag mean (told the tags)",
    "nearest_neighbour": "nearest neighbour",
    "ridge": "ridge regression",
    "mlp": "MLP regressor",
    "authors_architecture": "authors' architecture",
    "untrained_autoencoder": "untrained autoencoder",
}
"""How reports call the methods of ``metrics.json``."""


def method_label(name: str, metrics: dict[str, Any]) -> str:
    """How a report calls a method; of the authors' network also how short its training was."""
    if name != "authors_architecture":
        return METHOD_NAMES[name]
    training = metrics["baseline_training"][name]
    return f"{METHOD_NAMES[name]} ({training['steps']} steps, loss {training['final_loss']:.3f})"


def render_report(metrics: dict[str, Any]) -> str:
    """Write the metrics as Markdown; texts of the dataset do not occur in it."""
    parts = [_head(metrics), _errors(metrics), _baselines(metrics), _others(metrics)]
    return "\n\n".join(part for part in parts if part) + "\n"


def interval(figure: dict[str, float] | None) -> str:
    """``0.0123 [0.0120, 0.0126]``; a dash where there is nothing."""
    return "{value:.4f} [{low:.4f}, {high:.4f}]".format(**figure) if figure else "-"


def _head(metrics: dict[str, Any]) -> str:
    return (
        "# Evaluation\n\n"
        f"Checkpoint `{metrics['checkpoint']}` on the {metrics['split']} split of "
        f"`{metrics['dataset']}`: {metrics['items']} items, mapping {metrics['mapping_version']}, "
        f"text encoder {metrics['text_encoder']}.\n\n"
        "Errors are over all blendshape weights, each item alike. The baseline answers every item "
        "with the mean face of the train split; *explained* is 1 - squared error / that of the "
        f"baseline. Brackets: 95 % intervals, {metrics['bootstrap_samples']} bootstrap "
        f"resamples of the items, seed {metrics['seed']}."
    )


def _errors(metrics: dict[str, Any]) -> str:
    rows = {"face (reconstruction)": metrics["reconstruction"], **metrics["text_to_expression"]}
    keys = ("mae", "baseline_mae", "rmse", "baseline_rmse", "explained")
    return _table(
        ("input", "items", "MAE", "baseline MAE", "RMSE", "baseline RMSE", "explained"),
        [[name, f["items"], *(interval(f[key]) for key in keys)] for name, f in rows.items()],
    )


def _baselines(metrics: dict[str, Any]) -> str:
    kinds = list(metrics["text_to_expression"])
    ours = [interval(metrics["text_to_expression"][kind]["mae"]) for kind in kinds]
    rows: list[list[Any]] = [["**model**", *ours]]
    for name, by_kind in metrics["baselines"].items():
        rows.append(
            [
                method_label(name, metrics),
                *(interval(by_kind.get(kind, {}).get("mae")) for kind in kinds),
            ]
        )
    said = f"MAE from text, baselines taught on {metrics['train_items']} train items:"
    return f"## Baselines\n\n{said}\n\n" + _table(("method", *kinds), rows)


def _others(metrics: dict[str, Any]) -> str:
    rows: list[list[Any]] = []
    for kind, found in metrics["retrieval"].items():
        units = (metrics["action_units"] or {}).get(kind)
        faces = metrics["distribution"]["model"][kind]
        there = found["latent"]["text_to_expression"]
        rows.append(
            [
                kind,
                f"{there['recall_at_1']:.3f} / {there['recall_at_10']:.3f}",
                f"{there['median_rank']:g} of {there['gallery']}",
                interval(units["units"]["f1"]) if units else "-",
                "-" if faces["frechet"] is None else f"{faces['frechet']:.4f}",
                f"{faces['outside_training_range']:.2%}",
            ]
        )
    head = ("input", "R@1 / R@10", "median rank", "AU F1", "Fréchet", "outside range")
    return "## Retrieval, action units, distribution\n\n" + _table(head, rows)


def _table(head: tuple[str, ...], rows: list[list[Any]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)

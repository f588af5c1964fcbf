"""Who answers the prompts: a checkpoint, and peers trained on a dataset from the same features."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from countenance.generation.reserved_texts import text_hash
from countenance.model import PACKAGED_CHECKPOINT, ExpressionModel, load_model

if TYPE_CHECKING:
    from countenance.model.data import ExpressionData

Faces = NDArray[np.float32]
Express = Callable[[Sequence[str]], Faces]
"""Texts to faces (n, 51), values in [0, 1]."""

RIDGE_PENALTIES = tuple(10.0**power for power in range(-2, 4))
HIDDEN_LAYERS = (256, 256)
PEER_ROWS = 40_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that both benchmarks share."""
    parser.add_argument(
        "--model", default=str(PACKAGED_CHECKPOINT), help="checkpoint folder (default: packaged)"
    )
    parser.add_argument("--dataset", help="dataset folder: counts our texts among its train texts")
    parser.add_argument(
        "--peers", action="store_true", help="also measure peers trained on --dataset's train split"
    )
    parser.add_argument(
        "--peer-rows",
        type=int,
        default=PEER_ROWS,
        help=f"most texts a peer is trained on, drawn by seed (default: {PEER_ROWS})",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the peers (default: 0)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def refuse_wrong_use(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    """Exit with status 2 on options that cannot go together."""
    if arguments.peers and not arguments.dataset:
        parser.error("--peers are trained on a dataset: give its folder with --dataset")
    if arguments.peer_rows < 10:
        parser.error("--peer-rows must be 10 or more")


def open_contenders(
    arguments: argparse.Namespace, texts: Sequence[str]
) -> tuple[dict[str, Express], dict[str, Any] | None]:
    """Load the checkpoint and, where asked, train the peers.

    Args:
        arguments: Of a parser that ``add_arguments`` was given.
        texts: Every text of the benchmark.

    Returns:
        What answers texts, by name, the model first; and how many of ``texts`` stand word for word
        in the dataset's train split, or None without a dataset.

    Raises:
        CountenanceError: The checkpoint or the dataset cannot be used.
    """
    model = load_model(arguments.model, mapping_version="v1")
    contenders: dict[str, Express] = {"model": lambda lines: _numpy(model.express(list(lines)))}
    if not arguments.dataset:
        return contenders, None
    from countenance.model.data import load_cues, load_expressions

    train = load_expressions(arguments.dataset, "train", mapping_version="v1")
    train = train.with_cues(load_cues(arguments.dataset, "train", mapping_version="v1"))
    if arguments.peers:
        contenders |= train_peers(train, model, rows=arguments.peer_rows, seed=arguments.seed)
    return contenders, {"dataset": str(arguments.dataset), "known_texts": count_known(texts, train)}


def count_known(texts: Sequence[str], train: ExpressionData) -> int:
    """How many of the texts a model trained on the data has met, by their letters alone."""
    met = {text_hash(text) for kind in train.texts.values() for text in kind}
    return sum(text_hash(text) in met for text in texts)


def train_peers(
    train: ExpressionData, model: ExpressionModel, *, rows: int, seed: int
) -> dict[str, Express]:
    """Train plain regressors from the model's own text features.

    Args:
        train: Its texts of every kind but transcripts, which say little about a face.
        model: Lends its text encoder.
        rows: Most texts to train on.
        seed: Of the sample and of the network's start.

    Returns:
        ``ridge`` (the penalty chosen by leave-one-out error), ``mlp`` (two hidden layers, stopped
        early on a tenth of the rows) and ``nearest`` (the face of the nearest text by cosine).
    """
    from sklearn.linear_model import RidgeCV
    from sklearn.neighbors import KNeighborsRegressor
    from sklearn.neural_network import MLPRegressor

    features, faces = _training_rows(train, model, rows, seed)
    print(f"training peers on {len(features)} texts", file=sys.stderr)
    peers = {
        "ridge": RidgeCV(alphas=RIDGE_PENALTIES),
        "mlp": MLPRegressor(
            hidden_layer_sizes=HIDDEN_LAYERS, early_stopping=True, random_state=seed
        ),
        "nearest": KNeighborsRegressor(n_neighbors=1, metric="cosine"),
    }

    @lru_cache(maxsize=4)
    def encode(texts: tuple[str, ...]) -> Faces:  # once for all peers
        return _numpy(model.text_encoder(list(texts)))

    return {
        name: _express_through(encode, peer.fit(features, faces)) for name, peer in peers.items()
    }


def _training_rows(
    train: ExpressionData, model: ExpressionModel, rows: int, seed: int
) -> tuple[Faces, Faces]:
    from countenance.model.features import embed_texts
    from countenance.model.quiet import quiet_transformers

    pairs = [
        (text, item)
        for kind, texts in train.texts.items()
        if kind != "t"
        for item, text in enumerate(texts)
        if text
    ]
    drawn = np.random.default_rng(seed).permutation(len(pairs))[:rows]
    chosen = [pairs[i] for i in sorted(drawn)]
    row_of = {text: row for row, text in enumerate(dict.fromkeys(text for text, _ in chosen))}
    with quiet_transformers():
        embedded = embed_texts(list(row_of), model.config)
    features = np.asarray(embedded)[[row_of[text] for text, _ in chosen]]
    return features, train.blendshapes[[item for _, item in chosen]]


def _express_through(encode: Callable[[tuple[str, ...]], Faces], peer: Any) -> Express:  # noqa: ANN401
    def express(texts: Sequence[str]) -> Faces:
        return np.clip(peer.predict(encode(tuple(texts))), 0.0, 1.0).astype(np.float32)

    return express


def _numpy(tensor: Any) -> Faces:  # noqa: ANN401
    array: Faces = tensor.detach().cpu().numpy()
    return array


def checkpoint_name(arguments: argparse.Namespace) -> str:
    """The checkpoint as reports name it."""
    packaged = Path(arguments.model) == PACKAGED_CHECKPOINT
    return "packaged" if packaged else str(arguments.model)

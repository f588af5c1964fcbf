"""How much does encoding the texts once save? ``python benchmarks/train.py``.

The encoder is frozen, so training looks its features up instead of computing them. Measured: the
steps of the preset `cpu` as they are, and the same steps with the encoder run on each batch's texts
(what a loop without a cache does), interleaved, on the packaged transcripts and their descriptions.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time

import numpy as np
import torch
from accelerate import Accelerator
from torch.optim.lr_scheduler import LambdaLR

from countenance.generation import CorpusSpec, read_corpora
from countenance.model import ExpressionConfig, ExpressionModel, TrainingConfig
from countenance.model.features import embed_texts
from countenance.model.fit import take_step
from countenance.model.losses import AlignmentLoss
from countenance.model.text_encoders import describe_text_encoder


class Loop:
    """The training loop of a preset over the packaged transcripts, with random faces."""

    def __init__(self, config: TrainingConfig) -> None:
        about = describe_text_encoder(
            config.text_encoder, config.text_encoder_revision, config.text_encoder_layers
        )
        self.config = config
        self.texts = [item.text for item in read_corpora([CorpusSpec("samples")]).transcripts]
        self.model = ExpressionModel(ExpressionConfig(**about, **config.model))
        self.features = embed_texts(self.texts, self.model.config)
        self.accelerator = Accelerator()
        self.loss = AlignmentLoss(config.lambda_ae, config.lambda_emb, config.lambda_multi)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=config.learning_rate)
        self.schedule = LambdaLR(self.optimizer, lambda _step: 1.0)
        self.random = np.random.default_rng(0)

    def rate(self, steps: int, *, cached: bool) -> float:
        """Samples a second over ``steps`` steps."""
        started = time.perf_counter()
        for _ in range(steps):
            self._step(cached)
        return steps * self.config.batch_size / (time.perf_counter() - started)

    def _step(self, cached: bool) -> None:
        size = self.config.batch_size
        rows = self.random.integers(len(self.texts), size=size)
        faces = torch.from_numpy(self.random.random((size, 51), dtype=np.float32))
        features = (
            torch.from_numpy(np.asarray(self.features[rows]))
            if cached
            else self.model.text_encoder([self.texts[row] for row in rows])
        )
        batch = {"blendshapes": faces, "target": faces, "text_features": features}
        take_step(
            self.model,
            batch,
            self.loss,
            self.optimizer,
            self.schedule,
            self.config,
            self.accelerator,
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=10, help="steps of a measurement")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    config = TrainingConfig.from_preset("cpu")
    cached, encoding = [], []
    loop = Loop(config)
    loop.rate(2, cached=True)
    loop.rate(1, cached=False)
    for _ in range(arguments.repeats):
        cached.append(loop.rate(arguments.steps, cached=True))
        encoding.append(loop.rate(max(1, arguments.steps // 5), cached=False))
    ours, peer = statistics.median(cached), statistics.median(encoding)
    result = {
        "batch": config.batch_size,
        "threads": torch.get_num_threads(),
        "cached_samples_per_second": round(ours, 1),
        "encoding_samples_per_second": round(peer, 1),
        "times": round(ours / peer, 1),
    }
    if arguments.json:
        print(json.dumps(result))
    else:
        for name, value in result.items():
            print(f"{name:<30}{value:>10}")


if __name__ == "__main__":
    main()

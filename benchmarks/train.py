"""How much does encoding the texts once save? ``python benchmarks/train.py``.

The encoder is frozen, so training looks its features up instead of computing them. Measured: the
steps of the preset `cpu` as they are, and the same steps with the encoder run on each batch's texts
(what a loop without a cache does), interleaved, on the packaged transcripts. Once with the packaged
encoder (22 million weights), and once with a text tower of the size of CLIP ViT-B/32's, the paper's
(63 million), at random weights, since no hub is needed to time it; its tokens are characters, cut
at as many as the words of a transcript would give.
"""

from __future__ import annotations

import argparse
import json
import statistics
import string
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from torch.optim.lr_scheduler import LambdaLR
from transformers import CLIPTextConfig, CLIPTextModelWithProjection, CLIPTokenizer

from countenance.generation import CorpusSpec, read_corpora
from countenance.model import ExpressionConfig, ExpressionModel, TrainingConfig
from countenance.model.features import embed_texts
from countenance.model.fit import take_step
from countenance.model.losses import AlignmentLoss
from countenance.model.quiet import quiet_transformers
from countenance.model.text_encoders import describe_text_encoder

_CLIP_TOKENS = 20


def clip_sized(folder: Path) -> str:
    """Write a text tower of CLIP ViT-B/32's size, with random weights; gives the folder's name."""
    letters = string.ascii_lowercase + string.digits + string.punctuation
    pieces = [
        "<|startoftext|>",
        "<|endoftext|>",
        *letters,
        *(f"{letter}</w>" for letter in letters),
    ]
    tokenizer = CLIPTokenizer(vocab={piece: i for i, piece in enumerate(pieces)}, merges=[])
    tokenizer.save_pretrained(folder)
    size = CLIPTextConfig(max_position_embeddings=_CLIP_TOKENS, bos_token_id=0, eos_token_id=1)
    CLIPTextModelWithProjection(size).save_pretrained(folder)
    return str(folder)


class Loop:
    """The training loop of a preset over the packaged transcripts, with random faces."""

    def __init__(self, config: TrainingConfig, cache: Path) -> None:
        about = describe_text_encoder(
            config.text_encoder, config.text_encoder_revision, config.text_encoder_layers
        )
        self.config = config
        self.texts = [item.text for item in read_corpora([CorpusSpec("samples")]).transcripts]
        self.model = ExpressionModel(ExpressionConfig(**about, **config.model))
        self.features = embed_texts(self.texts, self.model.config, folder=cache)
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


def measure(config: TrainingConfig, cache: Path, steps: int, repeats: int) -> dict[str, float]:
    """Medians of interleaved measurements of both loops."""
    cached, encoding = [], []
    loop = Loop(config, cache)
    loop.rate(2, cached=True)
    loop.rate(1, cached=False)
    for _ in range(repeats):
        cached.append(loop.rate(steps, cached=True))
        encoding.append(loop.rate(max(1, steps // 5), cached=False))
    ours, peer = statistics.median(cached), statistics.median(encoding)
    return {
        "cached_samples_per_second": round(ours, 1),
        "encoding_samples_per_second": round(peer, 1),
        "times": round(ours / peer, 1),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=10, help="steps of a measurement")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    config = TrainingConfig.from_preset("cpu")
    result = {"batch": config.batch_size, "threads": torch.get_num_threads()}
    with tempfile.TemporaryDirectory() as folder, quiet_transformers():
        clip = clip_sized(Path(folder) / "clip")
        for name, used in (
            ("packaged", config),
            ("clip_sized", replace(config, text_encoder=clip, text_encoder_layers=None)),
        ):
            figures = measure(used, Path(folder) / "cache", arguments.steps, arguments.repeats)
            result |= {f"{name}_{key}": value for key, value in figures.items()}
    if arguments.json:
        print(json.dumps(result))
    else:
        for name, value in result.items():
            print(f"{name:<42}{value:>10}")


if __name__ == "__main__":
    main()

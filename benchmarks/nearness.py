"""How near do the training texts come to the texts of ``benchmarks/words``? Figures, no texts.

python -m benchmarks.nearness [--json]

For each half of the prompts, and for the single cues: the median over the texts of the cosine to
the nearest saying and to the nearest cue made from parts, and how many texts have one at 0.8 and at
0.9 or more. In the packaged sentence encoder, last layer, as sentence-transformers gives it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from torch import Tensor

from countenance import load_mapping
from countenance.benchmarks._prompts import HALVES, all_texts, load_prompts
from countenance.generation.cues import cue_items, saying_items
from countenance.model import ExpressionConfig
from countenance.model.quiet import quiet_transformers
from countenance.model.text_encoder_countenance import FrozenTextEncoder
from countenance.model.text_encoders import describe_text_encoder

_ENCODER = "sentence-transformers/all-MiniLM-L6-v2"
_SHARES = (0.8, 0.9)


def nearest(asked: Tensor, known: Tensor) -> dict[str, float]:
    """Of unit vectors (n, width) and (m, width): how near each of the first has one of the second.

    Returns:
        The median of the highest cosines, and how many reach each of 0.8 and 0.9.
    """
    highest = (asked @ known.T).max(dim=1).values
    reached = {f"at_{share}": int((highest >= share).sum()) for share in _SHARES}
    return {"texts": len(asked), "median": round(highest.median().item(), 2)} | reached


def measure() -> dict[str, dict[str, dict[str, float]]]:
    """The figures by what is asked and by what is trained on."""
    mapping = load_mapping("v1")
    trained = {
        "sayings": [item.description for item in saying_items(mapping)],
        "made_cues": [item.description for item in cue_items(mapping, sayings=None)],
    }
    asked = {half: [prompt.text for prompt in load_prompts().half(half).prompts] for half in HALVES}
    asked["all_texts"] = all_texts()
    encoder = FrozenTextEncoder(ExpressionConfig(**describe_text_encoder(_ENCODER)))

    def encode(texts: Sequence[str]) -> Tensor:
        with quiet_transformers():
            return encoder(texts)

    known = {name: encode(texts) for name, texts in trained.items()}
    return {
        name: {source: nearest(encode(texts), vectors) for source, vectors in known.items()}
        for name, texts in asked.items()
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    result = measure()
    if arguments.json:
        print(json.dumps(result))
        return
    for name, sources in result.items():
        for source, figures in sources.items():
            shown = "  ".join(f"{key} {value}" for key, value in figures.items())
            print(f"{name:<12}{source:<12}{shown}")


if __name__ == "__main__":
    main()

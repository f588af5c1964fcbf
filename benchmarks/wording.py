"""Which closed question agrees best with people? ``python -m benchmarks.wording --corpora DIR``.

Every wording of ``wordings.json`` is asked of the packaged transcripts, which calibrate it, and of
GoEmotions dev. Printed: each wording alone, and the mean of the evidence of the best two, three and
so on, neutral no candidate. Readings are kept in the cache, so a second run is quick.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from countenance.generation import CorpusSpec, Transcript, read_corpora
from countenance.generation.agreement import tag_agreement
from countenance.generation.annotation_config import usable_cores
from countenance.generation.fit_head import best_emotions, without_tables
from countenance.generation.head_features import read_features
from countenance.generation.model_files import resolve_model
from countenance.generation.scoring import ScorePrompt, open_scorers

CORPORA = Path(__file__).parents[2] / "shared" / "data" / "corpora"
EXPONENT = 0.5


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpora", type=Path, default=CORPORA)
    parser.add_argument("--items", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if not arguments.corpora.is_dir():
        print(f"skipped: no corpora in {arguments.corpora}; give their folder with --corpora")
        return
    sample = read_corpora([CorpusSpec("samples")], min_words=1).transcripts
    dev_file = arguments.corpora / "go_emotions" / "dev.tsv"
    dev = read_corpora([CorpusSpec("go_emotions", dev_file)], limit=arguments.items, seed=1)
    evidence = {
        name: _evidence(prompt, sample, dev.transcripts) for name, prompt in _wordings().items()
    }
    rows = _rows(evidence, dev.transcripts)
    if arguments.json:
        print(json.dumps(rows))
        return
    for row in rows:
        print("  ".join(str(value) for value in row.values()))


def _wordings() -> dict[str, ScorePrompt]:
    shipped = ScorePrompt.load()
    listed = ", ".join(tag for tag in shipped.tags if tag != "neutral")
    entries = json.loads((Path(__file__).parent / "wordings.json").read_text("utf-8"))
    return {
        entry["name"]: replace(
            shipped,
            version=f"trial-{number}",
            prefix=entry["prefix"].replace("{list}", listed),
            stem=entry["stem"],
        )
        for number, entry in enumerate(entries)
    }


def _evidence(
    prompt: ScorePrompt, sample: Sequence[Transcript], dev: Sequence[Transcript]
) -> np.ndarray:
    """Standardised evidence (n_dev, n_tags) of one wording."""
    with open_scorers(resolve_model(), prompt, usable_cores()) as scorers:
        known, asked = (
            read_features(scorers, items, show_progress=True).tag_scores for items in (sample, dev)
        )
    spread = known.std(axis=0) ** EXPONENT
    evidence: np.ndarray = (asked - known.mean(axis=0)) / spread
    return evidence / evidence.std()


def _rows(evidence: dict[str, np.ndarray], dev: Sequence[Transcript]) -> list[dict[str, object]]:
    labels = [item.labels for item in dev]
    tags = ScorePrompt.load().tags

    def row(name: str, figures: np.ndarray) -> dict[str, object]:
        pairs = best_emotions(figures, labels, tags)
        return {"wording": name, **without_tables(tag_agreement(pairs))}

    rows = [row(name, figures) for name, figures in evidence.items()]
    rows.sort(key=lambda found: -float(str(found["first_tag_percent"])))
    ranked = [evidence[str(found["wording"])] for found in rows]
    for count in range(2, len(ranked) + 1):
        rows.append(row(f"mean of the best {count}", np.mean(ranked[:count], axis=0)))
    return rows


if __name__ == "__main__":
    main()

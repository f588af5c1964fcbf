"""How well are descriptions read? ``python -m benchmarks.description_parser [--errors]``.

Reads the hand-written sentences of ``tests/generation/described_sentences.tsv`` and prints
precision and recall over action units (with side where one was said) for the half that tuned the
reader, for the half that was held out, and for the descriptions of the reference set, each with the
phrase table alone and with the reader.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from countenance.generation import load_reference
from countenance.generation.composition_checks import read_description
from countenance.generation.description_reading import read_free_description

SENTENCES = Path(__file__).parents[1] / "tests" / "generation" / "described_sentences.tsv"
READERS = {
    "phrase table alone": lambda text: {item[:2] for item in read_description(text)},
    "free reader": lambda text: read_free_description(text).said,
}


class Sentence(NamedTuple):
    """A sentence, what it must be read as, and what it may be read as."""

    text: str
    expected: frozenset[tuple[str, str]]
    optional: frozenset[str]


def read_sentences(path: Path = SENTENCES) -> list[Sentence]:
    """The labelled sentences in their order."""
    sentences = []
    for line in path.read_text("utf-8").splitlines():
        if not line.startswith("#"):
            text, _, units = line.partition("\t")
            labels = units.split()
            must = frozenset(_said(label) for label in labels if not label.endswith("?"))
            may = frozenset(_said(label[:-1])[0] for label in labels if label.endswith("?"))
            sentences.append(Sentence(text, must, may))
    return sentences


def _said(label: str) -> tuple[str, str]:
    side = {"L": "left", "R": "right"}.get(label[2], "both")
    return (label if side == "both" else f"AU{label[3:]}"), side


def measure(sentences: Iterable[Sentence], reader: str) -> dict[str, float]:
    """Precision and recall over all units, and the share of sentences read without a fault."""
    right = wrong = missed = exact = count = 0
    for sentence in sentences:
        said = READERS[reader](sentence.text)
        false = {item for item in said - sentence.expected if item[0] not in sentence.optional}
        right += len(said & sentence.expected)
        wrong += len(false)
        missed += len(sentence.expected - said)
        exact += not false and sentence.expected <= said
        count += 1
    return {
        "sentences": count,
        "units": right + missed,
        "precision": round(right / (right + wrong), 3),
        "recall": round(right / (right + missed), 3),
        "read_exactly": round(exact / count, 3),
    }


def halves() -> dict[str, list[Sentence]]:
    """Odd sentences tuned the reader, even ones did not; the reference set is by another hand."""
    sentences = read_sentences()
    reference = [
        Sentence(
            item.description,
            frozenset(_said(f"AU{str(unit).removeprefix('AU').rstrip('ABCDE')}") for unit in units),
            frozenset(),
        )
        for item in load_reference()
        for units in (item.action_units,)
    ]
    return {"tuned on": sentences[::2], "held out": sentences[1::2], "reference": reference}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--errors", action="store_true", help="errors of the tuning half")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    figures = {
        f"{half}, {reader}": measure(sentences, reader)
        for half, sentences in halves().items()
        for reader in READERS
    }
    if arguments.json:
        print(json.dumps(figures))
        return
    for name, row in figures.items():
        print(f"{name:<32} " + "  ".join(f"{key} {value}" for key, value in row.items()))
    if arguments.errors:
        for sentence in halves()["tuned on"]:
            said = READERS["free reader"](sentence.text)
            false = {item for item in said - sentence.expected if item[0] not in sentence.optional}
            if false or sentence.expected - said:
                missed = sorted(sentence.expected - said)
                print(f"{sentence.text}\n    false {sorted(false)} missed {missed}")


if __name__ == "__main__":
    main()

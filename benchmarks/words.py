"""Does `express` take words that nobody trained on? The prompts of ``benchmarks/words``.

python -m benchmarks.words [--model CKPT] [--half open|held_out|both] [--failures] [--json]
                           [--dataset DATASET [--peers]]

Printed: the share of prompts whose checks all hold, of pairs in which the stronger words give the
stronger shapes, and of pairs and texts whose side is right, with 95 % Wilson intervals. The
held-out half is for the final report: without ``--half`` it is not touched, and its failures are
shown only when it is asked for by name. See docs/words.md.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from countenance.benchmarks._contenders import (
    Express,
    Faces,
    add_arguments,
    checkpoint_name,
    open_contenders,
    refuse_wrong_use,
)
from countenance.benchmarks._prompts import (
    HALVES,
    HELD_OUT,
    OPEN,
    Prompt,
    PromptSet,
    all_texts,
    load_prompts,
)
from countenance.benchmarks._shares import Share
from countenance.errors import CountenanceError
from countenance.generation.reserved_texts import RESERVED_TABLE, text_hash
from countenance.generation.tables_reading import TABLES

Outcome = tuple[Any, bool]


def measure_words(express: Express, prompts: PromptSet) -> dict[str, Any]:
    """Ask for every text once and judge the faces.

    Args:
        express: Turns texts into faces (n, 51).
        prompts: What is asked.

    Returns:
        Shares as dictionaries: ``prompts`` with ``all``, ``by_category`` and ``by_register``;
        ``strength_pairs`` and ``side_pairs`` with ``all`` and ``by_category``; ``side_texts``, each
        text of the side pairs by itself; and ``failures``, a line for each.
    """
    texts = prompts.texts()
    faces = dict(zip(texts, np.asarray(express(texts), dtype=np.float32), strict=True))
    judged = [(prompt, passes(prompt, faces[prompt.text][None])[0]) for prompt in prompts.prompts]
    grown, sided = [], []
    failures = [_prompt_failure(prompt, faces[prompt.text]) for prompt, good in judged if not good]
    for pair in prompts.strength_pairs:
        weak, strong = pair.measure(np.stack([faces[text] for text in pair.texts]))
        grown.append((pair, bool(strong >= weak + prompts.strength_margin)))
        if not grown[-1][1]:
            named = f"{pair.texts[0]!r} < {pair.texts[1]!r}"
            failures.append(f"{pair.id} {named}: {pair.measure.text} {weak:.2f}, {strong:.2f}")
    for side_pair in prompts.side_pairs:
        left, right = side_pair.difference(np.stack([faces[text] for text in side_pair.texts]))
        good = (bool(left >= prompts.side_margin), bool(-right >= prompts.side_margin))
        sided.append((side_pair, good))
        if not all(good):
            named = f"{side_pair.texts[0]!r} | {side_pair.texts[1]!r}"
            failures.append(f"{side_pair.id} {named}: left - right {left:.2f}, {right:.2f}")
    return {
        "prompts": _shares(judged, "category", "register"),
        "strength_pairs": _shares(grown, "category"),
        "side_pairs": _shares([(pair, all(good)) for pair, good in sided], "category"),
        "side_texts": _shares([(pair, one) for pair, good in sided for one in good]),
        "failures": failures,
    }


def passes(prompt: Prompt, faces: Faces) -> np.ndarray:
    """Whether each of the faces (n, 51) satisfies every check of a prompt: bool (n,)."""
    return np.logical_and.reduce([check.holds(faces) for check in prompt.checks])


def _prompt_failure(prompt: Prompt, face: Faces) -> str:
    broken = [check.explain(face) for check in prompt.checks if not check.holds(face[None])[0]]
    return f"{prompt.id} {prompt.text!r}: {'; '.join(broken)}"


def _shares(outcomes: Sequence[Outcome], *attributes: str) -> dict[str, Any]:
    if not outcomes:
        return {}
    result: dict[str, Any] = {"all": Share.of(good for _, good in outcomes).as_dict()}
    for attribute in attributes:
        names = sorted({getattr(entry, attribute) for entry, _ in outcomes})
        result[f"by_{attribute}"] = {
            name: Share.of(
                good for entry, good in outcomes if getattr(entry, attribute) == name
            ).as_dict()
            for name in names
        }
    return result


def _report(arguments: argparse.Namespace) -> dict[str, Any]:
    every = load_prompts()
    halves = HALVES if arguments.half == "both" else (arguments.half,)
    asked = [text for half in halves for text in every.half(half).texts()]
    contenders, known = open_contenders(arguments, asked)
    results: dict[str, Any] = {}
    for name, express in contenders.items():
        for half in halves:
            figures = measure_words(express, every.half(half))
            if not arguments.failures:
                del figures["failures"]
            results.setdefault(name, {})[half] = figures
    return {"checkpoint": checkpoint_name(arguments), "training_texts": known, "results": results}


def _lines(report: dict[str, Any]) -> Iterable[str]:
    yield f"checkpoint: {report['checkpoint']}"
    if report["training_texts"]:
        yield f"texts that its training data holds too: {report['training_texts']['known_texts']}"
    for name, halves in report["results"].items():
        for half, figures in halves.items():
            yield ""
            yield f"{name}, {half.replace('_', '-')} half"
            for part in ("prompts", "strength_pairs", "side_pairs", "side_texts"):
                yield from _part_lines(part.replace("_", " "), figures[part])
            yield from (f"  failed: {line}" for line in figures.get("failures", ()))


def _part_lines(title: str, shares: dict[str, Any]) -> Iterable[str]:
    yield f"  {title:<24}{Share.from_dict(shares['all'])}"
    for attribute in ("category", "register"):
        for name, row in shares.get(f"by_{attribute}", {}).items():
            yield f"    {attribute:<9}{name:<13}{Share.from_dict(row)}"


def _reserve() -> None:
    table = {
        "version": RESERVED_TABLE,
        "source": "The texts of benchmarks/words, hashed by python -m benchmarks.words --reserve.",
        "sha256": sorted({text_hash(text) for text in all_texts()}),
    }
    path = TABLES / f"{RESERVED_TABLE}.json"
    path.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.words", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--half", choices=(*HALVES, "both"), default=OPEN, help=f"default: {OPEN}")
    parser.add_argument("--failures", action="store_true", help="list what failed, with values")
    parser.add_argument(
        "--reserve",
        action="store_true",
        help=f"only write the hashes of all texts to generation/tables/{RESERVED_TABLE}.json",
    )
    add_arguments(parser)
    arguments = parser.parse_args(argv)
    if arguments.reserve:
        _reserve()
        return 0
    refuse_wrong_use(parser, arguments)
    if arguments.failures and arguments.half == "both":
        parser.error(
            f"failures of the held-out half are not shown beside the others: ask for --half {OPEN},"
            f" or for the final report --half {HELD_OUT}"
        )
    try:
        report = _report(arguments)
    except CountenanceError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(json.dumps(report, ensure_ascii=False) if arguments.json else "\n".join(_lines(report)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

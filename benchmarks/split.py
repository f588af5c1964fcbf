"""How long the split takes, and how near each tag's share in test is to 20 %.

python benchmarks/split.py [--run RUN] [--corpora FOLDER] [--items 53000] [--seed 0] [--json]

Takes the transcripts and tags of a finished run; else those of GoEmotions, tweets, ISEAR and MELD
(default: ../shared/data/corpora; human tags only, of items that have any); else, or with
``--synthetic``, makes items: words drawn by seed, tag frequencies as in GoEmotions, one item in
fifty a copy of another with a word put before it. Prints no text of any item.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np

from countenance.dataset_script.groups import duplicate_groups
from countenance.dataset_script.split import split_items
from countenance.generation import CorpusSpec, emotion_names, read_corpora, read_records

NAMES = ("go_emotions", "tweet_intensity", "isear", "meld")
DEFAULT_FOLDER = Path(__file__).resolve().parents[2] / "shared" / "data" / "corpora"
COMMON = 100
# Items per tag among the 50,289 of GoEmotions that the reader keeps, in the order of the labels.
FREQUENCIES = (
    4703, 2719, 1820, 2924, 3471, 1299, 1596, 2580, 774, 1527, 2455, 945, 347, 945, 714, 2981,
    91, 1656, 2403, 192, 1895, 129, 1331, 177, 634, 1534, 1251, 16382,
)  # fmt: skip


def main() -> None:
    """Read or make items, split them, and print times and deviations."""
    arguments = _arguments()
    source, items = _items(arguments)
    if len(items) > arguments.items:
        chosen = np.random.default_rng(arguments.seed).permutation(len(items))[: arguments.items]
        items = [items[place] for place in sorted(chosen.tolist())]
    transcripts, tags = [text for text, _ in items], [list(names) for _, names in items]
    begin, begin_cpu = time.perf_counter(), time.process_time()
    groups = duplicate_groups(transcripts)
    grouped = time.perf_counter()
    split = split_items(tags, groups, seed=arguments.seed)
    end, end_cpu = time.perf_counter(), time.process_time()
    rows = _deviations(tags, split.in_test)
    common = [abs(row["deviation"]) for row in rows if row["items"] >= COMMON]
    sizes = np.bincount(groups)
    result = {
        "source": source,
        "items": len(items),
        "seconds": {
            "groups": round(grouped - begin, 2),
            "split": round(end - grouped, 2),
            "all": round(end - begin, 2),
            "all_cpu": round(end_cpu - begin_cpu, 2),
        },
        "test_items": int(split.in_test.sum()),
        "validation_items": int(split.in_validation.sum()),
        "groups_of_several": int((sizes > 1).sum()),
        "items_in_them": int(sizes[sizes > 1].sum()),
        "largest_group": int(sizes.max()),
        "straddling_groups": len(set(groups[split.in_test]) & set(groups[~split.in_test])),
        f"worst_deviation_of_tags_with_{COMMON}_items": round(max(common, default=0.0), 3),
        "tags": rows,
    }
    if arguments.json:
        print(json.dumps(result))
        return
    print(json.dumps({key: value for key, value in result.items() if key != "tags"}, indent=1))
    print(f"{'tag':<16}{'items':>7}{'in test':>9}{'%':>8}{'deviation, points':>19}")
    for row in rows:
        print(
            f"{row['tag']:<16}{row['items']:>7}{row['test']:>9}{row['percent']:>8.2f}"
            f"{row['deviation']:>+19.2f}"
        )


def _items(arguments: argparse.Namespace) -> tuple[str, list[tuple[str, tuple[str, ...]]]]:
    if arguments.run:
        rows = sorted(read_records(arguments.run), key=lambda row: row["id"])
        return "run", [(row["transcript"], tuple(row["emotions"])) for row in rows]
    if arguments.corpora.is_dir() and not arguments.synthetic:
        specs = [CorpusSpec(name, arguments.corpora / name) for name in NAMES]
        reading = read_corpora(specs)
        return "corpora", [(item.text, item.labels) for item in reading.transcripts if item.labels]
    return "synthetic", _synthetic(arguments.items, arguments.seed)


def _synthetic(count: int, seed: int) -> list[tuple[str, tuple[str, ...]]]:
    rng = np.random.default_rng(seed)
    words = np.array(["".join(rng.choice(list("abdeiklmnorstu"), size=6)) for _ in range(8000)])
    names = np.array(emotion_names())
    chances = np.array(FREQUENCIES) / sum(FREQUENCIES)
    items: list[tuple[str, tuple[str, ...]]] = []
    for _ in range(count):
        tags = rng.choice(names, size=rng.choice([1, 2, 3], p=[0.84, 0.15, 0.01]), p=chances)
        if items and rng.random() < 0.02:
            text = f"well {items[rng.integers(len(items))][0]}"
        else:
            text = " ".join(words[rng.integers(len(words), size=rng.integers(6, 20))])
        items.append((text, tuple(sorted(set(tags.tolist())))))
    return items


def _deviations(tags: list[list[str]], in_test: np.ndarray) -> list[dict]:
    rows = []
    for name in sorted({tag for item in tags for tag in item}):
        member = np.array([name in item for item in tags])
        percent = 100 * float(in_test[member].mean())
        rows.append(
            {
                "tag": name,
                "items": int(member.sum()),
                "test": int(in_test[member].sum()),
                "percent": round(percent, 3),
                "deviation": round(percent - 20, 3),
            }
        )
    return sorted(rows, key=lambda row: -row["items"])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--run", type=Path)
    parser.add_argument("--corpora", type=Path, default=DEFAULT_FOLDER)
    parser.add_argument("--synthetic", action="store_true")
    parser.add_argument("--items", type=int, default=53_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()

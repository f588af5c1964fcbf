"""Hostile transcripts along the whole road, each accounted for: ``make test-hostile``.

python tests/hostile/road.py [--count 10000] [--seed 1] [--work FOLDER] [--page PAGE]

corpus files ─► read_corpora ─► annotate (score, the packaged model; a loopback server; a share by
generate) ─► build ─► verify ─► card, review page, evaluation report, express, export. The counts go
into the table of ``docs/hostile_input.md``; the exit status is 1 if anything is not as it must be.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import hostile_checks
from corpus import HostileText, hostile_texts
from files import FILES, HostileFile, write_files
from served import ask_server

from countenance.au_mapping import load_mapping
from countenance.errors import CorpusError, in_one_line
from countenance.generation import AnnotationConfig, annotate, read_records
from countenance.generation.consistency import item_faults
from countenance.generation.corpora import CorpusSpec, read_corpora
from countenance.generation.generate import GenerateAnnotator
from countenance.generation.llama_engine import LlamaEngine, LlamaWeights
from countenance.generation.model_files import resolve_model
from countenance.generation.record import record_fault
from countenance.generation.run_files import REJECTS, sealed_entries
from countenance.generation.tables_reading import load_emotions
from countenance.generation.transcripts import Transcript

RECORD = "record"
_NUMBER = re.compile(r"c(\d+)")


@dataclass
class Road:
    """What became of the texts, and what was checked on the way.

    Attributes:
        texts: The corpus.
        outcomes: Text number to ``record``, ``dropped: REASON`` or ``set aside: REASON``.
        checks: What was checked, how often, and what was found.
        faults: Everything that is not as it must be; empty in a sound run.
        seconds: How long each part took.
    """

    texts: list[HostileText]
    outcomes: dict[int, str] = field(default_factory=dict)
    checks: list[tuple[str, int, int]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    def check(self, what: str, number: int, faults: Iterable[object]) -> None:
        """Note how many things were checked, and what was wrong with them."""
        found = [str(fault)[:300] for fault in faults]
        self.checks.append((what, number, len(found)))
        self.faults += [f"{what}: {fault}" for fault in found]

    @contextmanager
    def timed(self, part: str) -> Iterator[None]:
        """Note how long a part takes; whatever escapes from it is a fault, and the road goes on."""
        started = time.perf_counter()
        try:
            yield
        except Exception as error:
            self.faults.append(f"{part}: {traceback.format_exc()}")
            print(f"{part} broke: {error!r}", file=sys.stderr)
        self.seconds[part] = round(time.perf_counter() - started, 1)
        print(f"{part}: {self.seconds[part]} s, {len(self.faults)} faults", file=sys.stderr)


def special_spellings(weights: LlamaWeights) -> list[str]:
    """How the special tokens of a model's vocabulary are spelled."""
    vocabulary = weights.vocabulary()
    return [vocabulary._text(token) for token in sorted(vocabulary.special_tokens)]


def walk(folder: Path, count: int, seed: int, *, generated: int = 0, whole: bool = False) -> Road:
    """Make the texts and take them along the road.

    Args:
        folder: An empty folder.
        count: How many texts.
        seed: Seed of the texts and of the run.
        generated: How many transcripts the strategy ``generate`` annotates too.
        whole: Also evaluate the packaged checkpoint on the dataset and open pages in a browser.
    """
    weights = LlamaWeights(resolve_model())
    try:
        road = Road(hostile_texts(count, seed, special_spellings(weights)))
        with road.timed("tokenise"):
            _check_tokens(road, weights)
    finally:
        weights.close()
    files = write_files(_made(folder / "corpora"), road.texts)
    kept: list[Transcript] = []
    with road.timed("read"):
        kept = _read(road, files)
        _read_damaged(road, _made(folder / "damaged"))
    with road.timed("annotate (score)"):
        _annotate(road, files, folder / "run", seed)
    with road.timed("annotate (server)"):
        ask_server(road, kept, folder, seed)
    if generated:
        with road.timed("annotate (generate)"):
            _generate(road, kept, folder, generated, seed)
    hostile_checks.check_outputs(road, folder, whole=whole)
    missing = [text for text in road.texts if text.number not in road.outcomes]
    road.check("texts with an outcome", len(road.texts), (f"text {t.number} lost" for t in missing))
    return road


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def _check_tokens(road: Road, weights: LlamaWeights) -> None:
    """Every text, as it was before any cleaning, tokenised as the engine tokenises a transcript."""
    vocabulary = weights.vocabulary()
    faults, checked = [], 0
    for text in road.texts:
        if len(text.text) <= 20_000:
            checked += 1
            found = vocabulary.special_tokens.intersection(vocabulary.tokenize(text.text))
            if found:
                faults.append(f"text {text.number} ({text.family}): tokens {sorted(found)}")
    road.check("raw texts without a special token in their ids", checked, faults)


def _read(road: Road, files: Sequence[HostileFile]) -> list[Transcript]:
    """Read all files; every row that was dropped has its reason."""
    rows = {file.spec.source: file.rows for file in files}

    def drop(dropped: Any) -> None:
        number = rows[dropped.source].get(dropped.row)
        if number is not None:
            _set(road, number, f"dropped: {dropped.reason.value}")

    reading = read_corpora([file.spec for file in files], on_drop=drop)
    unbalanced = [
        source
        for source, counts in reading.counts.items()
        if counts.read != counts.kept + sum(counts.dropped.values())
    ]
    road.check("corpus files whose rows add up", len(reading.counts), unbalanced)
    odd = [
        item.source_id
        for item in reading.transcripts
        if not item.source_id.isprintable() or any(c in item.text for c in "\0\n\r\t\x1b\u202e")
    ]
    road.check("transcripts on one line, without control characters", len(reading.transcripts), odd)
    return reading.transcripts


def _read_damaged(road: Road, folder: Path) -> None:
    """Files that are no corpus: refused in one line, or read with every row counted."""
    faults = []
    for number, (name, kind, content) in enumerate(FILES):
        path = folder / f"{number}.{kind}"
        path.write_bytes(content)
        try:
            counts = read_corpora([CorpusSpec(kind, path)]).counts[f"{kind}:{path.name}"]
        except CorpusError as error:
            if str(path) not in in_one_line(error):
                faults.append(f"{name}: the message does not name the file: {error}")
        else:
            if counts.read != counts.kept + sum(counts.dropped.values()):
                faults.append(f"{name}: {counts.as_dict()}")
    road.check("damaged files refused in one line, or counted row by row", len(FILES), faults)


def _annotate(road: Road, files: Sequence[HostileFile], run: Path, seed: int) -> None:
    with _watched(road):
        annotate(AnnotationConfig(tuple(file.spec for file in files), run, seed=seed, workers=2))
    rows = {file.spec.source: file.rows for file in files}
    for entry in filter(None, sealed_entries(run / REJECTS)):
        _found(road, rows, entry, f"set aside: {entry['reason'].partition(':')[0]}")
    mapping = load_mapping("v1")
    labels = frozenset(emotion.name for emotion in load_emotions())
    faults, records = [], 0
    for record in read_records(run):
        records += 1
        _found(road, rows, record, RECORD)
        wrong = [record_fault(record, labels, mapping), *item_faults(record, mapping)]
        faults += [fault for fault in wrong if fault]
    road.check("records that pass every check again", records, faults)


def _found(road: Road, rows: dict[str, dict[int, int]], entry: dict[str, Any], what: str) -> None:
    named = _NUMBER.match(entry["source_id"])
    if named:
        _set(road, int(named.group(1)), what)
    elif entry["source_id"].isdigit() and int(entry["source_id"]) in rows[entry["source"]]:
        _set(road, rows[entry["source"]][int(entry["source_id"])], what)


def _set(road: Road, number: int, what: str) -> None:
    if number in road.outcomes:
        road.faults.append(f"text {number} has two outcomes: {road.outcomes[number]} and {what}")
    road.outcomes[number] = what


@contextmanager
def _watched(road: Road) -> Iterator[None]:
    """Look at every item that the engine decodes, between our prefix and our stem."""
    decode = LlamaEngine.next_token_log_probabilities
    seen: Counter[str] = Counter()

    def watched(self: LlamaEngine, item: Sequence[int]) -> Any:
        seen["items"] += 1
        special = self.vocabulary.special_tokens.intersection(item)
        if special:
            seen["special"] += 1
            road.faults.append(f"prompt with special tokens {sorted(special)}")
        return decode(self, item)

    LlamaEngine.next_token_log_probabilities = watched  # type: ignore[method-assign]
    try:
        yield
    finally:
        LlamaEngine.next_token_log_probabilities = decode  # type: ignore[method-assign]
    road.checks.append(
        (
            "prompts decoded by score, no special token behind the prefix",
            seen["items"],
            seen["special"],
        )
    )


def _generate(road: Road, kept: Sequence[Transcript], folder: Path, count: int, seed: int) -> None:
    """A share by the other strategy: special tokens only where the chat template puts them."""
    by_number = {text.number: text for text in road.texts}
    wanted = ("special token", "injection", "template", "delimiter", "drawn mixture")
    chosen = [
        item
        for item in kept
        if (found := _NUMBER.match(item.source_id))
        and by_number[int(found.group(1))].family in wanted
    ][:count]
    path = folder / "generate.txt"
    path.write_text("\n".join(item.text for item in chosen) + "\n", encoding="utf-8")
    faults: list[str] = []
    prompts = 0
    start = GenerateAnnotator._drawing

    def watched(self: GenerateAnnotator, item: Any) -> Any:
        nonlocal prompts
        prompts += 1
        tail = self._tokens.tail
        own = item.prompt[: len(item.prompt) - len(tail)]
        special = self._vocabulary.special_tokens.intersection(own)
        if special or tuple(item.prompt[len(own) :]) != tail:
            faults.append(f"special tokens {sorted(special)} in {item.transcript.text[:80]!r}")
        return start(self, item)

    GenerateAnnotator._drawing = watched  # type: ignore[method-assign]
    try:
        run = folder / "generated"
        config = AnnotationConfig(
            (CorpusSpec("text", path),),
            run,
            strategy="generate",
            seed=seed,
            prompt_version="generate-v1-short",
            workers=1,  # threads of one engine wait for each other, on a busy machine for ever
        )
        statistics = annotate(config)
    finally:
        GenerateAnnotator._drawing = start  # type: ignore[method-assign]
    road.check(
        "prompts drawn from by generate, special tokens only the template's", prompts, faults
    )
    done = statistics["accepted"] + sum(statistics["rejected"].values())
    lost = [] if done == len(chosen) else [f"{len(chosen)} given, {done} came out"]
    road.check("transcripts annotated or set aside by generate", len(chosen), lost)


def main() -> int:
    """Run from the command line; 1 if anything is not as it must be."""
    from hostile_page import page_with_tables

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--generated", type=int, default=40)
    parser.add_argument("--work", type=Path, help="keep the files here")
    parser.add_argument("--page", type=Path, help="write the tables into this page")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.work or Path(temporary) / "road"
        road = walk(folder, options.count, options.seed, generated=options.generated, whole=True)
    print(page_with_tables(road, options.page))
    for fault in road.faults[:50]:
        print(f"FAULT {in_one_line(ValueError(fault))}", file=sys.stderr)
    return 1 if road.faults else 0


if __name__ == "__main__":
    sys.exit(main())

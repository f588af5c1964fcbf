"""Read corpora of emotional text into distinct, cleaned transcripts, and count every loss.

reading = read_corpora([parse_corpus_option("go_emotions=data/go_emotions")])
reading.transcripts      # list of Transcript, in the order of the corpora and their files
reading.counts           # per source: read == kept + sum of dropped by reason
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from ..errors import CorpusError
from .corpora_collector import Collector, CorpusCounts, DroppedRow, Origin, as_utf8
from .corpora_formats import read_csv, read_jsonl, read_parquet_rows, read_text, read_tsv
from .corpora_hub import HubDataset, parse_hub_name, read_hub_rows
from .corpora_known import (
    read_go_emotions,
    read_isear,
    read_meld,
    read_samples,
    read_tweet_intensity,
)
from .corpora_rows import CorpusRow
from .corpora_tables import FORMATS, SAMPLES, describe_corpus, known_corpora
from .transcripts import LengthLimits, Transcript

DEFAULT_MIN_WORDS = 3
DEFAULT_MAX_CHARACTERS = 300
HUB = "hub"
# The one format that may be a folder: a table of many files.
PARQUET = "parquet"


@dataclass(frozen=True, slots=True)
class CorpusSpec:
    """One ``--corpus`` option.

    Attributes:
        name: A known corpus (``go_emotions``, ``tweet_intensity``, ``isear``, ``meld``,
            ``samples``), a format (``csv``, ``tsv``, ``jsonl``, ``parquet``, ``text``) or ``hub``.
        path: A file, or for a known corpus and for Parquet a folder; None for the packaged
            ``samples`` and for what comes from the Hub.
        text_column: The column with the text; for the formats with columns.
        hub: The dataset to read from the Hub, in the place of ``path``.

    Raises:
        CorpusError: The name is unknown, the path is missing, or there are path and dataset.
    """

    name: str
    path: Path | None = None
    text_column: str = "text"
    hub: HubDataset | None = None

    def __post_init__(self) -> None:
        if self.name not in (*known_corpora(), *FORMATS, HUB):
            raise CorpusError(
                f"unknown corpus {self.name!r}: expected a corpus ({', '.join(known_corpora())}), "
                f"a format ({', '.join(FORMATS)}) or hub:OWNER/NAME"
            )
        if self.hub is not None:
            if self.path is not None:
                raise CorpusError(
                    f"corpus {self.name!r}: expected a path or a Hub dataset, found both"
                )
        elif self.name == HUB:
            raise CorpusError("corpus 'hub': no dataset: write hub:OWNER/NAME")
        elif self.path is None:
            if self.name != "samples":
                raise CorpusError(f"corpus {self.name!r}: no path: write {self.name}=PATH")
            object.__setattr__(self, "path", SAMPLES)
        else:
            object.__setattr__(self, "path", Path(self.path))

    @property
    def source(self) -> str:
        """The ``source`` of its transcripts: the corpus' name; a format also names its file."""
        if self.hub is not None and self.name == HUB:
            folder = Path(self.hub.dataset)
            return f"{HUB}:{as_utf8(folder.name if folder.is_absolute() else self.hub.dataset)}"
        if self.name not in FORMATS:
            return self.name
        assert self.path is not None
        return f"{self.name}:{as_utf8(self.path.name)}"

    @property
    def place(self) -> Path:
        """Where it is read from, for messages: a path, or the Hub dataset's name."""
        return Path(self.hub.dataset) if self.hub is not None else self.path or SAMPLES


@dataclass(frozen=True, slots=True)
class CorpusReading:
    """The outcome of ``read_corpora``.

    Attributes:
        transcripts: Distinct transcripts in the order of the specs, their files and rows.
        counts: Per source what was read, kept and dropped.
    """

    transcripts: list[Transcript]
    counts: dict[str, CorpusCounts]

    def counts_as_dict(self) -> dict[str, dict[str, object]]:
        """Return ``counts`` as plain numbers for a manifest."""
        return {source: counts.as_dict() for source, counts in self.counts.items()}


def parse_corpus_option(
    option: str, *, text_column: str = "text", label_column: str | None = None
) -> CorpusSpec:
    """Parse one ``--corpus`` option.

    It is ``NAME=PATH``, ``NAME=hub[@REVISION]`` for a corpus whose dataset on the Hub is known, or
    ``hub:OWNER/NAME[:CONFIGURATION][@REVISION]``. ``samples`` needs no path; a file that is called
    ``hub`` is written ``./hub``.

    Args:
        option: What stands after ``--corpus``.
        text_column: The column with the text, for formats with columns and ``hub:``.
        label_column: The column with tags, for ``hub:``; None reads no tags.

    Raises:
        CorpusError: No ``=``, an empty path, an unknown name, or a corpus that the Hub lacks.
    """
    option = option.strip()
    if option.startswith(f"{HUB}:"):
        wanted = parse_hub_name(
            option.removeprefix(f"{HUB}:"), text_column=text_column, label_column=label_column
        )
        return CorpusSpec(HUB, hub=wanted)
    name, equals, path = option.partition("=")
    name = name.strip()
    if name == "samples" and not equals:
        return CorpusSpec("samples")
    if not equals:
        names = ", ".join((*known_corpora(), *FORMATS))
        raise CorpusError(f"corpus {option!r}: expected NAME=PATH, with NAME one of {names}")
    if not path.strip():
        raise CorpusError(f"corpus {option!r}: the path after '=' is empty")
    place, _, revision = path.strip().partition("@")
    if place == HUB and name in known_corpora():
        return CorpusSpec(name, hub=hub_dataset(name, revision or None))
    return CorpusSpec(name, Path(path.strip()), text_column)


def hub_dataset(name: str, revision: str | None = None) -> HubDataset:
    """Return the dataset on the Hub that publishes the rows of a known corpus.

    Args:
        name: A known corpus.
        revision: Branch, tag or commit; None for the newest.

    Raises:
        CorpusError: None is known for it.
    """
    known = describe_corpus(name).hub
    if known is None:
        on_hub = ", ".join(one for one in known_corpora() if describe_corpus(one).hub is not None)
        raise CorpusError(
            f"corpus {name!r}: no dataset on the Hub is known to hold its rows (only for: "
            f"{on_hub}): download it and write {name}=PATH, or name one with hub:OWNER/NAME"
        )
    return replace(known, revision=revision)


def read_corpora(
    specs: Sequence[CorpusSpec],
    *,
    limit: int | None = None,
    seed: int | None = None,
    min_words: int = DEFAULT_MIN_WORDS,
    max_characters: int = DEFAULT_MAX_CHARACTERS,
    on_drop: Callable[[DroppedRow], None] | None = None,
) -> CorpusReading:
    """Read, clean and deduplicate corpora, and set aside what is not English.

    Files are streamed; memory grows only with what is kept. Of several equal transcripts (see
    ``normalise``) or near-duplicates (see ``near_duplicates``) the first in reading order is kept,
    with the tags of all and the highest intensity. The corpora are read in turns, one transcript
    each, so that a larger limit only adds to what a smaller one gives.

    Args:
        specs: The corpora, in the order in which their transcripts shall come.
        limit: Most transcripts to keep, shared evenly among the corpora; what one corpus cannot
            fill goes to the others. None keeps all.
        seed: With a limit, draw the transcripts from everything that the corpora hold, instead of
            the first ones of each corpus. The same seed draws the same transcripts.
        min_words: Fewest words, placeholders not counted; shorter is ``too_short``.
        max_characters: Most characters after cleaning; longer is ``too_long``.
        on_drop: Called for each row that was set aside while reading (not for ``not_sampled``).

    Raises:
        CorpusError: An argument is out of range, or a corpus is missing, cut, of another form,
            without rows, or left without a single usable row.
    """
    _check_arguments(specs, limit, seed, min_words, max_characters)
    origins = [Origin(spec.source, spec.place) for spec in specs]
    collector = Collector(origins, LengthLimits(min_words, max_characters), on_drop)
    with ExitStack() as stack:
        streams = [
            stack.enter_context(closing(_rows(spec, files)))
            for spec, files in zip(specs, [corpus_files(spec) for spec in specs], strict=True)
        ]
        collector.fill(streams, limit if seed is None else None)
    if limit is not None and seed is not None:
        collector.sample(limit, np.random.default_rng([seed, limit]))
    transcripts = [transcript for kept in collector.kept for transcript in kept]
    return CorpusReading(transcripts, collector.finished_counts())


def corpus_files(spec: CorpusSpec) -> list[Path]:
    """Return the files of a corpus, sorted by name; none for what comes from the Hub.

    Raises:
        CorpusError: The path is missing, or a folder without the corpus' files.
    """
    if spec.hub is not None:
        return []
    path = spec.path
    assert path is not None
    if path.is_file():
        return [path]
    if not path.exists():
        raise CorpusError(f"corpus {spec.name!r}: {path}: no such file or folder")
    if not path.is_dir():
        raise CorpusError(f"corpus {spec.name!r}: {path}: neither a file nor a folder")
    if spec.name in FORMATS and spec.name != PARQUET:
        raise CorpusError(
            f"corpus {spec.name!r}: {path}: is a folder; expected one {spec.name} file"
        )
    patterns = ("*.parquet",) if spec.name == PARQUET else describe_corpus(spec.name).files
    files = {file for pattern in patterns for file in path.glob(pattern) if file.is_file()}
    if not files:
        raise CorpusError(
            f"corpus {spec.name!r}: {path}: expected files named {' or '.join(patterns)} "
            f"({PARQUET if spec.name == PARQUET else describe_corpus(spec.name).format}); "
            "the folder has none"
        )
    return sorted(files)


def _rows(spec: CorpusSpec, files: list[Path]) -> Generator[tuple[Path, CorpusRow], None, None]:
    if spec.hub is not None:
        yield from read_hub_rows(spec.name, spec.hub)
        return
    read = _reader_of(spec)
    for file in files:
        empty = True
        for row in read(file):
            empty = False
            yield file, row
        if empty:
            raise CorpusError(f"corpus {spec.name!r}: {file}: no rows")


def _reader_of(spec: CorpusSpec) -> Callable[[Path], Iterator[CorpusRow]]:
    by_column: dict[str, Callable[..., Iterator[CorpusRow]]] = {
        "csv": read_csv,
        "tsv": read_tsv,
        "jsonl": read_jsonl,
        "parquet": read_parquet_rows,
    }
    if spec.name in by_column:
        return partial(by_column[spec.name], text_column=spec.text_column)
    readers: dict[str, Callable[[Path], Iterator[CorpusRow]]] = {
        "go_emotions": read_go_emotions,
        "tweet_intensity": read_tweet_intensity,
        "isear": read_isear,
        "meld": read_meld,
        "samples": read_samples,
        "text": read_text,
    }
    return readers[spec.name]


def _check_arguments(
    specs: Sequence[CorpusSpec],
    limit: int | None,
    seed: int | None,
    min_words: int,
    max_characters: int,
) -> None:
    if not specs:
        raise CorpusError("no corpus given: expected at least one --corpus NAME=PATH")
    if limit is not None and limit < 1:
        raise CorpusError(f"limit: expected 1 or more transcripts, found {limit}")
    if seed is not None and seed < 0:
        raise CorpusError(f"seed: expected 0 or more, found {seed}")
    if min_words < 1:
        raise CorpusError(f"min_words: expected 1 or more, found {min_words}")
    if max_characters < 1:
        raise CorpusError(f"max_characters: expected 1 or more, found {max_characters}")

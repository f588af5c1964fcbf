"""Read corpora of emotional text into distinct, cleaned transcripts, and count every loss.

reading = read_corpora([parse_corpus_option("go_emotions=data/go_emotions")])
reading.transcripts      # list of Transcript, in the order of the corpora and their files
reading.counts           # per source: read == kept + sum of dropped by reason
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from ..errors import CorpusError
from .corpora_collector import Collector, CorpusCounts, DroppedRow, Origin
from .corpora_formats import read_csv, read_jsonl, read_parquet_rows, read_text, read_tsv
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


@dataclass(frozen=True, slots=True)
class CorpusSpec:
    """One ``--corpus`` option.

    Attributes:
        name: A known corpus (``go_emotions``, ``tweet_intensity``, ``isear``, ``meld``,
            ``samples``) or a format (``csv``, ``tsv``, ``jsonl``, ``parquet``, ``text``).
        path: A file, or for a known corpus its folder; None only for the packaged ``samples``.
        text_column: The column with the text; for the formats with columns.

    Raises:
        CorpusError: The name is unknown or the path is missing.
    """

    name: str
    path: Path | None = None
    text_column: str = "text"

    def __post_init__(self) -> None:
        if self.name not in (*known_corpora(), *FORMATS):
            raise CorpusError(
                f"unknown corpus {self.name!r}: expected a corpus ({', '.join(known_corpora())}) "
                f"or a format ({', '.join(FORMATS)})"
            )
        if self.path is None:
            if self.name != "samples":
                raise CorpusError(f"corpus {self.name!r}: no path: write {self.name}=PATH")
            object.__setattr__(self, "path", SAMPLES)
        else:
            object.__setattr__(self, "path", Path(self.path))

    @property
    def source(self) -> str:
        """The ``source`` of its transcripts: the corpus' name; a format also names its file."""
        assert self.path is not None
        if self.name not in FORMATS:
            return self.name
        # A file name need not be UTF-8; a source must be, to be hashed and written.
        file_name = self.path.name.encode("utf-8", "replace").decode("utf-8")
        return f"{self.name}:{file_name}"


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


def parse_corpus_option(option: str, *, text_column: str = "text") -> CorpusSpec:
    """Parse ``NAME=PATH``; ``samples`` needs no path.

    Raises:
        CorpusError: No ``=``, an empty path, or an unknown name.
    """
    name, equals, path = option.partition("=")
    name = name.strip()
    if name == "samples" and not equals:
        return CorpusSpec("samples")
    if not equals:
        names = ", ".join((*known_corpora(), *FORMATS))
        raise CorpusError(f"corpus {option!r}: expected NAME=PATH, with NAME one of {names}")
    if not path.strip():
        raise CorpusError(f"corpus {option!r}: the path after '=' is empty")
    return CorpusSpec(name, Path(path.strip()), text_column)


def read_corpora(
    specs: Sequence[CorpusSpec],
    *,
    limit: int | None = None,
    seed: int | None = None,
    min_words: int = DEFAULT_MIN_WORDS,
    max_characters: int = DEFAULT_MAX_CHARACTERS,
    on_drop: Callable[[DroppedRow], None] | None = None,
) -> CorpusReading:
    """Read, clean and deduplicate corpora.

    Files are streamed; memory grows only with what is kept. Of several equal transcripts (see
    ``normalise``) the first is kept, with the tags of all and the highest intensity.

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
    origins = [Origin(spec.source, spec.path or SAMPLES) for spec in specs]
    collector = Collector(origins, LengthLimits(min_words, max_characters), on_drop)
    with ExitStack() as stack:
        streams = [
            stack.enter_context(closing(_rows(spec, files)))
            for spec, files in zip(specs, [corpus_files(spec) for spec in specs], strict=True)
        ]
        if limit is None or seed is not None:
            for index, stream in enumerate(streams):
                collector.fill(index, stream, None)
        else:
            for index, stream in enumerate(streams):
                share = limit // len(specs) + (index < limit % len(specs))
                collector.fill(index, stream, share)
            for index, stream in enumerate(streams):
                missing = limit - sum(map(len, collector.kept))
                collector.fill(index, stream, len(collector.kept[index]) + missing)
    if limit is not None and seed is not None:
        collector.sample(limit, np.random.default_rng([seed, limit]))
    transcripts = [transcript for kept in collector.kept for transcript in kept]
    return CorpusReading(transcripts, collector.finished_counts())


def corpus_files(spec: CorpusSpec) -> list[Path]:
    """Return the files of a corpus, sorted by name.

    Raises:
        CorpusError: The path is missing, or a folder without the corpus' files.
    """
    path = spec.path
    assert path is not None
    if path.is_file():
        return [path]
    if not path.exists():
        raise CorpusError(f"corpus {spec.name!r}: {path}: no such file or folder")
    if not path.is_dir():
        raise CorpusError(f"corpus {spec.name!r}: {path}: neither a file nor a folder")
    if spec.name in FORMATS:
        raise CorpusError(
            f"corpus {spec.name!r}: {path}: is a folder; expected one {spec.name} file"
        )
    patterns = describe_corpus(spec.name).files
    files = {file for pattern in patterns for file in path.glob(pattern) if file.is_file()}
    if not files:
        raise CorpusError(
            f"corpus {spec.name!r}: {path}: expected files named {' or '.join(patterns)} "
            f"({describe_corpus(spec.name).format}); the folder has none"
        )
    return sorted(files)


def _rows(spec: CorpusSpec, files: list[Path]) -> Generator[tuple[Path, CorpusRow], None, None]:
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

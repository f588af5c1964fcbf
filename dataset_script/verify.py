"""Prove a dataset from its own files: ``countenance verify DATASET``.

Nothing is taken on trust: b is worked out anew from the action units of every row, the groups of
near duplicates from the transcripts, the counts from the rows; every file is hashed, every
description read. The Parquet files are read directly, without ``datasets``.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import DatasetError
from ..progress import Progress
from .checksums import check_checksums
from .items import CUES, DEFAULT
from .verify_columns import SplitColumns, column_batches
from .verify_cues import check_cues
from .verify_files import (
    CARD,
    STATISTICS,
    DataFile,
    check_columns,
    check_sizes,
    listed_files,
    read_front_matter,
    read_statistics,
)
from .verify_report import Fault, VerifyReport, in_order
from .verify_rows import check_rows, row_tasks
from .verify_splits import (
    check_splits,
    check_tag_shares,
    check_tag_statistics,
    group_numbers,
)

# Below, a second process costs more than it brings.
_ROWS_FOR_PROCESSES = 8_000


def verify_dataset(
    path: str | Path, *, workers: int | None = None, show_progress: bool = False
) -> VerifyReport:
    """Check a dataset folder: hashes, columns, every row, and the split.

    Args:
        path: A folder of ``countenance build``, or a copy of it.
        workers: Processes; by default one per core, at most two.
        show_progress: Show on stderr how far it is.

    Returns:
        The report; ``report.sound`` tells the outcome.

    Raises:
        DatasetError: ``path`` is no dataset folder, or its card has no readable YAML.
    """
    folder = Path(path)
    front = read_front_matter(folder)
    faults = [Fault(name, "sha256", message) for name, message in check_checksums(folder)]
    statistics, found = read_statistics(folder)
    faults += found
    files, found = listed_files(folder, front)
    faults += found
    counts: dict[str, dict[str, int]] = {file.config: {} for file in files}
    readable = []
    for file in files:
        rows, found = check_columns(folder, file)
        faults += found
        if rows is not None:
            readable.append(file)
            counts[file.config][file.split] = counts[file.config].get(file.split, 0) + rows
    if len(readable) == len(files):
        faults += check_sizes(counts, front, statistics)
    whole = {config for config in counts if all(f in readable for f in files if f.config == config)}
    found, deviation, versions = _check_content(
        folder, readable, whole, statistics, workers, show_progress
    )
    return VerifyReport(str(path), counts, versions, deviation, in_order([*faults, *found]))


def _check_content(
    folder: Path,
    files: Sequence[DataFile],
    whole: set[str],
    statistics: Mapping[str, Any],
    workers: int | None,
    show_progress: bool,
) -> tuple[list[Fault], tuple[str, float] | None, tuple[str, ...]]:
    """Rows of all readable files, and splits of the configs whose files are all readable."""
    provenance = statistics.get("provenance")
    provenance = provenance if isinstance(provenance, dict) else {}
    faults, names = _table_names(provenance)
    tasks = [task for file in files for task in row_tasks(folder, file.name, file.config, *names)]
    columns = {config: SplitColumns(folder, config, files) for config in sorted(whole)}
    rows = sum(map(len, columns.values()))
    deviation = None
    with _executor(rows, workers) as run:
        # Long and whole: begun first, so that the rows fill the other core.
        groups = {config: run.submit(group_numbers, folder, config, files) for config in columns}
        pending = [run.submit(check_rows, task) for task in tasks]
        if CUES in whole:
            names_of_cues = [file.name for file in files if file.config == CUES]
            pending.append(run.submit(check_cues, folder, names_of_cues, provenance))
        with Progress("verify", len(pending), enabled=show_progress) as progress:
            for future in pending:
                faults += future.result()
                progress.update()
        for name, column in columns.items():
            faults += check_splits(column, groups[name].result())
    if DEFAULT in columns:
        tags, in_test = columns[DEFAULT].tags, columns[DEFAULT].in_test
        found, deviation = check_tag_shares(tags, in_test, CARD)
        faults += found
        if statistics:
            faults += check_tag_statistics(tags, statistics, STATISTICS)
    return faults, deviation, tuple(sorted(_versions(folder, files)))


def _table_names(provenance: Mapping[str, Any]) -> tuple[list[Fault], list[str | None]]:
    """Tables of action units and of phrases, None where none is named."""
    said = {key: provenance.get(key) for key in ("mapping_version", "phrase_table")}
    faults = [
        Fault(STATISTICS, "provenance", f"{key} is {value!r}, expected the name of a table")
        for key, value in said.items()
        if not isinstance(value, str | None)
    ]
    return faults, [value if isinstance(value, str) else None for value in said.values()]


def _versions(folder: Path, files: Sequence[DataFile]) -> set[str]:
    found: set[str] = set()
    for file in files:
        for batch in column_batches(folder / file.name, "mapping_version"):
            found.update(str(value) for value in batch.unique().to_pylist())
    return found


class _SameProcess(Executor):
    """Does at once, here, what is submitted."""

    def submit(self, function: Any, /, *arguments: Any, **options: Any) -> Future[Any]:  # noqa: ANN401
        future: Future[Any] = Future()
        future.set_result(function(*arguments, **options))
        return future


@contextmanager
def _executor(rows: int, workers: int | None) -> Iterator[Executor]:
    if workers is not None and workers < 1:
        raise DatasetError(f"workers: expected 1 or more, found {workers}")
    count = workers or min(2, os.cpu_count() or 1)
    if count == 1 or rows < _ROWS_FOR_PROCESSES:
        yield _SameProcess()
        return
    # Arrow's threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, mp_context=context) as pool:
        yield pool

"""Build the published dataset from a finished run: ``countenance build RUN --out DATASET``.

    DATASET/README.md                            card; its YAML makes ``load_dataset`` work
    DATASET/data/train-00000-of-00001.parquet    shards with typed columns
    DATASET/data/test-00000-of-00001.parquet
    DATASET/images/tags.png ...                  the card's pictures
    DATASET/stats.json                           every figure that the card states

The folder appears whole or not at all, and its bytes depend only on the run's records, the seed and
the versions: rows are ordered by id, whatever the order in which they were annotated.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from datasets import (
    Dataset,
    DatasetInfo,
    Features,
    SplitDict,
    SplitInfo,
    are_progress_bars_disabled,
    disable_progress_bars,
    enable_progress_bars,
)
from datasets.info import DatasetInfosDict
from huggingface_hub import DatasetCardData

from ..au_mapping import AUMapping, load_mapping
from ..errors import DatasetError
from ..generation import (
    check_parts,
    emotion_names,
    read_manifest,
    read_records,
    read_run_statistics,
    record_fault,
    write_json,
)
from ..progress import Progress
from .card_figures import card_figures
from .card_images import FOLDER as IMAGES
from .card_images import DrawFaces, write_card_images
from .features import BLENDSHAPES, dataset_features
from .split import stratified_split
from .statistics import dataset_statistics, source_table

STATISTICS = "stats.json"
CARD = "README.md"
ROWS_PER_SHARD = 100_000

RenderCard = Callable[[dict[str, Any]], str]


def build_dataset(
    run: Path,
    out: Path,
    *,
    render_card: RenderCard,
    draw_faces: DrawFaces | None = None,
    seed: int = 0,
    show_progress: bool = False,
) -> dict[str, Any]:
    """Write the dataset folder of one finished run.

    Args:
        run: A run folder of ``countenance annotate``.
        out: The dataset folder; an older dataset of ours there is replaced.
        render_card: Makes the README from the statistics.
        draw_faces: Draws the card's grid of faces; see ``write_card_images``.
        seed: Seed of the split, 0 to 2**32 - 1.
        show_progress: Show on stderr how far the checks are.

    Returns:
        The statistics that are also written to ``DATASET/stats.json``.

    Raises:
        RunError: ``run`` is not a run folder, is unfinished or damaged.
        DatasetError: A record is unsound, there are too few, or ``out`` cannot be written.
    """
    identity = read_manifest(run)["identity"]
    run_statistics = read_run_statistics(run)
    check_parts(run)
    mapping = load_mapping(identity["mapping_version"])
    rows = _sound_rows(run, mapping, show_progress)
    if len(rows) != run_statistics["accepted"]:
        raise DatasetError(
            f"{run}: unfinished run ({len(rows)} records, {run_statistics['accepted']} at its last "
            "end); finish it with the same 'countenance annotate'"
        )
    in_test = stratified_split([row["emotions"] for row in rows], seed=seed)
    weights = mapping.to_blendshapes_batch([row["action_units"] for row in rows])
    statistics = dataset_statistics(rows, in_test, weights, mapping)
    statistics.update(card_figures(rows, in_test, mapping))
    statistics["sources"] = source_table(rows)
    statistics["provenance"] = {**identity, "split_seed": seed}
    statistics["run"] = {
        key: run_statistics[key] for key in ("accepted", "rejected", "corpora", "agreement")
    }
    features = dataset_features(emotion_names(), len(mapping.blendshapes))
    with _new_folder(out, run) as folder:
        splits = {
            name: _table(rows, weights, np.flatnonzero(chosen), features)
            for name, chosen in (("train", ~in_test), ("test", in_test))
        }
        sizes = {name: _write_shards(split, folder, name) for name, split in splits.items()}
        statistics["front_matter"] = _front_matter(splits, sizes)
        statistics["images"] = write_card_images(
            folder, statistics, rows, weights, draw_faces=draw_faces, seed=seed
        )
        write_json(folder / STATISTICS, statistics)
        (folder / CARD).write_text(render_card(statistics), encoding="utf-8")
    return statistics


def _sound_rows(run: Path, mapping: AUMapping, show_progress: bool) -> list[dict[str, Any]]:
    labels = frozenset(emotion_names())
    rows = sorted(read_records(run), key=lambda row: row["id"])
    seen: set[str] = set()
    with Progress("check", len(rows), enabled=show_progress) as progress:
        for row in rows:
            fault = record_fault(row, labels, mapping)
            if row["id"] in seen:
                fault = "stands twice in the run"
            if fault:
                raise DatasetError(f"{run}: record {row.get('id')}: {fault}; annotate it anew")
            seen.add(row["id"])
            progress.update()
    return rows


def _table(
    rows: Sequence[dict[str, Any]], weights: np.ndarray, chosen: np.ndarray, features: Features
) -> Dataset:
    columns = {
        key: weights[chosen].tolist()
        if key == BLENDSHAPES
        else [rows[index][key] for index in chosen]
        for key in features
    }
    return Dataset.from_dict(columns, features=features)


def _write_shards(split: Dataset, folder: Path, name: str) -> int:
    """Write one split; returns the bytes written."""
    count = -(-len(split) // ROWS_PER_SHARD)
    written = 0
    (folder / "data").mkdir(exist_ok=True)
    for index in range(count):
        path = folder / "data" / f"{name}-{index:05d}-of-{count:05d}.parquet"
        shard = split.shard(num_shards=count, index=index, contiguous=True)
        with _quiet():
            shard.to_parquet(str(path))
        written += path.stat().st_size
    return written


@contextmanager
def _quiet() -> Iterator[None]:
    """Switch off the bars of `datasets`, one per shard, that would stay on the screen."""
    were_off = are_progress_bars_disabled()
    disable_progress_bars()
    try:
        yield
    finally:
        if not were_off:
            enable_progress_bars()


def _front_matter(splits: dict[str, Dataset], sizes: dict[str, int]) -> dict[str, Any]:
    """The card's YAML on files, splits and columns, in the Hub's own terms."""
    infos = SplitDict()
    for name, split in splits.items():
        infos.add(SplitInfo(name=name, num_bytes=split.data.nbytes, num_examples=len(split)))
    info = DatasetInfo(
        features=splits["train"].features,
        splits=infos,
        download_size=sum(sizes.values()),
        dataset_size=sum(split.data.nbytes for split in splits.values()),
    )
    card_data = DatasetCardData()
    DatasetInfosDict({"default": info}).to_dataset_card_data(card_data)
    configs = [
        {
            "config_name": "default",
            "data_files": [{"split": name, "path": f"data/{name}-*"} for name in splits],
        }
    ]
    plain: dict[str, Any] = json.loads(
        json.dumps({"configs": configs, "dataset_info": card_data.to_dict()["dataset_info"]})
    )
    return plain


@contextmanager
def _new_folder(out: Path, run: Path) -> Iterator[Path]:
    """A folder beside ``out`` that takes its place when all went well, and vanishes otherwise."""
    try:
        out = out.resolve()
        _refuse_foreign_folder(out, run)
        out.parent.mkdir(parents=True, exist_ok=True)
        workshop = Path(tempfile.mkdtemp(prefix=f".{out.name[:100]}.", dir=out.parent))
        fresh, old = workshop / "new", workshop / "old"
        try:
            fresh.mkdir()
            yield fresh
            if out.exists():
                out.rename(old)
            fresh.rename(out)
        finally:
            if old.exists() and not out.exists():
                old.rename(out)
            shutil.rmtree(workshop, ignore_errors=True)
    except OSError as error:
        raise DatasetError(
            f"{out}: cannot write the dataset ({error.strerror}); choose another --out"
        ) from error


def _refuse_foreign_folder(out: Path, run: Path) -> None:
    """Only a folder that holds a dataset of ours, and nothing else, may be replaced."""
    if out.exists() and not out.is_dir():
        raise DatasetError(f"{out}: is a file; --out must name a folder for the dataset")
    names = {entry.name for entry in out.iterdir()} if out.is_dir() else set()
    if out == run.resolve() or (names and names - {IMAGES} != {CARD, STATISTICS, "data"}):
        raise DatasetError(
            f"{out}: holds other files and no dataset of ours; choose a new folder for --out"
        )

"""Build the published dataset from a finished run: ``countenance build RUN --out DATASET``.

    DATASET/README.md                            card; its YAML makes ``load_dataset`` work
    DATASET/data/train-00000-of-00001.parquet    config ``default``, typed columns
    DATASET/data/test-00000-of-00001.parquet
    DATASET/cues/train-00000-of-00001.parquet    config ``cues``, where there are cues
    DATASET/cues/test-00000-of-00001.parquet
    DATASET/images/tags.png ...                  the card's pictures
    DATASET/stats.json                           every figure that the card states
    DATASET/set_aside.jsonl                      id and reason of what failed the checks
    DATASET/checksums.json                       SHA-256 of every file
    DATASET/croissant.json                       Croissant metadata: files with hashes, columns

The folder appears whole or not at all, and its bytes depend only on the run's records, the cues,
the seed and the versions: rows are ordered by id, whatever the order in which they were annotated.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from datasets import (
    DatasetInfo,
    SplitDict,
    SplitInfo,
    are_progress_bars_disabled,
    disable_progress_bars,
    enable_progress_bars,
)
from datasets.exceptions import DatasetGenerationError
from datasets.info import DatasetInfosDict
from huggingface_hub import DatasetCardData

from ..errors import DatasetError
from ..generation import read_manifest, read_run_statistics, write_json
from ..workshop import Workshop
from .builder import CountenanceBuilder
from .card_figures import card_figures
from .card_images import FOLDER as IMAGES
from .card_images import DrawFaces, write_card_images
from .checksums import CHECKSUMS, write_checksums
from .croissant import croissant_metadata
from .groups import SPLIT_TABLE
from .item_table import ItemTable
from .items import CUES, DEFAULT, TEST, TRAIN, CueItem, run_mapping
from .statistics import cue_statistics, dataset_statistics, source_table

STATISTICS = "stats.json"
SET_ASIDE = "set_aside.jsonl"
CARD = "README.md"
CROISSANT = "croissant.json"
FOLDERS = {DEFAULT: "data", CUES: "cues"}
"""Where the Parquet files of each config lie."""
MAX_SHARD_SIZE = "500MB"

_OUR_NAMES = frozenset({CARD, CHECKSUMS, CROISSANT, IMAGES, SET_ASIDE, STATISTICS})
RenderCard = Callable[[dict[str, Any]], str]


def build_dataset(
    run: Path,
    out: Path,
    *,
    render_card: RenderCard,
    draw_faces: DrawFaces | None = None,
    seed: int = 0,
    cues: Sequence[CueItem] = (),
    cues_made: Mapping[str, int | str] | None = None,
    quality: Mapping[str, Any] | None = None,
    show_progress: bool = False,
) -> dict[str, Any]:
    """Write the dataset folder of one finished run.

    Args:
        run: A run folder of ``countenance annotate``.
        out: The dataset folder; an older dataset of ours there is replaced.
        render_card: Makes the README from the statistics.
        draw_faces: Draws the card's grid of faces; see ``write_card_images``.
        seed: Seed of the split, 0 to 2**32 - 1.
        cues: Items of config ``cues``, which is left out when there are none.
        cues_made: ``seed``, ``combinations`` and ``sayings`` that the cues were made with, for the
            provenance.
        quality: ``review`` and ``reference`` for the card, each measured or None.
        show_progress: Show on stderr how far the checks are.

    Returns:
        The statistics that are also written to ``DATASET/stats.json``.

    Raises:
        RunError: ``run`` is not a run folder, is unfinished or damaged.
        DatasetError: A record or cue is unsound, there are too few, or ``out`` cannot be written.
    """
    identity = read_manifest(run)["identity"]
    configs = (DEFAULT, CUES) if cues else (DEFAULT,)
    with tempfile.TemporaryDirectory(prefix="countenance-build-") as cache:
        builders = {
            name: CountenanceBuilder(
                run,
                config_name=name,
                seed=seed,
                cues=cues,
                cache_dir=cache,
                show_progress=show_progress,
            )
            for name in configs
        }
        statistics = _statistics(run, builders)
        statistics["quality"] |= quality or {}
        statistics["provenance"] = {**identity, "split_seed": seed, "split_table": SPLIT_TABLE}
        if cues and cues_made:
            statistics["provenance"]["cues"] = dict(cues_made)
        with _new_folder(out, run) as folder:
            infos = {name: _write_config(builder, folder) for name, builder in builders.items()}
            statistics["front_matter"] = _front_matter(infos)
            items = builders[DEFAULT].items
            statistics["images"] = write_card_images(
                folder,
                statistics,
                items.table or (),
                items.weights,
                draw_faces=draw_faces,
                seed=seed,
            )
            write_json(folder / STATISTICS, statistics)
            write_json(folder / CROISSANT, croissant_metadata(folder, infos, FOLDERS))
            _write_set_aside(folder, items.set_aside)
            (folder / CARD).write_text(render_card(statistics), encoding="utf-8")
            write_checksums(folder)
    return statistics


def _statistics(run: Path, builders: Mapping[str, CountenanceBuilder]) -> dict[str, Any]:
    items = builders[DEFAULT].items
    mapping = run_mapping(run)
    run_statistics = read_run_statistics(run)
    table = ItemTable.of(items.table or ())
    statistics = dataset_statistics(table, items.split, items.weights, mapping)
    statistics.update(card_figures(items.rows, items.split.in_test, mapping, table))
    reasons = Counter(row["reason"].partition(":")[0] for row in items.set_aside)
    statistics["set_aside"] = dict(sorted(reasons.items()))
    statistics["sources"] = source_table(table)
    statistics["run"] = {
        key: run_statistics[key] for key in ("accepted", "rejected", "corpora", "agreement")
    }
    if CUES in builders:
        cues = builders[CUES].items
        statistics["cues"] = cue_statistics(list(cues.rows), cues.split, cues.weights, mapping)
    return statistics


def _write_set_aside(folder: Path, aside: Sequence[Mapping[str, str]]) -> None:
    """Id and reason, a JSON line each; the transcripts stay in the run."""
    lines = [json.dumps(row, sort_keys=True) + "\n" for row in aside]
    (folder / SET_ASIDE).write_text("".join(lines), encoding="utf-8")


def _write_config(builder: CountenanceBuilder, folder: Path) -> DatasetInfo:
    """Write the Parquet files of one config; returns what the card's YAML says of them."""
    made = folder / f".{builder.config.name}"
    with _quiet():
        builder.download_and_prepare(
            str(made / "files"), file_format="parquet", max_shard_size=MAX_SHARD_SIZE
        )
    target = folder / FOLDERS[builder.config.name]
    target.mkdir()
    infos, written = SplitDict(), 0
    for name in (TRAIN, TEST):
        shards = sorted((made / "files").glob(f"*-{name}*.parquet"))
        for number, shard in enumerate(shards):
            path = target / f"{name}-{number:05d}-of-{len(shards):05d}.parquet"
            shard.rename(path)
            written += path.stat().st_size
        split = builder.info.splits[name]
        infos.add(SplitInfo(name, num_bytes=split.num_bytes, num_examples=split.num_examples))
    shutil.rmtree(made)
    return DatasetInfo(
        features=builder.info.features,
        splits=infos,
        download_size=written,
        dataset_size=builder.info.dataset_size,
    )


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


def _front_matter(infos: Mapping[str, DatasetInfo]) -> dict[str, Any]:
    """The card's YAML on files, splits and columns, in the Hub's own terms."""
    card_data = DatasetCardData()
    DatasetInfosDict(infos).to_dataset_card_data(card_data)
    configs: list[dict[str, Any]] = [
        {
            "config_name": name,
            "data_files": [
                {"split": split, "path": f"{FOLDERS[name]}/{split}-*"} for split in info.splits
            ],
        }
        for name, info in infos.items()
    ]
    configs[0]["default"] = True
    plain: dict[str, Any] = json.loads(
        json.dumps({"configs": configs, "dataset_info": card_data.to_dict()["dataset_info"]})
    )
    return plain


@contextmanager
def _new_folder(out: Path, run: Path) -> Iterator[Path]:
    """A folder beside ``out`` that takes its place when all went well, and vanishes otherwise."""
    try:
        out = out.resolve()
        with Workshop(out, DatasetError) as workshop:
            _refuse_foreign_folder(out, run)
            yield workshop.fresh
            workshop.put_in_place()
    except (OSError, DatasetGenerationError) as error:
        cause = error if isinstance(error, OSError) else error.__cause__ or error
        raise DatasetError(
            f"{out}: cannot write the dataset ({getattr(cause, 'strerror', None) or cause}); "
            "choose another --out"
        ) from error


def _refuse_foreign_folder(out: Path, run: Path) -> None:
    """Only a folder that holds a dataset of ours, and nothing else, may be replaced."""
    if out.exists() and not out.is_dir():
        raise DatasetError(f"{out}: is a file; --out must name a folder for the dataset")
    names = {entry.name for entry in out.iterdir()} if out.is_dir() else set()
    # Datasets of version 0.1.0 have no croissant.json, and not every dataset has cues.
    ours = {CARD, STATISTICS, FOLDERS[DEFAULT]} <= names <= {*_OUR_NAMES, *FOLDERS.values()}
    if out == run.resolve() or (names and not ours):
        raise DatasetError(
            f"{out}: holds other files and no dataset of ours; choose a new folder for --out"
        )

"""A `datasets` builder over a finished run, for use on this machine.

    builder = CountenanceBuilder(run="runs/dev")
    builder.download_and_prepare()
    builder.as_dataset(split="train")

Nothing is downloaded. ``build_dataset`` writes the published Parquet with this same class; what is
published needs no code of ours, because `datasets` 4 and later run no loading scripts.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
from datasets.builder import Key

from ..errors import DatasetError
from ..generation import emotion_names, part_checksums, read_manifest
from .features import cue_features, dataset_features
from .groups import SPLIT_TABLE
from .items import (
    CUES,
    DEFAULT,
    TEST,
    TRAIN,
    CueItem,
    Items,
    cue_table_items,
    run_items,
    run_mapping,
)
from .rows import ROWS_PER_GROUP


@dataclass
class CountenanceConfig(datasets.BuilderConfig):
    """What a builder reads.

    Attributes:
        run: The run folder.
        seed: Seed of the split, 0 to 2**32 - 1.
        cues: The items of config ``cues``.
    """

    run: str | None = None
    seed: int = 0
    cues: tuple[CueItem, ...] = ()


class CountenanceBuilder(datasets.ArrowBasedBuilder):
    """Builds config ``default`` (the run's items) or ``cues`` (descriptions without transcript).

    Args:
        run: A finished run folder of ``countenance annotate``.
        config_name: ``default`` or ``cues``.
        seed: Seed of the split, 0 to 2**32 - 1.
        cues: The items of config ``cues``; its mapping is that of the run.
        cache_dir: Where prepared data lie; that of `datasets` when left out. The place depends on
            the content of the run, so a run that has grown is prepared anew.
        show_progress: Show on stderr how far the checks are.

    Raises:
        RunError: ``run`` is not a run folder or is damaged.
        DatasetError: Unknown config, or ``cues`` without items. Unsound, unfinished or too small
            runs raise when they are prepared.
    """

    BUILDER_CONFIG_CLASS = CountenanceConfig
    BUILDER_CONFIGS = [  # noqa: RUF012 - the interface of `datasets`
        CountenanceConfig(name=DEFAULT, description="transcript, tags, description, blendshapes"),
        CountenanceConfig(name=CUES, description="description and blendshapes, no transcript"),
    ]
    DEFAULT_CONFIG_NAME = DEFAULT
    VERSION = datasets.Version(version("countenance"))
    config: CountenanceConfig

    def __init__(
        self,
        run: str | Path,
        *,
        config_name: str = DEFAULT,
        seed: int = 0,
        cues: Sequence[CueItem] = (),
        cache_dir: str | Path | None = None,
        show_progress: bool = False,
    ) -> None:
        if config_name not in (DEFAULT, CUES):
            raise DatasetError(f"config {config_name!r}: expected {DEFAULT!r} or {CUES!r}")
        if config_name == CUES and not cues:
            raise DatasetError("config 'cues' has no items; pass cues=cue_items(mapping)")
        self._show_progress = show_progress
        content = _content_hash(Path(run), seed, cues if config_name == CUES else ())
        super().__init__(
            cache_dir=None if cache_dir is None else str(cache_dir),
            dataset_name="countenance",
            config_name=config_name,
            config_id=f"{config_name}-{content}",
            writer_batch_size=ROWS_PER_GROUP,
            run=str(run),
            seed=seed,
            cues=tuple(cues),
            version=self.VERSION,
        )

    @cached_property
    def items(self) -> Items:
        """All items of the config, with their split."""
        run = Path(str(self.config.run))
        if self.config.name == CUES:
            return cue_table_items(self.config.cues, run_mapping(run), seed=self.config.seed)
        return run_items(run, seed=self.config.seed, show_progress=self._show_progress)

    def _info(self) -> datasets.DatasetInfo:
        size = len(run_mapping(Path(str(self.config.run))).blendshapes)
        features = (
            cue_features(size)
            if self.config.name == CUES
            else dataset_features(emotion_names(), size)
        )
        return datasets.DatasetInfo(
            description=self.config.description or "", features=features, version=self.VERSION
        )

    def _split_generators(
        self,
        dl_manager: object,
    ) -> list[datasets.SplitGenerator]:
        _ = self.items  # faults of the run raise here; below, `datasets` would wrap them
        return [
            datasets.SplitGenerator(name=name, gen_kwargs={"name": name}) for name in (TRAIN, TEST)
        ]

    def _generate_tables(self, name: str) -> Iterator[tuple[Key, pa.Table]]:
        for number, table in enumerate(self.items.part(name)):
            yield Key(0, number), table


def _content_hash(run: Path, seed: int, cues: Sequence[CueItem]) -> str:
    """16 hexadecimal digits of all that the prepared data follow from."""
    content: dict[str, Any] = {
        "version": version("countenance"),
        "identity": read_manifest(run)["identity"],
        "parts": part_checksums(run),
        "split": [SPLIT_TABLE, seed],
        "cues": sorted((cue.id, cue.description, *cue.action_units) for cue in cues),
    }
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]

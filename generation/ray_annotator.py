"""Annotation on a Ray cluster: a pool of actors with one engine each (``annotate --on ray``).

    driver: corpora ─► RUN/ray/todo ─► ray.data ─► actors ─► RUN/ray/parts ─► driver: run store

The driver loads no model and keeps the run's lock. A batch is a file of ``todo``, and what an actor
makes of it is one part, checked where it is made; the driver takes parts over in the order of the
transcripts (``waiting_parts``). So the run's files are the same bytes as without Ray, and nothing
but finished ids and whole parts says what is left.
"""

from __future__ import annotations

import shutil
import sys
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import RunError
from .annotation_config import AnnotationConfig
from .model_files import PACKAGED
from .ray_actor import AnnotationActor, Description, Fault, describe_annotator, transcripts_table
from .ray_cluster import actor_count, connected, ray_failures
from .ray_settings import RAY, RaySettings
from .transcripts import Transcript, transcript_id
from .waiting_parts import TODO, WaitingParts, write_scratch_table

if TYPE_CHECKING:
    from types import ModuleType

# A batch is what a crash costs, so it is small; every actor gets several, so that all end together.
# An engine that works on many side by side gets larger ones.
_BATCH = (16, 256)
_BATCHES_PER_ACTOR = 16
_ROUNDS = 4
# A batch that kills its actor this often is at fault itself.
_CRASHES_PER_BATCH = 3
# Seconds until a busy cluster is spoken of, and between such lines from then on.
_FIRST_WAIT = 30
_NEXT_WAIT = 600
_POLL_SECONDS = 2  # so long Ray does not listen to Ctrl-C


class RayAnnotator:
    """Annotates on the actors of a connected cluster.

    Args:
        ray: The connected package.
        config: What to do, with paths that mean the same on every machine.
        settings: Actors and GPUs.
        description: What one worker said of the annotator.
        actors: How many engines to start.
    """

    def __init__(
        self,
        ray: ModuleType,
        config: AnnotationConfig,
        settings: RaySettings,
        description: Description,
        actors: int,
    ) -> None:
        self.identity = description.identity
        self.fitted_on = description.fitted_on
        self.documents = description.documents
        self._ray = ray
        self._config = config
        self._settings = settings
        self._description = description
        self._actors = actors
        self.session: dict[str, Any] = {"on": RAY, "actors": self._actors}

    def outcomes(
        self, transcripts: Sequence[Transcript], waiting: WaitingParts
    ) -> Iterator[Mapping[str, Any]]:
        """Outcomes in the order of the transcripts, from parts that come in as they are done.

        Raises:
            EngineError: An actor cannot load the model.
            RunError: The cluster failed, or lost a part.
        """
        parts = self._parts(transcripts)
        for transcript in transcripts:
            identifier = transcript_id(transcript)
            while identifier not in waiting:
                name = next(parts, None)
                if name is None:
                    raise RunError(
                        f"{self._config.out}: a part of this Ray run was lost or damaged; start "
                        "the same command again, which does what is missing"
                    )
                waiting.add(name)
            yield waiting.take(identifier)

    def _parts(self, transcripts: Sequence[Transcript]) -> Iterator[str]:
        """Names of finished parts, in no order."""
        size = batch_size(len(transcripts), self._actors, self._config.side_by_side)
        batches = _write_todo(self._config.out / TODO, transcripts, size)
        started = time.perf_counter()
        with ray_failures(self._ray):
            for row in self._reports(batches).iter_rows():
                if row["fault"]:
                    Fault(row["fault"], row["message"]).raise_here()
                seconds = round(time.perf_counter() - started, 3)
                self.session.setdefault("seconds_to_first_part", seconds)
                yield row["part"]

    def _reports(self, batches: int) -> Any:  # noqa: ANN401 - Ray has no types here
        """What the actors will report of each batch, as a dataset that is computed when read."""
        data = self._ray.data
        todo = str(self._config.out / TODO)
        with warnings.catch_warnings():
            # max_task_retries: Ray 2.60 takes it so only, and means to replace it in 2.64.
            warnings.simplefilter("ignore", self._ray.util.annotations.RayDeprecationWarning)
            return data.read_parquet(todo, override_num_blocks=batches, num_cpus=0).map_batches(
                AnnotationActor,
                fn_constructor_args=(self._config, self._description),
                compute=data.ActorPoolStrategy(
                    size=min(self._actors, batches), max_tasks_in_flight_per_actor=2
                ),
                batch_size=None,
                batch_format="pyarrow",
                num_cpus=self._config.workers,
                num_gpus=self._settings.gpus_per_actor,
                max_task_retries=_CRASHES_PER_BATCH,
            )


@contextmanager
def open_ray_annotator(
    config: AnnotationConfig, settings: RaySettings, *, show_progress: bool = False
) -> Iterator[RayAnnotator]:
    """Connect to the cluster and let one of its workers open and describe the annotator.

    Args:
        config: What to do.
        settings: Where.
        show_progress: Say on stderr that a busy cluster is waited for.

    Raises:
        EngineError: That worker cannot load the model.
        MissingDependencyError: The extra ``ray`` is not installed.
        RunError: No cluster answers, or it lacks what the actors need.
    """
    config = _with_full_paths(config)
    with connected(settings, config.workers) as ray:
        with ray_failures(ray):
            actors = actor_count(ray.nodes(), config.workers, settings)
            description = _describe(ray, config, settings, show_progress)
        yield RayAnnotator(ray, config, settings, description, actors)


def _describe(
    ray: ModuleType, config: AnnotationConfig, settings: RaySettings, show_progress: bool
) -> Description:
    """What a worker says of the annotator.

    Its place is reserved first, because only of a reservation does Ray say whether it was given: a
    task that waits for a free machine and one that loads a large model look the same.
    """
    from ray.util.placement_group import placement_group, remove_placement_group
    from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

    needs = {"CPU": config.workers, "GPU": settings.gpus_per_actor}
    place = placement_group([{kind: count for kind, count in needs.items() if count}])
    try:
        _wait_for(place, show_progress)
        describe = ray.remote(
            num_cpus=config.workers,
            num_gpus=settings.gpus_per_actor,
            scheduling_strategy=PlacementGroupSchedulingStrategy(place),
        )(describe_annotator)
        description: Description | Fault = ray.get(describe.remote(config))
    finally:
        remove_placement_group(place)
    if isinstance(description, Fault):
        description.raise_here()
    return description


def _wait_for(place: Any, show_progress: bool) -> None:  # noqa: ANN401 - Ray has no types here
    """Wait for room, however long: whoever starts a run on a shared cluster means to queue."""
    started = time.monotonic()
    spoken_at = started + _FIRST_WAIT
    while not place.wait(_POLL_SECONDS):
        now = time.monotonic()
        if show_progress and now >= spoken_at:
            spoken_at = now + _NEXT_WAIT
            print(
                f"annotate: waiting for the Ray cluster, which is busy ({(now - started) / 60:.0f} "
                "min); Ctrl-C gives up",
                file=sys.stderr,
                flush=True,
            )


def _with_full_paths(config: AnnotationConfig) -> AnnotationConfig:
    """A worker has another current folder."""
    model, tagger = config.model, config.tagger
    # A server's model has a name, which a folder here may have too.
    if config.server is None and model != PACKAGED and Path(model).exists():
        model = str(Path(model).resolve())
    if tagger is not None and Path(tagger).is_dir():
        tagger = str(Path(tagger).resolve())
    return replace(config, out=config.out.resolve(), model=model, tagger=tagger)


def _write_todo(folder: Path, transcripts: Sequence[Transcript], size: int) -> int:
    """Write what is to do as one Parquet file a batch; gives the number of batches."""
    shutil.rmtree(folder, ignore_errors=True)
    starts = range(0, len(transcripts), size)
    for number, start in enumerate(starts):
        table = transcripts_table(transcripts[start : start + size])
        write_scratch_table(folder / f"todo-{number:05d}.parquet", table)
    return len(starts)


def batch_size(items: int, actors: int, side_by_side: int) -> int:
    """Transcripts of a batch: enough to fill an engine, few enough that all actors end together.

    Args:
        items: Transcripts in all.
        actors: Engines that share them.
        side_by_side: Transcripts that one engine works on at the same time. It has none left to
            fill up with at the end of a batch, so a batch should hold several times as many.
    """
    fewest, most = _BATCH
    least = max(fewest, _ROUNDS * side_by_side)
    share = -(-items // actors)
    batches = min(_BATCHES_PER_ACTOR, max(1, -(-share // least)))
    return min(max(most, least), max(fewest, -(-share // batches)))

"""Annotation on a Ray cluster: a pool of actors with one engine each (``annotate --on ray``).

    driver: corpora ─► RUN/ray/todo ─► ray.data ─► actors ─► RUN/ray/parts ─► driver: run store

The driver loads no model and keeps the run's lock. A batch is a file of ``todo``, and what an actor
makes of it is one part, checked where it is made; the driver takes parts over in the order of the
transcripts (``waiting_parts``). So the run's files are the same bytes as without Ray, and nothing
but finished ids and whole parts says what is left.
"""

from __future__ import annotations

import logging
import os
import shutil
import socket
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import MissingDependencyError, RunError
from .annotation_config import AnnotationConfig, usable_cores
from .model_files import PACKAGED
from .ray_actor import AnnotationActor, Description, Fault, describe_annotator, transcripts_table
from .ray_settings import RAY, RaySettings
from .transcripts import Transcript, transcript_id
from .waiting_parts import TODO, WaitingParts, write_table

if TYPE_CHECKING:
    from types import ModuleType

# A batch is what a crash costs, so it is small; every actor gets several, so that all end together.
_BATCH = (16, 256)
_BATCHES_PER_ACTOR = 16
# A batch that kills its actor this often is at fault itself.
_CRASHES_PER_BATCH = 3
_OBJECT_STORE_BYTES = 200 * 2**20  # only names of parts and small tables of text pass through it
_LOOPBACK = ("127.", "localhost", "[::1]")
_BLOCK_BYTES = 2**20
_KNOCK_SECONDS = 10
_QUIET = ("ray", "ray.data", "ray.train", "ray.tune")


class RayAnnotator:
    """Annotates on the actors of a connected cluster.

    Args:
        ray: The connected package.
        config: What to do, with paths that mean the same on every machine.
        settings: Actors and GPUs.
        description: What one worker said of the annotator.
    """

    def __init__(
        self,
        ray: ModuleType,
        config: AnnotationConfig,
        settings: RaySettings,
        description: Description,
    ) -> None:
        self.identity = description.identity
        self.fitted_on = description.fitted_on
        self.documents = description.documents
        self._ray = ray
        self._config = config
        self._settings = settings
        self._description = description
        self._actors = _actor_count(ray.cluster_resources(), config.workers, settings)
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
        batches = _write_todo(self._config.out / TODO, transcripts, self._actors)
        started = time.perf_counter()
        with _ray_failures(self._ray):
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
def open_ray_annotator(config: AnnotationConfig, settings: RaySettings) -> Iterator[RayAnnotator]:
    """Connect to the cluster and let one of its workers open and describe the annotator.

    Raises:
        EngineError: That worker cannot load the model.
        MissingDependencyError: The extra ``ray`` is not installed.
        RunError: No cluster answers, or it lacks what the actors need.
    """
    config = _with_full_paths(config)
    with _connected(settings, config.workers) as ray, _ray_failures(ray):
        _actor_count(ray.cluster_resources(), config.workers, settings)
        describe = ray.remote(num_cpus=config.workers, num_gpus=settings.gpus_per_actor)(
            describe_annotator
        )
        description = ray.get(describe.remote(config))
        if isinstance(description, Fault):
            description.raise_here()
        yield RayAnnotator(ray, config, settings, description)


def _with_full_paths(config: AnnotationConfig) -> AnnotationConfig:
    """A worker has another current folder."""
    model, tagger = config.model, config.tagger
    if model != PACKAGED and Path(model).exists():
        model = str(Path(model).resolve())
    if tagger is not None and Path(tagger).is_dir():
        tagger = str(Path(tagger).resolve())
    return replace(config, out=config.out.resolve(), model=model, tagger=tagger)


def _write_todo(folder: Path, transcripts: Sequence[Transcript], actors: int) -> int:
    """Write what is to do as one Parquet file a batch; gives the number of batches."""
    shutil.rmtree(folder, ignore_errors=True)
    fewest, most = _BATCH
    size = min(most, max(fewest, -(-len(transcripts) // (actors * _BATCHES_PER_ACTOR))))
    starts = range(0, len(transcripts), size)
    for number, start in enumerate(starts):
        table = transcripts_table(transcripts[start : start + size])
        write_table(folder / f"todo-{number:05d}.parquet", table)
    return len(starts)


def _actor_count(resources: Mapping[str, float], cpus: int, settings: RaySettings) -> int:
    """How many actors to start.

    Raises:
        RunError: The cluster has not enough for them; Ray would wait for ever.
    """
    room = int(resources.get("CPU", 0) // cpus)
    if settings.gpus_per_actor:
        room = min(room, int(resources.get("GPU", 0) // settings.gpus_per_actor))
    wanted = settings.actors or max(room, 1)
    if wanted > room:
        needs = f"{cpus} CPU" + (
            f" and {settings.gpus_per_actor:g} GPU" if settings.gpus_per_actor else ""
        )
        raise RunError(
            f"actors: {wanted} with {needs} each do not fit this Ray cluster "
            f"({resources.get('CPU', 0):g} CPU, {resources.get('GPU', 0):g} GPU); take fewer "
            "--actors or --workers"
        )
    return wanted


@contextmanager
def _connected(settings: RaySettings, cpus: int) -> Iterator[ModuleType]:
    """Ray, connected; a cluster of our own listens on loopback only and ends with the run."""
    own = not settings.address
    ray = _import_ray(here=own or settings.address.startswith(_LOOPBACK))
    if ray.is_initialized():
        _configure()
        yield ray
        return
    try:
        _connect(ray, settings, cpus)
        _configure()
        yield ray
    finally:
        ray.shutdown()


def _connect(ray: ModuleType, settings: RaySettings, cpus: int) -> None:
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if settings.address:
        try:
            _knock(settings.address)
            ray.init(settings.address, **quiet)
        except (OSError, ray.exceptions.RayError) as error:
            raise RunError(
                f"on: no Ray cluster answers at {settings.address} ({_first_line(error)}); give "
                "HOST:PORT as 'ray start --head' prints it, and see docs/ray.md on tokens"
            ) from error
    else:
        ray.init(
            "local",
            num_cpus=cpus * (settings.actors or max(1, usable_cores() // cpus)),
            include_dashboard=False,
            object_store_memory=_OBJECT_STORE_BYTES,
            **quiet,
        )


def _knock(address: str) -> None:
    """Ask whether anything listens there; Ray itself would try for many minutes.

    Raises:
        OSError: Nothing does.
        RunError: Not an address.
    """
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise RunError(f"on: expected ray or ray://HOST:PORT, found 'ray://{address}'")
    socket.create_connection((host.strip("[]"), int(port)), timeout=_KNOCK_SECONDS).close()


def _import_ray(here: bool) -> ModuleType:
    if find_spec(RAY) is None:
        raise MissingDependencyError(
            "Ray is not installed: pip install 'countenance[ray]', or leave out --on"
        )
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if here:
        # Ray's own switch for "one machine only": it keeps to loopback, also as a client.
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    import ray
    import ray.data

    return ray


def _configure() -> None:
    from ray.data import DataContext

    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    # Ray plans its memory by this size, 128 MiB by default; ours hold far less than one.
    context.target_max_block_size = _BLOCK_BYTES
    # The newer reader packs small files into one block, which one actor would do alone, and lists
    # them in a task that waits for a CPU for ever where the actors hold all.
    context.use_datasource_v2 = False
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.ERROR)


@contextmanager
def _ray_failures(ray: ModuleType) -> Iterator[None]:
    try:
        yield
    except ray.exceptions.RayError as error:
        raise RunError(
            f"Ray: {_first_line(error)}; what is written already is kept, start the same command "
            "again"
        ) from error


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0][:200]

"""A Ray cluster: reached or started, its room for actors, and its errors as one line."""

from __future__ import annotations

import logging
import os
import re
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from ..errors import MissingDependencyError, RunError, printable
from .annotation_config import usable_cores
from .ray_settings import RAY, RaySettings

if TYPE_CHECKING:
    from types import ModuleType

_OBJECT_STORE_BYTES = 200 * 2**20  # only names of parts and small tables of text pass through it
_LOOPBACK = ("127.", "localhost", "[::1]")
_BLOCK_BYTES = 2**20
_KNOCK_SECONDS = 10
_QUIET = ("ray", "ray.data", "ray.train", "ray.tune")
# Ray counts resources in steps of 1/10,000.
_STEPS = 10_000
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_SHOWN = 400


@contextmanager
def connected(settings: RaySettings, cpus: int) -> Iterator[ModuleType]:
    """Ray, connected; a cluster of our own listens on loopback only and ends with the run.

    Until it is closed, what this process prints goes to stderr, since Ray prints there too.

    Args:
        settings: Which cluster.
        cpus: CPUs of one actor, for a cluster of our own.

    Raises:
        MissingDependencyError: The extra ``ray`` is not installed.
        RunError: No cluster answers, it is of another version, or none can be started here.
    """
    own = not settings.address
    ray = _import_ray(here=own or settings.address.startswith(_LOOPBACK))
    # Ray prints what happens on the cluster, and standard output is the command's own.
    with redirect_stdout(sys.stderr):
        if ray.is_initialized():
            with _configured():
                yield ray
            return
        try:
            _connect(ray, settings, cpus)
            with _configured():
                yield ray
        finally:
            ray.shutdown()


def _connect(ray: ModuleType, settings: RaySettings, cpus: int) -> None:
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        if settings.address:
            _knock(settings.address)
            ray.init(settings.address, **quiet)
        else:
            ray.init(
                "local",
                num_cpus=cpus * (settings.actors or max(1, usable_cores() // cpus)),
                include_dashboard=False,
                object_store_memory=_OBJECT_STORE_BYTES,
                **quiet,
            )
    except RunError:
        raise
    except Exception as error:  # Ray raises anything here, bare ``Exception`` included
        raise RunError(f"on: {_no_cluster(settings, error)}") from error


def _no_cluster(settings: RaySettings, error: Exception) -> str:
    """Why there is none, and what to do."""
    said = what_failed(error)
    if not settings.address:
        return (
            f"Ray cannot start a cluster on this machine ({said}); mend that, or leave out --on, "
            "which needs no cluster"
        )
    if "version mismatch" in said.lower():
        return (
            f"the Ray cluster at {settings.address} is of another version ({said}); install the "
            "same Ray and Python on all machines"
        )
    return (
        f"no Ray cluster answers at {settings.address} ({said}); give HOST:PORT as "
        "'ray start --head' prints it, and see docs/ray.md on tokens"
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


@contextmanager
def _configured() -> Iterator[None]:
    """Ray as our runs need it; the settings are the process's own and are put back afterwards."""
    from ray.data import DataContext

    context = DataContext.get_current()
    wanted = {
        "enable_progress_bars": False,
        "print_on_execution_start": False,
        # Ray plans its memory by this size, 128 MiB by default; ours hold far less than one.
        "target_max_block_size": _BLOCK_BYTES,
        # The newer reader packs small files into one block, which one actor would do alone, and
        # lists them in a task that waits for a CPU for ever where the actors hold all.
        "use_datasource_v2": False,
        # Else it ends a run after half an hour without a batch: a long one, or a cluster that is
        # busy again.
        "execution_no_progress_timeout_s": -1,
    }
    before = {name: getattr(context, name) for name in wanted}
    levels = {name: logging.getLogger(name).level for name in _QUIET}
    try:
        for name, value in wanted.items():
            setattr(context, name, value)
        for name in _QUIET:
            logging.getLogger(name).setLevel(logging.ERROR)
        yield
    finally:
        for name, value in before.items():
            setattr(context, name, value)
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def actor_count(nodes: Sequence[Mapping[str, Any]], cpus: int, settings: RaySettings) -> int:
    """How many actors to start.

    Args:
        nodes: What ``ray.nodes()`` says; an actor lies on one node, so rests do not add up.
        cpus: CPUs of one actor.
        settings: Actors that are asked for, and the GPUs of one.

    Raises:
        RunError: They do not fit, even were the cluster idle; Ray would wait for ever.
    """
    alive = [node["Resources"] for node in nodes if node["Alive"]]
    room = sum(_room(resources, cpus, settings.gpus_per_actor) for resources in alive)
    wanted = settings.actors or max(room, 1)
    if wanted > room:
        needs = f"{cpus} CPU" + (
            f" and {settings.gpus_per_actor:g} GPU" if settings.gpus_per_actor else ""
        )
        total = {kind: sum(one.get(kind, 0) for one in alive) for kind in ("CPU", "GPU")}
        raise RunError(
            f"actors: {wanted} with {needs} each do not fit this Ray cluster, which has room for "
            f"{room} ({total['CPU']:g} CPU, {total['GPU']:g} GPU on {len(alive)} machines; each "
            "actor lies on one machine, its share of a GPU on one card); take fewer --actors or "
            "--workers"
        )
    return wanted


def _room(resources: Mapping[str, float], cpus: int, gpus: float) -> int:
    """Actors that fit on one node."""
    room = int(resources.get("CPU", 0) // cpus)
    if not gpus:
        return room
    cards = int(resources.get("GPU", 0))
    fit = cards // int(gpus) if gpus >= 1 else cards * (_STEPS // round(gpus * _STEPS))
    return min(room, fit)


@contextmanager
def ray_failures(ray: ModuleType) -> Iterator[None]:
    """Turn what Ray raises while it works into one line.

    Raises:
        RunError: In its place.
    """
    try:
        yield
    # A lost head is sometimes a ConnectionError, which must not pass for a full disk.
    except (ray.exceptions.RayError, ConnectionError) as error:
        raise RunError(
            f"Ray: {what_failed(error)}; what is written already is kept, start the same command "
            "again"
        ) from error


def what_failed(error: BaseException) -> str:
    """An error as ``TypeName: message``, one printable line; of a worker's error its cause.

    Ray wraps what a worker raises, sometimes twice, and begins the text with a coloured header of
    the worker's traceback.
    """
    while isinstance(cause := getattr(error, "cause", None), BaseException):
        error = cause
    text = _ANSI.sub("", str(error)).strip()
    shown = f"{type(error).__name__}: {text}"
    if '\n  File "' in text:  # a traceback as text, where the cause could not travel
        shown = text.rpartition("\n")[2]
    shown = printable(" ".join(shown.split())).removesuffix(":")
    if len(shown) > _SHOWN:
        half = _SHOWN // 2 - 3
        shown = f"{shown[:half]} ... {shown[-half:]}"
    return shown

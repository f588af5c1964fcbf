"""Where and how wide a run is spread: the settings of ``countenance annotate --on ray``."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import RunError

RAY = "ray"
_LEAST_SHARE = 0.0001


@dataclass(frozen=True)
class RaySettings:
    """A Ray cluster and what to take of it.

    Attributes:
        address: ``HOST:PORT`` of a running cluster's head, or ``auto`` for the one on this machine;
            empty starts one on this machine's loopback and stops it afterwards.
        actors: Engines side by side; None takes as many as the cluster has room for.
        gpus_per_actor: GPUs that one engine gets: 0 keeps to CPUs, a share of one card (0.0001 or
            more), or a whole number, as Ray has it.
    """

    address: str = ""
    actors: int | None = None
    gpus_per_actor: float = 0.0

    def __post_init__(self) -> None:
        if self.actors is not None and self.actors < 1:
            raise RunError(f"actors: expected 1 or more, found {self.actors}")
        gpus = self.gpus_per_actor
        if not (gpus == 0 or _LEAST_SHARE <= gpus < 1 or (gpus >= 1 and gpus % 1 == 0)):
            raise RunError(
                f"gpus-per-actor: expected 0, a share such as 0.5 or a whole number, found {gpus:g}"
            )


def parse_ray_option(
    place: str | None, actors: int | None = None, gpus_per_actor: float = 0.0
) -> RaySettings | None:
    """The settings that ``--on``, ``--actors`` and ``--gpus-per-actor`` stand for; None without.

    Raises:
        RunError: ``place`` is neither ``ray`` nor ``ray://ADDRESS``, or lacks beside the others.
    """
    if place is None:
        if actors is not None or gpus_per_actor:
            raise RunError("actors, gpus-per-actor: only a run on Ray has them; add --on ray")
        return None
    kind, separator, address = place.partition("://")
    if kind != RAY or bool(separator) != bool(address):
        raise RunError(f"on: expected ray or ray://HOST:PORT, found {place!r}")
    return RaySettings(address, actors, gpus_per_actor)

"""How the texts of the test split lie in the latent space, and whether the paper's picture holds.

The paper's figure: tags and descriptions form clusters, transcripts gather in the middle. Here the
same picture (t-SNE), and figures of it, both of the latent space itself (by angle, which is what
the embedding loss aligns) and of the flat map.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .data import KINDS
from .evaluation_retrieval import unit_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

PERPLEXITY = 30.0
NEIGHBOURS = 10
_FEWEST = 6


@dataclass(frozen=True)
class LatentMap:
    """Texts on a plane.

    Attributes:
        coordinates: float32 (texts, 2), by t-SNE.
        kinds: Kind of each text ("t", "e", "d", "cues").
        tags: First emotion tag of each text's item; "" where it has none.
        figures: What ``map_latents`` measured.
    """

    coordinates: NDArray[np.float32]
    kinds: list[str]
    tags: list[str]
    figures: dict[str, Any]


def map_latents(
    latents: NDArray[np.float32], kinds: Sequence[str], tags: Sequence[str], *, seed: int = 0
) -> LatentMap | None:
    """Lay texts out by t-SNE and measure how they group.

    Args:
        latents: float32 (texts, k), of distinct texts.
        kinds: Kind of each text.
        tags: First tag of each text's item, or "".
        seed: Seed of t-SNE.

    Returns:
        The map. Its figures: ``texts`` by kind; ``perplexity``; ``trustworthiness`` in [0, 1] (1:
        the neighbours on the map are neighbours in the latent space); and for ``latent`` and
        ``map`` each ``silhouette_by_kind`` with a mean per kind, ``silhouette_by_tag`` (also per
        kind of text), in [-1, 1], and ``centrality`` per kind: its mean distance from the centre of
        all kinds over the mean of the kinds; below 1 is nearer the centre than the others
        (``latent`` also has ``centrality_with_length``, of the latents unscaled). Silhouettes by
        kind and centralities are of t, e and d alone: cues are on the map, but they are
        descriptions too, and would count as a rival cluster of d. ``None`` for fewer than 6
        texts, or where all lie at one point.
    """
    from sklearn.manifold import TSNE, trustworthiness

    points = unit_rows(latents).astype(np.float64)
    if len(points) < _FEWEST or np.ptp(points, axis=0).max() < 1e-9:
        return None
    perplexity = min(PERPLEXITY, (len(points) - 1) / 3)
    layout = TSNE(perplexity=perplexity, init="pca", random_state=seed)
    flat = layout.fit_transform(points).astype(np.float32)
    neighbours = min(NEIGHBOURS, (len(points) - 1) // 2)
    kind_array, tag_array = np.array(kinds), np.array(tags)
    judged = np.isin(kind_array, KINDS)
    judged_kinds = kind_array[judged]
    figures: dict[str, Any] = {
        "texts": {kind: int((kind_array == kind).sum()) for kind in dict.fromkeys(kinds)},
        "perplexity": perplexity,
        "neighbours": neighbours,
        "trustworthiness": float(trustworthiness(points, flat, n_neighbors=neighbours)),
    }
    for name, where in (("latent", points), ("map", flat.astype(np.float64))):
        figures[name] = {
            "silhouette_by_kind": silhouettes(where[judged], judged_kinds, judged_kinds),
            "silhouette_by_tag": silhouettes(where, tag_array, kind_array),
            "centrality": centrality(where[judged], judged_kinds),
        }
    # The loss aligns angles alone, but the decoder also sees how long a latent is.
    with_length = centrality(latents[judged].astype(np.float64), judged_kinds)
    figures["latent"]["centrality_with_length"] = with_length
    figures["paper_picture"] = paper_picture(figures)
    return LatentMap(flat, list(kinds), list(tags), figures)


def silhouettes(
    points: NDArray[np.float64], groups: NDArray[np.str_], kinds: NDArray[np.str_]
) -> dict[str, float | None]:
    """Mean silhouette of the points in their groups: ``all``, and of the texts of each kind.

    Points without a group ("") and groups of one point are left out; where fewer than two groups
    remain, or as many groups as points, the silhouette is not defined and ``None``.

    Args:
        points: float64 (n, k).
        groups: The group of each point.
        kinds: The kind of each point. Of one kind, groups are formed within the kind, unless the
            groups are the kinds.
    """
    from sklearn.metrics import silhouette_samples

    def values(rows: NDArray[np.int64]) -> NDArray[np.float64] | None:
        names, counts = np.unique(groups[rows], return_counts=True)
        large = set(names[(counts > 1) & (names != "")])
        kept = np.array([row for row in rows if groups[row] in large], dtype=np.int64)
        if not 2 <= len(large) < len(kept):
            return None
        result = np.full(len(points), np.nan)
        result[kept] = silhouette_samples(points[kept], groups[kept])
        return result

    everything = values(np.arange(len(points)))
    by_kind = bool((groups == kinds).all())
    table = {"all": _mean(everything)}
    for kind in dict.fromkeys(kinds.tolist()):
        rows = np.flatnonzero(kinds == kind)
        if by_kind:
            table[kind] = None if everything is None else _mean(everything[rows])
        else:
            table[kind] = _mean(values(rows))
    return table


def _mean(values: NDArray[np.float64] | None) -> float | None:
    if values is None or np.isnan(values).all():
        return None
    return float(np.nanmean(values))


def centrality(points: NDArray[np.float64], kinds: NDArray[np.str_]) -> dict[str, float]:
    """Mean distance of each kind from the centre, over the mean of the kinds; 1 is the average.

    The centre is the mean of the kinds' means, so that a kind with many texts does not draw it.
    """
    names = list(dict.fromkeys(kinds.tolist()))
    if not names:
        return {}
    centre = np.mean([points[kinds == name].mean(axis=0) for name in names], axis=0)
    away = {
        name: float(np.linalg.norm(points[kinds == name] - centre, axis=1).mean()) for name in names
    }
    whole = float(np.mean(list(away.values())))
    return {name: distance / whole if whole > 0 else 1.0 for name, distance in away.items()}


def paper_picture(figures: dict[str, Any]) -> dict[str, dict[str, bool]] | None:
    """Whether the paper's picture holds, in the latent space and on the map.

    Returns:
        For ``latent`` and ``map``: ``transcripts_are_most_central`` (smallest centrality among t, e
        and d) and ``tags_and_descriptions_cluster`` (positive mean silhouette by kind of both);
        ``None`` where one of the three kinds is missing.
    """
    if not {"t", "e", "d"} <= set(figures["latent"]["centrality"]):
        return None
    found = {}
    for where in ("latent", "map"):
        central = {kind: figures[where]["centrality"][kind] for kind in ("t", "e", "d")}
        cluster = figures[where]["silhouette_by_kind"]
        found[where] = {
            "transcripts_are_most_central": min(central, key=lambda kind: central[kind]) == "t",
            "tags_and_descriptions_cluster": all((cluster[k] or 0.0) > 0 for k in ("e", "d")),
        }
    return found

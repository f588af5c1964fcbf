"""One AU table in memory: its rows and rules, checked beyond what a JSON Schema can say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from .action_unit import unit_id
from .rules import PARAMETERS, Rule
from .table_files import read_table, reject
from .vocabulary import ARKIT_51, FACS_CODES, mirrored_shape, side_of


@dataclass(frozen=True)
class ActionUnitInfo:
    """What a table says about one action unit.

    Attributes:
        id: ``"AU12"``.
        name: FACS name.
        muscles: Muscles behind it; empty for action descriptors.
        region: ``"upper"``, ``"lower"`` or ``"eye"``.
        sides: Whether it may act on one side.
        side_required: Whether it must be given a side.
        weights: Weight in (0, 1] of each shape at full intensity, both sides together; read-only.
        status: ``fixed`` (by the paper), ``agreed``, ``disputed`` or ``stand-in``.
        source: Tags of ``AUMapping.sources``; ``proposal`` is our own judgement.
        reason: Why these weights, in one line.
        mirror: Id of the unit that a mirror shows; the unit's own id for all but AU61 and AU62.
        rules: Ids of the combination rules that speak of its shapes.
    """

    id: str
    name: str
    muscles: tuple[str, ...]
    region: str
    sides: bool
    side_required: bool
    weights: Mapping[str, float]
    status: str
    source: tuple[str, ...]
    reason: str
    mirror: str
    rules: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A checked AU table.

    Attributes:
        version: Its name, equal to the file's stem.
        units: Its rows in table order, by id.
        rules: Its combination rules.
        sources: What each source tag stands for.
    """

    version: str
    units: Mapping[str, ActionUnitInfo]
    rules: tuple[Rule, ...]
    sources: Mapping[str, str]


def read_mapping_table(path: Path) -> Table:
    """Read and check one AU table.

    Raises:
        TableError: The file is unreadable or malformed; the message names the file and the field.
    """
    document = read_table(path, "au-mapping")
    if tuple(document["blendshapes"]) != ARKIT_51:
        reject(path, "blendshapes", "must be the 51 names of arkit-51.json in their order")
    _check_sources(path, document)
    rules = tuple(
        _read_rule(path, f"rules[{index}]", row) for index, row in enumerate(document["rules"])
    )
    _check_unique(path, "rules", "id", document["rules"])
    _check_unique(path, "action_units", "code", document["action_units"])
    units = [
        _read_unit(path, f"action_units[{index}]", row, rules)
        for index, row in enumerate(document["action_units"])
    ]
    table = Table(
        version=document["version"],
        units=MappingProxyType({unit.id: unit for unit in units}),
        rules=rules,
        sources=MappingProxyType(document["sources"]),
    )
    _check_mirrors(path, table)
    return table


def _read_unit(
    path: Path, field: str, row: dict[str, Any], rules: tuple[Rule, ...]
) -> ActionUnitInfo:
    if row["code"] not in FACS_CODES:
        reject(path, f"{field}.code", f"{row['code']!r} is not in facs-v1.json")
    _check_shapes(path, f"{field}.weights", row["weights"])
    midline = [shape for shape in row["weights"] if side_of(shape) is None]
    if row["sides"] != "none" and midline:
        reject(
            path,
            f"{field}.sides",
            f"{row['sides']!r} needs shapes that all have a side, {midline[0]} has none",
        )
    return ActionUnitInfo(
        id=unit_id(row["code"]),
        name=row["name"],
        muscles=tuple(row["muscles"]),
        region=row["region"],
        sides=row["sides"] != "none",
        side_required=row["sides"] == "required",
        weights=MappingProxyType(dict(row["weights"])),
        status=row["status"],
        source=tuple(row["source"]),
        reason=row["reason"],
        mirror=row.get("mirror", unit_id(row["code"])),
        rules=tuple(rule.id for rule in rules if not rule.shapes.isdisjoint(row["weights"])),
    )


def _read_rule(path: Path, field: str, row: dict[str, Any]) -> Rule:
    pairs = tuple((first, second) for first, second in row["pairs"])
    _check_shapes(path, f"{field}.pairs", [shape for pair in pairs for shape in pair])
    either_way = row["kind"] == "oppose"
    known = {frozenset(pair) if either_way else pair for pair in pairs}
    for first, second in pairs:
        mirrored = (mirrored_shape(first), mirrored_shape(second))
        if (frozenset(mirrored) if either_way else mirrored) not in known:
            reject(path, f"{field}.pairs", f"the mirror of {first}, {second} is missing")
    if row["kind"] == "fade" and not row["from"] < row["to"]:
        reject(path, f"{field}.to", f"{row['to']} must be above from, {row['from']}")
    parameters = {name: float(row[name]) for name in PARAMETERS[row["kind"]]}
    return Rule(
        id=row["id"],
        kind=row["kind"],
        pairs=pairs,
        parameters=MappingProxyType(parameters),
        source=tuple(row["source"]),
        reason=row["reason"],
    )


def _check_sources(path: Path, document: dict[str, Any]) -> None:
    known = document["sources"]
    lists = {"muscles_source": document["muscles_source"]}
    for part in ("action_units", "rules"):
        for index, row in enumerate(document[part]):
            lists[f"{part}[{index}].source"] = row["source"]
    for field, tags in lists.items():
        for tag in tags:
            if tag not in known:
                reject(path, field, f"{tag!r} is not explained under sources")


def _check_unique(path: Path, part: str, key: str, rows: list[dict[str, Any]]) -> None:
    seen: set[str] = set()
    for index, row in enumerate(rows):
        if row[key] in seen:
            reject(path, f"{part}[{index}].{key}", f"{row[key]!r} stands twice in the table")
        seen.add(row[key])


def _check_shapes(path: Path, field: str, shapes: list[str] | dict[str, float]) -> None:
    for shape in shapes:
        if shape not in ARKIT_51:
            reject(path, field, f"{shape!r} is not one of the 51 ARKit blendshapes")


def _check_mirrors(path: Path, table: Table) -> None:
    """The mirror of each unit's shapes must be the shapes of the unit that it names as mirror."""
    for index, unit in enumerate(table.units.values()):
        field = f"action_units[{index}]"
        if unit.mirror not in table.units:
            reject(path, f"{field}.mirror", f"{unit.mirror!r} is not in the table")
        mirrored = {mirrored_shape(shape): weight for shape, weight in unit.weights.items()}
        if mirrored != table.units[unit.mirror].weights:
            reject(
                path,
                f"{field}.weights",
                f"left and right must mirror each other (compared with {unit.mirror})",
            )

"""What ``verify`` finds: faults that name file, row and field."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

SHOWN_PER_FIELD = 3


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong.

    Attributes:
        file: Path within the dataset folder, or the folder's name where several files are meant.
        field: Column, or what of the file is wrong.
        message: What was expected and what was found.
        row: Number of the row in its file, from 0; None for a whole file.
        id: The row's id; None where there is none.
    """

    file: str
    field: str
    message: str
    row: int | None = None
    id: str | None = None

    def __str__(self) -> str:
        """One line: "data/test-...parquet: row 3 (id 05ab...): blendshapes: ..."."""
        row = "" if self.row is None else f" row {self.row}"
        name = f" (id {self.id})" if self.id else ""
        place = f"{row}{name}:" if row else ""
        return f"{self.file}:{place} {self.field}: {self.message}"


@dataclass(frozen=True)
class VerifyReport:
    """The outcome of ``verify_dataset``.

    Attributes:
        dataset: The folder.
        rows: Rows looked at, by config and split.
        mapping_versions: Tables from which blendshapes were recomputed.
        largest_deviation: Tag (of at least ``tags_from`` items) whose share of test is furthest
            from that of all items, and how far in percentage points; None if no tag is frequent
            enough.
        faults: All that is wrong, by file and row; empty for a sound dataset.
    """

    dataset: str
    rows: dict[str, dict[str, int]]
    mapping_versions: tuple[str, ...]
    largest_deviation: tuple[str, float] | None
    faults: tuple[Fault, ...]

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults

    @property
    def summary(self) -> str:
        """One line for people."""
        count = sum(sum(splits.values()) for splits in self.rows.values())
        if self.sound:
            return (
                f"{self.dataset}: sound; {count} rows of {', '.join(self.rows)} recomputed from "
                f"{', '.join(self.mapping_versions)}"
            )
        return f"{self.dataset}: {len(self.faults)} faults in {count} rows"

    def first_faults(self, per_field: int = SHOWN_PER_FIELD) -> list[str]:
        """The faults in words, at most so many of one file and field, then how many more."""
        seen: dict[tuple[str, str], int] = {}
        lines = []
        for fault in self.faults:
            place = fault.file, fault.field
            seen[place] = seen.get(place, 0) + 1
            if seen[place] <= per_field:
                lines.append(str(fault))
        for (file, field), count in seen.items():
            if count > per_field:
                lines.append(f"{file}: {field}: {count - per_field} more")
        return lines

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready form, every fault included."""
        return {
            "dataset": self.dataset,
            "sound": self.sound,
            "rows": self.rows,
            "mapping_versions": list(self.mapping_versions),
            "largest_deviation": list(self.largest_deviation) if self.largest_deviation else None,
            "faults": [asdict(fault) for fault in self.faults],
        }


def in_order(faults: Sequence[Fault]) -> tuple[Fault, ...]:
    """Without repeats; those of whole files first, then by file and row."""
    key = {
        fault: (fault.row is not None, fault.file, -1 if fault.row is None else fault.row)
        for fault in faults
    }
    return tuple(sorted(key, key=key.__getitem__))

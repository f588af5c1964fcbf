"""Shares of what passed, with their 95 % Wilson intervals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Share:
    """How many of how many passed.

    Attributes:
        passed: Their number.
        total: Of so many, at least 1.
        low, high: Ends of the 95 % Wilson interval of the share.
    """

    passed: int
    total: int
    low: float
    high: float

    @classmethod
    def of(cls, outcomes: Iterable[bool]) -> Share:
        """The share of true outcomes, of which there must be one or more."""
        from scipy.stats import binomtest

        counted = [bool(outcome) for outcome in outcomes]
        interval = binomtest(sum(counted), len(counted)).proportion_ci(method="wilson")
        return cls(sum(counted), len(counted), float(interval.low), float(interval.high))

    @classmethod
    def from_dict(cls, figures: Mapping[str, Any]) -> Share:
        """Of what ``as_dict`` gave."""
        return cls(*(figures[name] for name in ("passed", "total", "low", "high")))

    @property
    def share(self) -> float:
        """From 0 to 1."""
        return self.passed / self.total

    def as_dict(self) -> dict[str, Any]:
        """For JSON, rounded to four places."""
        figures = asdict(self) | {"share": self.share}
        return {name: round(value, 4) for name, value in figures.items()}

    def __str__(self) -> str:
        return (
            f"{self.passed:>4} of {self.total:<4} {100 * self.share:5.1f} %"
            f"  [{100 * self.low:.1f}, {100 * self.high:.1f}]"
        )

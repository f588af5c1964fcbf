"""Tables of numbers in which few rows differ: ten million groups of items have a few hundred."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import overload

import numpy as np

Column = int | np.integer | slice


@dataclass(frozen=True, eq=False)
class CodedRows:
    """A table as its different rows and the number of each row's, four bytes a row.

    It is sliced and summed as the numpy array that it stands for, as far as
    ``IterativeStratification`` slices and sums the table that it is given.

    Attributes:
        different: Any number type (n_different, n_columns); some may be nobody's.
        codes: int32 (n_rows,), which of them each row is.
    """

    different: np.ndarray
    codes: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return len(self.codes), self.different.shape[1]

    def __len__(self) -> int:
        return len(self.codes)

    @overload
    def __getitem__(self, key: int | np.integer | tuple[slice, Column]) -> np.ndarray: ...
    @overload
    def __getitem__(self, key: np.ndarray) -> CodedRows: ...
    def __getitem__(
        self, key: int | np.integer | np.ndarray | tuple[slice, Column]
    ) -> np.ndarray | CodedRows:
        """One row, one column (``[:, number]``), or the rows at some places or of a mask."""
        if isinstance(key, tuple):
            rows, column = key
            values: np.ndarray = self.different[:, column][self.codes[rows]]
            return values
        if isinstance(key, np.ndarray):
            return CodedRows(self.different, self.codes[key])
        row: np.ndarray = self.different[self.codes[key]]
        return row

    def sum(self, axis: int) -> np.ndarray:
        """int64 (n_columns,): the sum of each column; ``axis`` is 0."""
        return self.sum_of(lambda rows: rows)

    def sum_of(self, measure: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """int64: the sum over all rows of what ``measure`` makes of each."""
        times = np.bincount(self.codes, minlength=len(self.different))
        total: np.ndarray = times @ measure(self.different).astype(np.int64)
        return total

    def each(self, measure: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """(n_rows,): what ``measure`` makes of each row; it is given the different ones."""
        values: np.ndarray = measure(self.different)[self.codes]
        return values

"""What runs on a Ray worker: one engine, and the batches that it is given. Knows nothing of Ray."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from .. import errors
from ..errors import CountenanceError, RunError, in_one_line
from .annotate import open_local_annotator
from .annotation_config import AnnotationConfig
from .transcripts import Transcript
from .waiting_parts import identity_digest, write_part

if TYPE_CHECKING:
    import pyarrow as pa

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fault:
    """An error on its way from a worker to the driver.

    Ray wraps what is raised on a worker in its own errors with their tracebacks, so ours travel as
    data and are raised where the user is.

    Attributes:
        kind: Name of a class in ``countenance.errors``.
        message: Its line.
    """

    kind: str
    message: str

    @classmethod
    def of(cls, error: Exception) -> Fault:
        """What to tell the driver; what is none of ours leaves its traceback in Ray's logs."""
        if isinstance(error, CountenanceError):
            return cls(type(error).__name__, in_one_line(error))
        _LOG.error("a Ray worker failed", exc_info=error)
        return cls(
            RunError.__name__,
            f"a Ray worker failed ({type(error).__name__}: {in_one_line(error)}); its traceback is "
            "in Ray's logs on that machine; what is written already is kept",
        )

    def raise_here(self) -> NoReturn:
        """Raise it in this process."""
        raise getattr(errors, self.kind)(self.message)


@dataclass(frozen=True)
class Description:
    """What the driver must know of an annotator that it does not load itself.

    Attributes:
        identity: What decides a record's content, for the manifest.
        fitted_on: Corpus splits that the tagger was fitted on.
        documents: What is kept beside the run, the calibration among it.
    """

    identity: Mapping[str, Any]
    fitted_on: frozenset[str]
    documents: Mapping[str, Any]


def describe_annotator(config: AnnotationConfig) -> Description | Fault:
    """Open the annotator once, calibrate it, and tell the driver and all actors of it."""
    try:
        with open_local_annotator(config) as annotator:
            return Description(
                dict(annotator.identity), annotator.fitted_on, dict(annotator.documents)
            )
    except Exception as error:  # any of them must reach the driver as its own line
        return Fault.of(error)


class AnnotationActor:
    """One engine that lives as long as its process.

    Args:
        config: What to do; ``out`` is a folder that all machines share.
        description: What ``describe_annotator`` said of it.
    """

    def __init__(self, config: AnnotationConfig, description: Description) -> None:
        self._config = config
        self._identity = identity_digest(description.identity)
        self._fault: Fault | None = None
        self._stack = ExitStack()
        try:
            self._annotator = self._stack.enter_context(
                open_local_annotator(config, documents=description.documents)
            )
            _check_identity(self._annotator.identity, description.identity)
        except Exception as error:
            self._fault = Fault.of(error)

    def __call__(self, batch: pa.Table) -> dict[str, list[str]]:
        """Annotate one batch, write it as a part, and report the part's name or a fault."""
        if self._fault is None:
            try:
                part = self._write(list(self._annotator.outcomes(transcripts_of(batch))))
                return {"part": [part], "fault": [""], "message": [""]}
            except Exception as error:
                self._fault = Fault.of(error)
        return {"part": [""], "fault": [self._fault.kind], "message": [self._fault.message]}

    def _write(self, outcomes: Sequence[Mapping[str, Any]]) -> str:
        try:
            return write_part(self._config.out, outcomes, self._identity)
        except OSError as error:
            raise RunError(
                f"a Ray actor cannot write its part ({error}); free the disk or choose another "
                "--out; what is written already is kept"
            ) from error


def _check_identity(found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    different = sorted(k for k in {*found, *expected} if found.get(k) != expected.get(k))
    if different:
        key = different[0]
        raise RunError(
            f"a Ray worker would annotate otherwise than the first ({key}: {found.get(key)!r}, "
            f"there {expected.get(key)!r}); install the same versions and model on all machines"
        )


def transcripts_table(transcripts: Sequence[Transcript]) -> pa.Table:
    """Transcripts as a table, one column a field."""
    import pyarrow as pa

    rows = [{name: getattr(item, name) for name in _COLUMNS} for item in transcripts]
    kinds = {"labels": pa.list_(pa.string()), "intensity": pa.float64()}
    return pa.Table.from_pylist(
        rows, schema=pa.schema([(name, kinds.get(name, pa.string())) for name in _COLUMNS])
    )


def transcripts_of(table: pa.Table) -> Iterator[Transcript]:
    """The transcripts of a table that ``transcripts_table`` made."""
    for row in table.select(_COLUMNS).to_pylist():
        yield Transcript(**{**row, "labels": tuple(row["labels"])})


_COLUMNS = ["text", "source", "source_id", "labels", "intensity", "part"]

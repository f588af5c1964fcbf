"""A dataset on the Hugging Face Hub (or a local dataset folder) as rows of a corpus.

Only datasets that are data (Parquet, CSV, JSON ...) can be read: ``datasets`` runs no dataset's own
code any more. What was downloaded once is read from the cache afterwards, without a network.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import CorpusError
from .corpora_files import require_column
from .corpora_rows import CorpusRow, clean_identifier
from .tables_reading import load_emotions
from .transcripts import DropReason

if TYPE_CHECKING:
    import datasets

_SYNTAX = "OWNER/NAME[:CONFIGURATION][@REVISION], or a folder that begins with / or ."


@dataclass(frozen=True, slots=True)
class HubDataset:
    """Which dataset, and what of it.

    Attributes:
        dataset: ``OWNER/NAME``, or the path of a local dataset folder.
        configuration: The configuration (subset); None where there is only one.
        revision: Branch, tag or commit; None for the newest.
        text_column: The column with the text.
        label_column: The column with tags: GoEmotions names, or class labels of those names, one or
            a list of them; None reads no tags.
        id_column: The column with the row's id; without one the row's number is the id.
    """

    dataset: str
    configuration: str | None = None
    revision: str | None = None
    text_column: str = "text"
    label_column: str | None = None
    id_column: str = "id"


def parse_hub_name(
    name: str, *, text_column: str = "text", label_column: str | None = None
) -> HubDataset:
    """Parse ``OWNER/NAME[:CONFIGURATION][@REVISION]`` or the path of a local dataset folder.

    Raises:
        CorpusError: It is neither.
    """
    name = name.strip()
    if name.startswith((".", "/", "~")):
        folder = str(Path(name).expanduser().absolute())
        return HubDataset(folder, text_column=text_column, label_column=label_column)
    repository, at, revision = name.partition("@")
    repository, colon, configuration = repository.partition(":")
    owner, _, bare = repository.partition("/")
    if (
        not (owner and bare)
        or "/" in bare
        or (at and not revision)
        or (colon and not configuration)
    ):
        raise CorpusError(f"corpus 'hub:{name}': expected hub:{_SYNTAX}")
    return HubDataset(
        repository, configuration or None, revision or None, text_column, label_column
    )


def read_hub_rows(name: str, wanted: HubDataset) -> Iterator[tuple[Path, CorpusRow]]:
    """Yield the rows of all splits, in the dataset's own order, each with ``dataset/split``.

    Args:
        name: The corpus' name, for messages.
        wanted: The dataset.

    Raises:
        CorpusError: The dataset cannot be reached or read, a column lacks, or is of another type.
    """
    for split, data in _load(name, wanted).items():
        place = Path(wanted.dataset) / split
        require_column(place, data.column_names, wanted.text_column)
        columns = [wanted.text_column]
        read_labels: Callable[[Any], tuple[str, ...] | None] | None = None
        if wanted.label_column is not None:
            if wanted.label_column not in data.column_names:
                found = ", ".join(repr(column) for column in data.column_names[:30])
                raise CorpusError(
                    f"{place}: no label column {wanted.label_column!r}; found {found}"
                )
            columns.append(wanted.label_column)
            read_labels = _label_reader(place, wanted.label_column, data.features)
        if wanted.id_column in data.column_names:
            columns.append(wanted.id_column)
        for number, row in enumerate(data.select_columns(list(dict.fromkeys(columns))), 1):
            yield place, _corpus_row(number, row, wanted, read_labels)


def _corpus_row(
    number: int,
    row: dict[str, Any],
    wanted: HubDataset,
    read_labels: Callable[[Any], tuple[str, ...] | None] | None,
) -> CorpusRow:
    labels = read_labels(row[wanted.label_column or ""]) if read_labels else ()
    if labels is None:
        return CorpusRow(number, reason=DropReason.BAD_LABEL)
    identifier = clean_identifier(row.get(wanted.id_column), number)
    return CorpusRow(number, row[wanted.text_column], identifier, labels)


def _load(name: str, wanted: HubDataset) -> "datasets.DatasetDict":
    import datasets

    try:
        return datasets.load_dataset(wanted.dataset, wanted.configuration, revision=wanted.revision)
    # Whatever the library, its file readers or the network raise ends in one line.
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        detail = " ".join(str(error).split())[:300].rstrip(" .:")
        way = "csv, jsonl or parquet" if name == "hub" else name
        raise CorpusError(
            f"corpus {name!r}: {wanted.dataset} cannot be read from the Hub ({detail}): "
            f"download its files and give their path ({way}=PATH)"
        ) from error


def _label_reader(
    place: Path, column: str, features: "datasets.Features"
) -> Callable[[Any], tuple[str, ...] | None]:
    known = frozenset(emotion.name for emotion in load_emotions())
    feature = features[column]
    listed = hasattr(feature, "feature")
    item = feature.feature if listed else feature
    names: Sequence[str] | None = getattr(item, "names", None)
    if names is not None and not known.intersection(names):
        raise CorpusError(
            f"{place}: label column {column!r}: none of its classes is a GoEmotions category; "
            f"found {', '.join(names[:8])}"
        )
    if names is None and getattr(item, "dtype", "") not in ("string", "large_string"):
        raise CorpusError(
            f"{place}: label column {column!r} holds {getattr(item, 'dtype', item)}, "
            "expected class labels or strings"
        )

    def read(value: Any) -> tuple[str, ...] | None:  # noqa: ANN401 - whatever the row holds
        values = value if listed else [value]
        if values is None or any(one is None for one in values):
            return None
        # A class label without a class is -1.
        if names is not None and not all(0 <= one < len(names) for one in values):
            return None
        labels = [names[one] if names is not None else one.strip() for one in values]
        return tuple(dict.fromkeys(labels)) if known.issuperset(labels) else None

    return read

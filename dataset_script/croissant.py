"""Croissant metadata (ML Commons, version 1.1): the files with their hashes, and their columns.

Written by hand, because it is plain JSON and `mlcroissant` draws in a dozen packages; that library
validates it, and reads the records through it, in the tests.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from datasets import ClassLabel, DatasetInfo, List, Value

CONFORMS_TO = "http://mlcommons.org/croissant/1.1"
LICENCE = (
    "Transcripts: as the source corpora, see README.md. Tags, descriptions, action units and "
    "blendshape weights: https://creativecommons.org/licenses/by/4.0/"
)
_TERMS = (
    "arrayShape citeAs column equivalentProperty extract field fileObject fileProperty fileSet "
    "format includes isArray isLiveDataset jsonPath key md5 parentField path recordSet references "
    "regex repeated replace samplingRate separator source subField transform"
)
_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "dct": "http://purl.org/dc/terms/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "sc": "https://schema.org/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    **{term: f"cr:{term}" for term in _TERMS.split()},
}
_TYPES = {
    "string": "sc:Text",
    "bool": "sc:Boolean",
    "int64": "cr:Int64",
    "float32": "cr:Float32",
    "float64": "cr:Float64",
}


def croissant_metadata(
    folder: Path, infos: Mapping[str, DatasetInfo], places: Mapping[str, str]
) -> dict[str, Any]:
    """Describe a dataset folder whose Parquet files are written.

    There is one record set for each config and split, ``CONFIG/SPLIT``. Dates are left out: the
    same records give the same bytes on any day.

    Args:
        folder: The dataset folder.
        infos: Columns and splits of each config.
        places: The sub-folder of each config.

    Returns:
        The content of ``croissant.json``.
    """
    files: list[dict[str, Any]] = []
    record_sets = []
    for config, info in infos.items():
        for split in info.splits:
            shards = [
                _file_object(folder, path)
                for path in sorted((folder / places[config]).glob(f"{split}-*.parquet"))
            ]
            files += shards
            source = {"fileObject": {"@id": shards[0]["@id"]}}
            if len(shards) > 1:
                files.append(_file_set(f"{config}/{split}-files", shards))
                source = {"fileSet": {"@id": files[-1]["@id"]}}
            record_sets.append(_record_set(config, split, info, source))
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "name": "countenance",
        "conformsTo": CONFORMS_TO,
        "description": "From language to facial expression: short texts, emotion tags, "
        "descriptions of facial movement, FACS action units, and 51 ARKit blendshape weights.",
        "license": LICENCE,
        "creator": {"@type": "sc:Organization", "name": "The countenance maintainers"},
        "citeAs": "The countenance maintainers: countenance, from language to facial expression, "
        f"version {version('countenance')}",
        "version": version("countenance"),
        "distribution": files,
        "recordSet": record_sets,
    }


def _file_object(folder: Path, path: Path) -> dict[str, Any]:
    name = path.relative_to(folder).as_posix()
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "contentUrl": name,
        "contentSize": f"{path.stat().st_size} B",
        "encodingFormat": "application/x-parquet",
        "sha256": digest,
    }


def _file_set(name: str, shards: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "@type": "cr:FileSet",
        "@id": name,
        "name": name,
        "containedIn": [{"@id": shard["@id"]} for shard in shards],
        "encodingFormat": "application/x-parquet",
        "includes": "*.parquet",
    }


def _record_set(
    config: str, split: str, info: DatasetInfo, source: Mapping[str, Any]
) -> dict[str, Any]:
    name = f"{config}/{split}"
    fields = []
    for column, feature in info.features.items():
        field: dict[str, Any] = {
            "@type": "cr:Field",
            "@id": f"{name}/{column}",
            "name": column,
            "dataType": _data_type(feature.feature if isinstance(feature, List) else feature),
            "source": {**source, "extract": {"column": column}},
        }
        if isinstance(feature, List):
            field |= {"isArray": True, "arrayShape": str(feature.length)}  # -1: of any length
        if labels := _labels(feature):
            field["description"] = "Class ids: " + ", ".join(
                f"{number} {label}" for number, label in enumerate(labels)
            )
        fields.append(field)
    return {"@type": "cr:RecordSet", "@id": name, "name": name, "field": fields}


def _data_type(feature: ClassLabel | Value) -> str:
    return _TYPES[feature.dtype]


def _labels(feature: object) -> list[str]:
    inner = feature.feature if isinstance(feature, List) else feature
    return list(inner.names) if isinstance(inner, ClassLabel) else []

"""Push a dataset or a model to the Hub: ``countenance push dataset DATASET OWNER/NAME``.

One call creates the repository, brings it up to the folder in one commit, and tags the version.
Repeating it uploads nothing that is there already and makes no empty commit.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from huggingface_hub import get_token
from huggingface_hub.errors import HFValidationError, LocalTokenNotFoundError
from huggingface_hub.utils import validate_repo_id

from ..errors import PublishError
from .checksums import CHECKSUMS, check_checksums
from .hub_upload import (
    HubUpload,
    RemoteState,
    Repository,
    compare,
    local_files,
    one_line_errors,
    tag_taken,
)

_TAG = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]|\.(?!\.))*")
_DATASET_FILES = ("README.md", "stats.json", "croissant.json")
_DATASET_MARKERS = frozenset({"croissant.json", "stats.json"})
_MODEL_FILES = ("README.md", "config.json", "model.safetensors", "modeling_countenance.py")
_MODEL_TYPE = "countenance"  # of ExpressionConfig, which this room may not import
_MODEL_MARKERS = frozenset({"modeling_countenance.py"})


@dataclass(frozen=True, slots=True)
class PushReport:
    """What a push did, or with ``dry_run`` would do.

    Attributes:
        repo_id: ``OWNER/NAME``.
        kind: ``dataset`` or ``model``.
        url: The repository's page.
        created: The repository did not exist.
        private: It is (or would be) private.
        uploaded: Paths of new and changed files.
        deleted: Paths that the folder no longer has.
        unchanged: Files that were there already.
        uploaded_bytes: Size of the uploaded files together.
        commit: The commit of main that equals the folder; None in a dry run that would make one.
        tag: The version's tag.
        tagged: The tag is new.
        dry_run: Nothing was written.
    """

    repo_id: str
    kind: str
    url: str
    created: bool
    private: bool
    uploaded: tuple[str, ...]
    deleted: tuple[str, ...]
    unchanged: int
    uploaded_bytes: int
    commit: str | None
    tag: str
    tagged: bool
    dry_run: bool

    def to_dict(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return asdict(self)


def push_dataset(
    folder: Path,
    repo_id: str,
    *,
    private: bool = False,
    revision: str | None = None,
    dry_run: bool = False,
    token: str | None = None,
    show_progress: bool = False,
) -> PushReport:
    """Publish a dataset folder; afterwards ``load_dataset(repo_id)`` opens it.

    Args:
        folder: A folder of ``countenance build``. Hidden files stay at home.
        repo_id: ``OWNER/NAME``. A repository that holds anything but a dataset of ours is refused.
        private: Make a new repository private; a public one that exists is refused.
        revision: The version's tag; the package's version by default (``v0.1.0``).
        dry_run: Only say what would be done. Reads the Hub, writes nothing.
        token: Access token that may write; None for HF_TOKEN or the one of ``hf auth login``.
        show_progress: Show on stderr how far the upload is.

    Raises:
        PublishError: A bad name, no dataset folder, a version that exists with another content, or
            the Hub cannot be reached or refuses. ``main`` is then as it was before, unless only the
            tag lacks.
    """
    if (folder / CHECKSUMS).is_file() and (damaged := check_checksums(folder)):
        name, fault = damaged[0]
        raise PublishError(f"{folder}: {name}: {fault}")
    repository = Repository(repo_id, "dataset", _DATASET_MARKERS, token)
    files = local_files(folder)
    _require(folder, files, _DATASET_FILES, "dataset", "build")
    return _push(files, repository, private, revision, dry_run, show_progress)


def push_model(
    folder: Path,
    repo_id: str,
    *,
    private: bool = False,
    revision: str | None = None,
    dry_run: bool = False,
    token: str | None = None,
    show_progress: bool = False,
    code: Mapping[str, Path] | None = None,
) -> PushReport:
    """Publish a checkpoint folder; arguments and errors as ``push_dataset``.

    ``code`` holds the model's code files by name, which ``AutoModel`` runs from the repository.
    Those that a checkpoint of ours lacks (the packaged one has none: the package itself holds them)
    are published beside it; the folder stays as it is.
    """
    repository = Repository(repo_id, "model", _MODEL_MARKERS, token)
    files = local_files(folder)
    if code and _is_our_model(files.get("config.json")):
        files = dict(sorted({**code, **files}.items()))
    _require(folder, files, _MODEL_FILES, "model", "train")
    return _push(files, repository, private, revision, dry_run, show_progress)


def _is_our_model(config_file: Path | None) -> bool:
    """Whether a ``config.json`` is of an ``ExpressionModel``."""
    try:
        config = json.loads(config_file.read_bytes()) if config_file else None
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(config, dict) and config.get("model_type") == _MODEL_TYPE


def _require(
    folder: Path, files: Mapping[str, Path], required: tuple[str, ...], kind: str, way: str
) -> None:
    lacking = [name for name in required if name not in files]
    if lacking:
        raise PublishError(
            f"{folder}: no {kind} folder ({lacking[0]} is missing); make one with "
            f"'countenance {way}'"
        )


def _push(
    files: dict[str, Path],
    repository: Repository,
    private: bool,
    revision: str | None,
    dry_run: bool,
    show_progress: bool,
) -> PushReport:
    tag = revision or f"v{version('countenance')}"
    _check_names(repository.repo_id, tag)
    with one_line_errors(repository):
        if not dry_run and repository.token is None and get_token() is None:
            raise LocalTokenNotFoundError("no token")
        upload = HubUpload(repository)
        before = upload.read()
        _check_state(upload, before, files, tag, private)
        report = _planned(repository, before, files, tag, private)
        if dry_run:
            return report
        after = before
        if before.head is None:
            upload.create(private)
            after = upload.read()
            _check_state(upload, after, files, tag, private)
        message = f"countenance {repository.kind} {tag}"
        after = upload.commit(files, after, message, show_progress)
        if after.tags.get(tag) != after.head:
            upload.tag(tag, str(after.head))
        changes = {**report.to_dict(), "commit": after.head, "dry_run": False}
        return PushReport(**changes)


def _check_names(repo_id: str, tag: str) -> None:
    try:
        validate_repo_id(repo_id)
        sound = repo_id.count("/") == 1
    except HFValidationError:
        sound = False
    if not sound:
        raise PublishError(
            f"{repo_id!r}: expected OWNER/NAME of letters, digits, '-', '_' and '.', such as "
            "my-name/faces"
        )
    if not _TAG.fullmatch(tag) or tag.endswith((".", ".lock")) or len(tag) > 100 or tag == "main":
        raise PublishError(
            f"--revision {tag!r}: expected the name of a version, such as v1.0: letters, digits, "
            "'-', '_' and single dots, and not main"
        )


def _check_state(
    upload: HubUpload, state: RemoteState, files: dict[str, Path], tag: str, private: bool
) -> None:
    repo_id = upload.repository.repo_id
    upload.require_ours(state)
    if state.head is not None and private and not state.private:
        raise PublishError(
            f"{repo_id}: exists and is public; --private only makes new repositories private. "
            "Change it in its settings on the Hub, or choose another name"
        )
    tagged = state.tags.get(tag)
    if tagged is not None and (tagged != state.head or compare(files, state.files)):
        raise tag_taken(repo_id, tag, tagged)


def _planned(
    repository: Repository, state: RemoteState, files: dict[str, Path], tag: str, private: bool
) -> PushReport:
    change = compare(files, state.files)
    return PushReport(
        repo_id=repository.repo_id,
        kind=repository.kind,
        url=repository.url,
        created=state.head is None,
        private=private if state.head is None else state.private,
        uploaded=change.upload,
        deleted=change.delete,
        unchanged=change.unchanged,
        uploaded_bytes=sum(files[path].stat().st_size for path in change.upload),
        commit=None if change else state.head,
        tag=tag,
        tagged=tag not in state.tags,
        dry_run=True,
    )

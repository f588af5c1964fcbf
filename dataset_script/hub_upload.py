"""A folder to a Hub repository in one commit: what differs goes up, what is gone goes away.

The repository's ``main`` moves once, from the commit that was compared with the folder to one that
equals it; large files are in the Hub's storage before that and belong to nothing until then. So an
interruption leaves either the old revision or the new one, and the same call can be made again.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, get_token
from huggingface_hub.errors import (
    HfHubHTTPError,
    # The base class of whatever HTTP library this version of huggingface_hub uses.
    HTTPError,
    LocalTokenNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
)
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils import (
    are_progress_bars_disabled,
    disable_progress_bars,
    enable_progress_bars,
    logging,
)

from ..errors import PublishError
from ..progress import Progress

Result = TypeVar("Result")

BRANCH = "main"
WAITS = (1.0, 2.0, 4.0)  # seconds before another attempt
_PASSING = frozenset({408, 429, 500, 502, 503, 504})
_MOVED_ON = frozenset({409, 412})  # another commit arrived first
_KEPT_REMOTELY = ".gitattributes"  # made by the Hub, and it needs it
_FIRST_FILES = frozenset({_KEPT_REMOTELY, "README.md", "LICENSE"})  # of a new repository


@dataclass(frozen=True, slots=True)
class Repository:
    """Where a folder goes.

    Attributes:
        repo_id: ``OWNER/NAME``.
        kind: ``dataset`` or ``model``.
        markers: Files that only a folder of ours has all of; a repository with files and without
            one of these is somebody else's and is left alone.
        token: Access token; None for the one that the machine is logged in with.
    """

    repo_id: str
    kind: str
    markers: frozenset[str]
    token: str | None = None

    @property
    def url(self) -> str:
        """Its page on the Hub."""
        prefix = "datasets/" if self.kind == "dataset" else ""
        return f"{HfApi().endpoint}/{prefix}{self.repo_id}"


@dataclass(frozen=True, slots=True)
class RemoteState:
    """What a repository holds: ``head`` of main (None: no repository), its files, its tags."""

    head: str | None
    private: bool
    files: Mapping[str, RepoFile]
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Change:
    """The difference between a folder and a repository, as sorted paths."""

    upload: tuple[str, ...]
    delete: tuple[str, ...]
    unchanged: int

    def __bool__(self) -> bool:
        return bool(self.upload or self.delete)


def local_files(folder: Path) -> dict[str, Path]:
    """Every file of a folder by its POSIX path; what is hidden stays at home.

    Raises:
        PublishError: A link leads out of the folder, or it cannot be read.
    """
    found = {}
    try:
        for path in sorted(folder.rglob("*")):
            parts = path.relative_to(folder).parts
            if not path.is_file() or any(part.startswith(".") for part in parts):
                continue
            if not path.resolve().is_relative_to(folder.resolve()):
                raise PublishError(f"{path}: leads out of the folder; put the file itself there")
            found["/".join(parts)] = path
    except OSError as error:
        raise PublishError(f"{folder}: cannot be read ({error.strerror})") from error
    return found


def compare(files: Mapping[str, Path], remote: Mapping[str, RepoFile]) -> Change:
    """What must go up and what must go away for the repository to equal the folder.

    Args:
        files: Local files by path.
        remote: Remote files by path; large ones are compared by SHA-256, others by git's hash.
    """
    upload = [path for path, file in files.items() if not _equal(file, remote.get(path))]
    delete = sorted(set(remote) - set(files) - {_KEPT_REMOTELY})
    return Change(tuple(sorted(upload)), tuple(delete), len(files) - len(upload))


def _equal(path: Path, remote: RepoFile | None) -> bool:
    if remote is None or remote.size != path.stat().st_size:
        return False
    if remote.lfs is not None:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest() == remote.lfs.sha256
    content = path.read_bytes()
    git = hashlib.sha1(b"blob %d\0" % len(content), usedforsecurity=False)
    git.update(content)
    return git.hexdigest() == remote.blob_id


class HubUpload:
    """The calls to one repository: tried again where the fault may pass, told in one line else."""

    def __init__(self, repository: Repository, waits: tuple[float, ...] = WAITS) -> None:
        self.repository = repository
        self._waits = waits
        self._api = HfApi(token=repository.token, library_name="countenance")
        self._where: dict[str, Any] = {"repo_id": repository.repo_id, "repo_type": repository.kind}

    def read(self) -> RemoteState:
        """The repository as it is now."""
        try:
            info = self._patiently(lambda: self._api.repo_info(**self._where))
        except RepositoryNotFoundError:
            return RemoteState(None, False, {}, {})
        refs = self._patiently(lambda: self._api.list_repo_refs(**self._where))
        head = next((ref.target_commit for ref in refs.branches if ref.name == BRANCH), info.sha)
        tree = self._patiently(
            lambda: list(self._api.list_repo_tree(**self._where, recursive=True, revision=head))
        )
        files = {entry.path: entry for entry in tree if isinstance(entry, RepoFile)}
        tags = {ref.name: ref.target_commit for ref in refs.tags}
        return RemoteState(head, bool(info.private), files, tags)

    def require_ours(self, state: RemoteState) -> None:
        """Refuse a repository with somebody's other work in it: the push would delete that."""
        strange = sorted(set(state.files) - _FIRST_FILES)
        if strange and not self.repository.markers <= set(state.files):
            raise PublishError(
                f"{self.repository.repo_id}: holds other files ({', '.join(strange[:3])}) and no "
                f"{self.repository.kind} of ours, which a push would delete; choose another name"
            )

    def create(self, private: bool) -> None:
        """Make the repository; one that somebody made meanwhile will do."""
        self._patiently(
            lambda: self._api.create_repo(**self._where, private=private, exist_ok=True)
        )

    def commit(
        self, files: Mapping[str, Path], state: RemoteState, message: str, show_progress: bool
    ) -> RemoteState:
        """Make main equal to the files, in one commit.

        A commit whose answer was lost is not made twice: before every further attempt the
        repository is read again, and a commit is only taken on top of the one that was read.
        """
        for wait in (*self._waits, None):
            change = compare(files, state.files)
            if not change:
                return state
            additions = [CommitOperationAdd(path, str(files[path])) for path in change.upload]
            operations: list[CommitOperationAdd | CommitOperationDelete] = [*additions]
            operations += [CommitOperationDelete(path, is_folder=False) for path in change.delete]
            self._send_large_files(additions, show_progress)
            try:
                self._api.create_commit(
                    **self._where,
                    operations=operations,
                    commit_message=message,
                    parent_commit=state.head,
                    revision=BRANCH,
                )
            except (HTTPError, json.JSONDecodeError) as error:
                if wait is None or not (_may_pass(error) or _status(error) in _MOVED_ON):
                    raise
                time.sleep(wait)
            state = self.read()
            self.require_ours(state)
        change = compare(files, state.files)
        if change:
            raise PublishError(
                f"{self.repository.repo_id}: somebody else is committing to it; push again later"
            )
        return state

    def _send_large_files(self, additions: list[CommitOperationAdd], show_progress: bool) -> None:
        """Bring what is not small text to the Hub's storage; the client itself tries again."""
        with Progress("upload", len(additions), enabled=show_progress) as progress:
            for addition in additions:
                self._api.preupload_lfs_files(
                    **self._where, additions=[addition], revision=BRANCH, free_memory=False
                )
                progress.update()

    def tag(self, name: str, commit: str) -> None:
        """Name a commit; a name that already stands for it will do."""
        self._patiently(
            lambda: self._api.create_tag(**self._where, tag=name, revision=commit, exist_ok=True)
        )
        found = self.read().tags.get(name)
        if found != commit:
            raise tag_taken(self.repository.repo_id, name, found or "nothing")

    def _patiently(self, call: Callable[[], Result]) -> Result:
        for wait in self._waits:
            try:
                return call()
            except (HTTPError, json.JSONDecodeError) as error:
                if not _may_pass(error):
                    raise
            time.sleep(wait)
        return call()


def tag_taken(repo_id: str, tag: str, commit: str) -> PublishError:
    """The error for a version that exists with another content."""
    return PublishError(
        f"{repo_id}: version {tag} exists already, with another content (commit {commit[:7]}); "
        "give this one a name of its own with --revision"
    )


def _status(error: BaseException) -> int:
    return error.response.status_code if isinstance(error, HfHubHTTPError) else 0


def _may_pass(error: BaseException) -> bool:
    """Whether the same call may succeed a moment later: the Hub is busy, or the line was cut."""
    if isinstance(error, HfHubHTTPError):
        return _status(error) in _PASSING
    return isinstance(error, HTTPError | json.JSONDecodeError)


@contextmanager
def one_line_errors(repository: Repository) -> Iterator[None]:
    """Turn whatever the client raises into one ``PublishError``; keep it quiet, and hide the token.

    The client logs each of its retries and draws its own bars; both are switched off within.
    """
    verbosity, had_bars = logging.get_verbosity(), not are_progress_bars_disabled()
    logging.set_verbosity_error()
    disable_progress_bars()
    try:
        yield
    except PublishError:
        raise
    except (HTTPError, OfflineModeIsEnabled, LocalTokenNotFoundError, ValueError) as error:
        raise _explained(repository, error) from None
    except (RuntimeError, OSError) as error:  # the client wraps what happened in a worker thread
        cause = error.__cause__ if isinstance(error.__cause__, HTTPError) else error
        raise _explained(repository, cause) from None
    finally:
        logging.set_verbosity(verbosity)
        if had_bars:
            enable_progress_bars()


def _explained(repository: Repository, error: BaseException) -> PublishError:
    status = _status(error)
    way = "run 'hf auth login', or set HF_TOKEN to a token that may write"
    if isinstance(error, LocalTokenNotFoundError):
        what = f"no access token is set; {way}"
    elif status == 401:
        what = f"the Hub does not accept the access token (401); {way}"
    elif status == 403:
        what = f"this token may not write to {repository.repo_id.split('/')[0]} (403)"
    elif isinstance(error, OfflineModeIsEnabled):
        what = "HF_HUB_OFFLINE is set; unset it to reach the Hub"
    elif status in _PASSING:
        what = (
            f"the Hub answers with error {status}, several times; nothing is half done, push again "
            "later"
        )
    elif status or isinstance(error, ValueError):
        what = f"the Hub refuses ({_hidden(error, repository.token)})"
    elif isinstance(error, HTTPError):
        what = (
            f"the connection to {HfApi().endpoint} is lost or cannot be made "
            f"({_hidden(error, repository.token)}); push again"
        )
    else:
        what = f"cannot be pushed ({_hidden(error, repository.token)})"
    return PublishError(f"{repository.repo_id}: {what}")


def _hidden(error: BaseException, token: str | None) -> str:
    """The error's text on one line, without any token."""
    text = " ".join(str(error).split())
    for secret in {token, get_token()} - {None, ""}:  # before the cut, which might halve one
        text = text.replace(str(secret), "***")
    return text[:300].rstrip(" .:") or type(error).__name__

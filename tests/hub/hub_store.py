"""What the loopback Hub keeps: content-addressed objects, and per repository its commits and refs.

A repository is one JSON file that is replaced as a whole, so that a commit is there or is not. An
object (a file's bytes) is written beside its place, checked against its hash and renamed.
"""

import hashlib
import json
import os
import tempfile
import threading
from pathlib import Path

GIT_ATTRIBUTES = b"*.parquet filter=lfs diff=lfs merge=lfs -text\n"
LFS_ENDINGS = (".parquet", ".png", ".safetensors", ".bin", ".arrow")
LARGEST_REGULAR = 10 * 2**20
EMPTY_OID = "0" * 40


class HubError(Exception):
    """A refusal, with the status and the error code that the real Hub would send."""

    def __init__(self, status, message, code=None):
        super().__init__(message)
        self.status, self.message, self.code = status, message, code


def git_blob_oid(content):
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def lfs_pointer(sha256, size):
    return (
        f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n"
    ).encode()


class HubStore:
    """All repositories of one Hub, in one folder."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.lock = threading.RLock()
        (self.folder / "objects").mkdir(parents=True, exist_ok=True)
        (self.folder / "repos").mkdir(exist_ok=True)

    # objects

    def object_path(self, sha256):
        return self.folder / "objects" / sha256

    def has_object(self, sha256):
        return self.object_path(sha256).is_file()

    def add_object(self, content, expected=None):
        sha256 = hashlib.sha256(content).hexdigest()
        if expected is not None and sha256 != expected:
            raise HubError(400, f"the content's sha256 is {sha256}, not {expected}")
        self._replace(self.object_path(sha256), content)
        return sha256

    def _replace(self, path, content):
        handle, name = tempfile.mkstemp(dir=self.folder)
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        Path(name).replace(path)

    # repositories

    def _repo_path(self, kind, name):
        return self.folder / "repos" / f"{kind}--{name.replace('/', '--')}.json"

    def repo(self, kind, name):
        try:
            return json.loads(self._repo_path(kind, name).read_text())
        except FileNotFoundError:
            raise HubError(404, "Repository not found", "RepoNotFound") from None

    def exists(self, kind, name):
        return self._repo_path(kind, name).is_file()

    def _save(self, kind, name, repo):
        self._replace(self._repo_path(kind, name), json.dumps(repo).encode())

    def create(self, kind, name, private):
        with self.lock:
            if self.exists(kind, name):
                raise HubError(409, "You already created this dataset repo")
            repo = {"private": private, "commits": {}, "branches": {}, "tags": {}}
            repo["branches"]["main"] = EMPTY_OID
            repo["commits"][EMPTY_OID] = {"tree": {}, "parent": None, "title": ""}
            self._save(kind, name, repo)
            first = {".gitattributes": self.file_entry(GIT_ATTRIBUTES)}
            self._append(kind, name, repo, "main", first, "initial commit")

    def file_entry(self, content):
        sha256 = self.add_object(content)
        return {
            "sha256": sha256,
            "size": len(content),
            "oid": git_blob_oid(content),
            "lfs": False,
        }

    def lfs_entry(self, sha256):
        if not self.has_object(sha256):
            raise HubError(400, f"Your push was rejected: LFS object {sha256} was not uploaded")
        size = self.object_path(sha256).stat().st_size
        oid = git_blob_oid(lfs_pointer(sha256, size))
        return {"sha256": sha256, "size": size, "oid": oid, "lfs": True}

    def resolve(self, kind, name, revision):
        """The repository and the commit that a branch, tag or commit id stands for."""
        repo = self.repo(kind, name)
        oid = repo["branches"].get(revision) or repo["tags"].get(revision) or revision
        if oid not in repo["commits"]:
            raise HubError(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return repo, oid

    def tree(self, kind, name, revision="main"):
        repo, oid = self.resolve(kind, name, revision)
        return repo["commits"][oid]["tree"]

    def content(self, kind, name, path, revision="main"):
        return self.object_path(self.tree(kind, name, revision)[path]["sha256"]).read_bytes()

    def commit(self, kind, name, branch, operations, title, parent):
        """Apply all operations or none; returns the new commit's id."""
        with self.lock:
            repo = self.repo(kind, name)
            head = repo["branches"].get(branch)
            if head is None:
                raise HubError(404, f"Invalid rev id: {branch}", "RevisionNotFound")
            if parent is not None and parent != head:
                raise HubError(412, "A commit has happened since. Please refresh and try again.")
            tree = dict(repo["commits"][head]["tree"])
            for key, value in operations:
                self._apply(tree, key, value)
            return self._append(kind, name, repo, branch, tree, title)

    def _apply(self, tree, key, value):
        if key == "file":
            tree[value["path"]] = self.file_entry(value["bytes"])
        elif key == "lfsFile":
            tree[value["path"]] = self.lfs_entry(value["oid"])
        elif key == "deletedFile":
            if tree.pop(value["path"], None) is None:
                raise HubError(404, "A file with this name doesn't exist", "EntryNotFound")
        else:
            raise HubError(400, f"unknown operation {key}")

    def _append(self, kind, name, repo, branch, tree, title):
        parent = repo["branches"][branch]
        text = json.dumps([parent, tree, title, len(repo["commits"])], sort_keys=True)
        oid = hashlib.sha1(text.encode()).hexdigest()
        repo["commits"][oid] = {"tree": tree, "parent": parent, "title": title}
        repo["branches"][branch] = oid
        self._save(kind, name, repo)
        return oid

    def commits(self, kind, name, revision="main"):
        repo, oid = self.resolve(kind, name, revision)
        while oid != EMPTY_OID:
            commit = repo["commits"][oid]
            yield oid, commit["title"]
            oid = commit["parent"]

    def tag(self, kind, name, revision, tag):
        with self.lock:
            repo, oid = self.resolve(kind, name, revision)
            if tag in repo["tags"]:
                raise HubError(409, f'Tag reference "refs/tags/{tag}" already exists')
            repo["tags"][tag] = oid
            self._save(kind, name, repo)

"""A small Hub on loopback: the parts of the real HTTP API that huggingface_hub and datasets use.

    python tests/hub/loopback_hub.py FOLDER [PORT]    # then HF_ENDPOINT=http://127.0.0.1:PORT

Repository create, preupload, commit (NDJSON), LFS batch, upload and verify, tree, paths-info,
resolve (HEAD and GET, ETag, X-Repo-Commit, ranges), revision info, refs, tags, commits, whoami,
YAML check. Large files are redirected to another host name, as the real Hub redirects to its CDN.
There is no Xet: the clients are told so by HF_HUB_DISABLE_XET=1 and then use LFS.
"""

import base64
import json
import re
import sys
import threading
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

import yaml
from hub_store import LARGEST_REGULAR, LFS_ENDINGS, HubError, HubStore
from hub_transport import Transport

TOKEN = "hf_loopbackTokenThatMustNeverBePrinted"
PAGE = 1000
COMMIT_DATE = "2026-01-01T00:00:00.000Z"
KINDS = "models|datasets|spaces"
REPO = r"[^/]+/[^/]+?"


@dataclass
class LoopbackHub:
    """The server, its store, its faults and a log of all requests."""

    folder: object
    port: int = 0
    faults: list = field(default_factory=list)
    log: list = field(default_factory=list)

    def __post_init__(self):
        self.store = HubStore(self.folder)
        self.lock = threading.Lock()
        self.server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.server.daemon_threads = True
        self.server.hub = self
        self.port = self.server.server_address[1]
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.storage = f"http://localhost:{self.port}"
        self.tokens = {TOKEN: "org"}

    def start(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def take_fault(self, method, path):
        with self.lock:
            for fault in self.faults:
                if fault.meets(method, path):
                    fault.times -= 1
                    return fault
        return None

    def writes(self):
        """Requests that changed, or tried to change, what the Hub holds."""
        reading = re.compile(r"preupload|paths-info|validate-yaml|/objects/batch|lfs/verify")
        return [x for x in self.log if x.method in ("POST", "PUT") and not reading.search(x.path)]


class Handler(Transport):
    # who may do what

    def user(self):
        """The token's owner; None without a token; an error for a wrong one."""
        given = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if not given:
            return None
        if given not in self.hub.tokens:
            raise HubError(401, "Invalid credentials in Authorization header")
        return self.hub.tokens[given]

    def may_read(self, kind, name):
        user = self.user()
        if self.store.repo(kind, name)["private"] and user is None:
            raise HubError(401, "Repository not found", "RepoNotFound")

    def may_write(self, kind, name):
        user = self.user()
        if user is None:
            raise HubError(401, "Invalid username or password.")
        if user != name.split("/")[0]:
            raise HubError(403, f"You don't have the rights to write to {name}")
        self.store.repo(kind, name)

    # routes

    def dispatch(self, quoted):
        for method, pattern, handle in ROUTES:
            found = re.fullmatch(pattern, quoted)
            if found and self.method in method:
                handle(
                    self, **{name: unquote(part or "") for name, part in found.groupdict().items()}
                )
                return
        raise HubError(404, f"no such page: {self.method} {self.route}")

    def whoami(self):
        user = self.user()
        if user is None:
            raise HubError(401, "Invalid username or password.")
        self.answer_json({"type": "user", "name": user, "orgs": []})

    def validate_yaml(self):
        content = json.loads(self.body)["content"]
        try:
            yaml.safe_load(content.split("---\n")[1] if content.startswith("---\n") else "")
        except yaml.YAMLError as error:
            self.answer_json({"errors": [{"message": str(error)}], "warnings": []}, 400)
            return
        self.answer_json({"errors": [], "warnings": []})

    def create(self):
        wanted = json.loads(self.body)
        user = self.user()
        if user is None:
            raise HubError(401, "Invalid username or password.")
        kind = wanted.get("type", "model") + "s"
        name = f"{wanted.get('organization') or user}/{wanted['name']}"
        if name.split("/")[0] != user:
            raise HubError(403, f"You don't have the rights to create a repo under {name}")
        url = f"{self.hub.endpoint}/{'' if kind == 'models' else kind + '/'}{name}"
        if self.store.exists(kind, name):
            self.answer_json({"error": "You already created this repo", "url": url}, 409)
            return
        private = wanted.get("visibility") == "private" or wanted.get("private") is True
        self.store.create(kind, name, private)
        self.answer_json({"url": url, "name": name})

    def info(self, kind, name, revision="main"):
        self.may_read(kind, name)
        repo, oid = self.store.resolve(kind, name, revision or "main")
        tree = repo["commits"][oid]["tree"]
        siblings = [{"rfilename": path} for path in sorted(tree)]
        self.answer_json(
            {"id": name, "sha": oid, "private": repo["private"], "siblings": siblings, "tags": []}
        )

    def refs(self, kind, name):
        self.may_read(kind, name)
        repo = self.store.repo(kind, name)

        def listed(refs, place):
            return [
                {"name": ref, "ref": f"refs/{place}/{ref}", "targetCommit": oid}
                for ref, oid in sorted(refs.items())
            ]

        branches, tags = listed(repo["branches"], "heads"), listed(repo["tags"], "tags")
        self.answer_json({"branches": branches, "tags": tags, "converts": []})

    def commits(self, kind, name, revision):
        self.may_read(kind, name)
        self.answer_json(
            [
                {
                    "id": oid,
                    "title": title,
                    "message": "",
                    "authors": [],
                    "date": "2026-01-01T00:00:00.000Z",
                }
                for oid, title in self.store.commits(kind, name, revision)
            ]
        )

    def tree(self, kind, name, revision, folder=""):
        self.may_read(kind, name)
        entries = described(self.store.tree(kind, name, revision))
        recursive = self.query.get("recursive", ["false"])[0].lower() == "true"
        prefix = f"{folder}/" if folder else ""
        inside = [
            entry
            for path, entry in sorted(entries.items())
            if path.startswith(prefix) and (recursive or "/" not in path[len(prefix) :])
        ]
        if folder and not inside:
            raise HubError(404, f"{folder} does not exist", "EntryNotFound")
        start = int(self.query.get("cursor", ["0"])[0])
        headers = {}
        if len(inside) > start + PAGE:
            more = f"{self.hub.endpoint}{urlsplit(self.path).path}?recursive={recursive}"
            headers["Link"] = f'<{more}&cursor={start + PAGE}>; rel="next"'
        self.answer_json(inside[start : start + PAGE], headers=headers)

    def paths_info(self, kind, name, revision):
        self.may_read(kind, name)
        if "json" in self.headers.get("Content-Type", ""):
            wanted = json.loads(self.body)["paths"]
        else:
            wanted = parse_qs(self.body.decode()).get("paths", [])
        entries = described(self.store.tree(kind, name, revision))
        self.answer_json([entries[path] for path in wanted if path in entries])

    def preupload(self, kind, name, revision):
        self.may_write(kind, name)
        tree = self.store.tree(kind, name, revision)
        answer = []
        for file in json.loads(self.body)["files"]:
            large = file["path"].endswith(LFS_ENDINGS) or file["size"] > LARGEST_REGULAR
            known = tree.get(file["path"])
            oid = known and (known["sha256"] if known["lfs"] else known["oid"])
            mode = "lfs" if large else "regular"
            answer.append(
                {"path": file["path"], "uploadMode": mode, "shouldIgnore": False, "oid": oid}
            )
        self.answer_json({"files": answer})

    def lfs_batch(self, kind, name):
        kind = (kind or "models/").rstrip("/")
        self.may_write(kind, name)
        objects = []
        for item in json.loads(self.body)["objects"]:
            known = {"oid": item["oid"], "size": item["size"]}
            if not self.store.has_object(item["oid"]):
                upload = {"href": f"{self.hub.storage}/storage/{item['oid']}"}
                verify = {"href": f"{self.hub.endpoint}/api/lfs/verify/{item['oid']}"}
                known["actions"] = {"upload": upload, "verify": verify}
            objects.append(known)
        self.answer_json({"transfer": "basic", "objects": objects})

    def lfs_upload(self, sha256):
        self.store.add_object(self.body, expected=sha256)
        self.answer(b"")

    def lfs_verify(self, sha256):
        wanted = json.loads(self.body)
        path = self.store.object_path(sha256)
        if not path.is_file() or path.stat().st_size != wanted["size"]:
            raise HubError(404, "the object has not been uploaded")
        self.answer_json({})

    def commit(self, kind, name, revision):
        self.may_write(kind, name)
        lines = [json.loads(line) for line in self.body.splitlines() if line.strip()]
        header = next(line["value"] for line in lines if line["key"] == "header")
        operations = [(line["key"], line["value"]) for line in lines if line["key"] != "header"]
        for key, value in operations:
            if key == "file":
                value["bytes"] = base64.b64decode(value["content"])
        oid = self.store.commit(
            kind, name, revision, operations, header["summary"], header.get("parentCommit")
        )
        url = f"{self.hub.endpoint}/{kind}/{name}/commit/{oid}"
        self.answer_json({"success": True, "commitOid": oid, "commitUrl": url})

    def tag(self, kind, name, revision):
        self.may_write(kind, name)
        self.store.tag(kind, name, revision, json.loads(self.body)["tag"])
        self.answer_json({})

    def resolve(self, kind, name, revision, path):
        kind = (kind or "models/").rstrip("/")
        self.may_read(kind, name)
        repo, oid = self.store.resolve(kind, name, revision)
        headers = {"X-Repo-Commit": oid, "Accept-Ranges": "bytes"}
        entry = repo["commits"][oid]["tree"].get(path)
        if entry is None:
            headers.update({"X-Error-Code": "EntryNotFound", "X-Error-Message": "Entry not found"})
            self.answer(b"Entry not found", 404, headers)
        elif entry["lfs"]:
            headers["X-Linked-Etag"] = f'"{entry["sha256"]}"'
            headers["X-Linked-Size"] = str(entry["size"])
            headers["Location"] = f"{self.hub.storage}/storage/{entry['sha256']}"
            self.answer(b"", 302, headers)
        else:
            headers["ETag"] = f'"{entry["oid"]}"'
            self.send_object(entry["sha256"], headers)

    def storage(self, sha256):
        self.send_object(sha256, {"ETag": f'"{sha256}"', "Accept-Ranges": "bytes"})

    def send_object(self, sha256, headers):
        if not self.store.has_object(sha256):
            raise HubError(404, "no such object")
        content = self.store.object_path(sha256).read_bytes()
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not asked:
            self.answer(content, 200, headers)
            return
        first, last = int(asked[1]), min(int(asked[2] or len(content)), len(content) - 1)
        if first > last:
            raise HubError(416, "range not satisfiable")
        headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
        self.answer(content[first : last + 1], 206, headers)


def described(tree):
    """Files and folders of a tree in the API's words, by path."""
    entries = {}
    for path, file in tree.items():
        entries[path] = {k: file[k] for k in ("size", "oid")} | {"type": "file", "path": path}
        if file["lfs"]:
            lfs = {"oid": file["sha256"], "size": file["size"], "pointerSize": 130}
            entries[path]["lfs"] = lfs
        parts = path.split("/")[:-1]
        for depth in range(1, len(parts) + 1):
            folder = "/".join(parts[:depth])
            entries[folder] = {"type": "directory", "path": folder, "oid": "0" * 40, "size": 0}
    return entries


API = rf"/api/(?P<kind>{KINDS})/(?P<name>{REPO})"
LINK = rf"/(?P<kind>(?:datasets|spaces)/)?(?P<name>{REPO})"
ROUTES = [
    ("GET", "/api/whoami-v2", Handler.whoami),
    ("POST", "/api/validate-yaml", Handler.validate_yaml),
    ("POST", "/api/repos/create", Handler.create),
    ("POST", "/api/lfs/verify/(?P<sha256>[0-9a-f]{64})", Handler.lfs_verify),
    ("PUT", "/storage/(?P<sha256>[0-9a-f]{64})", Handler.lfs_upload),
    ("GET HEAD", "/storage/(?P<sha256>[0-9a-f]{64})", Handler.storage),
    ("GET", API + "/refs", Handler.refs),
    ("GET", API + "/revision/(?P<revision>[^/]+)", Handler.info),
    ("GET", API + "/commits/(?P<revision>[^/]+)", Handler.commits),
    ("GET", API + "/tree/(?P<revision>[^/]+)(?:/(?P<folder>.+))?", Handler.tree),
    ("POST", API + "/paths-info/(?P<revision>[^/]+)", Handler.paths_info),
    ("POST", API + "/preupload/(?P<revision>[^/]+)", Handler.preupload),
    ("POST", API + "/commit/(?P<revision>[^/]+)", Handler.commit),
    ("POST", API + "/tag/(?P<revision>[^/]+)", Handler.tag),
    ("GET", API, Handler.info),
    ("POST", LINK + r"\.git/info/lfs/objects/batch", Handler.lfs_batch),
    ("GET HEAD", LINK + "/resolve/(?P<revision>[^/]+)/(?P<path>.+)", Handler.resolve),
]


if __name__ == "__main__":
    hub = LoopbackHub(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    print(f"HF_ENDPOINT={hub.endpoint} HF_TOKEN={TOKEN} HF_HUB_DISABLE_XET=1", flush=True)
    hub.server.serve_forever()

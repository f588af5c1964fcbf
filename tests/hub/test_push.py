"""A push to the loopback Hub by the real client: what it writes, and what repeating it writes."""

import pytest
from hub_transport import Fault
from loopback_hub import TOKEN

from countenance.dataset_script.checksums import write_checksums

FILES = {
    "README.md",
    "croissant.json",
    "stats.json",
    "data/train-00000-of-00001.parquet",
    "data/test-00000-of-00001.parquet",
    "images/tags.png",
}


def without_git(files):
    return {path: content for path, content in files.items() if path != ".gitattributes"}


def test_a_push_makes_the_repository_in_one_commit_and_tags_it(
    push, hub, repo_id, folder, local, remote, commits
):
    report = push(folder, revision="v1")
    assert report["created"]
    assert set(report["uploaded"]) == FILES
    assert report["url"] == f"{hub.endpoint}/datasets/{repo_id}"
    assert without_git(remote()) == local()
    assert commits() == ["countenance dataset v1", "initial commit"]
    repo = hub.store.repo("datasets", repo_id)
    assert repo["tags"] == {"v1": repo["branches"]["main"]} == {"v1": report["commit"]}
    assert not repo["private"]


def test_the_default_tag_is_the_version_of_the_package(push, folder):
    from importlib.metadata import version

    assert push(folder)["tag"] == f"v{version('countenance')}"


def test_a_repeated_push_writes_nothing(push, hub, folder, commits):
    first = push(folder)
    hub.log.clear()
    second = push(folder)
    assert hub.writes() == []
    assert second["commit"] == first["commit"]
    assert second["unchanged"] == len(FILES)
    assert not second["tagged"]
    assert len(commits()) == 2


def test_only_what_changed_is_uploaded_again(push, hub, folder, local, remote, commits):
    push(folder, revision="v1")
    hub.log.clear()
    (folder / "data" / "test-00000-of-00001.parquet").write_bytes(b"PAR1 other PAR1")
    report = push(folder, revision="v2")
    assert report["uploaded"] == ["data/test-00000-of-00001.parquet"]
    assert [x.uploaded for x in hub.log if x.method == "PUT"] == [len(b"PAR1 other PAR1")]
    assert without_git(remote()) == local()
    assert without_git(remote("v1")) != local()
    assert commits()[:2] == ["countenance dataset v2", "countenance dataset v1"]


def test_what_the_folder_no_longer_has_goes_in_the_same_commit(
    push, folder, local, remote, commits
):
    push(folder, revision="v1")
    (folder / "data" / "train-00000-of-00001.parquet").unlink()
    (folder / "data" / "train-00000-of-00002.parquet").write_bytes(b"PAR1 a PAR1")
    (folder / "data" / "train-00001-of-00002.parquet").write_bytes(b"PAR1 b PAR1")
    report = push(folder, revision="v2")
    assert report["deleted"] == ["data/train-00000-of-00001.parquet"]
    assert without_git(remote()) == local()
    assert ".gitattributes" in remote()
    assert len(commits()) == 3


def test_hidden_files_stay_at_home(push, folder, remote):
    (folder / ".env").write_text("SECRET=1")
    (folder / ".cache").mkdir()
    (folder / ".cache" / "x").write_text("x")
    push(folder)
    assert set(remote()) == FILES | {".gitattributes"}


def test_a_dry_run_says_all_and_writes_nothing(push, hub, repo_id, folder):
    report = push(folder, dry_run=True, private=True)
    assert report["created"]
    assert report["private"]
    assert set(report["uploaded"]) == FILES
    assert report["commit"] is None
    assert report["uploaded_bytes"] == sum(p.stat().st_size for p in folder.rglob("*.*"))
    assert [x for x in hub.log if x.method != "GET"] == []
    assert not hub.store.exists("datasets", repo_id)


def test_a_dry_run_over_an_older_version_names_each_file(push, hub, folder):
    push(folder, revision="v1")
    hub.log.clear()
    (folder / "stats.json").write_text('{"items": 4}\n')
    (folder / "images" / "tags.png").unlink()
    report = push(folder, revision="v2", dry_run=True)
    assert (report["uploaded"], report["deleted"]) == (["stats.json"], ["images/tags.png"])
    assert [x for x in hub.log if x.method != "GET"] == []


def test_a_version_with_another_content_is_refused_before_anything_is_written(
    push, hub, repo_id, folder, remote
):
    push(folder, revision="v1")
    before = remote()
    hub.log.clear()
    (folder / "stats.json").write_text("{}")
    answer = push(folder, revision="v1")
    assert answer["kind"] == "PublishError"
    assert answer["error"].startswith(f"{repo_id}: version v1 exists already, with another content")
    assert "--revision" in answer["error"]
    assert hub.writes() == []
    assert remote() == before
    assert push(folder, revision="v1.1")["tagged"]


def test_a_version_that_main_has_left_behind_is_refused_too(push, folder):
    push(folder, revision="v1")
    old = (folder / "stats.json").read_text()
    (folder / "stats.json").write_text("{}")
    push(folder, revision="v2")
    (folder / "stats.json").write_text(old)
    assert "version v1 exists already" in push(folder, revision="v1")["error"]


def test_a_private_push_makes_a_private_repository(push, hub, repo_id, folder):
    assert push(folder, private=True)["private"]
    assert hub.store.repo("datasets", repo_id)["private"]
    assert push(folder)["private"]  # and it stays so


def test_private_never_passes_over_a_public_repository(push, hub, folder):
    push(folder, revision="v1")
    hub.log.clear()
    answer = push(folder, private=True, revision="v2")
    assert "exists and is public; --private only makes new repositories private" in answer["error"]
    assert hub.writes() == []


def test_a_repository_that_exists_and_is_empty_is_filled(push, hub, repo_id, folder, local, remote):
    hub.store.create("datasets", repo_id, private=False)
    assert not push(folder)["created"]
    assert without_git(remote()) == local()


def test_somebody_elses_work_is_never_deleted(push, hub, repo_id, folder, remote):
    hub.store.create("datasets", repo_id, private=False)
    other = {"path": "thesis/chapter1.tex", "bytes": b"my life's work"}
    hub.store.commit("datasets", repo_id, "main", [("file", other)], "thesis", None)
    answer = push(folder)
    assert "holds other files (thesis/chapter1.tex) and no dataset of ours" in answer["error"]
    assert remote()["thesis/chapter1.tex"] == b"my life's work"


def test_somebody_elses_model_is_never_deleted(push, hub, repo_id, tmp_path, remote):
    hub.store.create("models", repo_id, private=False)
    for name in ("config.json", "model.safetensors", "vocab.txt"):
        other = {"path": name, "bytes": b"somebody's BERT"}
        hub.store.commit("models", repo_id, "main", [("file", other)], name, None)
    checkpoint = tmp_path / "checkpoint"
    checkpoint.mkdir()
    for name in ("README.md", "config.json", "model.safetensors", "modeling_countenance.py"):
        (checkpoint / name).write_text(f"{{}} {name}")
    answer = push(checkpoint, what="model")
    assert "and no model of ours, which a push would delete" in answer["error"]
    assert remote(kind="models")["vocab.txt"] == b"somebody's BERT"


def test_a_damaged_dataset_is_refused_without_a_request(push, hub, folder):
    write_checksums(folder)
    (folder / "stats.json").write_text("{}")
    answer = push(folder)
    assert "stats.json: not as it was written (SHA-256 differs)" in answer["error"]
    assert hub.log == []


def test_a_model_is_pushed_the_same_way(push, hub, repo_id, tmp_path, remote):
    checkpoint = tmp_path / "checkpoint"
    checkpoint.mkdir()
    for name in ("README.md", "config.json", "model.safetensors", "modeling_countenance.py"):
        (checkpoint / name).write_text(f"{{}} {name}")
    report = push(checkpoint, what="model", revision="v1")
    assert report["url"] == f"{hub.endpoint}/{repo_id}"
    assert remote(kind="models")["model.safetensors"] == b"{} model.safetensors"
    assert push(checkpoint, what="model", revision="v1")["unchanged"] == 4


@pytest.mark.parametrize(("what", "way"), [("dataset", "build"), ("model", "train")])
def test_a_folder_of_another_kind_is_refused_without_a_request(push, hub, tmp_path, what, way):
    answer = push(tmp_path, what=what)
    assert f"no {what} folder (README.md is missing)" in answer["error"]
    assert f"'countenance {way}'" in answer["error"]
    assert hub.log == []


def test_the_token_is_sent_and_never_shown(push, hub, driver, folder):
    push(folder)
    assert all(x.authorized for x in hub.writes() if not x.path.startswith("/storage/"))
    assert not any(x.authorized for x in hub.log if x.path.startswith("/storage/"))
    hub.faults.append(Fault("status", status=400, path="/commit/"))
    (folder / "stats.json").write_text("{}")
    assert TOKEN not in push(folder, revision="v2", token=TOKEN)["error"]

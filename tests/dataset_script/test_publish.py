"""What a push checks before it asks the Hub anything, and what it finds to do."""

import hashlib

import pytest
from huggingface_hub.hf_api import RepoFile
from hypothesis import given, settings
from hypothesis import strategies as st

from countenance.dataset_script.hub_upload import compare, local_files
from countenance.dataset_script.publish import push_dataset, push_model
from countenance.errors import PublishError


@pytest.fixture
def folder(tmp_path):
    for name in ("README.md", "croissant.json", "stats.json"):
        (tmp_path / name).write_text("x")
    return tmp_path


def remote_file(path, content, large):
    git = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    lfs = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 130}
    return RepoFile(path=path, size=len(content), oid=git, lfs=lfs if large else None)


@pytest.mark.parametrize(
    "name",
    [
        "faces",
        "datasets/me/faces",
        "me/",
        "/faces",
        "me/fa ces",
        "me/../x",
        "me/-x",
        "",
        "me/x.git",
    ],
)
def test_a_name_that_is_no_repository_is_refused(folder, name):
    with pytest.raises(PublishError, match="expected OWNER/NAME of letters, digits"):
        push_dataset(folder, name)


@pytest.mark.parametrize(
    "tag", ["main", "a b", "-v1", "v1..2", "v1.", "x.lock", "refs/heads/main", "v~1", "v" * 101]
)
def test_a_tag_that_git_would_not_take_is_refused(folder, tag):
    with pytest.raises(PublishError, match=r"expected the name of a version, such as v1\.0"):
        push_dataset(folder, "me/faces", revision=tag)


@pytest.mark.parametrize(
    ("push", "missing"), [(push_dataset, "stats.json"), (push_model, "config.json")]
)
def test_a_folder_of_another_kind_is_refused(tmp_path, push, missing):
    (tmp_path / "README.md").write_text("x")
    with pytest.raises(PublishError, match=f"folder \\({missing} is missing\\); make one with"):
        push(tmp_path, "me/faces")


def test_a_link_out_of_the_folder_is_refused(folder, tmp_path_factory):
    secret = tmp_path_factory.mktemp("elsewhere") / "id_rsa"
    secret.write_text("secret")
    (folder / "notes.txt").symlink_to(secret)
    with pytest.raises(PublishError, match=r"notes\.txt: leads out of the folder"):
        push_dataset(folder, "me/faces")


def test_offline_is_said_in_one_line(folder):
    with pytest.raises(PublishError, match="HF_HUB_OFFLINE is set"):
        push_dataset(folder, "me/faces", token="hf_x")


CONTENTS = st.dictionaries(st.sampled_from("abcdef"), st.binary(max_size=8), max_size=6)


@settings(deadline=None)
@given(CONTENTS, CONTENTS, st.booleans())
def test_the_change_turns_the_repository_into_the_folder(tmp_path_factory, here, there, large):
    folder = tmp_path_factory.mktemp("f")
    for path, content in here.items():
        (folder / path).write_bytes(content)
    remote = {path: remote_file(path, content, large) for path, content in there.items()}
    change = compare(local_files(folder), remote)
    after = {path: content for path, content in there.items() if path not in change.delete}
    after |= {path: here[path] for path in change.upload}
    assert after == here
    assert all(there.get(path) != here[path] for path in change.upload)
    assert change.unchanged == len(here) - len(change.upload)


def test_the_hubs_own_file_is_never_deleted(folder):
    remote = {".gitattributes": remote_file(".gitattributes", b"*.png", False)}
    assert compare(local_files(folder), remote).delete == ()

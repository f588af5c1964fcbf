"""What can go wrong ends in another attempt or one clear line; main is never half done."""

import pytest
from hub_transport import Fault

STEPS = {
    "look": ("GET", "/api/datasets/"),
    "create": ("POST", "/api/repos/create"),
    "yaml": ("POST", "/api/validate-yaml"),
    "preupload": ("POST", "/preupload/"),
    "batch": ("POST", "/objects/batch"),
    "upload": ("PUT", "/storage/"),
    "verify": ("POST", "/lfs/verify/"),
    "commit": ("POST", "/commit/"),
    "tag": ("POST", "/tag/"),
}


def fault(step, kind="status", **settings):
    method, path = STEPS[step]
    return Fault(kind, method=method, path=path, **settings)


def whole(files, local):
    return {path: content for path, content in files.items() if path != ".gitattributes"} == local()


@pytest.fixture
def as_before(push, hub, folder, remote, commits):
    """Publish v1, change the folder; afterwards main is the old revision or the new one, whole."""
    push(folder, revision="v1")
    old = remote(), commits()
    (folder / "stats.json").write_text('{"items": 4}\n')
    (folder / "README.md").write_text("---\nlicense: other\n---\n# new faces\n")
    (folder / "data" / "test-00000-of-00001.parquet").write_bytes(str(folder).encode() * 20_000)
    hub.log.clear()
    return lambda: (remote(), commits()) == old


@pytest.mark.parametrize("kind", ["status", "drop_upload", "drop_answer"])
@pytest.mark.parametrize("step", STEPS)
def test_a_fault_that_passes_is_tried_again(push, hub, folder, local, remote, commits, step, kind):
    hub.faults.append(fault(step, kind, times=2, status=503))
    report = push(folder)
    assert "error" not in report
    assert whole(remote(), local)
    assert len(commits()) == 2
    assert hub.faults[0].times < 2
    assert hub.store.repo("datasets", report["repo_id"])["tags"] == {
        report["tag"]: report["commit"]
    }


@pytest.mark.parametrize("step", [step for step in STEPS if step != "create"])
def test_errors_without_end_are_one_line(
    push, hub, repo_id, folder, as_before, local, remote, step
):
    hub.faults.append(fault(step))
    answer = push(folder, revision="v2")
    assert answer["kind"] == "PublishError"
    assert answer["error"] == (
        f"{repo_id}: the Hub answers with error 500, several times; nothing is half done, push "
        "again later"
    )
    assert as_before() or (step == "tag" and whole(remote(), local))
    hub.faults.clear()
    assert push(folder, revision="v2")["tagged"]
    assert whole(remote(), local)


@pytest.mark.parametrize("step", ["look", "upload", "commit"])
def test_a_connection_that_is_always_cut_is_one_line(push, hub, folder, as_before, step):
    hub.faults.append(fault(step, "drop_upload"))
    answer = push(folder, revision="v2")
    assert answer["kind"] == "PublishError"
    assert f"the connection to {hub.endpoint} is lost or cannot be made" in answer["error"]
    assert "\n" not in answer["error"]
    assert as_before()


def test_a_commit_whose_answer_is_lost_is_not_made_twice(push, hub, folder, as_before, commits):
    hub.faults.append(fault("commit", "drop_answer"))
    report = push(folder, revision="v2")
    assert "error" not in report
    assert commits() == ["countenance dataset v2", "countenance dataset v1", "initial commit"]
    assert len([x for x in hub.log if "/commit/" in x.path]) == 1


def test_somebody_elses_commit_in_between_is_seen(push, hub, repo_id, folder, local, remote):
    """Nothing is taken on top of a commit that was not compared with the folder."""
    push(folder, revision="v1")
    (folder / "stats.json").write_text("{}")
    note = {"path": "note.txt", "bytes": b"hello"}
    commit, done = hub.store.commit, []

    def overtaken(*arguments):
        if not done:
            done.append(commit("datasets", repo_id, "main", [("file", note)], "note", None))
        return commit(*arguments)

    hub.store.commit = overtaken
    try:
        report = push(folder, revision="v2")
    finally:
        del hub.store.commit
    assert report["commit"] == hub.store.repo("datasets", repo_id)["branches"]["main"]
    assert whole(remote(), local)


@pytest.mark.parametrize("step", ["look", "create", "preupload", "commit", "tag"])
def test_a_refused_token_is_one_line_that_says_what_to_do(push, hub, repo_id, folder, step):
    hub.faults.append(fault(step, status=401))
    answer = push(folder)
    assert answer["kind"] == "PublishError"
    assert answer["error"].startswith(f"{repo_id}: ")
    assert "token" in answer["error"]
    assert "\n" not in answer["error"]


def test_a_wrong_token_is_one_line_and_is_not_in_it(push, hub, repo_id, folder):
    answer = push(folder, token="hf_wrongTokenOfSomebody")
    assert answer["error"] == (
        f"{repo_id}: the Hub does not accept the access token (401); run 'hf auth login', or set "
        "HF_TOKEN to a token that may write"
    )
    assert not hub.store.exists("datasets", repo_id)


def test_another_owners_name_is_refused_by_name(driver, hub, folder):
    answer = driver.push(folder, "stranger/faces")
    assert answer["error"] == "stranger/faces: this token may not write to stranger (403)"


def test_a_card_with_broken_yaml_never_arrives(push, hub, repo_id, folder, as_before):
    (folder / "README.md").write_text("---\nlicense: [other\n---\n# faces\n")
    answer = push(folder, revision="v2")
    assert "the Hub refuses (Invalid metadata in README.md" in answer["error"]
    assert "\n" not in answer["error"]
    assert as_before()

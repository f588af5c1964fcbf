"""A built dataset to the Hub and back: by our command there, by `load_dataset` alone back."""

import json
import subprocess
import sys

import pytest
from loopback_hub import TOKEN

NAME = "org/round-trip"

LOAD = """
import hashlib, json, sys
sys.modules['countenance'] = None
import datasets
from huggingface_hub import HfFileSystem, snapshot_download
datasets.disable_progress_bars()
name = sys.argv[1]
found = {}
for config in datasets.get_dataset_config_names(name):
    whole = datasets.load_dataset(name, config)
    found[config] = {
        split: {
            'rows': table.to_list(),
            'streamed': list(datasets.load_dataset(name, config, split=split, streaming=True)),
            'features': str(table.features),
        }
        for split, table in whole.items()
    }
again = datasets.load_dataset(name, revision='v1.0')
files = HfFileSystem()
parquet = {
    path.split('/', 3)[3]: hashlib.sha256(files.read_bytes(path)).hexdigest()
    for path in files.glob(f'datasets/{name}/**/*.parquet')
}
folder = snapshot_download(name, repo_type='dataset', revision='v1.0')
print(json.dumps([found, again.num_rows, parquet, folder]))
"""


@pytest.fixture(scope="module")
def built(sample_run, tmp_path_factory):
    from countenance.cards import render_dataset_card
    from countenance.dataset_script import build_dataset

    out = tmp_path_factory.mktemp("built") / "dataset"
    build_dataset(sample_run, out, render_card=render_dataset_card)
    return out


def command(*arguments, environment):
    code = "import sys; from countenance.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        env=environment,
    )


@pytest.fixture(scope="module")
def pushed(built, running_hub, hub_environment):
    running_hub.faults.clear()
    arguments = ("push", "dataset", built, NAME, "--revision", "v1.0", "--json")
    result = command(*arguments, environment=hub_environment)
    assert result.returncode == 0, result.stderr
    return result


@pytest.fixture(scope="module")
def loaded(pushed, hub_environment):
    """What a process says that has no package of ours and only knows the name."""
    result = subprocess.run(
        [sys.executable, "-c", LOAD, NAME],
        capture_output=True,
        text=True,
        env={**hub_environment, "HF_TOKEN": ""},
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def as_json(path):
    import pyarrow.parquet as pq

    return json.loads(json.dumps(pq.read_table(path).to_pylist()))


def test_every_config_and_split_comes_back_row_by_row(built, loaded):
    from datasets import get_dataset_config_names, load_dataset

    found = loaded[0]
    assert sorted(found) == sorted(get_dataset_config_names(str(built)))
    for config, splits in found.items():
        local = load_dataset(str(built), config)
        assert sorted(splits) == sorted(local) == ["test", "train"]
        for split, table in local.items():
            assert splits[split]["features"] == str(table.features)
            assert splits[split]["rows"] == json.loads(json.dumps(table.to_list()))
            assert splits[split]["streamed"] == splits[split]["rows"]


def test_the_tag_opens_the_same_rows(loaded):
    found, by_tag = loaded[:2]
    assert by_tag == {split: len(table["rows"]) for split, table in found["default"].items()}


def test_parquet_and_everything_else_is_the_same_byte_by_byte(built, loaded):
    import hashlib
    from pathlib import Path

    parquet, snapshot = loaded[2:]
    files = {
        path.relative_to(built).as_posix(): path.read_bytes()
        for path in built.rglob("*")
        if path.is_file()
    }
    assert parquet == {
        path: hashlib.sha256(content).hexdigest()
        for path, content in files.items()
        if path.endswith(".parquet")
    }
    for path, content in files.items():
        assert (Path(snapshot) / path).read_bytes() == content


def test_the_command_prints_one_object_and_no_token(pushed):
    report = json.loads(pushed.stdout)
    assert (report["repo_id"], report["tag"]) == (NAME, "v1.0")
    assert TOKEN not in pushed.stdout + pushed.stderr


def test_the_command_repeated_says_that_all_was_there(pushed, built, hub_environment):
    arguments = ("push", "dataset", built, NAME, "--revision", "v1.0")
    result = command(*arguments, environment=hub_environment)
    assert result.stdout.endswith("unchanged, tag v1.0 was there\n")
    assert result.stderr == ""


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"HF_TOKEN": ""}, "no access token is set; run 'hf auth login', or set HF_TOKEN"),
        ({"HF_TOKEN": "hf_wrong"}, "the Hub does not accept the access token (401)"),
        ({"HF_HUB_OFFLINE": "1"}, "HF_HUB_OFFLINE is set; unset it to reach the Hub"),
        ({"HF_ENDPOINT": "http://127.0.0.1:9"}, "is lost or cannot be made"),
    ],
    ids=["no token", "wrong token", "offline", "nobody there"],
)
def test_the_command_fails_in_one_line(built, hub_environment, change, line):
    result = command(
        *("push", "dataset", built, "org/never"), environment={**hub_environment, **change}
    )
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.startswith("countenance: error: org/never: ")
    assert line in result.stderr
    assert result.stderr.count("\n") == 1
    assert "hf_wrong" not in result.stderr


def test_a_dry_run_of_the_command_lists_the_files(built, hub_environment, hub):
    arguments = ("push", "dataset", built, "org/not-yet", "--dry-run", "--private")
    result = command(*arguments, environment=hub_environment)
    assert "upload  data/train-00000-of-00001.parquet\n" in result.stdout
    assert "/datasets/org/not-yet: would be created (private), " in result.stdout
    assert not hub.store.exists("datasets", "org/not-yet")

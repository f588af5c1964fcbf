"""From a real run to a folder that `load_dataset` opens with no code of ours."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countenance.au_mapping import load_mapping
from countenance.cards import render_dataset_card
from countenance.dataset_script import build_dataset, dataset_features, stratified_split
from countenance.dataset_script.features import EMOTIONS
from countenance.errors import DatasetError, RunError
from countenance.generation import (
    RECORD_KEYS,
    emotion_names,
    part_checksums,
    read_records,
    write_json,
)
from countenance.generation.run_store import RunStore


def build(run, out, **settings):
    return build_dataset(run, out, render_card=render_dataset_card, **settings)


@pytest.fixture(scope="session")
def dataset(sample_run, tmp_path_factory):
    out = tmp_path_factory.mktemp("datasets") / "sample"
    build(sample_run, out)
    return out


def hashes(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_the_columns_are_the_record_and_the_blendshapes():
    features = dataset_features(emotion_names())
    assert set(features) == {*RECORD_KEYS, "blendshapes", "group", "validation"}
    assert features["blendshapes"].length == 51
    assert features["emotions"].feature.names == list(emotion_names())


def test_load_dataset_opens_it_without_our_package(dataset, private_caches):
    """In a fresh process that could not import countenance even if it tried."""
    code = (
        "import sys; sys.modules['countenance'] = None\n"
        "import json, datasets\n"
        "d = datasets.load_dataset(sys.argv[1])\n"
        "row = d['test'][0]\n"
        "columns, width = d['train'].column_names, len(row['blendshapes'])\n"
        "print(json.dumps([sorted(d), d.num_rows, columns, width]))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, str(dataset)], capture_output=True, text=True, check=True
    )
    splits, rows, columns, width = json.loads(result.stdout)
    assert splits == ["test", "train"]
    assert sum(rows.values()) == 60
    assert columns == list(dataset_features(emotion_names()))
    assert width == 51


def test_every_blendshape_vector_follows_from_its_action_units(dataset, sample_run):
    from datasets import load_dataset

    loaded = load_dataset(str(dataset))
    mapping = load_mapping("v1")
    names = emotion_names()
    expected = {record["id"]: record for record in read_records(sample_run)}
    for split in loaded.values():
        for row in split:
            weights = np.array(row["blendshapes"], dtype=np.float32)
            assert (weights == mapping.to_blendshapes(row["action_units"])).all()
            record = expected.pop(row["id"])
            for key in RECORD_KEYS:
                named = [names[tag] for tag in row[key]] if key in EMOTIONS else row[key]
                assert named == record[key]
    assert not expected


def test_the_same_run_gives_the_same_bytes(dataset, sample_run, tmp_path):
    build(sample_run, tmp_path / "again")
    assert hashes(tmp_path / "again") == hashes(dataset)


def test_the_order_of_annotation_does_not_matter(dataset, sample_run, tmp_path):
    run = shuffled_copy(sample_run, tmp_path / "run", lambda records: records[::-1])
    build(run, tmp_path / "again")
    assert hashes(tmp_path / "again") == hashes(dataset)


def shuffled_copy(run, target, change):
    identity = json.loads((run / "manifest.json").read_text("utf-8"))["identity"]
    records = change(list(read_records(run)))
    with RunStore(target, identity) as store:
        for record in records:
            store.append(record)
    statistics = json.loads((run / "stats.json").read_text("utf-8"))
    counts = {"accepted": len(records), "parts": part_checksums(target)}
    write_json(target / "stats.json", {**statistics, **counts})
    return target


def test_the_card_states_what_is_in_the_folder(dataset):
    card = (dataset / "README.md").read_text("utf-8")
    statistics = json.loads((dataset / "stats.json").read_text("utf-8"))
    assert card.startswith("---\nlicense: other\n")
    assert f"| items | {statistics['train_items']} | {statistics['test_items']} | 60 |" in card
    assert statistics["train_items"] + statistics["test_items"] == 60
    assert statistics["sources"][0]["licence"] == "CC0-1.0"


def test_an_older_dataset_is_replaced_whole(sample_run, tmp_path):
    out = tmp_path / "dataset"
    build(sample_run, out)
    (out / "data" / "train-00007-of-00009.parquet").write_bytes(b"left over")
    build(sample_run, out)
    assert len(list((out / "data").iterdir())) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["dataset"]


def test_a_failure_leaves_the_older_dataset_and_nothing_else(sample_run, tmp_path):
    out = tmp_path / "dataset"
    build(sample_run, out)
    before = hashes(out)

    def no_card(_statistics):
        raise OSError(28, "No space left on device")

    with pytest.raises(
        DatasetError, match="cannot write the dataset \\(No space left on device\\)"
    ):
        build_dataset(sample_run, out, render_card=no_card)
    assert hashes(out) == before
    assert [path.name for path in tmp_path.iterdir()] == ["dataset"]


def test_bad_places_are_named(sample_run, tmp_path):
    (tmp_path / "thesis.txt").write_text("x")
    with pytest.raises(DatasetError, match="holds other files and no dataset of ours"):
        build(sample_run, tmp_path)
    with pytest.raises(DatasetError, match="is a file; --out must name a folder"):
        build(sample_run, tmp_path / "thesis.txt")
    with pytest.raises(DatasetError, match="cannot write the dataset"):
        build(sample_run, Path("/proc/dataset"))


@pytest.mark.parametrize("stranger", ["thesis.tex", ".git"])
def test_a_folder_with_more_than_a_dataset_is_never_replaced(sample_run, tmp_path, stranger):
    out = tmp_path / "dataset"
    build(sample_run, out)
    (out / stranger).write_text("do not lose me")
    with pytest.raises(DatasetError, match="holds other files"):
        build(sample_run, out)
    assert (out / stranger).read_text() == "do not lose me"


def test_a_run_is_never_replaced_by_a_dataset(sample_run, tmp_path):
    run = shuffled_copy(sample_run, tmp_path / "run", lambda records: records)
    before = hashes(run)
    for source in (run, sample_run):
        with pytest.raises(DatasetError, match="holds other files"):
            build(source, run)
    assert hashes(run) == before


def test_a_linked_folder_is_replaced_behind_its_link(sample_run, tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    build(sample_run, tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "README.md").is_file()


def test_what_is_no_run_is_refused(tmp_path):
    with pytest.raises(RunError, match="not a run folder"):
        build(tmp_path / "nothing", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_unfinished_run_is_refused(sample_run, tmp_path):
    run = shuffled_copy(sample_run, tmp_path / "run", lambda records: records[:30])
    statistics = json.loads((run / "stats.json").read_text("utf-8"))
    write_json(run / "stats.json", {**statistics, "accepted": 60})
    with pytest.raises(DatasetError, match=r"unfinished run \(30 records, 60 at its last end\)"):
        build(run, tmp_path / "out")


def test_an_unsound_record_is_named(sample_run, tmp_path):
    def spoil(records):
        return [{**records[0], "emotions": ["glee"]}, *records[1:]]

    run = shuffled_copy(sample_run, tmp_path / "run", spoil)
    with pytest.raises(DatasetError, match=r"record [0-9a-f]{16}: unknown_emotion: glee"):
        build(run, tmp_path / "out")


def test_too_few_items_cannot_be_split(sample_run, tmp_path):
    run = shuffled_copy(sample_run, tmp_path / "run", lambda records: records[:3])
    with pytest.raises(DatasetError, match="3 items cannot be split 80/20"):
        build(run, tmp_path / "out")


TAGS = st.lists(
    st.lists(st.sampled_from(emotion_names()), min_size=1, max_size=3, unique=True),
    min_size=5,
    max_size=200,
)


@given(TAGS, st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_any_items_are_split_the_same_way_twice(tags, seed):
    first = stratified_split(tags, seed=seed)
    assert (first == stratified_split(tags, seed=seed)).all()
    assert first.sum() == round(0.2 * len(tags))


def test_every_tag_is_split_80_20():
    draws = np.random.default_rng(0)
    names = emotion_names()
    tags = [
        list(draws.choice(names, size=draws.integers(1, 4), replace=False)) for _ in range(3000)
    ]
    in_test = stratified_split(tags, seed=1)
    for name in names:
        member = np.array([name in item for item in tags])
        assert in_test[member].mean() == pytest.approx(0.2, abs=0.01)

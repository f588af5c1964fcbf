"""The language of the checks: what it means, and that nothing else is accepted."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from countenance.benchmarks._checks import SHAPES, parse_check, parse_expression
from countenance.errors import TableError


def face(**weights):
    vector = np.zeros((1, len(SHAPES)), dtype=np.float32)
    for name, weight in weights.items():
        vector[0, SHAPES.index(name)] = weight
    return vector


WINK = face(eyeBlinkLeft=0.8, eyeBlinkRight=0.2, jawOpen=0.4)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("eyeBlinkLeft", 0.8),
        ("eyeBlink", 0.5),
        ("jawOpen", 0.4),
        ("0.25", 0.25),
        ("1", 1.0),
        ("eyeBlinkLeft - eyeBlinkRight + 0.1", 0.7),
        ("eyeBlinkLeft - (eyeBlinkRight + 0.1)", 0.5),
        ("2 * eyeBlink", 1.0),
        ("0.5 * (eyeBlinkLeft + jawOpen)", 0.6),
        ("sum(eyeBlink)", 1.0),
        ("sum(eyeBlink, jawOpen)", 1.4),
        ("mean(eyeBlinkLeft, jawOpen)", 0.6),
        ("max(eyeBlink)", 0.8),
        ("min(eyeBlink)", 0.2),
        ("max(all)", 0.8),
        ("sum(left)", 0.8),
        ("sum(right)", 0.2),
    ],
)
def test_a_sum_of_shapes_has_a_value(text, value):
    assert parse_expression(text)(WINK) == pytest.approx([value])


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("eyeBlinkLeft > 0.5", True),
        ("eyeBlinkLeft > eyeBlinkRight + 0.3", True),
        ("eyeBlinkLeft > eyeBlinkRight + 0.7", False),
        ("0.1 < eyeBlinkRight < 0.3", True),
        ("0.1 < eyeBlinkLeft < 0.3", False),
        ("0.5 <= 0.5", True),
        ("0.5 >= 0.5", True),
        ("0.5 < 0.5", False),
        ("0.5 > 0.5", False),
    ],
)
def test_a_check_holds_or_not(text, holds):
    assert parse_check(text).holds(WINK).tolist() == [holds]


def test_a_check_judges_many_faces_at_once():
    faces = np.concatenate([face(), WINK, face(jawOpen=1.0)])
    assert parse_check("jawOpen > 0.3").holds(faces).tolist() == [False, True, True]


def test_a_check_explains_itself_by_its_values():
    told = parse_check("eyeBlinkLeft > eyeBlinkRight + 0.7").explain(WINK[0])
    assert told == "eyeBlinkLeft > eyeBlinkRight + 0.7 (0.80, 0.90)"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("jawOpen", "compares nothing"),
        ("jawOpen == 0.3", "compare with >, >=, < or <= only"),
        ("jawOpen in all", "compare with >, >=, < or <= only"),
        ("jawOpen >", "cannot be read"),
        ("", "cannot be read"),
        ("jawOpne > 0.3", "'jawOpne' is not understood"),
        ("jaw > 0.3", "'jaw' is not understood"),
        ("max(mouth) > 0.3", "'mouth' is no blendshape"),
        ("all > 0.3", "'all' is not understood"),
        ("left > right", "'left' is not understood"),
        ("max() > 0.3", r"'max\(\)' is not understood"),
        ("median(jawOpen) > 0.3", "is not understood"),
        ("max(jawOpen, 0.2) > 0.3", "'0.2' is no blendshape"),
        ("max(jawOpne) > 0.3", "'jawOpne' is no blendshape"),
        ("jawOpen * 2 > 0.3", "is not understood"),
        ("jawOpen / 2 > 0.3", "is not understood"),
        ("True > 0.3", "'True' is not understood"),
        ("'a' > 0.3", "is not understood"),
        ("jawOpen.real > 0.3", "is not understood"),
        ("__import__('os') > 0.3", "is not understood"),
        ("(lambda: 1)() > 0.3", "is not understood"),
        ("(jawOpen > 0.1) > 0.3", "is not understood"),
        ("not jawOpen > 0.3", "compares nothing"),
    ],
)
def test_anything_else_is_refused_by_name(text, message):
    with pytest.raises(TableError, match=message):
        parse_check(text)


@given(st.text(max_size=40))
def test_no_text_does_anything_but_parse_or_be_refused(text):
    try:
        holds = parse_check(text).holds(WINK)
    except TableError:
        return
    assert holds.shape == (1,)
